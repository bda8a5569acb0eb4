//! Clients that do what they like, right or wrong, against one shard that is reloaded now and then. `SEEDS=n` runs more of them,
//! `SEED=n` one again. What must hold: every request is answered once, a generation has one leader and one protocol and never
//! comes back, an assignment is what that generation's leader sent, an offset that was acknowledged is there, and the log gives
//! the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::HeartbeatRequest;
use barnabas_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use barnabas_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use barnabas_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use barnabas_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use barnabas_types::{Now, ProducerId, Timestamp, Uuid};

use crate::group::{ClassicGroup, Concerned, Context, Event, GroupConfig, GroupShard, Phase, Request, Response};
use crate::{Effects, Input, Record, Replayed, ReplyToken, Shard};

const CLIENTS: usize = 5;
const STEPS: usize = 400;
/// Longer than every timeout that the clients ask for.
const QUIET_MS: u64 = 1_000_000;

/// SplitMix64: enough chance for a test, the same on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// What a client believes.
#[derive(Clone, Default)]
struct Client {
    member_id: String,
    generation: i32,
    /// As the leader of its generation: all members.
    members: Vec<String>,
}

/// What a generation is known to be.
#[derive(Default)]
struct Generation {
    leader: String,
    protocol: Option<String>,
    /// Assignments the leader has sent; only the first may take effect.
    sent: BTreeSet<String>,
}

enum Asked {
    Join(usize),
    Sync(i32),
    Commit(i64),
    Other,
}

struct World {
    chance: Chance,
    shard: GroupShard,
    log: Vec<Record>,
    now_ms: u64,
    next: u64,
    waiting: BTreeMap<ReplyToken, Asked>,
    clients: Vec<Client>,
    generations: BTreeMap<i32, Generation>,
    newest: i32,
    acknowledged: i64,
    /// What a recording would play, begun now and then.
    shadow: Option<Shadow>,
    /// Assignments that were handed out, so that a run in which nothing happens does not pass.
    assigned: u64,
}

/// A shard that has nothing but what inputs concern, as a recording has.
struct Shadow {
    shard: GroupShard,
    /// And whether with offsets.
    known: BTreeMap<Arc<str>, bool>,
}

impl Shadow {
    /// What comes of `input`, of which `whole` knows everything.
    fn handle(&mut self, whole: &GroupShard, input: &Input<Request>, now: Now) -> String {
        let concerned = whole.concerned(input, now);
        let (ids, with_offsets) = match &concerned {
            Concerned::Nothing => (BTreeSet::new(), false),
            Concerned::Groups { ids, with_offsets, .. } => (ids.clone(), *with_offsets),
            Concerned::All => (whole.group_ids(), true),
        };
        for id in ids {
            let known = self.known.get(&id).copied();
            if known.is_none_or(|known| with_offsets && !known) {
                self.shard.put(whole.part(&id, with_offsets), known.is_none());
                self.known.insert(id, with_offsets);
            }
        }
        if concerned == Concerned::All {
            self.shard.set_expiration_due(whole.expiration_due());
        }
        let input = match input {
            Input::Loaded => Input::Loaded,
            Input::Request { token, request } => Input::Request { token: *token, request: request.clone() },
            Input::Tick => Input::Tick,
            Input::TopicsDeleted(topics) => Input::TopicsDeleted(topics.clone()),
        };
        let mut effects: Effects<Response, Event> = Effects::default();
        self.shard.handle(input, now, &mut effects);
        format!("{effects:?}")
    }
}

fn config() -> GroupConfig {
    GroupConfig { max_size: 4, initial_rebalance_delay_ms: 500, max_pending_members: 3, ..GroupConfig::default() }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            chance: Chance(seed),
            shard: GroupShard::new(config()),
            log: Vec::new(),
            now_ms: 1,
            next: 0,
            waiting: BTreeMap::new(),
            clients: vec![Client::default(); CLIENTS],
            generations: BTreeMap::new(),
            newest: 0,
            acknowledged: -1,
            shadow: None,
            assigned: 0,
        };
        world.handle(Input::Loaded);
        world
    }

    fn handle(&mut self, input: Input<Request>) {
        let now = Now { monotonic: Duration::from_millis(self.now_ms), wall: Timestamp(self.now_ms as i64) };
        if self.chance.one_in(60) {
            self.shadow = Some(Shadow { shard: GroupShard::framed(self.shard.frame()), known: BTreeMap::new() });
        }
        let shadowed = self.shadow.as_mut().map(|shadow| shadow.handle(&self.shard, &input, now));
        let is_request = matches!(input, Input::Request { .. });
        let would_write = self.shard.would_write(&input, now);
        let mut effects: Effects<Response, Event> = Effects::default();
        self.shard.handle(input, now, &mut effects);
        let writes = !effects.records.is_empty();
        assert!(would_write == writes || would_write && !is_request, "a trial that said {would_write}: {effects:?}");
        assert!(
            shadowed.is_none_or(|shadowed| shadowed == format!("{effects:?}")),
            "parts of the shard decide otherwise"
        );
        self.log.extend(effects.records);
        for (token, response) in effects.replies {
            let asked = self.waiting.remove(&token).expect("an answer to nobody, or a second one");
            self.answered(asked, response);
        }
    }

    fn answered(&mut self, asked: Asked, response: Response) {
        match (asked, response) {
            (Asked::Join(client), Response::JoinGroup(join)) => self.joined(client, &join),
            (Asked::Sync(generation), Response::SyncGroup(sync)) if sync.error_code == ErrorCode::NONE => {
                let assignment = String::from_utf8(sync.assignment.to_vec()).unwrap();
                let known = self.generations.entry(generation).or_default();
                self.assigned += u64::from(!assignment.is_empty());
                assert!(assignment.is_empty() || known.sent.contains(&assignment), "an assignment that nobody sent");
            }
            (Asked::Commit(offset), Response::OffsetCommit(commit)) if is_committed(&commit) => {
                self.acknowledged = offset;
            }
            _ => {}
        }
    }

    fn joined(&mut self, client: usize, join: &JoinGroupResponse<'_>) {
        let believes = &mut self.clients[client];
        if join.error_code == ErrorCode::MEMBER_ID_REQUIRED {
            believes.member_id = join.member_id.to_string();
        }
        if join.error_code == ErrorCode::UNKNOWN_MEMBER_ID {
            *believes = Client::default();
        }
        if join.error_code != ErrorCode::NONE {
            return;
        }
        assert!(join.generation_id >= self.newest, "generation {} after {}", join.generation_id, self.newest);
        self.newest = join.generation_id;
        let members: Vec<_> = join.members.iter().map(|member| member.member_id.to_string()).collect();
        assert_eq!(members.is_empty(), join.leader != join.member_id, "only the leader hears the members");
        *believes = Client { member_id: join.member_id.to_string(), generation: join.generation_id, members };
        let protocol = join.protocol_name.as_deref().map(str::to_owned);
        assert!(protocol.is_some(), "a generation without a protocol");
        let known = self.generations.entry(join.generation_id).or_insert_with(|| Generation {
            leader: join.leader.to_string(),
            protocol: protocol.clone(),
            sent: BTreeSet::new(),
        });
        assert_eq!((known.leader.as_str(), &known.protocol), (&*join.leader, &protocol), "two views of a generation");
    }

    fn ask(&mut self, asked: Asked, request: Request) {
        let token = ReplyToken(self.next);
        self.next += 1;
        self.waiting.insert(token, asked);
        self.handle(Input::Request { token, request });
    }

    fn step(&mut self) {
        let client = self.chance.below(CLIENTS as u64) as usize;
        match self.chance.below(20) {
            0..5 => self.join(client),
            5..9 => self.sync(client),
            9..12 => self.heartbeat(client),
            12..14 => self.commit(client),
            14 => self.leave(client),
            15 => self.reload(),
            _ => {
                let by_ms = 1 + self.chance.below(3_000);
                self.advance(by_ms);
            }
        }
        self.assert_log_gives_state();
    }

    fn join(&mut self, client: usize) {
        let stays = !self.chance.one_in(4);
        let member_id = if stays { self.clients[client].member_id.clone() } else { String::new() };
        let mut names = vec!["range", "sticky"];
        if self.chance.one_in(3) {
            names.reverse();
        }
        if self.chance.one_in(10) {
            names.truncate(1);
        }
        let protocols = names.into_iter().map(|name| JoinGroupRequestProtocol {
            name: name.into(),
            metadata: vec![self.chance.below(2) as u8].into(),
            ..Default::default()
        });
        let request = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 6_000,
            rebalance_timeout_ms: 4_000,
            member_id: member_id.into(),
            protocol_type: "consumer".into(),
            protocols: protocols.collect(),
            ..Default::default()
        };
        let version = if self.chance.one_in(2) { 3 } else { 9 };
        let context = Context { client_id: format!("c{client}").into(), client_host: "/".into(), version };
        let member_uuid = Uuid::from_u128(u128::from(self.next));
        self.ask(Asked::Join(client), Request::JoinGroup { context, request, member_uuid });
    }

    fn sync(&mut self, client: usize) {
        let Client { member_id, generation, members } = self.clients[client].clone();
        let text = format!("sent-{}", self.next);
        if !members.is_empty() {
            self.generations.entry(generation).or_default().sent.insert(text.clone());
        }
        let assignments = members.into_iter().map(|member_id| SyncGroupRequestAssignment {
            member_id: member_id.into(),
            assignment: text.clone().into_bytes().into(),
            ..Default::default()
        });
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: generation,
            member_id: member_id.into(),
            assignments: assignments.collect(),
            ..Default::default()
        };
        self.ask(Asked::Sync(generation), Request::SyncGroup(request));
    }

    fn heartbeat(&mut self, client: usize) {
        let Client { member_id, generation, .. } = self.clients[client].clone();
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: generation,
            member_id: member_id.into(),
            ..Default::default()
        };
        self.ask(Asked::Other, Request::Heartbeat(request));
    }

    fn commit(&mut self, client: usize) {
        let Client { member_id, generation, .. } = self.clients[client].clone();
        let offset = self.next as i64;
        let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topic = OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
        let request = OffsetCommitRequest {
            group_id: "g".into(),
            generation_id_or_member_epoch: if generation == 0 { -1 } else { generation },
            member_id: member_id.into(),
            topics: vec![topic],
            ..Default::default()
        };
        let context = Context { version: 9, ..Context::default() };
        self.ask(Asked::Commit(offset), Request::OffsetCommit { context, request });
    }

    fn leave(&mut self, client: usize) {
        let member = MemberIdentity { member_id: self.clients[client].member_id.clone().into(), ..Default::default() };
        let request = LeaveGroupRequest { group_id: "g".into(), members: vec![member], ..Default::default() };
        self.ask(Asked::Other, Request::LeaveGroup(request));
    }

    /// The broker restarts: parked requests are lost with their connections.
    fn reload(&mut self) {
        self.shard = self.replayed();
        self.shadow = None;
        self.waiting.clear();
        self.handle(Input::Loaded);
        // Generations that never had an assignment are not in the log, and their numbers come again.
        let in_log = self.shard.groups().map(generation_of).max().unwrap_or(0);
        self.newest = in_log;
        self.generations.retain(|generation, _| *generation <= in_log);
        for client in self.clients.iter_mut().filter(|client| client.generation > in_log) {
            *client = Client::default();
        }
    }

    fn advance(&mut self, by_ms: u64) {
        let end_ms = self.now_ms + by_ms;
        while let Some(due) = self.shard.next_deadline().filter(|due| *due <= Duration::from_millis(end_ms)) {
            self.now_ms = self.now_ms.max(due.as_millis() as u64);
            self.handle(Input::Tick);
        }
        self.now_ms = end_ms;
    }

    fn replayed(&self) -> GroupShard {
        let mut shard = GroupShard::new(config());
        for record in self.log.clone() {
            shard.replay(Replayed { record, producer_id: ProducerId::NONE }).unwrap();
        }
        shard
    }

    fn assert_log_gives_state(&self) {
        let replayed = self.replayed();
        let committed = replayed.offsets.of_group("g").and_then(|topics| Some(topics.get("t")?.get(&0)?.offset));
        assert_eq!(committed.unwrap_or(-1), self.acknowledged, "an acknowledged offset");
        for group in self.shard.groups().filter(|group| group.phase() == Phase::Stable) {
            let same = replayed.groups().find(|found| found.id() == group.id()).map(ClassicGroup::to_record);
            assert_eq!(same, Some(group.to_record()));
        }
    }
}

fn generation_of(group: &ClassicGroup) -> i32 {
    match group.to_record() {
        Record::GroupMetadata { value: Some(value), .. } => value.generation,
        other => panic!("{other:?}"),
    }
}

fn is_committed(commit: &OffsetCommitResponse<'_>) -> bool {
    commit.topics.iter().flat_map(|topic| &topic.partitions).all(|found| found.error_code == ErrorCode::NONE)
}

#[test]
fn whatever_clients_do_the_group_keeps_its_promises() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(100),
    };
    let (mut assigned, runs) = (0, seeds.end - seeds.start);
    for seed in seeds {
        println!("SEED={seed}");
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        // Left alone, everybody is answered and gone.
        world.advance(QUIET_MS);
        assert!(world.waiting.is_empty(), "{} requests were never answered", world.waiting.len());
        assert!(world.shard.groups().all(ClassicGroup::is_empty));
        world.assert_log_gives_state();
        assigned += world.assigned;
    }
    println!("{assigned} assignments");
    assert!(assigned >= runs, "only {assigned} assignments in {runs} runs: the clients get nowhere");
}

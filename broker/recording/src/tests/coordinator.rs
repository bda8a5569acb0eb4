//! A shard whose clients do what they like, right or wrong.

use std::time::Duration;

use barnabas_coordinator::group::{Context, Event as Happened, GroupConfig, GroupShard, Request, Response};
use barnabas_coordinator::{Effects, Input, Record, ReplyToken, Shard};
use barnabas_protocol::messages::HeartbeatRequest;
use barnabas_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use barnabas_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use barnabas_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use barnabas_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use barnabas_protocol::messages::offset_fetch::OffsetFetchRequestGroup;
use barnabas_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use barnabas_protocol::records::coordinator::GroupMetadataKey;
use barnabas_types::{Now, Timestamp, Uuid};

use super::{Random, damage_everywhere, head, replayed};
use crate::{Kind, Seen, ShardRecorder};

const GROUPS: u64 = 5;

/// A shard beside its recorder, as a driver has them.
struct Driven {
    shard: GroupShard,
    recorder: ShardRecorder,
    now: Now,
    token: u64,
    /// Member and generation of whoever joined last, by group.
    joined: Vec<(String, i32)>,
}

impl Driven {
    fn new() -> Self {
        Self::looking_every(30_000)
    }

    fn looking_every(offsets_retention_check_interval_ms: i64) -> Self {
        let config = GroupConfig {
            initial_rebalance_delay_ms: 500,
            offsets_retention_ms: 60_000,
            offsets_retention_check_interval_ms,
            ..GroupConfig::default()
        };
        let now = Now { monotonic: Duration::from_secs(9), wall: Timestamp(1_700_000_000_000) };
        let joined = vec![(String::new(), -1); usize::try_from(GROUPS).unwrap()];
        let mut driven =
            Self { shard: GroupShard::new(config), recorder: ShardRecorder::default(), now, token: 0, joined };
        driven.handle(Input::Loaded);
        driven
    }

    fn handle(&mut self, input: Input<Request>) -> Vec<Response> {
        // As in a round: what comes of others before is not this input's.
        let before = Record::GroupMetadata { key: GroupMetadataKey { group: "of another input".into() }, value: None };
        let mut effects = Effects { records: vec![before], ..Effects::default() };
        effects.replies.push((ReplyToken(0), Response::ListGroups(Vec::new())));
        effects.events.push(Happened::GroupsDeleted { count: 1 });
        let seen = Seen::of(&effects);
        self.recorder.note(&input, self.now, &self.shard);
        self.shard.handle(input, self.now, &mut effects);
        self.recorder.came_back(&effects, seen);
        effects.replies.into_iter().map(|(_, reply)| reply).collect()
    }

    fn ask(&mut self, group: usize, request: Request) {
        self.token += 1;
        for reply in self.handle(Input::Request { token: ReplyToken(self.token), request }) {
            if let Response::JoinGroup(join) = reply
                && !join.member_id.is_empty()
            {
                self.joined[group] = (join.member_id.to_string(), join.generation_id);
            }
        }
    }

    fn step(&mut self, random: &mut Random) {
        let group = usize::try_from(random.below(GROUPS)).unwrap();
        let (group_id, (member, generation)) = (format!("group-{group}"), self.joined[group].clone());
        self.now.monotonic += Duration::from_millis(random.below(400));
        self.now.wall = Timestamp(self.now.wall.0 + 200);
        let request = match random.below(16) {
            0..=2 => join(&group_id, &member, self.token),
            3 | 4 => sync(&group_id, &member, generation),
            5 | 6 => Request::Heartbeat(HeartbeatRequest {
                group_id: group_id.into(),
                generation_id: generation,
                member_id: member.into(),
                ..Default::default()
            }),
            7..=9 => commit(&group_id, &member, generation, random.below(1000).cast_signed(), 1),
            10 => Request::OffsetFetch {
                group: OffsetFetchRequestGroup { group_id: group_id.into(), topics: None, ..Default::default() },
                require_stable: false,
            },
            11 => leave(&group_id, &member),
            12 if random.below(4) == 0 => Request::DeleteGroups { group_ids: vec![group_id.into()] },
            12 => delete_offsets(&group_id),
            13 if random.below(20) == 0 => {
                self.handle(Input::TopicsDeleted(vec![("t".into(), Uuid::ZERO)]));
                return;
            }
            13 => Request::DescribeGroups { context: Context::default(), group_ids: vec![group_id.into()] },
            _ => {
                self.handle(Input::Tick);
                return;
            }
        };
        self.ask(group, request);
    }
}

fn join(group_id: &str, member: &str, token: u64) -> Request {
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: vec![1, 2].into(), ..Default::default() };
    let request = JoinGroupRequest {
        group_id: group_id.to_owned().into(),
        session_timeout_ms: 6000,
        rebalance_timeout_ms: 4000,
        member_id: member.to_owned().into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    let context = Context { client_id: "client".into(), client_host: "/127.0.0.1".into(), version: 3 };
    Request::JoinGroup { context, request, member_uuid: Uuid::from_u128(token.into()) }
}

fn sync(group_id: &str, member: &str, generation: i32) -> Request {
    let assignment = SyncGroupRequestAssignment {
        member_id: member.to_owned().into(),
        assignment: vec![7; 3].into(),
        ..Default::default()
    };
    Request::SyncGroup(SyncGroupRequest {
        group_id: group_id.to_owned().into(),
        generation_id: generation,
        member_id: member.to_owned().into(),
        assignments: vec![assignment],
        ..Default::default()
    })
}

fn commit(group_id: &str, member: &str, generation: i32, offset: i64, partitions: i32) -> Request {
    let partition = |partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: offset,
        committed_metadata: Some("where".into()),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: "t".into(),
        partitions: (0..partitions).map(partition).collect(),
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: group_id.to_owned().into(),
        generation_id_or_member_epoch: generation,
        member_id: member.to_owned().into(),
        retention_time_ms: -1,
        topics: vec![topic],
        ..Default::default()
    };
    Request::OffsetCommit { context: Context::default(), request }
}

fn leave(group_id: &str, member: &str) -> Request {
    let members = vec![MemberIdentity { member_id: member.to_owned().into(), ..Default::default() }];
    Request::LeaveGroup(LeaveGroupRequest { group_id: group_id.to_owned().into(), members, ..Default::default() })
}

fn delete_offsets(group_id: &str) -> Request {
    let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
    let topics = vec![OffsetDeleteRequestTopic { name: "t".into(), partitions }];
    Request::OffsetDelete(OffsetDeleteRequest { group_id: group_id.to_owned().into(), topics })
}

fn driven(seed: u64, steps: u64) -> Driven {
    let (mut random, mut driven) = (Random(seed), Driven::new());
    (0..steps).for_each(|_| driven.step(&mut random));
    driven
}

#[test]
fn random_histories_of_a_shard_replay_to_the_same() {
    let (mut inputs, mut effects) = (0, 0);
    for seed in 0..60 {
        let driven = driven(seed, 50 + seed * 40);
        let bytes = driven.recorder.file(&head(Kind::Coordinator)).unwrap();
        let (_, replayed, text) = replayed(&bytes, 1000);
        assert!(replayed.is_well(), "seed {seed}: {replayed}\n{text}");
        (inputs, effects) = (inputs + replayed.inputs, effects + replayed.effects);
    }
    println!("{inputs} inputs, {effects} effects");
    assert!(inputs > 10_000 && effects > 10_000, "thin: {inputs} inputs, {effects} effects");
}

#[test]
fn a_group_with_many_offsets_is_recorded_and_what_is_too_large_is_begun_behind() {
    let mut driven = Driven::new();
    driven.ask(0, commit("large", "", -1, 5, 1500));
    for _ in 0..600 {
        driven.ask(0, commit("large", "", -1, 6, 20));
    }
    let replay = |driven: &Driven| replayed(&driven.recorder.file(&head(Kind::Coordinator)).unwrap(), 0).1;
    let before = replay(&driven);
    assert!(before.is_well() && before.inputs > 100, "{before}");
    // Its offsets are too many to be kept: only looked at, they are left out, deleted, they end the recording.
    let group = OffsetFetchRequestGroup { group_id: "large".into(), topics: None, ..Default::default() };
    driven.ask(0, Request::OffsetFetch { group, require_stable: false });
    assert_eq!(replay(&driven), before);
    driven.ask(0, delete_offsets("large"));
    assert!(driven.recorder.file(&head(Kind::Coordinator)).is_none());
    driven.ask(0, commit("large", "", -1, 7, 1));
    assert!(replay(&driven).is_well() && replay(&driven).inputs == 1);
}

#[test]
fn a_shard_that_panics_panics_again_for_the_same_reason() {
    let mut driven = driven(2, 40);
    driven.ask(0, join("group-0", "", 1));
    // A group whose counts are wrong, as only a bug could leave it.
    let id = std::sync::Arc::from("group-0");
    let part = serde_json::to_string(&driven.shard.part(&id, false)).unwrap();
    let start = part.find("\"awaiting_join\":").expect("a count of those that wait") + 16;
    let digits = part[start..].find(|letter: char| !letter.is_ascii_digit()).unwrap();
    let wrong = format!("{}900{}", &part[..start], &part[start + digits..]);
    driven.recorder = ShardRecorder::default();
    driven.shard.put(serde_json::from_str(&wrong).unwrap(), false);
    let last = join("group-0", "", 2);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| driven.ask(0, last))).unwrap_err();
    let panicked = panicked.downcast_ref::<String>().expect("a text");
    assert!(panicked.contains("more parked JoinGroups than members"), "{panicked}");
    let (_, replayed, text) = replayed(&driven.recorder.file(&head(Kind::Coordinator)).unwrap(), 1);
    assert_eq!(replayed.broken, Some((1, panicked.clone())), "{text}");
    assert_eq!(replayed.diverged, None, "{text}");
    assert!(!replayed.is_well() && text.contains("-> panics: group-0: more parked"), "{text}");
}

#[test]
fn a_recording_whose_timers_are_due_again_at_once_comes_to_an_end() {
    for interval_ms in [0, -1, i64::MIN] {
        let mut driven = Driven::looking_every(interval_ms);
        driven.ask(0, commit("group", "", -1, 5, 1));
        (0..3).for_each(|_| _ = driven.handle(Input::Tick));
        // However late the clock says that it is, nothing is later.
        driven.now.monotonic = Duration::MAX;
        driven.handle(Input::Tick);
        let (_, replayed, text) = replayed(&driven.recorder.file(&head(Kind::Coordinator)).unwrap(), 1000);
        assert!(replayed.is_well() && replayed.inputs == 6, "{replayed}\n{text}");
    }
}

#[test]
fn a_damaged_recording_of_a_shard_is_refused_and_says_where() {
    damage_everywhere(&driven(1, 10).recorder.file(&head(Kind::Coordinator)).unwrap());
}

//! Several replicas on real directories in one thread and on a clock that only jumps: messages arrive at once and in order, unless a replica
//! is cut off. What may go wrong at random is the simulator's; here the files are looked at.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::FileExt;

use barnabas_metadata::History;
use barnabas_raft::{
    AddVoterRequest, Config, ErrorCode, FetchContent, RemoveVoterRequest, Request, RequestFailure, RequestId, Response,
    Role, SnapshotContent, Voter, VoterResponse, VoterSet,
};

use super::*;
use crate::raft::remote::{Answer, Outgoing};

struct Replica {
    directory: tempfile::TempDir,
    key: ReplicaKey,
    fs: FaultyFs,
    running: Option<(QuorumDriver, History, Offset)>,
}

enum Message {
    Request { from: i32, id: RequestId, to: i32, request: Request },
    Answer { from: i32, to: i32, id: RequestId, response: Response, bytes: Vec<u8> },
}

/// Replicas 1 and up, and the messages between them.
struct Quorum {
    replicas: BTreeMap<i32, Replica>,
    now: Now,
    cut_off: BTreeSet<i32>,
    messages: VecDeque<Message>,
    /// By token: who asked, and under which id.
    asked: BTreeMap<u64, (i32, RequestId)>,
    next_token: u64,
    told: Vec<(u64, Response)>,
}

const USERS_TOKENS: u64 = 1 << 40;

fn replica_key(id: i32) -> ReplicaKey {
    ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(u128::from(id.unsigned_abs()) << 64) }
}

fn endpoints_of(id: i32) -> Vec<Endpoint> {
    vec![Endpoint { name: "CONTROLLER".into(), host: "node".into(), port: u16::try_from(id).unwrap() }]
}

impl Quorum {
    /// Voters 1 to `voters`, running.
    fn of(voters: i32) -> Self {
        let voter = |id| Voter {
            key: replica_key(id),
            endpoints: endpoints_of(id),
            kraft_version: barnabas_raft::KRaftVersionRange { min: 0, max: 1 },
        };
        let set = VoterSet((1..=voters).map(voter).collect());
        let mut quorum = Self {
            replicas: BTreeMap::new(),
            now: NOW,
            cut_off: BTreeSet::new(),
            messages: VecDeque::new(),
            asked: BTreeMap::new(),
            next_token: 0,
            told: Vec::new(),
        };
        for id in 1..=voters {
            quorum.add(id, &set);
        }
        quorum
    }

    fn add(&mut self, id: i32, voters: &VoterSet) {
        let directory = tempfile::tempdir().unwrap();
        format_voters(&RealFs, directory.path(), voters, WALL).unwrap();
        self.replicas.insert(id, Replica { directory, key: replica_key(id), fs: FaultyFs::default(), running: None });
        self.start(id);
    }

    fn start(&mut self, id: i32) {
        let now = self.now;
        let replica = self.replicas.get_mut(&id).unwrap();
        let mut config = Config::new(replica.key, "cluster", endpoints_of(id), u64::try_from(id).unwrap());
        config.bootstrap_servers = vec![("node".into(), 1), ("node".into(), 2)];
        let settings = QuorumSettings {
            metadata_log_dir: replica.directory.path().to_path_buf(),
            replica: config,
            segment_bytes: 1 << 20,
            recordings_dir: replica.directory.path().to_path_buf(),
        };
        let disk = Arc::new(Disk::new(Arc::new(replica.fs.clone()), 16));
        let (mut driver, history) = QuorumDriver::open(&disk, &settings, now).unwrap();
        driver.begin(now).unwrap();
        let applied = driver.node().log().snapshot().end_offset;
        replica.running = Some((driver, history, applied));
    }

    fn kill(&mut self, id: i32) {
        self.replicas.get_mut(&id).unwrap().running = None;
    }

    fn driver(&mut self, id: i32) -> &mut QuorumDriver {
        &mut self.replicas.get_mut(&id).unwrap().running.as_mut().unwrap().0
    }

    fn image(&self, id: i32) -> &Image {
        self.replicas[&id].running.as_ref().unwrap().1.visible()
    }

    fn is_reachable(&self, from: i32, to: i32) -> bool {
        let runs = self.replicas.get(&to).is_some_and(|replica| replica.running.is_some());
        runs && !self.cut_off.contains(&from) && !self.cut_off.contains(&to)
    }

    /// Does everything that needs no time.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let ids: Vec<_> = self.replicas.keys().copied().collect();
            let mut idle = true;
            for id in ids {
                let now = self.now;
                let Some((driver, history, applied)) = self.replicas.get_mut(&id).unwrap().running.as_mut() else {
                    continue;
                };
                if driver.wants_sync() {
                    idle = false;
                    driver.sync(now).unwrap();
                }
                for outgoing in driver.take_outgoing() {
                    idle = false;
                    match outgoing {
                        Outgoing::Committed(end) => {
                            driver.replay(*applied, end, history).unwrap();
                            *applied = end;
                        }
                        Outgoing::Reset(id) => {
                            *history = driver.read_snapshot(id).unwrap();
                            *applied = id.end_offset;
                        }
                        Outgoing::Send { id: request_id, to, request } => {
                            let to = i32::from(to.port);
                            self.messages.push_back(Message::Request { from: id, id: request_id, to, request });
                        }
                        Outgoing::Respond { token, answer } if token >= USERS_TOKENS => {
                            self.told.push((token, answer.response));
                        }
                        Outgoing::Respond { token, answer } => {
                            let (to, request_id) = self.asked.remove(&token).expect("an answer to a request, once");
                            let (response, bytes) = received(answer);
                            self.messages.push_back(Message::Answer { from: id, to, id: request_id, response, bytes });
                        }
                        _ => {}
                    }
                }
            }
            match self.messages.pop_front() {
                Some(message) => self.deliver(message),
                None if idle => return,
                None => {}
            }
        }
        panic!("the quorum does not settle");
    }

    fn deliver(&mut self, message: Message) {
        let now = self.now;
        match message {
            Message::Request { from, id, to, request } if !self.is_reachable(from, to) => {
                drop(request);
                if self.replicas[&from].running.is_some() {
                    self.driver(from).request_failed(id, RequestFailure::Unreachable, now).unwrap();
                }
            }
            Message::Request { from, id, to, request: Request::ApiVersions } => {
                let levels = barnabas_raft::KRaftVersionRange { min: 0, max: 1 };
                let response = Response::ApiVersions(Some(levels));
                self.messages.push_back(Message::Answer { from: to, to: from, id, response, bytes: Vec::new() });
            }
            Message::Request { from, id, to, request } => {
                let token = self.next_token;
                self.next_token += 1;
                self.asked.insert(token, (from, id));
                self.driver(to).requested(token, request, now).unwrap();
            }
            Message::Answer { from, to, id, response, bytes } => {
                if self.is_reachable(from, to) {
                    self.driver(to).answered(id, response, bytes, now).unwrap();
                }
            }
        }
    }

    /// Lets `milliseconds` pass.
    fn pass(&mut self, milliseconds: u64) {
        let end = self.now.monotonic + Duration::from_millis(milliseconds);
        loop {
            self.settle();
            let running = self.replicas.values().filter_map(|replica| replica.running.as_ref());
            let next = running.filter_map(|(driver, ..)| driver.deadline()).min().unwrap_or(end).min(end);
            let passed = next.saturating_sub(self.now.monotonic);
            self.now.monotonic = next;
            self.now.wall = Timestamp(self.now.wall.0 + i64::try_from(passed.as_millis()).unwrap());
            let now = self.now;
            for replica in self.replicas.values_mut() {
                if let Some((driver, ..)) = &mut replica.running {
                    driver.tick(now).unwrap();
                }
            }
            if next >= end {
                return self.settle();
            }
        }
    }

    /// The one that may decide, after waiting for it.
    fn leader(&mut self) -> i32 {
        for _ in 0..100 {
            let leads =
                |replica: &Replica| replica.running.as_ref().is_some_and(|(driver, ..)| driver.lead().is_some());
            let leaders = self.replicas.iter().filter(|(id, replica)| leads(replica) && !self.cut_off.contains(id));
            // A leader that was cut off does not know of the next one at first.
            let newest =
                leaders.max_by_key(|(_, replica)| replica.running.as_ref().and_then(|(driver, ..)| driver.lead()));
            if let Some((&id, _)) = newest {
                return id;
            }
            self.pass(500);
        }
        panic!("there is no leader");
    }

    fn write(&mut self, id: i32, key: &str, value: &str) -> Offset {
        let now = self.now;
        let end = self.driver(id).append(&[config(key, value)], 30, now).unwrap();
        self.settle();
        end
    }

    fn ask(&mut self, id: i32, request: Request) -> VoterResponse {
        let (now, token) = (self.now, USERS_TOKENS + self.next_token);
        self.next_token += 1;
        self.driver(id).requested(token, request, now).unwrap();
        self.pass(1000);
        match self.told.pop().unwrap() {
            (told, Response::AddVoter(response) | Response::RemoveVoter(response)) if told == token => response,
            other => panic!("{other:?}"),
        }
    }

    fn bytes(&self, id: i32) -> Vec<u8> {
        let directory = self.replicas[&id].directory.path().join(METADATA_LOG);
        let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        paths.sort();
        // A leader takes its room ahead: zeros after the last batch.
        let written = |path| {
            let bytes = std::fs::read(path).unwrap();
            let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            bytes.into_iter().take(end)
        };
        paths.iter().flat_map(written).collect()
    }

    /// All that run have committed the same, and say the same of it.
    fn assert_equal(&mut self) {
        self.pass(3000);
        let leader = self.leader();
        let (image, watermark) = (self.image(leader).clone(), self.driver(leader).high_watermark());
        let running: Vec<_> =
            self.replicas.iter().filter(|(_, replica)| replica.running.is_some()).map(|(&id, _)| id).collect();
        for id in running {
            assert_eq!(self.driver(id).high_watermark(), watermark, "replica {id}");
            assert!(*self.image(id) == image, "replica {id} has applied something else");
            super::recordings::assert_replays(&self.driver(id).recording(NOW).unwrap(), id);
        }
    }
}

/// An answer as it arrives: bytes instead of places in files.
fn received(answer: Answer) -> (Response, Vec<u8>) {
    let mut bytes = Vec::new();
    if let Some(region) = &answer.bytes {
        bytes = vec![0; region.length];
        region.file.read_exact_at(&mut bytes, region.position).unwrap();
    }
    let mut response = answer.response;
    match &mut response {
        Response::Fetch(fetch) if matches!(fetch.content, FetchContent::Read { .. }) => {
            fetch.content = FetchContent::Nothing
        }
        Response::FetchSnapshot(fetch) => {
            if let SnapshotContent::Read { position, .. } = fetch.content {
                let size = i64::try_from(answer.snapshot_size).unwrap();
                fetch.content = SnapshotContent::Piece { token: 0, size, position, length: 0 };
            }
        }
        _ => {}
    }
    (response, bytes)
}

#[test]
fn three_replicas_elect_commit_and_go_on_without_their_leader() {
    let mut quorum = Quorum::of(3);
    let first = quorum.leader();
    let end = quorum.write(first, "a", "1");
    assert!(quorum.driver(first).high_watermark() >= end);
    quorum.assert_equal();
    quorum.kill(first);
    let second = quorum.leader();
    assert_ne!(second, first);
    quorum.write(second, "b", "2");
    quorum.start(first);
    quorum.assert_equal();
    let expected = replayed(&Image::default(), &[config("a", "1"), config("b", "2")]);
    assert!(*quorum.image(first) == expected);
    assert!(quorum.bytes(1) == quorum.bytes(2) && quorum.bytes(2) == quorum.bytes(3));
}

#[test]
fn what_a_leader_that_is_cut_off_appends_is_truncated_when_it_comes_back() {
    let mut quorum = Quorum::of(3);
    let first = quorum.leader();
    quorum.write(first, "kept", "1");
    quorum.assert_equal();
    quorum.cut_off.insert(first);
    let lost = quorum.write(first, "lost", "1");
    assert!(quorum.driver(first).high_watermark() < lost, "one of three is no majority");
    let second = quorum.leader();
    assert_ne!(second, first);
    quorum.write(second, "kept", "2");
    // It steps down by itself, if later than the next is elected: nobody fetches from it.
    quorum.pass(3000);
    assert!(quorum.driver(first).lead().is_none());
    quorum.cut_off.clear();
    quorum.assert_equal();
    assert!(*quorum.image(first) == replayed(&Image::default(), &[config("kept", "2")]));
    assert!(quorum.bytes(first) == quorum.bytes(second));
}

#[test]
fn a_replica_that_is_far_behind_downloads_a_snapshot_and_finds_it_after_a_restart() {
    let mut quorum = Quorum::of(3);
    let leader = quorum.leader();
    let behind = (1..=3).find(|&id| id != leader).unwrap();
    quorum.kill(behind);
    for round in 0..3 {
        for key in 0..20 {
            quorum.write(leader, &format!("key-{key}"), &format!("{round}"));
        }
        let image = quorum.image(leader).clone();
        take_snapshot(quorum.driver(leader), &image);
    }
    quorum.write(leader, "after", "1");
    assert!(quorum.driver(leader).node().log().start() > Offset(3));
    quorum.start(behind);
    quorum.assert_equal();
    let log = quorum.driver(behind).node().log().clone();
    assert_eq!(log.start(), log.snapshot().end_offset, "the log begins where the snapshot ends");
    quorum.kill(behind);
    quorum.write(leader, "after", "2");
    quorum.start(behind);
    assert_eq!(quorum.driver(behind).node().voters().0.len(), 3, "the voters are in the snapshot");
    quorum.assert_equal();
}

#[test]
fn a_crash_between_a_downloaded_snapshot_and_the_emptied_log_is_finished_by_the_next_start() {
    let mut quorum = Quorum::of(3);
    let leader = quorum.leader();
    let behind = (1..=3).find(|&id| id != leader).unwrap();
    quorum.write(leader, "before", "1");
    quorum.pass(1000);
    // What the replica does before it gives a downloaded snapshot its name.
    quorum.driver(behind).store.roll_for_install(NOW.wall).unwrap();
    quorum.kill(behind);
    quorum.write(leader, "after", "1");
    let image = quorum.image(leader).clone();
    let id = take_snapshot(quorum.driver(leader), &image);
    let from = snapshots::path(&quorum.replicas[&leader].directory.path().join(METADATA_LOG), id);
    let to = snapshots::path(&quorum.replicas[&behind].directory.path().join(METADATA_LOG), id);
    std::fs::copy(from, to).unwrap();
    quorum.start(behind);
    assert_eq!(
        (quorum.driver(behind).log_end(), quorum.driver(behind).high_watermark()),
        (id.end_offset, id.end_offset)
    );
    quorum.assert_equal();
}

#[test]
fn a_voter_is_added_and_the_leader_removed_while_the_quorum_goes_on() {
    let mut quorum = Quorum::of(2);
    let first = quorum.leader();
    quorum.add(3, &VoterSet::default());
    quorum.write(first, "a", "1");
    quorum.assert_equal();
    assert!(matches!(quorum.driver(3).node().role(), Role::Follower(_)) && !quorum.driver(3).node().is_voter());
    let add = Request::AddVoter(AddVoterRequest {
        cluster_id: Some("cluster".into()),
        voter: replica_key(3),
        endpoints: endpoints_of(3),
        timeout_ms: 1000,
        ack_when_committed: true,
    });
    assert_eq!(quorum.ask(first, add.clone()).error, ErrorCode::None);
    assert_eq!(quorum.ask(first, add).error, ErrorCode::DuplicateVoter);
    assert!(quorum.driver(3).node().is_voter());
    let remove = RemoveVoterRequest { cluster_id: None, voter: replica_key(first) };
    assert_eq!(quorum.ask(first, Request::RemoveVoter(remove)).error, ErrorCode::None);
    let second = quorum.leader();
    assert_ne!(second, first);
    quorum.write(second, "b", "1");
    quorum.assert_equal();
    assert!(!quorum.driver(first).node().is_voter());
    quorum.kill(first);
    quorum.write(second, "c", "1");
    quorum.assert_equal();
}

#[test]
fn a_replica_with_a_new_disk_takes_no_vote_of_the_old_one() {
    let mut quorum = Quorum::of(3);
    let leader = quorum.leader();
    quorum.write(leader, "a", "1");
    quorum.assert_equal();
    let lost = (1..=3).find(|&id| id != leader).unwrap();
    quorum.kill(lost);
    quorum.add(lost, &VoterSet::default());
    quorum.kill(lost);
    let other = ReplicaKey { directory_id: Uuid::from_u128(99 << 64), ..replica_key(lost) };
    quorum.replicas.get_mut(&lost).unwrap().key = other;
    quorum.start(lost);
    quorum.assert_equal();
    assert!(!quorum.driver(lost).node().is_voter());
    // With the leader gone one voter of three is left: the new disk must not make it two.
    quorum.kill(leader);
    quorum.pass(20_000);
    assert!((1..=3).all(|id| id == leader || quorum.driver(id).lead().is_none()));
    quorum.start(leader);
    quorum.assert_equal();
}

#[test]
fn a_replica_that_was_cut_off_does_not_end_the_epoch_of_a_leader_that_works() {
    let mut quorum = Quorum::of(3);
    let leader = quorum.leader();
    let epoch = quorum.driver(leader).lead();
    let other = (1..=3).find(|&id| id != leader).unwrap();
    quorum.cut_off.insert(other);
    quorum.pass(20_000);
    assert_eq!(Some(quorum.driver(other).node().epoch()), epoch, "who only asks raises no epoch");
    quorum.cut_off.clear();
    quorum.pass(5_000);
    assert_eq!((quorum.leader(), quorum.driver(leader).lead()), (leader, epoch));
    quorum.write(leader, "a", "1");
    quorum.assert_equal();
}

#[test]
fn a_leader_that_stops_is_followed_within_an_election_and_loses_nothing() {
    let mut quorum = Quorum::of(3);
    let first = quorum.leader();
    quorum.write(first, "a", "1");
    quorum.pass(1000);
    let now = quorum.now;
    quorum.driver(first).begin_stop(now).unwrap();
    quorum.settle();
    quorum.kill(first);
    // Nobody waits for the fetch timeout of 2 s.
    quorum.pass(50);
    let leads =
        |id| id != first && quorum.replicas[&id].running.as_ref().is_some_and(|(driver, ..)| driver.lead().is_some());
    assert!((1..=3).any(leads), "the first successor stands at once");
    let second = quorum.leader();
    quorum.write(second, "b", "1");
    quorum.start(first);
    quorum.assert_equal();
    assert!(*quorum.image(first) == replayed(&Image::default(), &[config("a", "1"), config("b", "1")]));
}

#[test]
fn all_but_a_minority_lose_power_and_the_quorum_comes_back_with_what_was_committed() {
    let mut quorum = Quorum::of(5);
    let leader = quorum.leader();
    for value in 0..10 {
        quorum.write(leader, "a", &value.to_string());
    }
    quorum.pass(1000);
    for id in 1..=5 {
        quorum.kill(id);
    }
    for id in [2, 4, 5] {
        quorum.start(id);
    }
    let next = quorum.leader();
    quorum.write(next, "b", "1");
    quorum.start(1);
    quorum.start(3);
    quorum.assert_equal();
    assert!(*quorum.image(3) == replayed(&Image::default(), &[config("a", "9"), config("b", "1")]));
}

#[test]
fn a_follower_whose_disk_is_full_waits_for_room_and_goes_on() {
    let mut quorum = Quorum::of(3);
    let leader = quorum.leader();
    quorum.write(leader, "a", "1");
    quorum.assert_equal();
    let full = (1..=3).find(|&id| id != leader).unwrap();
    quorum.replicas[&full].fs.inject(Fault::always(Operation::SetLength, METADATA_LOG, 28));
    for value in 0..3000 {
        quorum.write(leader, "key", &format!("{value}"));
    }
    quorum.pass(2000);
    let (behind, all) = (quorum.driver(full).log_end(), quorum.driver(leader).log_end());
    assert!(behind < all, "what room was taken ahead is not enough: {behind} of {all}");
    quorum.replicas[&full].fs.heal();
    quorum.assert_equal();
    assert_eq!(quorum.driver(full).log_end(), all);
}

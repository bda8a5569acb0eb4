//! A replica among others that say anything at all: it neither panics nor answers a request twice or never, and no invariant of its own
//! breaks, whatever they say. Made-up messages from a seed, which a failure names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp, Uuid};

use crate::timers::Random;
use crate::{
    AddVoterRequest, BatchSummary, BeginQuorumEpochRequest, Broken, Config, ControlHistory, ControlRecord, Effect,
    ElectionState, EndQuorumEpochRequest, Endpoint, EpochResponse, ErrorCode, FetchContent, FetchRequest,
    FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, HaltReason, Input, KRaftVersionRange, LeaderHint,
    LogView, Node, Recovered, RemoveVoterRequest, ReplicaKey, Request, RequestFailure, RequestId, Response,
    SnapshotContent, SnapshotId, UpdateVoterRequest, VoteRequest, VoteResponse, Voter, VoterResponse, VoterSet,
};

/// Makes up messages; most numbers are near those that matter.
struct Others {
    random: Random,
    epoch: i32,
    end: i64,
}

impl Others {
    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::try_from(self.random.below(values.len() as u64)).unwrap()]
    }

    fn chance(&mut self) -> bool {
        self.random.below(2) == 0
    }

    fn key(&mut self) -> ReplicaKey {
        let id = self.one_of(&[1, 2, 2, 3, 3, 4, -1]);
        let directory = self.one_of(&[id, id, id, 0, 9]);
        ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(u128::from(directory.unsigned_abs())) }
    }

    fn leader(&mut self) -> BrokerId {
        BrokerId(self.one_of(&[1, 2, 2, 3, -1]))
    }

    fn epoch(&mut self) -> LeaderEpoch {
        let (epoch, wild) = (self.epoch, self.random.below(8) == 0);
        LeaderEpoch(if wild { self.one_of(&[epoch.saturating_add(1), epoch - 1, 0, -1]) } else { epoch })
    }

    fn offset(&mut self) -> Offset {
        let end = self.end;
        Offset(self.one_of(&[end, end, end, end + 1, end - 1, end / 2, 0, -1, i64::MAX]))
    }

    fn snapshot(&mut self) -> SnapshotId {
        SnapshotId { end_offset: self.offset(), epoch: self.epoch() }
    }

    fn endpoints(&mut self, id: BrokerId) -> Vec<Endpoint> {
        let port = u16::try_from(id.0.max(0)).unwrap();
        let name = self.one_of(&["CONTROLLER", "CONTROLLER", "OTHER"]);
        if self.chance() { vec![Endpoint { name: name.into(), host: "node".into(), port }] } else { Vec::new() }
    }

    fn request(&mut self) -> Request {
        let cluster_id = self.one_of(&[Some("cluster"), Some("cluster"), None, Some("other")]).map(Into::into);
        let (key, epoch) = (self.key(), self.epoch());
        let endpoints = self.endpoints(key.id);
        match self.random.below(9) {
            0 | 1 => Request::Vote(VoteRequest {
                cluster_id,
                voter: None,
                candidate: key,
                epoch,
                last_epoch: self.epoch(),
                last_offset: self.offset(),
                pre_vote: self.chance(),
            }),
            2 => Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
                cluster_id,
                voter: None,
                leader: self.leader(),
                epoch,
                endpoints,
            }),
            3 => {
                let (leader, preferred) = (self.leader(), vec![self.key(), self.key()]);
                Request::EndQuorumEpoch(EndQuorumEpochRequest { cluster_id, leader, epoch, preferred, endpoints })
            }
            4 => Request::FetchSnapshot(FetchSnapshotRequest {
                cluster_id,
                replica: key,
                epoch,
                snapshot: self.snapshot(),
                position: self.offset().0,
                max_bytes: self.epoch().0,
            }),
            5 => Request::AddVoter(AddVoterRequest {
                cluster_id,
                voter: key,
                endpoints,
                timeout_ms: epoch.0,
                ack_when_committed: self.chance(),
            }),
            6 => Request::RemoveVoter(RemoveVoterRequest { cluster_id, voter: key }),
            7 => Request::UpdateVoter(UpdateVoterRequest {
                cluster_id,
                epoch,
                voter: key,
                endpoints,
                kraft_versions: KRaftVersionRange { min: 0, max: self.one_of(&[0, 1, 1, 9]) },
            }),
            _ => Request::Fetch(FetchRequest {
                cluster_id,
                replica: key,
                epoch,
                offset: self.offset(),
                last_fetched_epoch: self.epoch(),
                max_wait_ms: self.one_of(&[500, 500, 0, -1]),
                max_bytes: self.one_of(&[1000, 0, -1]),
                high_watermark: self.chance().then(|| self.offset()),
            }),
        }
    }

    fn voters(&mut self) -> VoterSet {
        let keys: BTreeSet<_> = (0..3).map(|_| self.key()).filter(|key| key.id.0 >= 0).collect();
        let voter = |key: ReplicaKey| Voter {
            endpoints: vec![Endpoint { name: "CONTROLLER".into(), host: "node".into(), port: 2 }],
            key,
            kraft_version: KRaftVersionRange { min: 0, max: 1 },
        };
        VoterSet(keys.into_iter().map(voter).collect())
    }

    fn batch(&mut self) -> BatchSummary {
        let base_offset = self.offset();
        let next_offset = Offset(base_offset.0.saturating_add(self.one_of(&[1, 1, 3, 0, -1])));
        let voters = (self.random.below(8) == 0).then(|| (base_offset, ControlRecord::Voters(self.voters())));
        BatchSummary { base_offset, next_offset, epoch: self.epoch(), control: voters.into_iter().collect() }
    }

    /// Three of four times what was asked for is answered in kind, and votes are given away.
    fn answer(&mut self, pending: Pending) -> Response {
        match pending {
            Pending::Vote if self.random.below(4) > 0 => {
                let leader = LeaderHint { epoch: LeaderEpoch(self.epoch), leader: None, endpoints: Vec::new() };
                Response::Vote(VoteResponse { error: ErrorCode::None, leader, granted: true })
            }
            Pending::Vote | Pending::Other => self.response(),
        }
    }

    fn response(&mut self) -> Response {
        let known = [ErrorCode::None; 6];
        let others = [ErrorCode::FencedLeaderEpoch, ErrorCode::NotLeaderOrFollower, ErrorCode::SnapshotNotFound];
        let error = self.one_of(&[&known[..], &others].concat());
        let named = Some(self.leader()).filter(|id| id.0 >= 0);
        let endpoints = self.endpoints(named.unwrap_or_default());
        let leader = LeaderHint { epoch: self.epoch(), leader: named, endpoints };
        match self.random.below(8) {
            0 => Response::Vote(VoteResponse { error, leader, granted: self.chance() }),
            1 => Response::BeginQuorumEpoch(EpochResponse { error, leader }),
            2 => Response::EndQuorumEpoch(EpochResponse { error, leader }),
            3 => Response::UpdateVoter(EpochResponse { error, leader }),
            4 => Response::ApiVersions(self.chance().then_some(KRaftVersionRange { min: 0, max: 1 })),
            5 => Response::AddVoter(VoterResponse { error, message: None }),
            6 => Response::FetchSnapshot(FetchSnapshotResponse {
                error,
                leader,
                snapshot: self.snapshot(),
                content: SnapshotContent::Piece {
                    token: 1,
                    size: self.offset().0,
                    position: self.offset().0,
                    length: self.offset().0,
                },
            }),
            _ => {
                let content = match self.random.below(4) {
                    0 => FetchContent::Diverging { epoch: self.epoch(), end_offset: self.offset() },
                    1 => FetchContent::Snapshot(self.snapshot()),
                    2 => FetchContent::Nothing,
                    _ => FetchContent::Batches { token: 1, batches: vec![self.batch(), self.batch()] },
                };
                let high_watermark = self.chance().then(|| self.offset());
                Response::Fetch(FetchResponse { error, leader, high_watermark, log_start: Offset(0), content })
            }
        }
    }
}

/// What was asked.
#[derive(Clone, Copy)]
enum Pending {
    Vote,
    Other,
}

/// Replica 1, alone or among three.
fn replica(seed: u64) -> Node {
    let key = |id: i32| ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(u128::from(id.unsigned_abs())) };
    let endpoint =
        |id: i32| Endpoint { name: "CONTROLLER".into(), host: "node".into(), port: u16::try_from(id).unwrap() };
    let voter =
        |id| Voter { key: key(id), endpoints: vec![endpoint(id)], kraft_version: KRaftVersionRange { min: 0, max: 1 } };
    let first_voters = if seed.is_multiple_of(3) { 1 } else { 3 };
    let voters = VoterSet((1..=first_voters).map(voter).collect());
    let control = ControlHistory::from_snapshot(SnapshotId::default(), 1, Some(voters));
    let log = LogView::new(Offset(0), Offset(0), Vec::new(), Vec::new()).unwrap();
    let config = Config { auto_join: true, ..Config::new(key(1), "cluster", vec![endpoint(1)], seed) };
    // Every other one has taken part before; the others may learn that they have forgotten something.
    let election = seed.is_multiple_of(2).then(|| ElectionState::seen(LeaderEpoch(1)));
    Node::new(config, Recovered { election, log, control }).unwrap()
}

/// What a recording keeps of a replica and of an input is all of it.
fn assert_is_read_as_written(seed: u64, node: &Node, input: &Input) {
    let written = serde_json::to_string(&(node, input)).unwrap();
    let read: (Node, Input) = serde_json::from_str(&written).unwrap();
    assert!(read.0 == *node && read.1 == *input, "seed {seed}: {written}");
}

/// Plays one replica against made-up others; notes which roles it was in, and returns how many requests were answered.
fn play(seed: u64, roles: &mut BTreeMap<&'static str, usize>) -> usize {
    let mut node = replica(seed);
    let mut others = Others { random: Random::new(seed), epoch: 0, end: 0 };
    let (mut now, mut sent, mut open) = (Now::default(), Vec::<(RequestId, Pending)>::new(), BTreeSet::new());
    let (mut queue, mut answered) = (vec![Input::Start], 0);
    for token in 0..400 {
        let random = others.random.below(10);
        now.monotonic += Duration::from_millis(others.random.below(200));
        now.wall = Timestamp(i64::try_from(token).unwrap());
        *roles.entry(node.role().name()).or_default() += 1;
        others.epoch = node.epoch().0;
        others.end = node.log().end().0;
        queue.push(match random {
            0..=3 => {
                open.insert(token);
                Input::Request { token, request: others.request() }
            }
            4..=7 if !sent.is_empty() => {
                // Mostly the newest; an old one is answered again, too.
                let newest = sent.len().saturating_sub(3);
                let (id, pending) = others.one_of(if random == 7 { &sent } else { &sent[newest..] });
                Input::Response { id, response: others.answer(pending) }
            }
            8 if !sent.is_empty() => {
                let failure = others.one_of(&[
                    RequestFailure::Unreachable,
                    RequestFailure::Refused,
                    RequestFailure::UnsupportedVersion,
                ]);
                Input::RequestFailed { id: others.one_of(&sent).0, failure }
            }
            _ => Input::Synced { end: node.log().end() },
        });
        while let Some(input) = queue.pop() {
            if seed.is_multiple_of(30) {
                assert_is_read_as_written(seed, &node, &input);
            }
            let mut effects = Vec::new();
            node.handle(input, now, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Send { id, request: Request::Vote(_), .. } => sent.push((id, Pending::Vote)),
                    Effect::Send { id, .. } => sent.push((id, Pending::Other)),
                    Effect::Respond { token, response } => {
                        answered += 1;
                        assert!(open.remove(&token), "seed {seed}: {token} is answered twice: {response:?}");
                    }
                    Effect::InstallSnapshot { id } if others.random.below(2) == 0 => {
                        queue.push(Input::SnapshotDamaged(id))
                    }
                    Effect::InstallSnapshot { id } => {
                        queue.push(Input::SnapshotInstalled { id, kraft_version: 1, voters: Some(others.voters()) });
                    }
                    // Lies about what is committed, and the end of epochs and offsets, are noticed; nothing else may break.
                    Effect::Halt(
                        HaltReason::EpochsExhausted { .. }
                        | HaltReason::Broken(Broken::TruncationOfCommitted { .. } | Broken::OffsetsExhausted { .. }),
                    ) => {}
                    Effect::Halt(reason) => panic!("seed {seed}: {reason}"),
                    _ => {}
                }
            }
        }
    }
    // Who still waits is told when the replica ends.
    let mut effects = Vec::new();
    node.handle(Input::DiskFailed, now, &mut effects);
    for effect in effects {
        if let Effect::Respond { token, .. } = effect {
            assert!(open.remove(&token), "seed {seed}: {token} is answered twice");
        }
    }
    assert!(open.is_empty(), "seed {seed}: {open:?} were never answered");
    answered
}

#[test]
fn no_message_breaks_a_replica() {
    let mut roles = BTreeMap::new();
    let answered: usize = (0..3000).map(|seed| play(seed, &mut roles)).sum();
    println!("{answered} answers; steps by role: {roles:?}");
    assert!(answered > 100_000 && roles.len() == 6 && roles.values().all(|&steps| steps > 10_000), "thin: {roles:?}");
}

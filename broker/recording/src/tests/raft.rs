//! A quorum engine among others that say anything at all.

use std::time::Duration;

use barnabas_raft::{
    Config, ControlHistory, Effect, Endpoint, ErrorCode, FetchRequest, HaltReason, Input, KRaftVersionRange,
    LeaderHint, LogView, Node, Recovered, ReplicaKey, Request, RequestFailure, RequestId, Response, SnapshotId,
    VoteRequest, VoteResponse, Voter, VoterSet,
};
use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp, Uuid};

use super::{Random, damage_everywhere, head, replayed};
use crate::raft::{LIMITS, RaftRing, weight};
use crate::{Kind, digest_of_text, write};

fn key(id: i32) -> ReplicaKey {
    ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(u128::from(id.unsigned_abs())) }
}

fn node(seed: u64) -> Box<Node> {
    let endpoint =
        |id: i32| Endpoint { name: "CONTROLLER".into(), host: "node".into(), port: u16::try_from(id).unwrap() };
    let voter =
        |id| Voter { key: key(id), endpoints: vec![endpoint(id)], kraft_version: KRaftVersionRange { min: 0, max: 1 } };
    let voters = VoterSet((1..=if seed.is_multiple_of(3) { 1 } else { 3 }).map(voter).collect());
    let control = ControlHistory::from_snapshot(SnapshotId::default(), 1, Some(voters));
    let log = LogView::new(Offset(0), Offset(0), Vec::new(), Vec::new()).unwrap();
    let config = Config::new(key(1), "cluster", vec![endpoint(1)], seed);
    Box::new(Node::new(config, Recovered { election: None, log, control }).unwrap())
}

/// The engine beside its ring, as a driver has them.
struct Driven {
    node: Box<Node>,
    ring: RaftRing,
    now: Now,
    sent: Vec<RequestId>,
}

impl Driven {
    fn handle(&mut self, input: Input) -> Vec<Effect> {
        let noted = (self.now, weight(&input));
        self.ring.note(LIMITS, noted, || input.clone(), || self.node.clone());
        let mut effects = Vec::new();
        self.node.handle(input, self.now, &mut effects);
        self.ring.came_back(|| digest_of_text(&effects));
        self.sent.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Send { id, .. } => Some(*id),
            _ => None,
        }));
        effects
    }
}

fn request(random: &mut Random, node: &Node) -> Request {
    let (epoch, end) = (LeaderEpoch(node.epoch().0 + i32::from(random.below(9) == 0)), node.log().end());
    let replica = key(2 + i32::try_from(random.below(2)).unwrap());
    match random.below(4) {
        0 => Request::Vote(VoteRequest {
            cluster_id: Some("cluster".into()),
            voter: None,
            candidate: replica,
            epoch,
            last_epoch: node.log().last_epoch(),
            last_offset: end,
            pre_vote: random.below(2) == 0,
        }),
        _ => Request::Fetch(FetchRequest {
            cluster_id: Some("cluster".into()),
            replica,
            epoch,
            offset: Offset(end.0 - i64::try_from(random.below(2)).unwrap()),
            last_fetched_epoch: node.log().last_epoch(),
            max_wait_ms: 500,
            max_bytes: 1000,
            high_watermark: None,
        }),
    }
}

fn driven(seed: u64, inputs: u64) -> Driven {
    let mut random = Random(seed);
    let now = Now { monotonic: Duration::from_secs(9), wall: Timestamp(1_700_000_000_000) };
    let mut driven = Driven { node: node(seed), ring: RaftRing::default(), now, sent: Vec::new() };
    driven.handle(Input::Start);
    for token in 0..inputs {
        driven.now.monotonic += Duration::from_millis(random.below(100));
        let granted = Response::Vote(VoteResponse {
            error: ErrorCode::None,
            leader: LeaderHint { epoch: driven.node.epoch(), leader: None, endpoints: Vec::new() },
            granted: true,
        });
        let input = match (random.below(10), driven.sent.pop()) {
            (0..=3, Some(id)) => Input::Response { id, response: granted },
            (4, Some(id)) => Input::RequestFailed { id, failure: RequestFailure::Unreachable },
            (0..=4, None) => Input::Tick,
            (5 | 6, _) => Input::Request { token, request: request(&mut random, &driven.node) },
            (7, _) => Input::Append { token, epoch: driven.node.epoch(), records: 3 },
            _ => Input::Synced { end: driven.node.log().end() },
        };
        driven.handle(input);
    }
    driven
}

#[test]
fn random_histories_of_an_engine_replay_to_the_same() {
    let (mut inputs, mut effects) = (0, 0);
    for seed in 0..60 {
        let driven = driven(seed, 40 + seed * 20);
        let bytes = write(&head(Kind::Raft), &driven.ring).unwrap();
        let (recording, replayed, text) = replayed(&bytes, 3);
        assert!(replayed.is_well(), "seed {seed}: {replayed}");
        assert_eq!((replayed.inputs, recording.head), (driven.ring.len(), head(Kind::Raft)), "seed {seed}");
        let state = text.lines().last().unwrap();
        assert!(state.contains(&format!("log 0 to {}", driven.node.log().end())), "seed {seed}: {text}");
        (inputs, effects) = (inputs + replayed.inputs, effects + replayed.effects);
    }
    println!("{inputs} inputs, {effects} effects");
    assert!(inputs > 15_000 && effects > 10_000, "thin: {inputs} inputs, {effects} effects");
}

#[test]
fn an_engine_that_halts_halts_again_for_the_same_reason() {
    let mut driven = driven(3, 100);
    let effects = driven.handle(Input::Synced { end: Offset(1_000_000) });
    assert!(matches!(effects.last(), Some(Effect::Halt(HaltReason::Broken(_)))), "{effects:?}");
    let bytes = write(&head(Kind::Raft), &driven.ring).unwrap();
    let (_, replayed, _) = replayed(&bytes, 0);
    let (input, broken) = replayed.broken.clone().unwrap();
    assert_eq!((input, replayed.diverged), (driven.ring.len(), None));
    assert!(broken.contains("1000000 is reported durable"), "{broken}");
}

#[test]
fn an_input_that_is_changed_is_seen_at_the_first_effect_that_differs() {
    let mut driven = driven(3, 30);
    let appended = Input::Append { token: 99, epoch: driven.node.epoch(), records: 1 };
    driven.ring.note(LIMITS, (driven.now, 1), || appended, || driven.node.clone());
    driven.ring.came_back(|| 7);
    let (_, replayed, text) = replayed(&write(&head(Kind::Raft), &driven.ring).unwrap(), 1);
    assert_eq!(replayed.diverged.map(|(input, _)| input), Some(driven.ring.len()));
    assert!(text.contains("Append { token: 99, epoch: "), "{text}");
}

#[test]
fn a_damaged_recording_of_an_engine_is_refused_and_says_where() {
    damage_everywhere(&write(&head(Kind::Raft), &driven(1, 20).ring).unwrap());
}

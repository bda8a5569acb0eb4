//! Every message of the quorum in every version: what comes back is what went out, but for what the version cannot carry.

use std::io::Write;
use std::sync::Arc;

use barnabas_protocol::messages::vote;
use barnabas_protocol::{ApiKey, ErrorCode, Message};
use barnabas_raft::{
    AddVoterRequest, BeginQuorumEpochRequest, EndQuorumEpochRequest, Endpoint, EpochResponse, FetchContent,
    FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, KRaftVersionRange, LeaderHint,
    RemoveVoterRequest, ReplicaKey, Request, Response, SnapshotContent, SnapshotId, UpdateVoterRequest, VoteRequest,
    VoteResponse, VoterResponse,
};
use barnabas_types::{BrokerId, FileRegion, LeaderEpoch, Offset, Segment, Segments, Uuid};

use super::*;
use crate::raft::remote::Answer;

const LISTENER: &str = "CONTROLLER";

fn bytes(segments: &Segments) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let mut all = Vec::new();
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => all.extend_from_slice(bytes),
            Segment::File(region) => {
                let mut part = vec![0; region.length];
                region.file.read_exact_at(&mut part, region.position).unwrap();
                all.extend(part);
            }
        }
    }
    all
}

fn a_key(id: i32) -> ReplicaKey {
    ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(u128::from(id.unsigned_abs()) << 64) }
}

fn nowhere(key: ReplicaKey) -> ReplicaKey {
    ReplicaKey { directory_id: Uuid::ZERO, ..key }
}

fn an_endpoint() -> Endpoint {
    Endpoint { name: LISTENER.into(), host: "node-1".into(), port: 9093 }
}

fn cluster_id() -> Option<Box<str>> {
    Some("a cluster".into())
}

fn a_vote() -> VoteRequest {
    VoteRequest {
        cluster_id: cluster_id(),
        voter: Some(a_key(2)),
        candidate: a_key(1),
        epoch: LeaderEpoch(7),
        last_epoch: LeaderEpoch(6),
        last_offset: Offset(120),
        pre_vote: false,
    }
}

fn a_fetch() -> FetchRequest {
    FetchRequest {
        cluster_id: cluster_id(),
        replica: a_key(1),
        epoch: LeaderEpoch(7),
        offset: Offset(120),
        last_fetched_epoch: LeaderEpoch(6),
        max_wait_ms: 500,
        max_bytes: 4096,
        high_watermark: Some(Offset(119)),
    }
}

/// `sent` in every version from `first` to `last`, and what should come back of it.
fn check(sent: &Request, first: i16, last: i16, expected: impl Fn(i16) -> Request) {
    let api = key(sent);
    for version in first..=last {
        let body = bytes(&encode_request(sent, version).unwrap());
        assert_eq!(decode_request(api, version, &body).unwrap(), expected(version), "{api:?} {version}");
        for end in 0..body.len() {
            assert!(decode_request(api, version, &body[..end]).is_err(), "{api:?} {version} cut at {end}");
        }
    }
    let versions = api.versions();
    assert_eq!(versions.max, last, "{api:?} has a version that is not checked");
    if first > versions.min {
        assert!(matches!(encode_request(sent, first - 1), Err(RpcError::Encode(_))), "{api:?}");
    }
}

#[test]
fn requests_arrive_in_every_version_but_for_what_it_cannot_carry() {
    check(&Request::Vote(a_vote()), 0, 2, |version| match version {
        0 => Request::Vote(VoteRequest { voter: None, candidate: nowhere(a_key(1)), ..a_vote() }),
        _ => Request::Vote(a_vote()),
    });
    let pre_vote = VoteRequest { pre_vote: true, ..a_vote() };
    check(&Request::Vote(pre_vote.clone()), 2, 2, |_| Request::Vote(pre_vote.clone()));
    let begin = BeginQuorumEpochRequest {
        cluster_id: cluster_id(),
        voter: Some(a_key(2)),
        leader: BrokerId(1),
        epoch: LeaderEpoch(7),
        endpoints: vec![an_endpoint()],
    };
    check(&Request::BeginQuorumEpoch(begin.clone()), 0, 1, |version| match version {
        0 => Request::BeginQuorumEpoch(BeginQuorumEpochRequest { voter: None, endpoints: Vec::new(), ..begin.clone() }),
        _ => Request::BeginQuorumEpoch(begin.clone()),
    });
    let end = EndQuorumEpochRequest {
        cluster_id: cluster_id(),
        leader: BrokerId(1),
        epoch: LeaderEpoch(7),
        preferred: vec![a_key(3), a_key(2)],
        endpoints: vec![an_endpoint()],
    };
    check(&Request::EndQuorumEpoch(end.clone()), 0, 1, |version| match version {
        0 => {
            let preferred = vec![nowhere(a_key(3)), nowhere(a_key(2))];
            Request::EndQuorumEpoch(EndQuorumEpochRequest { preferred, endpoints: Vec::new(), ..end.clone() })
        }
        _ => Request::EndQuorumEpoch(end.clone()),
    });
    check(&Request::Fetch(a_fetch()), 12, 18, |version| {
        let replica = if version < 17 { nowhere(a_key(1)) } else { a_key(1) };
        let high_watermark = a_fetch().high_watermark.filter(|_| version >= 18);
        Request::Fetch(FetchRequest { replica, high_watermark, ..a_fetch() })
    });
    let snapshot = FetchSnapshotRequest {
        cluster_id: cluster_id(),
        replica: a_key(1),
        epoch: LeaderEpoch(7),
        snapshot: SnapshotId { end_offset: Offset(99), epoch: LeaderEpoch(5) },
        position: 1 << 33,
        max_bytes: 4096,
    };
    check(&Request::FetchSnapshot(snapshot.clone()), 0, 1, |version| {
        let replica = if version == 0 { nowhere(a_key(1)) } else { a_key(1) };
        Request::FetchSnapshot(FetchSnapshotRequest { replica, ..snapshot.clone() })
    });
}

#[test]
fn changes_of_the_voters_arrive_in_every_version() {
    let add = AddVoterRequest {
        cluster_id: cluster_id(),
        voter: a_key(3),
        endpoints: vec![an_endpoint()],
        timeout_ms: 1000,
        ack_when_committed: true,
    };
    check(&Request::AddVoter(add.clone()), 0, 1, |_| Request::AddVoter(add.clone()));
    let at_once = AddVoterRequest { ack_when_committed: false, ..add };
    check(&Request::AddVoter(at_once.clone()), 1, 1, |_| Request::AddVoter(at_once.clone()));
    let remove = Request::RemoveVoter(RemoveVoterRequest { cluster_id: None, voter: a_key(3) });
    check(&remove, 0, 0, |_| remove.clone());
    let update = Request::UpdateVoter(UpdateVoterRequest {
        cluster_id: cluster_id(),
        epoch: LeaderEpoch(7),
        voter: a_key(3),
        endpoints: vec![an_endpoint()],
        kraft_versions: KRaftVersionRange { min: 0, max: 1 },
    });
    check(&update, 0, 0, |_| update.clone());
}

fn a_leader() -> LeaderHint {
    LeaderHint { epoch: LeaderEpoch(7), leader: Some(BrokerId(1)), endpoints: vec![an_endpoint()] }
}

/// A leader as it arrives in a version that carries no addresses.
fn unreachable_leader() -> LeaderHint {
    LeaderHint { endpoints: Vec::new(), ..a_leader() }
}

fn check_answer(api: ApiKey, answer: &Answer, version: i16, expected: (Response, Vec<u8>)) {
    let body = bytes(&encode_response(answer, version, LISTENER).unwrap());
    assert_eq!(decode_response(api, version, &body, LISTENER).unwrap(), expected, "{api:?} {version}");
    for end in 0..body.len() {
        assert!(decode_response(api, version, &body[..end], LISTENER).is_err(), "{api:?} {version} cut at {end}");
    }
}

#[test]
fn answers_about_elections_arrive_in_every_version() {
    let granted =
        |leader| Response::Vote(VoteResponse { error: barnabas_raft::ErrorCode::None, leader, granted: true });
    let fenced = |leader| EpochResponse { error: barnabas_raft::ErrorCode::FencedLeaderEpoch, leader };
    for version in 0..=2 {
        let leader = if version == 0 { unreachable_leader() } else { a_leader() };
        check_answer(ApiKey::Vote, &granted(a_leader()).into(), version, (granted(leader), Vec::new()));
    }
    for version in 0..=1 {
        let leader = if version == 0 { unreachable_leader() } else { a_leader() };
        let sent = Response::BeginQuorumEpoch(fenced(a_leader()));
        let expected = Response::BeginQuorumEpoch(fenced(leader.clone()));
        check_answer(ApiKey::BeginQuorumEpoch, &sent.into(), version, (expected, Vec::new()));
        let sent = Response::EndQuorumEpoch(fenced(a_leader()));
        check_answer(
            ApiKey::EndQuorumEpoch,
            &sent.into(),
            version,
            (Response::EndQuorumEpoch(fenced(leader)), Vec::new()),
        );
    }
    let sent = Response::UpdateVoter(fenced(a_leader()));
    check_answer(ApiKey::UpdateRaftVoter, &sent.clone().into(), 0, (sent, Vec::new()));
}

#[test]
fn the_outcome_of_a_change_of_the_voters_arrives_with_its_words() {
    let refused = VoterResponse { error: barnabas_raft::ErrorCode::DuplicateVoter, message: Some("3 is in it".into()) };
    for version in 0..=1 {
        let sent = Response::AddVoter(refused.clone());
        check_answer(ApiKey::AddRaftVoter, &sent.clone().into(), version, (sent, Vec::new()));
    }
    let sent = Response::RemoveVoter(refused);
    check_answer(ApiKey::RemoveRaftVoter, &sent.clone().into(), 0, (sent, Vec::new()));
}

#[test]
fn a_request_of_another_cluster_is_refused_as_a_whole() {
    let error = barnabas_raft::ErrorCode::InconsistentClusterId;
    let sent = Response::Vote(VoteResponse { error, leader: a_leader(), granted: false });
    let body = bytes(&encode_response(&sent.into(), 2, LISTENER).unwrap());
    let (Response::Vote(vote), _) = decode_response(ApiKey::Vote, 2, &body, LISTENER).unwrap() else { panic!() };
    assert_eq!((vote.error, vote.leader.epoch, vote.leader.leader), (error, LeaderEpoch::NONE, None));
}

/// A region of a file with these bytes in the middle.
fn region(bytes: &[u8]) -> FileRegion {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before").unwrap();
    file.write_all(bytes).unwrap();
    file.write_all(b"after").unwrap();
    FileRegion { file: Arc::new(file), position: 6, length: bytes.len() }
}

#[test]
fn records_and_the_other_answers_to_fetch_arrive_in_every_version() {
    let response = |content, leader| {
        Response::Fetch(FetchResponse {
            error: barnabas_raft::ErrorCode::None,
            leader,
            high_watermark: Some(Offset(110)),
            log_start: Offset(20),
            content,
        })
    };
    let read = FetchContent::Read { from: Offset(100), end: Offset(120), max_bytes: 4096 };
    let diverging = FetchContent::Diverging { epoch: LeaderEpoch(3), end_offset: Offset(50) };
    let snapshot = FetchContent::Snapshot(SnapshotId { end_offset: Offset(99), epoch: LeaderEpoch(5) });
    for version in 12..=18 {
        let leader = if version < 16 { unreachable_leader() } else { a_leader() };
        let mut answer = Answer::from(response(read.clone(), a_leader()));
        answer.bytes = Some(region(b"batches"));
        let expected = (response(FetchContent::Nothing, leader.clone()), b"batches".to_vec());
        check_answer(ApiKey::Fetch, &answer, version, expected);
        for content in [FetchContent::Nothing, diverging.clone(), snapshot.clone()] {
            let answer = Answer::from(response(content.clone(), a_leader()));
            check_answer(ApiKey::Fetch, &answer, version, (response(content, leader.clone()), Vec::new()));
        }
    }
}

#[test]
fn a_piece_of_a_snapshot_arrives_with_its_place_and_the_size_of_the_whole() {
    let response = |content, leader| {
        let snapshot = SnapshotId { end_offset: Offset(99), epoch: LeaderEpoch(5) };
        Response::FetchSnapshot(FetchSnapshotResponse {
            error: barnabas_raft::ErrorCode::None,
            leader,
            snapshot,
            content,
        })
    };
    for version in 0..=1 {
        let leader = if version == 0 { unreachable_leader() } else { a_leader() };
        let read = SnapshotContent::Read { position: 1 << 33, max_bytes: 4096 };
        let mut answer = Answer::from(response(read, a_leader()));
        (answer.bytes, answer.snapshot_size) = (Some(region(b"piece")), 1 << 34);
        let piece = SnapshotContent::Piece { token: 0, size: 1 << 34, position: 1 << 33, length: 5 };
        check_answer(ApiKey::FetchSnapshot, &answer, version, (response(piece, leader), b"piece".to_vec()));
    }
}

#[test]
fn a_request_about_anything_but_the_metadata_log_is_invalid() {
    let partition = || vote::PartitionData::default();
    let topic = |name: &'static str, partitions| vote::TopicData {
        topic_name: name.into(),
        partitions,
        ..vote::TopicData::default()
    };
    let other = vote::PartitionData { partition_index: 1, ..partition() };
    let wrong = [
        vec![],
        vec![topic("other", vec![partition()])],
        vec![topic(TOPIC, vec![])],
        vec![topic(TOPIC, vec![other])],
        vec![topic(TOPIC, vec![partition(), partition()])],
        vec![topic(TOPIC, vec![partition()]), topic(TOPIC, vec![partition()])],
    ];
    for topics in wrong {
        let body = bytes(&vote::VoteRequest { topics, ..Default::default() }.encode(2).unwrap());
        let refused = decode_request(ApiKey::Vote, 2, &body).unwrap_err();
        assert!(matches!(refused, RpcError::OtherPartitions), "{refused}");
        assert_eq!(refused.code(), ErrorCode::INVALID_REQUEST);
    }
}

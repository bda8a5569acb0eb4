//! Answers of the quorum, to bytes and back. Records and pieces of snapshots go out as regions of files, and come in as bytes of their own.

use std::borrow::Cow;

use barnabas_metadata::KRAFT_VERSION;
use barnabas_protocol::messages::{
    add_raft_voter, api_versions, begin_quorum_epoch, end_quorum_epoch, fetch, fetch_snapshot, remove_raft_voter,
    update_raft_voter, vote,
};
use barnabas_protocol::{ApiKey, ErrorCode, Message, Records};
use barnabas_raft::{
    Endpoint, EpochResponse, FetchContent, FetchResponse, FetchSnapshotResponse, KRaftVersionRange, LeaderHint,
    Response, SnapshotContent, SnapshotId, VoteResponse, VoterResponse,
};
use barnabas_types::{BrokerId, FileRegion, LeaderEpoch, Offset, Segments, Uuid};

use super::requests::whole;
use super::{RpcError, TOPIC, borrowed, boxed, only};
use crate::raft::remote::Answer;

/// The version from which on answers have a place for the leader's address.
const ADDRESSES: i16 = 1;
/// The same of Fetch.
const ADDRESSES_IN_FETCH: i16 = 16;

/// The body of `answer` in `version`, to a request that came in on `listener`: the leader is named as it can be reached by that.
///
/// # Errors
/// The version cannot carry it.
pub fn encode_response(answer: &Answer, version: i16, listener: &str) -> Result<Segments, RpcError> {
    // Versions without a place for addresses name the leader alone.
    let first = if matches!(answer.response, Response::Fetch(_)) { ADDRESSES_IN_FETCH } else { ADDRESSES };
    let by_name = Some(listener).filter(|_| version >= first);
    Ok(match &answer.response {
        Response::Vote(response) => vote_to(response, by_name).encode(version)?,
        Response::BeginQuorumEpoch(response) => begin_to(response, by_name).encode(version)?,
        Response::EndQuorumEpoch(response) => end_to(response, by_name).encode(version)?,
        Response::UpdateVoter(response) => update_to(response, Some(listener)).encode(version)?,
        Response::Fetch(response) => fetch_to(response, answer.bytes.as_ref(), by_name).encode(version)?,
        Response::FetchSnapshot(response) => fetch_snapshot_to(response, answer, by_name).encode(version)?,
        Response::AddVoter(response) => {
            let (error_code, error_message) = outcome_to(response);
            let to = add_raft_voter::AddRaftVoterResponse { error_code, error_message, ..Default::default() };
            to.encode(version)?
        }
        Response::RemoveVoter(response) => {
            let (error_code, error_message) = outcome_to(response);
            let to = remove_raft_voter::RemoveRaftVoterResponse { error_code, error_message, ..Default::default() };
            to.encode(version)?
        }
        Response::ApiVersions(_) => return Err(RpcError::OtherApi("ApiVersions")),
        Response::UpgradeKRaftVersion(_) => return Err(RpcError::OtherApi("UpdateFeatures")),
    })
}

/// The answer of API `key` in `body`, and the records or the piece of a snapshot in it. `listener` is the one by which the request went
/// out: the addresses in the answer are of that.
///
/// # Errors
/// The bytes are no such answer, or it is not about the metadata log.
pub fn decode_response(
    key: ApiKey,
    version: i16,
    body: &[u8],
    listener: &str,
) -> Result<(Response, Vec<u8>), RpcError> {
    let response = match key {
        ApiKey::Vote => vote_from(&whole(body, version)?, listener)?,
        ApiKey::BeginQuorumEpoch => begin_from(&whole(body, version)?, listener)?,
        ApiKey::EndQuorumEpoch => end_from(&whole(body, version)?, listener)?,
        ApiKey::UpdateRaftVoter => update_from(&whole(body, version)?, listener),
        ApiKey::Fetch => return fetch_from(&whole(body, version)?, listener),
        ApiKey::FetchSnapshot => return fetch_snapshot_from(&whole(body, version)?, listener),
        ApiKey::AddRaftVoter => {
            let from: add_raft_voter::AddRaftVoterResponse<'_> = whole(body, version)?;
            Response::AddVoter(outcome_from(from.error_code, from.error_message.as_ref()))
        }
        ApiKey::RemoveRaftVoter => {
            let from: remove_raft_voter::RemoveRaftVoterResponse<'_> = whole(body, version)?;
            Response::RemoveVoter(outcome_from(from.error_code, from.error_message.as_ref()))
        }
        ApiKey::ApiVersions => Response::ApiVersions(levels(&whole(body, version)?)),
        other => return Err(RpcError::OtherApi(other.name())),
    };
    Ok((response, Vec::new()))
}

fn code(error: barnabas_raft::ErrorCode) -> ErrorCode {
    ErrorCode(error.number())
}

fn error(code: ErrorCode) -> barnabas_raft::ErrorCode {
    barnabas_raft::ErrorCode::from_number(code.0)
}

/// Whether `code` is said of the request as a whole: nothing about the metadata log goes with it then.
fn is_of_request(code: ErrorCode) -> bool {
    code == ErrorCode::INCONSISTENT_CLUSTER_ID
}

fn leader_id(leader: &LeaderHint) -> i32 {
    leader.leader.unwrap_or(BrokerId::NONE).0
}

/// Where the leader can be reached by `listener`; by its first where it has none of that name. Nowhere without one.
fn address<'a>(leader: &'a LeaderHint, listener: Option<&str>) -> Option<(i32, &'a Endpoint)> {
    let listener = listener?;
    let by_name = leader.endpoints.iter().find(|endpoint| *endpoint.name == *listener);
    Some((leader.leader?.0, by_name.or_else(|| leader.endpoints.first())?))
}

/// A leader with what is said of where it listens: `endpoints` by node.
fn hint<'a>(
    leader: i32,
    epoch: i32,
    listener: &str,
    endpoints: impl Iterator<Item = (i32, &'a str, u16)>,
) -> LeaderHint {
    let of_leader = endpoints.filter(|(node, ..)| *node == leader);
    let endpoint = |(_, host, port): (i32, &str, u16)| Endpoint { name: listener.into(), host: host.into(), port };
    LeaderHint {
        epoch: LeaderEpoch(epoch),
        leader: Some(BrokerId(leader)).filter(|id| id.0 >= 0),
        endpoints: of_leader.map(endpoint).collect(),
    }
}

/// What is said when the request was refused as a whole: not even an epoch.
fn no_hint() -> LeaderHint {
    LeaderHint { epoch: LeaderEpoch::NONE, leader: None, endpoints: Vec::new() }
}

fn vote_to<'a>(response: &'a VoteResponse, listener: Option<&str>) -> vote::VoteResponse<'a> {
    let error_code = code(response.error);
    if is_of_request(error_code) {
        return vote::VoteResponse { error_code, ..Default::default() };
    }
    let partition = vote::PartitionDataResult {
        partition_index: 0,
        error_code,
        leader_id: leader_id(&response.leader),
        leader_epoch: response.leader.epoch.0,
        vote_granted: response.granted,
        ..Default::default()
    };
    let topic =
        vote::TopicDataResult { topic_name: Cow::Borrowed(TOPIC), partitions: vec![partition], ..Default::default() };
    let node = |(node_id, endpoint): (i32, &'a Endpoint)| vote::NodeEndpoint {
        node_id,
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
        ..Default::default()
    };
    vote::VoteResponse {
        topics: vec![topic],
        node_endpoints: address(&response.leader, listener).map(node).into_iter().collect(),
        ..Default::default()
    }
}

fn vote_from(response: &vote::VoteResponse<'_>, listener: &str) -> Result<Response, RpcError> {
    if response.error_code != ErrorCode::NONE {
        let error = error(response.error_code);
        return Ok(Response::Vote(VoteResponse { error, leader: no_hint(), granted: false }));
    }
    let partition = only(
        &response.topics,
        |topic| topic.topic_name.as_ref(),
        |topic| &topic.partitions,
        |partition| partition.partition_index,
    )?;
    let nodes = response.node_endpoints.iter().map(|node| (node.node_id, node.host.as_ref(), node.port));
    Ok(Response::Vote(VoteResponse {
        error: error(partition.error_code),
        leader: hint(partition.leader_id, partition.leader_epoch, listener, nodes),
        granted: partition.vote_granted,
    }))
}

fn begin_to<'a>(
    response: &'a EpochResponse,
    listener: Option<&str>,
) -> begin_quorum_epoch::BeginQuorumEpochResponse<'a> {
    let error_code = code(response.error);
    if is_of_request(error_code) {
        return begin_quorum_epoch::BeginQuorumEpochResponse { error_code, ..Default::default() };
    }
    let partition = begin_quorum_epoch::PartitionDataResult {
        partition_index: 0,
        error_code,
        leader_id: leader_id(&response.leader),
        leader_epoch: response.leader.epoch.0,
        ..Default::default()
    };
    let topic = begin_quorum_epoch::TopicDataResult {
        topic_name: Cow::Borrowed(TOPIC),
        partitions: vec![partition],
        ..Default::default()
    };
    let node = |(node_id, endpoint): (i32, &'a Endpoint)| begin_quorum_epoch::NodeEndpoint {
        node_id,
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
        ..Default::default()
    };
    begin_quorum_epoch::BeginQuorumEpochResponse {
        topics: vec![topic],
        node_endpoints: address(&response.leader, listener).map(node).into_iter().collect(),
        ..Default::default()
    }
}

fn begin_from(
    response: &begin_quorum_epoch::BeginQuorumEpochResponse<'_>,
    listener: &str,
) -> Result<Response, RpcError> {
    if response.error_code != ErrorCode::NONE {
        let error = error(response.error_code);
        return Ok(Response::BeginQuorumEpoch(EpochResponse { error, leader: no_hint() }));
    }
    let partition = only(
        &response.topics,
        |topic| topic.topic_name.as_ref(),
        |topic| &topic.partitions,
        |partition| partition.partition_index,
    )?;
    let nodes = response.node_endpoints.iter().map(|node| (node.node_id, node.host.as_ref(), node.port));
    Ok(Response::BeginQuorumEpoch(EpochResponse {
        error: error(partition.error_code),
        leader: hint(partition.leader_id, partition.leader_epoch, listener, nodes),
    }))
}

fn end_to<'a>(response: &'a EpochResponse, listener: Option<&str>) -> end_quorum_epoch::EndQuorumEpochResponse<'a> {
    let error_code = code(response.error);
    if is_of_request(error_code) {
        return end_quorum_epoch::EndQuorumEpochResponse { error_code, ..Default::default() };
    }
    let partition = end_quorum_epoch::PartitionDataResult {
        partition_index: 0,
        error_code,
        leader_id: leader_id(&response.leader),
        leader_epoch: response.leader.epoch.0,
        ..Default::default()
    };
    let topic = end_quorum_epoch::TopicDataResult {
        topic_name: Cow::Borrowed(TOPIC),
        partitions: vec![partition],
        ..Default::default()
    };
    let node = |(node_id, endpoint): (i32, &'a Endpoint)| end_quorum_epoch::NodeEndpoint {
        node_id,
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
        ..Default::default()
    };
    end_quorum_epoch::EndQuorumEpochResponse {
        topics: vec![topic],
        node_endpoints: address(&response.leader, listener).map(node).into_iter().collect(),
        ..Default::default()
    }
}

fn end_from(response: &end_quorum_epoch::EndQuorumEpochResponse<'_>, listener: &str) -> Result<Response, RpcError> {
    if response.error_code != ErrorCode::NONE {
        let error = error(response.error_code);
        return Ok(Response::EndQuorumEpoch(EpochResponse { error, leader: no_hint() }));
    }
    let partition = only(
        &response.topics,
        |topic| topic.topic_name.as_ref(),
        |topic| &topic.partitions,
        |partition| partition.partition_index,
    )?;
    let nodes = response.node_endpoints.iter().map(|node| (node.node_id, node.host.as_ref(), node.port));
    Ok(Response::EndQuorumEpoch(EpochResponse {
        error: error(partition.error_code),
        leader: hint(partition.leader_id, partition.leader_epoch, listener, nodes),
    }))
}

fn update_to<'a>(
    response: &'a EpochResponse,
    listener: Option<&str>,
) -> update_raft_voter::UpdateRaftVoterResponse<'a> {
    let address = address(&response.leader, listener);
    let current_leader = update_raft_voter::CurrentLeader {
        leader_id: leader_id(&response.leader),
        leader_epoch: response.leader.epoch.0,
        host: address.map_or(Cow::Borrowed(""), |(_, endpoint)| Cow::Borrowed(&endpoint.host)),
        port: address.map_or(0, |(_, endpoint)| i32::from(endpoint.port)),
        ..Default::default()
    };
    let error_code = code(response.error);
    update_raft_voter::UpdateRaftVoterResponse { error_code, current_leader, ..Default::default() }
}

fn update_from(response: &update_raft_voter::UpdateRaftVoterResponse<'_>, listener: &str) -> Response {
    let leader = &response.current_leader;
    let known = u16::try_from(leader.port).ok().filter(|_| !leader.host.is_empty());
    let nodes = known.map(|port| (leader.leader_id, leader.host.as_ref(), port)).into_iter();
    Response::UpdateVoter(EpochResponse {
        error: error(response.error_code),
        leader: hint(leader.leader_id, leader.leader_epoch, listener, nodes),
    })
}

fn fetch_to<'a>(
    response: &'a FetchResponse,
    bytes: Option<&FileRegion>,
    listener: Option<&str>,
) -> fetch::FetchResponse<'a> {
    let error_code = code(response.error);
    if is_of_request(error_code) {
        return fetch::FetchResponse { error_code, ..Default::default() };
    }
    let records = bytes.map_or_else(Records::default, |region| Records::File(region.clone()));
    let mut partition = fetch::PartitionData {
        partition_index: 0,
        error_code,
        high_watermark: response.high_watermark.map_or(-1, |offset| offset.0),
        log_start_offset: response.log_start.0,
        current_leader: fetch::LeaderIdAndEpoch {
            leader_id: leader_id(&response.leader),
            leader_epoch: response.leader.epoch.0,
            ..Default::default()
        },
        records: Some(records),
        ..Default::default()
    };
    match &response.content {
        FetchContent::Diverging { epoch, end_offset } => {
            partition.diverging_epoch =
                fetch::EpochEndOffset { epoch: epoch.0, end_offset: end_offset.0, ..Default::default() };
        }
        FetchContent::Snapshot(id) => {
            partition.snapshot_id =
                fetch::SnapshotId { end_offset: id.end_offset.0, epoch: id.epoch.0, ..Default::default() };
        }
        FetchContent::Nothing | FetchContent::Read { .. } | FetchContent::Batches { .. } => {}
    }
    let topic = fetch::FetchableTopicResponse {
        topic: Cow::Borrowed(TOPIC),
        topic_id: Uuid::METADATA_TOPIC,
        partitions: vec![partition],
        ..Default::default()
    };
    let node = |(node_id, endpoint): (i32, &'a Endpoint)| fetch::NodeEndpoint {
        node_id,
        host: Cow::Borrowed(&endpoint.host),
        port: i32::from(endpoint.port),
        ..Default::default()
    };
    fetch::FetchResponse {
        responses: vec![topic],
        node_endpoints: address(&response.leader, listener).map(node).into_iter().collect(),
        ..Default::default()
    }
}

fn fetch_from(response: &fetch::FetchResponse<'_>, listener: &str) -> Result<(Response, Vec<u8>), RpcError> {
    if response.error_code != ErrorCode::NONE {
        let refused = FetchResponse {
            error: error(response.error_code),
            leader: no_hint(),
            high_watermark: None,
            log_start: Offset(0),
            content: FetchContent::Nothing,
        };
        return Ok((Response::Fetch(refused), Vec::new()));
    }
    let [topic] = response.responses.as_slice() else { return Err(RpcError::OtherPartitions) };
    let [partition] = topic.partitions.as_slice() else { return Err(RpcError::OtherPartitions) };
    let is_metadata = topic.topic_id == Uuid::METADATA_TOPIC || topic.topic == TOPIC;
    if !is_metadata || partition.partition_index != 0 {
        return Err(RpcError::OtherPartitions);
    }
    let (diverging, snapshot) = (&partition.diverging_epoch, &partition.snapshot_id);
    let content = if diverging.epoch >= 0 {
        let (epoch, end_offset) = (LeaderEpoch(diverging.epoch), Offset(diverging.end_offset));
        FetchContent::Diverging { epoch, end_offset }
    } else if snapshot.epoch >= 0 || snapshot.end_offset >= 0 {
        FetchContent::Snapshot(SnapshotId {
            end_offset: Offset(snapshot.end_offset),
            epoch: LeaderEpoch(snapshot.epoch),
        })
    } else {
        FetchContent::Nothing
    };
    let nodes = response.node_endpoints.iter();
    let nodes = nodes.filter_map(|node| Some((node.node_id, node.host.as_ref(), u16::try_from(node.port).ok()?)));
    let leader = &partition.current_leader;
    let fetched = FetchResponse {
        error: error(partition.error_code),
        leader: hint(leader.leader_id, leader.leader_epoch, listener, nodes),
        high_watermark: Some(partition.high_watermark).filter(|&offset| offset >= 0).map(Offset),
        log_start: Offset(partition.log_start_offset),
        content,
    };
    Ok((Response::Fetch(fetched), bytes_of(partition.records.as_ref())?))
}

fn fetch_snapshot_to<'a>(
    response: &'a FetchSnapshotResponse,
    answer: &Answer,
    listener: Option<&str>,
) -> fetch_snapshot::FetchSnapshotResponse<'a> {
    let error_code = code(response.error);
    if is_of_request(error_code) {
        return fetch_snapshot::FetchSnapshotResponse { error_code, ..Default::default() };
    }
    let position = match response.content {
        SnapshotContent::Read { position, .. } | SnapshotContent::Piece { position, .. } => position,
        SnapshotContent::Nothing => 0,
    };
    let partition = fetch_snapshot::PartitionSnapshotResult {
        index: 0,
        error_code,
        snapshot_id: fetch_snapshot::SnapshotId {
            end_offset: response.snapshot.end_offset.0,
            epoch: response.snapshot.epoch.0,
            ..Default::default()
        },
        current_leader: fetch_snapshot::LeaderIdAndEpoch {
            leader_id: leader_id(&response.leader),
            leader_epoch: response.leader.epoch.0,
            ..Default::default()
        },
        size: i64::try_from(answer.snapshot_size).unwrap_or(i64::MAX),
        position,
        unaligned_records: answer.bytes.as_ref().map_or_else(Records::default, |region| Records::File(region.clone())),
        ..Default::default()
    };
    let topic = fetch_snapshot::TopicSnapshotResult {
        name: Cow::Borrowed(TOPIC),
        partitions: vec![partition],
        ..Default::default()
    };
    let node = |(node_id, endpoint): (i32, &'a Endpoint)| fetch_snapshot::NodeEndpoint {
        node_id,
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
        ..Default::default()
    };
    fetch_snapshot::FetchSnapshotResponse {
        topics: vec![topic],
        node_endpoints: address(&response.leader, listener).map(node).into_iter().collect(),
        ..Default::default()
    }
}

fn fetch_snapshot_from(
    response: &fetch_snapshot::FetchSnapshotResponse<'_>,
    listener: &str,
) -> Result<(Response, Vec<u8>), RpcError> {
    if response.error_code != ErrorCode::NONE {
        let refused = FetchSnapshotResponse {
            error: error(response.error_code),
            leader: no_hint(),
            snapshot: SnapshotId::default(),
            content: SnapshotContent::Nothing,
        };
        return Ok((Response::FetchSnapshot(refused), Vec::new()));
    }
    let partition =
        only(&response.topics, |topic| topic.name.as_ref(), |topic| &topic.partitions, |partition| partition.index)?;
    let bytes = bytes_of(Some(&partition.unaligned_records))?;
    let content = if partition.error_code == ErrorCode::NONE {
        let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        SnapshotContent::Piece { token: 0, size: partition.size, position: partition.position, length }
    } else {
        SnapshotContent::Nothing
    };
    let nodes = response.node_endpoints.iter().map(|node| (node.node_id, node.host.as_ref(), node.port));
    let (leader, id) = (&partition.current_leader, &partition.snapshot_id);
    let fetched = FetchSnapshotResponse {
        error: error(partition.error_code),
        leader: hint(leader.leader_id, leader.leader_epoch, listener, nodes),
        snapshot: SnapshotId { end_offset: Offset(id.end_offset), epoch: LeaderEpoch(id.epoch) },
        content,
    };
    Ok((Response::FetchSnapshot(fetched), bytes))
}

/// The bytes of records that were read from a frame.
fn bytes_of(records: Option<&Records<'_>>) -> Result<Vec<u8>, RpcError> {
    match records {
        None => Ok(Vec::new()),
        Some(Records::Borrowed(bytes)) => Ok(bytes.to_vec()),
        Some(Records::Bytes(bytes)) => Ok(bytes.to_vec()),
        Some(Records::File(_) | Records::Pieces(_)) => Err(RpcError::OtherPartitions),
    }
}

fn outcome_to(response: &VoterResponse) -> (ErrorCode, Option<Cow<'_, str>>) {
    (code(response.error), borrowed(response.message.as_deref()))
}

fn outcome_from(code: ErrorCode, message: Option<&Cow<'_, str>>) -> VoterResponse {
    VoterResponse { error: error(code), message: boxed(message) }
}

/// The levels of `kraft.version` that a node supports; None when it says none.
fn levels(response: &api_versions::ApiVersionsResponse<'_>) -> Option<KRaftVersionRange> {
    let feature = response.supported_features.iter().find(|feature| feature.name == KRAFT_VERSION)?;
    let level = |level: i16| u16::try_from(level).ok();
    Some(KRaftVersionRange { min: level(feature.min_version)?, max: level(feature.max_version)? })
}

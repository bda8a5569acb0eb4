//! Requests of the quorum, to bytes and back.

use std::borrow::Cow;

use barnabas_protocol::messages::{
    add_raft_voter, api_versions, begin_quorum_epoch, end_quorum_epoch, fetch, fetch_snapshot, remove_raft_voter,
    update_raft_voter, vote,
};
use barnabas_protocol::{ApiKey, Decode, Message, Reader};
use barnabas_raft::{
    AddVoterRequest, BeginQuorumEpochRequest, EndQuorumEpochRequest, Endpoint, FetchRequest, FetchSnapshotRequest,
    KRaftVersionRange, RemoveVoterRequest, Request, SnapshotId, UpdateVoterRequest, VoteRequest,
};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Segments, Uuid};

use super::{MOST_BYTES, RpcError, TOPIC, borrowed, boxed, meant, only, replica};

/// The version from which on topics are named by their ids.
const TOPIC_IDS: i16 = 13;
/// The version from which on the sender is in a structure of its own.
const REPLICA_STATE: i16 = 15;
/// The name that this node has in ApiVersions.
const SOFTWARE: &str = "barnabas";

/// The API of `request`.
#[must_use]
pub const fn key(request: &Request) -> ApiKey {
    match request {
        Request::Vote(_) => ApiKey::Vote,
        Request::BeginQuorumEpoch(_) => ApiKey::BeginQuorumEpoch,
        Request::EndQuorumEpoch(_) => ApiKey::EndQuorumEpoch,
        Request::Fetch(_) => ApiKey::Fetch,
        Request::FetchSnapshot(_) => ApiKey::FetchSnapshot,
        Request::AddVoter(_) => ApiKey::AddRaftVoter,
        Request::RemoveVoter(_) => ApiKey::RemoveRaftVoter,
        Request::UpdateVoter(_) => ApiKey::UpdateRaftVoter,
        Request::ApiVersions => ApiKey::ApiVersions,
    }
}

/// The body of `request` in `version`.
///
/// # Errors
/// The version cannot carry it: a pre-vote needs Vote 2, a Fetch of the quorum version 12.
pub fn encode_request(request: &Request, version: i16) -> Result<Segments, RpcError> {
    Ok(match request {
        Request::Vote(request) => vote_to(request).encode(version)?,
        Request::BeginQuorumEpoch(request) => begin_to(request).encode(version)?,
        Request::EndQuorumEpoch(request) => end_to(request).encode(version)?,
        Request::Fetch(request) => fetch_to(request, version).encode(version)?,
        Request::FetchSnapshot(request) => fetch_snapshot_to(request).encode(version)?,
        Request::AddVoter(request) => add_to(request).encode(version)?,
        Request::RemoveVoter(request) => remove_to(request).encode(version)?,
        Request::UpdateVoter(request) => update_to(request).encode(version)?,
        Request::ApiVersions => {
            let client_software_name = Cow::Borrowed(SOFTWARE);
            let client_software_version = Cow::Borrowed(env!("CARGO_PKG_VERSION"));
            let request = api_versions::ApiVersionsRequest {
                client_software_name,
                client_software_version,
                ..Default::default()
            };
            request.encode(version)?
        }
    })
}

/// The request of API `key` in `body`.
///
/// # Errors
/// The bytes are no such request, or it is not about the metadata log.
pub fn decode_request(key: ApiKey, version: i16, body: &[u8]) -> Result<Request, RpcError> {
    match key {
        ApiKey::Vote => vote_from(&whole(body, version)?),
        ApiKey::BeginQuorumEpoch => begin_from(&whole(body, version)?),
        ApiKey::EndQuorumEpoch => end_from(&whole(body, version)?),
        ApiKey::Fetch => fetch_from(&whole(body, version)?, version),
        ApiKey::FetchSnapshot => fetch_snapshot_from(&whole(body, version)?),
        ApiKey::AddRaftVoter => Ok(add_from(&whole(body, version)?)),
        ApiKey::RemoveRaftVoter => Ok(remove_from(&whole(body, version)?)),
        ApiKey::UpdateRaftVoter => Ok(update_from(&whole(body, version)?)),
        other => Err(RpcError::OtherApi(other.name())),
    }
}

/// A message that takes all of `body`.
pub(super) fn whole<'a, M: Message + Decode<'a>>(body: &'a [u8], version: i16) -> Result<M, RpcError> {
    let mut reader = Reader::new(body);
    let message = M::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(message)
}

fn vote_to(request: &VoteRequest) -> vote::VoteRequest<'_> {
    let partition = vote::PartitionData {
        partition_index: 0,
        replica_epoch: request.epoch.0,
        replica_id: request.candidate.id.0,
        replica_directory_id: request.candidate.directory_id,
        voter_directory_id: request.voter.map_or(Uuid::ZERO, |voter| voter.directory_id),
        last_offset_epoch: request.last_epoch.0,
        last_offset: request.last_offset.0,
        pre_vote: request.pre_vote,
        ..Default::default()
    };
    let topic = vote::TopicData { topic_name: Cow::Borrowed(TOPIC), partitions: vec![partition], ..Default::default() };
    vote::VoteRequest {
        cluster_id: borrowed(request.cluster_id.as_deref()),
        voter_id: request.voter.map_or(-1, |voter| voter.id.0),
        topics: vec![topic],
        ..Default::default()
    }
}

fn vote_from(request: &vote::VoteRequest<'_>) -> Result<Request, RpcError> {
    let partition = only(
        &request.topics,
        |topic| topic.topic_name.as_ref(),
        |topic| &topic.partitions,
        |partition| partition.partition_index,
    )?;
    Ok(Request::Vote(VoteRequest {
        cluster_id: boxed(request.cluster_id.as_ref()),
        voter: meant(request.voter_id, partition.voter_directory_id),
        candidate: replica(partition.replica_id, partition.replica_directory_id),
        epoch: LeaderEpoch(partition.replica_epoch),
        last_epoch: LeaderEpoch(partition.last_offset_epoch),
        last_offset: Offset(partition.last_offset),
        pre_vote: partition.pre_vote,
    }))
}

fn begin_to(request: &BeginQuorumEpochRequest) -> begin_quorum_epoch::BeginQuorumEpochRequest<'_> {
    let partition = begin_quorum_epoch::PartitionData {
        partition_index: 0,
        voter_directory_id: request.voter.map_or(Uuid::ZERO, |voter| voter.directory_id),
        leader_id: request.leader.0,
        leader_epoch: request.epoch.0,
        ..Default::default()
    };
    let topic = begin_quorum_epoch::TopicData {
        topic_name: Cow::Borrowed(TOPIC),
        partitions: vec![partition],
        ..Default::default()
    };
    let endpoint = |endpoint| {
        let (name, host, port) = parts(endpoint);
        begin_quorum_epoch::LeaderEndpoint { name, host, port, ..Default::default() }
    };
    begin_quorum_epoch::BeginQuorumEpochRequest {
        cluster_id: borrowed(request.cluster_id.as_deref()),
        voter_id: request.voter.map_or(-1, |voter| voter.id.0),
        topics: vec![topic],
        leader_endpoints: request.endpoints.iter().map(endpoint).collect(),
        ..Default::default()
    }
}

fn begin_from(request: &begin_quorum_epoch::BeginQuorumEpochRequest<'_>) -> Result<Request, RpcError> {
    let partition = only(
        &request.topics,
        |topic| topic.topic_name.as_ref(),
        |topic| &topic.partitions,
        |partition| partition.partition_index,
    )?;
    let endpoints = request.leader_endpoints.iter();
    Ok(Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
        cluster_id: boxed(request.cluster_id.as_ref()),
        voter: meant(request.voter_id, partition.voter_directory_id),
        leader: BrokerId(partition.leader_id),
        epoch: LeaderEpoch(partition.leader_epoch),
        endpoints: endpoints.map(|from| endpoint(&from.name, &from.host, from.port)).collect(),
    }))
}

fn end_to(request: &EndQuorumEpochRequest) -> end_quorum_epoch::EndQuorumEpochRequest<'_> {
    let candidate = |key: &barnabas_raft::ReplicaKey| end_quorum_epoch::ReplicaInfo {
        candidate_id: key.id.0,
        candidate_directory_id: key.directory_id,
        ..Default::default()
    };
    let partition = end_quorum_epoch::PartitionData {
        partition_index: 0,
        leader_id: request.leader.0,
        leader_epoch: request.epoch.0,
        preferred_successors: request.preferred.iter().map(|key| key.id.0).collect(),
        preferred_candidates: request.preferred.iter().map(candidate).collect(),
        ..Default::default()
    };
    let topic = end_quorum_epoch::TopicData {
        topic_name: Cow::Borrowed(TOPIC),
        partitions: vec![partition],
        ..Default::default()
    };
    let endpoint = |endpoint| {
        let (name, host, port) = parts(endpoint);
        end_quorum_epoch::LeaderEndpoint { name, host, port, ..Default::default() }
    };
    end_quorum_epoch::EndQuorumEpochRequest {
        cluster_id: borrowed(request.cluster_id.as_deref()),
        topics: vec![topic],
        leader_endpoints: request.endpoints.iter().map(endpoint).collect(),
        ..Default::default()
    }
}

fn end_from(request: &end_quorum_epoch::EndQuorumEpochRequest<'_>) -> Result<Request, RpcError> {
    let partition = only(
        &request.topics,
        |topic| topic.topic_name.as_ref(),
        |topic| &topic.partitions,
        |partition| partition.partition_index,
    )?;
    let candidates = partition.preferred_candidates.iter();
    let mut preferred: Vec<_> =
        candidates.map(|candidate| replica(candidate.candidate_id, candidate.candidate_directory_id)).collect();
    if preferred.is_empty() {
        preferred = partition.preferred_successors.iter().map(|&id| replica(id, Uuid::ZERO)).collect();
    }
    let endpoints = request.leader_endpoints.iter();
    Ok(Request::EndQuorumEpoch(EndQuorumEpochRequest {
        cluster_id: boxed(request.cluster_id.as_ref()),
        leader: BrokerId(partition.leader_id),
        epoch: LeaderEpoch(partition.leader_epoch),
        preferred,
        endpoints: endpoints.map(|from| endpoint(&from.name, &from.host, from.port)).collect(),
    }))
}

fn fetch_to(request: &FetchRequest, version: i16) -> fetch::FetchRequest<'_> {
    let partition = fetch::FetchPartition {
        partition: 0,
        current_leader_epoch: request.epoch.0,
        fetch_offset: request.offset.0,
        last_fetched_epoch: request.last_fetched_epoch.0,
        partition_max_bytes: request.max_bytes,
        replica_directory_id: request.replica.directory_id,
        high_watermark: request.high_watermark.map_or(i64::MAX, |known| known.0),
        ..Default::default()
    };
    let topic = fetch::FetchTopic {
        topic: Cow::Borrowed(TOPIC),
        topic_id: Uuid::METADATA_TOPIC,
        partitions: vec![partition],
        ..Default::default()
    };
    let mut to = fetch::FetchRequest {
        cluster_id: borrowed(request.cluster_id.as_deref()),
        max_wait_ms: request.max_wait_ms,
        max_bytes: request.max_bytes,
        topics: vec![topic],
        ..Default::default()
    };
    if version >= REPLICA_STATE {
        to.replica_state.replica_id = request.replica.id.0;
    } else {
        to.replica_id = request.replica.id.0;
    }
    to
}

fn fetch_from(request: &fetch::FetchRequest<'_>, version: i16) -> Result<Request, RpcError> {
    let [topic] = request.topics.as_slice() else { return Err(RpcError::OtherPartitions) };
    let is_metadata = if version >= TOPIC_IDS { topic.topic_id == Uuid::METADATA_TOPIC } else { topic.topic == TOPIC };
    let [partition] = topic.partitions.as_slice() else { return Err(RpcError::OtherPartitions) };
    if !is_metadata || partition.partition != 0 {
        return Err(RpcError::OtherPartitions);
    }
    let id = if version >= REPLICA_STATE { request.replica_state.replica_id } else { request.replica_id };
    Ok(Request::Fetch(FetchRequest {
        cluster_id: boxed(request.cluster_id.as_ref()),
        replica: replica(id, partition.replica_directory_id),
        epoch: LeaderEpoch(partition.current_leader_epoch),
        offset: Offset(partition.fetch_offset),
        last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
        max_wait_ms: request.max_wait_ms,
        max_bytes: request.max_bytes.min(MOST_BYTES),
        // The largest number: the sender does not know of the field.
        high_watermark: Some(partition.high_watermark).filter(|&known| known != i64::MAX).map(Offset),
    }))
}

fn fetch_snapshot_to(request: &FetchSnapshotRequest) -> fetch_snapshot::FetchSnapshotRequest<'_> {
    let partition = fetch_snapshot::PartitionSnapshot {
        partition: 0,
        current_leader_epoch: request.epoch.0,
        snapshot_id: fetch_snapshot::SnapshotId {
            end_offset: request.snapshot.end_offset.0,
            epoch: request.snapshot.epoch.0,
            ..Default::default()
        },
        position: request.position,
        replica_directory_id: request.replica.directory_id,
        ..Default::default()
    };
    let topic =
        fetch_snapshot::TopicSnapshot { name: Cow::Borrowed(TOPIC), partitions: vec![partition], ..Default::default() };
    fetch_snapshot::FetchSnapshotRequest {
        cluster_id: borrowed(request.cluster_id.as_deref()),
        replica_id: request.replica.id.0,
        max_bytes: request.max_bytes,
        topics: vec![topic],
        ..Default::default()
    }
}

fn fetch_snapshot_from(request: &fetch_snapshot::FetchSnapshotRequest<'_>) -> Result<Request, RpcError> {
    let partition =
        only(&request.topics, |topic| topic.name.as_ref(), |topic| &topic.partitions, |partition| partition.partition)?;
    Ok(Request::FetchSnapshot(FetchSnapshotRequest {
        cluster_id: boxed(request.cluster_id.as_ref()),
        replica: replica(request.replica_id, partition.replica_directory_id),
        epoch: LeaderEpoch(partition.current_leader_epoch),
        snapshot: SnapshotId {
            end_offset: Offset(partition.snapshot_id.end_offset),
            epoch: LeaderEpoch(partition.snapshot_id.epoch),
        },
        position: partition.position,
        max_bytes: request.max_bytes.min(MOST_BYTES),
    }))
}

fn add_to(request: &AddVoterRequest) -> add_raft_voter::AddRaftVoterRequest<'_> {
    let listener = |endpoint| {
        let (name, host, port) = parts(endpoint);
        add_raft_voter::Listener { name, host, port, ..Default::default() }
    };
    add_raft_voter::AddRaftVoterRequest {
        cluster_id: borrowed(request.cluster_id.as_deref()),
        timeout_ms: request.timeout_ms,
        voter_id: request.voter.id.0,
        voter_directory_id: request.voter.directory_id,
        listeners: request.endpoints.iter().map(listener).collect(),
        ack_when_committed: request.ack_when_committed,
        ..Default::default()
    }
}

fn add_from(request: &add_raft_voter::AddRaftVoterRequest<'_>) -> Request {
    let listeners = request.listeners.iter();
    Request::AddVoter(AddVoterRequest {
        cluster_id: boxed(request.cluster_id.as_ref()),
        voter: replica(request.voter_id, request.voter_directory_id),
        endpoints: listeners.map(|from| endpoint(&from.name, &from.host, from.port)).collect(),
        timeout_ms: request.timeout_ms,
        ack_when_committed: request.ack_when_committed,
    })
}

fn remove_to(request: &RemoveVoterRequest) -> remove_raft_voter::RemoveRaftVoterRequest<'_> {
    remove_raft_voter::RemoveRaftVoterRequest {
        cluster_id: borrowed(request.cluster_id.as_deref()),
        voter_id: request.voter.id.0,
        voter_directory_id: request.voter.directory_id,
        ..Default::default()
    }
}

fn remove_from(request: &remove_raft_voter::RemoveRaftVoterRequest<'_>) -> Request {
    Request::RemoveVoter(RemoveVoterRequest {
        cluster_id: boxed(request.cluster_id.as_ref()),
        voter: replica(request.voter_id, request.voter_directory_id),
    })
}

fn update_to(request: &UpdateVoterRequest) -> update_raft_voter::UpdateRaftVoterRequest<'_> {
    let listener = |endpoint| {
        let (name, host, port) = parts(endpoint);
        update_raft_voter::Listener { name, host, port, ..Default::default() }
    };
    let level = |level: u16| i16::try_from(level).unwrap_or(i16::MAX);
    update_raft_voter::UpdateRaftVoterRequest {
        cluster_id: borrowed(request.cluster_id.as_deref()),
        current_leader_epoch: request.epoch.0,
        voter_id: request.voter.id.0,
        voter_directory_id: request.voter.directory_id,
        listeners: request.endpoints.iter().map(listener).collect(),
        kraft_version_feature: update_raft_voter::KRaftVersionFeature {
            min_supported_version: level(request.kraft_versions.min),
            max_supported_version: level(request.kraft_versions.max),
            ..Default::default()
        },
        ..Default::default()
    }
}

fn update_from(request: &update_raft_voter::UpdateRaftVoterRequest<'_>) -> Request {
    let (listeners, levels) = (request.listeners.iter(), &request.kraft_version_feature);
    // A level below 0 is none: the range is empty then, and the engine refuses it.
    let min = u16::try_from(levels.min_supported_version).unwrap_or(u16::MAX);
    let max = u16::try_from(levels.max_supported_version).unwrap_or(0);
    Request::UpdateVoter(UpdateVoterRequest {
        cluster_id: boxed(request.cluster_id.as_ref()),
        epoch: LeaderEpoch(request.current_leader_epoch),
        voter: replica(request.voter_id, request.voter_directory_id),
        endpoints: listeners.map(|from| endpoint(&from.name, &from.host, from.port)).collect(),
        kraft_versions: KRaftVersionRange { min, max },
    })
}

fn parts(endpoint: &Endpoint) -> (Cow<'_, str>, Cow<'_, str>, u16) {
    (Cow::Borrowed(&endpoint.name), Cow::Borrowed(&endpoint.host), endpoint.port)
}

fn endpoint(name: &str, host: &str, port: u16) -> Endpoint {
    Endpoint { name: name.into(), host: host.into(), port }
}

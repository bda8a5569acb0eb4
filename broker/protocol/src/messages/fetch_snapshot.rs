//! FetchSnapshot (key 59): reads a piece of a snapshot of the metadata log (KIP-630, KIP-853).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, Records, UnknownTags};

/// Reads a piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = FetchSnapshot, response = FetchSnapshotResponse)]
pub struct FetchSnapshotRequest<'a> {
    /// The cluster that the follower believes to be part of; null when it does not say.
    #[field(nullable = "0+", tag = 0, default = null)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The follower's node id; -1 when it does not say.
    #[field(default = -1)]
    pub replica_id: i32,
    /// The most bytes to answer with, over all snapshots.
    #[field(default = i32::MAX)]
    pub max_bytes: i32,
    /// By topic; the quorum has one, `__cluster_metadata`.
    pub topics: Vec<TopicSnapshot<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Snapshots of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicSnapshot<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<PartitionSnapshot<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Which piece of which snapshot of one partition.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionSnapshot<'a> {
    /// The partition's number.
    pub partition: i32,
    /// The leader epoch that the follower knows; -1 when it knows none.
    pub current_leader_epoch: i32,
    /// The snapshot to read.
    pub snapshot_id: SnapshotId<'a>,
    /// Where in the snapshot to start, in bytes from 0.
    pub position: i64,
    /// The id of the follower's metadata log directory.
    #[field(versions = "1+", tag = 0, ignorable)]
    pub replica_directory_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Names a snapshot of the metadata log by what it contains.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct SnapshotId<'a> {
    /// The offset after the last record that is in the snapshot.
    pub end_offset: i64,
    /// The epoch of that record.
    pub epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = FetchSnapshot)]
pub struct FetchSnapshotResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// What is wrong with the request as a whole, or NONE.
    pub error_code: ErrorCode,
    /// By topic.
    pub topics: Vec<TopicSnapshotResult<'a>>,
    /// The addresses of the leaders named in this response.
    #[field(versions = "1+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The pieces of one topic's snapshots.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicSnapshotResult<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<PartitionSnapshotResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A piece of one partition's snapshot.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct PartitionSnapshotResult<'a> {
    /// The partition's number.
    pub index: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The snapshot that was read.
    pub snapshot_id: SnapshotId<'a>,
    /// The leader to turn to, when this node is not the one.
    #[field(tag = 0)]
    pub current_leader: LeaderIdAndEpoch<'a>,
    /// The size of the whole snapshot, in bytes.
    pub size: i64,
    /// Where in the snapshot these bytes begin, in bytes from 0.
    pub position: i64,
    /// The bytes at `position`. They may begin and end in the middle of a batch.
    pub unaligned_records: Records<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Who leads the quorum.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct LeaderIdAndEpoch<'a> {
    /// The leader; -1 when there is none or it is not known.
    pub leader_id: i32,
    /// The leader's epoch; -1 when it is not known.
    pub leader_epoch: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The address of a leader that is named in the response.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct NodeEndpoint<'a> {
    /// The leader's node id.
    #[field(versions = "1+")]
    pub node_id: i32,
    /// The host name or address to connect to.
    #[field(versions = "1+")]
    pub host: Cow<'a, str>,
    /// The port to connect to.
    #[field(versions = "1+")]
    pub port: u16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

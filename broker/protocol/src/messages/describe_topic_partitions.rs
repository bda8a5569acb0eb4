//! DescribeTopicPartitions (key 75): topics and partitions page by page, with the replicas that may lead (KIP-966).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, Int32List, UnknownTags};

/// Asks for topics and their partitions, a page at a time.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeTopicPartitions, response = DescribeTopicPartitionsResponse)]
pub struct DescribeTopicPartitionsRequest<'a> {
    /// The topics asked for; empty for all.
    pub topics: Vec<TopicRequest<'a>>,
    /// The most partitions to answer with; the broker may have a lower limit.
    #[field(default = 2000)]
    pub response_partition_limit: i32,
    /// Where the page begins; null for the beginning.
    #[field(nullable = "0+", default = null)]
    pub cursor: Option<Cursor<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic by name.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicRequest<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A place in the list of all partitions, topics in the order of their names.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(nullable)]
pub struct Cursor<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The partition's number.
    pub partition_index: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A page of topics and partitions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeTopicPartitions)]
pub struct DescribeTopicPartitionsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(ignorable)]
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>,
    /// Where the next page begins; null when this is the last.
    #[field(nullable = "0+", default = null)]
    pub next_cursor: Option<Cursor<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic with its partitions on this page.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeTopicPartitionsResponseTopic<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The topic's name; null when it is not known.
    #[field(nullable = "0+")]
    pub name: Option<Cow<'a, str>>,
    /// The topic's id.
    #[field(ignorable)]
    pub topic_id: Uuid,
    /// True for topics that the cluster keeps for itself, such as `__consumer_offsets`.
    #[field(ignorable)]
    pub is_internal: bool,
    /// By partition.
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition<'a>>,
    /// What the client may do with the topic: bit n is operation n. `i32::MIN` when it was not asked.
    #[field(default = i32::MIN)]
    pub topic_authorized_operations: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition with its leader and replicas.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeTopicPartitionsResponsePartition<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The partition's number.
    pub partition_index: i32,
    /// The broker that leads the partition; -1 when none does.
    pub leader_id: i32,
    /// How often the leader has changed; -1 when it is not known.
    #[field(default = -1, ignorable)]
    pub leader_epoch: i32,
    /// The brokers that hold the partition, the preferred leader first.
    pub replica_nodes: Int32List<'a>,
    /// Those of them that are in sync.
    pub isr_nodes: Int32List<'a>,
    /// Replicas out of sync that nevertheless have all committed records, and so may lead; null when that is not tracked.
    #[field(nullable = "0+", default = null)]
    pub eligible_leader_replicas: Option<Int32List<'a>>,
    /// The replicas that were last known to be such; null when that is not tracked.
    #[field(nullable = "0+", default = null)]
    pub last_known_elr: Option<Int32List<'a>>,
    /// Those of them that are down or whose disk has failed.
    #[field(ignorable)]
    pub offline_replicas: Int32List<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

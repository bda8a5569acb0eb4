//! StreamsGroupHeartbeat (key 88): joins, stays in and leaves a streams group, and carries topology and tasks (KIP-1071; KIP-1331 in
//! version 1).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// A member of the group is alive; what it does not repeat is as before.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = StreamsGroupHeartbeat, response = StreamsGroupHeartbeatResponse)]
pub struct StreamsGroupHeartbeatRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id, which it makes up itself, a random UUID, and keeps as long as it lives.
    pub member_id: Cow<'a, str>,
    /// The epoch that the member knows; 0 to join, -1 to leave, -2 to leave for a while as a static member.
    pub member_epoch: i32,
    /// The epoch of the endpoints that the member knows.
    pub endpoint_information_epoch: i32,
    /// The name of a static member; null when it is none or it is as before.
    #[field(nullable = "0+", default = null)]
    pub instance_id: Option<Cow<'a, str>>,
    /// The member's rack; null when it has none or it is as before.
    #[field(nullable = "0+", default = null)]
    pub rack_id: Option<Cow<'a, str>>,
    /// How long the member may take to give up tasks, in milliseconds; -1 when it is as before.
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    /// The topology; sent when joining, otherwise null.
    #[field(nullable = "0+", default = null)]
    pub topology: Option<Topology<'a>>,
    /// The tasks that the member runs; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub active_tasks: Option<Vec<TaskIds<'a>>>,
    /// The tasks whose state it keeps as a spare; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub standby_tasks: Option<Vec<TaskIds<'a>>>,
    /// The tasks whose state it restores in order to run them; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub warmup_tasks: Option<Vec<TaskIds<'a>>>,
    /// The process that the member is part of, which may have several; null when it is as before.
    #[field(nullable = "0+", default = null)]
    pub process_id: Option<Cow<'a, str>>,
    /// Where the member answers queries for its state; null when it does not or it is as before.
    #[field(nullable = "0+", default = null)]
    pub user_endpoint: Option<Endpoint<'a>>,
    /// What sets members apart, as the zone they are in, so that spares are kept elsewhere; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub client_tags: Option<Vec<KeyValue<'a>>>,
    /// How far tasks have come; null when it is as before.
    #[field(nullable = "0+", default = null)]
    pub task_offsets: Option<Vec<TaskOffset<'a>>>,
    /// How far tasks could come; null when it is as before.
    #[field(nullable = "0+", default = null)]
    pub task_end_offsets: Option<Vec<TaskOffset<'a>>>,
    /// True to stop the application: every member of the group.
    pub shutdown_application: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What the application computes, as far as the group must know: its parts and their topics.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(nullable)]
pub struct Topology<'a> {
    /// The epoch of the topology, which the application's owner raises to change it.
    pub epoch: i32,
    /// The parts.
    pub subtopologies: Vec<Subtopology<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A part of the topology; each of its tasks reads one partition of its topics.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Subtopology<'a> {
    /// The name of the subtopology, which follows from the topology.
    pub subtopology_id: Cow<'a, str>,
    /// The topics that the subtopology reads.
    pub source_topics: Vec<Cow<'a, str>>,
    /// Regular expressions for further topics that the subtopology reads.
    pub source_topic_regex: Vec<Cow<'a, str>>,
    /// The topics that keep the subtopology's state.
    pub state_changelog_topics: Vec<TopicInfo<'a>>,
    /// The repartition topics that the subtopology writes.
    pub repartition_sink_topics: Vec<Cow<'a, str>>,
    /// The repartition topics that the subtopology reads.
    pub repartition_source_topics: Vec<TopicInfo<'a>>,
    /// Which of the topics read must have the same number of partitions.
    pub copartition_groups: Vec<CopartitionGroup<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic that the group needs and that is made if it is not there.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicInfo<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// How many partitions it must have; 0 when that follows from other topics, as with every topic that keeps state.
    pub partitions: i32,
    /// How many replicas each; 0 for the broker's default.
    pub replication_factor: i16,
    /// The topic's own configurations.
    pub topic_configs: Vec<KeyValue<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct KeyValue<'a> {
    /// The name.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Topics that must have the same number of partitions, by their places in the lists of the subtopology.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CopartitionGroup<'a> {
    /// Places in `source_topics`, from 0.
    pub source_topics: Vec<i16>,
    /// Places in `source_topic_regex`, from 0.
    pub source_topic_regex: Vec<i16>,
    /// Places in `repartition_source_topics`, from 0.
    pub repartition_source_topics: Vec<i16>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Tasks of one subtopology.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TaskIds<'a> {
    /// The name of the subtopology, which follows from the topology.
    pub subtopology_id: Cow<'a, str>,
    /// The tasks' numbers: those of their partitions.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Where a member answers queries for its state.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(nullable)]
pub struct Endpoint<'a> {
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: u16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// How far a task has come in the topics that keep its state.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TaskOffset<'a> {
    /// The name of the subtopology, which follows from the topology.
    pub subtopology_id: Cow<'a, str>,
    /// The task's number: that of its partitions.
    pub partition: i32,
    /// The sum over the topics that keep its state.
    pub offset: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What the member shall do.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = StreamsGroupHeartbeat)]
pub struct StreamsGroupHeartbeatResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// The epoch of the member now.
    pub member_epoch: i32,
    /// How long to wait until the next heartbeat, in milliseconds.
    pub heartbeat_interval_ms: i32,
    /// How many records a task may be behind and still be run, in version 0.
    #[field(versions = "0")]
    pub acceptable_recovery_lag_legacy: i32,
    /// How often the member shall tell how far its tasks have come, in milliseconds.
    pub task_offset_interval_ms: i32,
    /// How many records a task may be behind and still be run, from version 1 on; -1 when the broker does not say.
    #[field(versions = "1+", default = -1, ignorable)]
    pub acceptable_recovery_lag: i64,
    /// What the member should know; null when it is as before.
    #[field(nullable = "0+")]
    pub status: Option<Vec<Status<'a>>>,
    /// The tasks that the member shall run; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub active_tasks: Option<Vec<TaskIds<'a>>>,
    /// The tasks whose state it shall keep as a spare; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub standby_tasks: Option<Vec<TaskIds<'a>>>,
    /// The tasks whose state it shall restore; null when they are as before.
    #[field(nullable = "0+", default = null)]
    pub warmup_tasks: Option<Vec<TaskIds<'a>>>,
    /// True when the member should send a StreamsGroupTopologyDescriptionUpdate.
    #[field(versions = "1+")]
    pub topology_description_required: bool,
    /// The epoch of the endpoints that the group has now.
    pub endpoint_information_epoch: i32,
    /// Whose state can be queried where, a row for each member; null when it is as before.
    #[field(nullable = "0+", default = null)]
    pub partitions_by_user_endpoint: Option<Vec<EndpointToPartitions<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Something that the member should know.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Status<'a> {
    /// 0 the topology is of an old epoch, 1 source topics are missing, 2 topics that must have as many partitions have not, 3
    /// internal topics are missing, 4 the application is to stop, 5 the assignment is put off; from version 1 on 6, the tags for
    /// spares are missing.
    pub status_code: i8,
    /// The same in words.
    pub status_detail: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whose state can be queried where.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EndpointToPartitions<'a> {
    /// Where to query.
    pub user_endpoint: Endpoint<'a>,
    /// The partitions of the tasks that the member runs.
    pub active_partitions: Vec<TopicPartition<'a>>,
    /// The partitions of the tasks whose state it keeps or restores.
    pub standby_partitions: Vec<TopicPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicPartition<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

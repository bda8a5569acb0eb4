//! StreamsGroupDescribe (key 89): streams groups with topology and members (KIP-1071; KIP-1331 and KIP-1357 in version 1).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for groups in full; to be sent to their coordinator.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = StreamsGroupDescribe, response = StreamsGroupDescribeResponse)]
pub struct StreamsGroupDescribeRequest<'a> {
    /// The groups asked for.
    pub group_ids: Vec<Cow<'a, str>>,
    /// Whether to tell what the client may do with each group.
    pub include_authorized_operations: bool,
    /// Whether to tell the full description of the topology.
    #[field(versions = "1+")]
    pub include_topology_description: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The groups in full.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = StreamsGroupDescribe)]
pub struct StreamsGroupDescribeResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By group.
    pub groups: Vec<DescribedGroup<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribedGroup<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The group's state, such as `Stable`; empty on an error.
    pub group_state: Cow<'a, str>,
    /// Grows whenever something changes from which the target assignment is computed.
    pub group_epoch: i32,
    /// The group epoch from which the target assignment was computed.
    pub assignment_epoch: i32,
    /// The topology that the group has; null on an error.
    #[field(nullable = "0+", default = null)]
    pub topology: Option<Topology<'a>>,
    /// The members.
    pub members: Vec<Member<'a>>,
    /// What the client may do with the group: bit n is operation n. `i32::MIN` when it was not asked.
    #[field(default = i32::MIN)]
    pub authorized_operations: i32,
    /// The description; null unless `topology_description_status` is 3.
    #[field(versions = "1+", nullable = "1+", default = null)]
    pub topology_description: Option<TopologyDescription<'a>>,
    /// 0 it was not asked for, 1 there is none, 2 it could not be read, 3 it is here.
    #[field(versions = "1+")]
    pub topology_description_status: i8,
    /// The assignor that the next assignment will be computed with; null on an error.
    #[field(versions = "1+", nullable = "1+", default = null, ignorable)]
    pub assignor_name: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What the group computes: its parts and their topics.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(nullable)]
pub struct Topology<'a> {
    /// The epoch of the topology.
    pub epoch: i32,
    /// The parts, with topics made out and numbers of partitions set; null while that is not done.
    #[field(nullable = "0+", default = null)]
    pub subtopologies: Option<Vec<Subtopology<'a>>>,
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
    /// The repartition topics that the subtopology writes.
    pub repartition_sink_topics: Vec<Cow<'a, str>>,
    /// The topics that keep the subtopology's state.
    pub state_changelog_topics: Vec<TopicInfo<'a>>,
    /// The repartition topics that the subtopology reads.
    pub repartition_source_topics: Vec<TopicInfo<'a>>,
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

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Member<'a> {
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// The epoch of the member.
    pub member_epoch: i32,
    /// The name of a static member; null when it is none.
    #[field(nullable = "0+", default = null)]
    pub instance_id: Option<Cow<'a, str>>,
    /// The member's rack; null when it has none.
    #[field(nullable = "0+", default = null)]
    pub rack_id: Option<Cow<'a, str>>,
    /// The member's `client.id`.
    pub client_id: Cow<'a, str>,
    /// The member's address.
    pub client_host: Cow<'a, str>,
    /// The epoch of the topology that the member has.
    pub topology_epoch: i32,
    /// The process that the member is part of.
    pub process_id: Cow<'a, str>,
    /// Where the member answers queries for its state; null when it does not.
    #[field(nullable = "0+", default = null)]
    pub user_endpoint: Option<Endpoint<'a>>,
    /// What sets members apart, as the zone they are in, so that spares are kept elsewhere.
    pub client_tags: Vec<KeyValue<'a>>,
    /// How far tasks have come.
    pub task_offsets: Vec<TaskOffset<'a>>,
    /// How far tasks could come.
    pub task_end_offsets: Vec<TaskOffset<'a>>,
    /// What the member has.
    pub assignment: Assignment<'a>,
    /// What the member shall have when the group has settled.
    pub target_assignment: Assignment<'a>,
    /// True for a member by the classic protocol.
    pub is_classic: bool,
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

/// Tasks of a member.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Assignment<'a> {
    /// The tasks that the member runs.
    pub active_tasks: Vec<TaskIds<'a>>,
    /// The tasks whose state it keeps as a spare.
    pub standby_tasks: Vec<TaskIds<'a>>,
    /// The tasks whose state it restores in order to run them.
    pub warmup_tasks: Vec<TaskIds<'a>>,
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

/// What the application computes, node by node.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(nullable)]
pub struct TopologyDescription<'a> {
    /// The parts.
    #[field(versions = "1+")]
    pub subtopologies: Vec<TopologyDescriptionSubtopology<'a>>,
    /// The states that every member keeps whole.
    #[field(versions = "1+")]
    pub global_stores: Vec<TopologyDescriptionGlobalStore<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A part of the topology.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopologyDescriptionSubtopology<'a> {
    /// The name of the subtopology, which follows from the topology.
    #[field(versions = "1+")]
    pub subtopology_id: Cow<'a, str>,
    /// The steps.
    #[field(versions = "1+")]
    pub nodes: Vec<TopologyDescriptionNode<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A step of the computation.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopologyDescriptionNode<'a> {
    /// The node's name.
    #[field(versions = "1+")]
    pub name: Cow<'a, str>,
    /// 1 reads topics, 2 computes, 3 writes a topic.
    #[field(versions = "1+")]
    pub node_type: i8,
    /// The topics it reads; empty for other types, or when they are chosen as it runs.
    #[field(versions = "1+")]
    pub source_topics: Vec<Cow<'a, str>>,
    /// The topic it writes; null for other types, or when it is chosen as it runs.
    #[field(versions = "1+", nullable = "1+", default = null)]
    pub sink_topic: Option<Cow<'a, str>>,
    /// The names of the states that it uses; empty for other types than 2.
    #[field(versions = "1+")]
    pub stores: Vec<Cow<'a, str>>,
    /// The names of the nodes that get what it gives.
    #[field(versions = "1+")]
    pub successors: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A state that every member keeps whole.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopologyDescriptionGlobalStore<'a> {
    /// The node that reads the topic which the state is made from.
    #[field(versions = "1+")]
    pub source: TopologyDescriptionNode<'a>,
    /// The node that writes the state.
    #[field(versions = "1+")]
    pub processor: TopologyDescriptionNode<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

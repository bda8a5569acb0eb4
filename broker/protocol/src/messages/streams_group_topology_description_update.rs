//! StreamsGroupTopologyDescriptionUpdate (key 93): a member of a streams group describes its topology, for people to look at
//! (KIP-1331).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Describes the topology of a group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = StreamsGroupTopologyDescriptionUpdate, response = StreamsGroupTopologyDescriptionUpdateResponse)]
pub struct StreamsGroupTopologyDescriptionUpdateRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id.
    pub member_id: Cow<'a, str>,
    /// The epoch of the topology described.
    pub topology_epoch: i32,
    /// The description.
    pub topology_description: TopologyDescription<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What the application computes, node by node.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopologyDescription<'a> {
    /// The parts.
    pub subtopologies: Vec<TopologyDescriptionSubtopology<'a>>,
    /// The states that every member keeps whole.
    pub global_stores: Vec<TopologyDescriptionGlobalStore<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A part of the topology.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopologyDescriptionSubtopology<'a> {
    /// The name of the subtopology, which follows from the topology.
    pub subtopology_id: Cow<'a, str>,
    /// The steps.
    pub nodes: Vec<TopologyDescriptionNode<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A step of the computation.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopologyDescriptionNode<'a> {
    /// The node's name.
    pub name: Cow<'a, str>,
    /// 1 reads topics, 2 computes, 3 writes a topic.
    pub node_type: i8,
    /// The topics it reads; empty for other types, or when they are chosen as it runs.
    pub source_topics: Vec<Cow<'a, str>>,
    /// The topic it writes; null for other types, or when it is chosen as it runs.
    #[field(nullable = "0+", default = null)]
    pub sink_topic: Option<Cow<'a, str>>,
    /// The names of the states that it uses; empty for other types than 2.
    pub stores: Vec<Cow<'a, str>>,
    /// The names of the nodes that get what it gives.
    pub successors: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A state that every member keeps whole.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopologyDescriptionGlobalStore<'a> {
    /// The node that reads the topic which the state is made from.
    pub source: TopologyDescriptionNode<'a>,
    /// The node that writes the state.
    pub processor: TopologyDescriptionNode<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether the description is kept.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = StreamsGroupTopologyDescriptionUpdate)]
pub struct StreamsGroupTopologyDescriptionUpdateResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! The topology of a streams group (KIP-1071), record type 23. Key and value.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// Which group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct StreamsGroupTopologyKey<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
}

/// What the group computes, as far as it must know: the parts and their topics.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct StreamsGroupTopologyValue<'a> {
    /// The epoch of the topology.
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
    pub topic_configs: Vec<TopicConfig<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A configuration of a topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct TopicConfig<'a> {
    /// The configuration's name.
    pub key: Cow<'a, str>,
    /// Its value.
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

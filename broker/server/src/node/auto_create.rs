//! Topics that are made without CreateTopics: because a client asked for their metadata, because groups need their offsets
//! topic, because the environment lists them.

use std::collections::BTreeSet;
use std::time::Duration;

use barnabas_metadata::CreateTopicError;
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};

use super::Node;
use crate::config::TopicToCreate;
use crate::coordinator::GROUP_METADATA_TOPIC;
use crate::metadata::ControllerError;

/// How long a client's Metadata request may wait for the topic that it asks for.
const WAIT: Duration = Duration::from_secs(5);
/// The broker's default, in CreateTopics.
const DEFAULT: i16 = -1;

impl Node {
    /// Makes the topics that are named and do not exist, with the broker's defaults; returns once they can be used here, or
    /// could not be made. Whoever asks for their metadata next sees which.
    pub async fn auto_create_topics(&self, names: BTreeSet<String>) {
        let topics = names.iter().map(|name| self.topic_by_name(name)).collect();
        if let Err(error) = create(self, topics).await {
            tracing::warn!(%error, "topics were not made for a client that asked for them");
        }
    }

    fn topic_by_name(&self, name: &str) -> CreatableTopic<'static> {
        if name == GROUP_METADATA_TOPIC {
            return self.offsets_topic();
        }
        topic(name, i32::from(DEFAULT), DEFAULT, &[])
    }

    /// `__consumer_offsets` as Kafka makes it.
    fn offsets_topic(&self) -> CreatableTopic<'static> {
        let groups = &self.config.groups;
        let segment_bytes = groups.offsets_topic_segment_bytes.to_string();
        let configs = [
            ("compression.type", "producer"),
            ("cleanup.policy", "compact"),
            ("segment.bytes", segment_bytes.as_str()),
        ];
        let (partitions, replicas) = (groups.offsets_topic_num_partitions, groups.offsets_topic_replication_factor);
        topic(GROUP_METADATA_TOPIC, partitions, replicas, &configs)
    }
}

/// Makes the topics that the environment lists. Those that exist stay as they are.
pub async fn create_configured(node: &Node, topics: Vec<TopicToCreate>) -> Result<(), ControllerError> {
    let wanted = |listed: TopicToCreate| {
        let policy = listed.cleanup_policy.as_deref().map(|policy| ("cleanup.policy", policy));
        topic(&listed.name, listed.partitions, listed.replication_factor, policy.as_slice())
    };
    create(node, topics.into_iter().map(wanted).collect()).await
}

fn topic(
    name: &str,
    num_partitions: i32,
    replication_factor: i16,
    configs: &[(&str, &str)],
) -> CreatableTopic<'static> {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).to_owned().into(),
        value: Some((*value).to_owned().into()),
        ..Default::default()
    };
    CreatableTopic {
        name: name.to_owned().into(),
        num_partitions,
        replication_factor,
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    }
}

async fn create(node: &Node, topics: Vec<CreatableTopic<'static>>) -> Result<(), ControllerError> {
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = topics.iter().map(|topic| topic.name.to_string()).collect();
    let request = CreateTopicsRequest { topics, ..Default::default() };
    let deadline = node.runtime.deadline(WAIT);
    let results =
        node.controller.decide(deadline, move |controller, context| controller.create_topics(context, &request));
    for (name, result) in names.iter().zip(results.await?) {
        match result {
            Ok(created) => tracing::info!(topic = name, partitions = created.partitions, "topic created"),
            Err(CreateTopicError::Exists { .. }) => {}
            Err(error) => {
                let code: ErrorCode = error.code();
                tracing::warn!(topic = name, code = code.name(), %error, "topic not created");
            }
        }
    }
    Ok(())
}

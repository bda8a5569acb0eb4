//! Topics that are made without CreateTopics: because a client asked for their metadata, because groups need their offsets
//! topic, because the environment lists them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};

use super::{Node, internal_topics};
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
    pub async fn auto_create_topics(self: &Arc<Self>, names: BTreeSet<String>) {
        if let Err(error) = self.try_auto_create(names).await {
            tracing::warn!(%error, "topics were not made for a client that asked for them");
        }
    }

    async fn try_auto_create(self: &Arc<Self>, names: BTreeSet<String>) -> Result<(), ControllerError> {
        let mut topics = Vec::with_capacity(names.len());
        for name in names {
            topics.push(match name.as_str() {
                GROUP_METADATA_TOPIC => self.offsets_topic().await?,
                name => topic(name, i32::from(DEFAULT), DEFAULT, &[]),
            });
        }
        create(self, topics).await
    }

    /// `__consumer_offsets` as Kafka makes it.
    async fn offsets_topic(&self) -> Result<CreatableTopic<'static>, ControllerError> {
        let groups = &self.config.groups;
        let segment_bytes = groups.offsets_topic_segment_bytes.to_string();
        let configs = [
            ("compression.type", "producer"),
            ("cleanup.policy", "compact"),
            ("segment.bytes", segment_bytes.as_str()),
        ];
        let (configured, brokers) = (self.config.offsets_topic_replication_factor, self.image().brokers.iter().count());
        let replicas = internal_topics::replication_factor(configured, brokers, self.controller.count_voters().await?);
        Ok(topic(GROUP_METADATA_TOPIC, groups.offsets_topic_num_partitions, replicas, &configs))
    }
}

/// Makes the topics that the environment lists. Those that exist stay as they are.
pub async fn create_configured(node: &Arc<Node>, topics: Vec<TopicToCreate>) -> Result<(), ControllerError> {
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

async fn create(node: &Arc<Node>, topics: Vec<CreatableTopic<'static>>) -> Result<(), ControllerError> {
    if topics.is_empty() {
        return Ok(());
    }
    // As long as the client's: one that is told meanwhile that the topic is unknown asks again.
    let timeout_ms = i32::try_from(WAIT.as_millis()).unwrap_or(i32::MAX);
    let request = CreateTopicsRequest { topics, timeout_ms, ..Default::default() };
    let first_error =
        |response: &CreateTopicsResponse<'_>| response.topics.first().map_or(ErrorCode::NONE, |topic| topic.error_code);
    let response = node.ask_controller(node.runtime.deadline(WAIT), &request, first_error).await?;
    let mut made = false;
    for topic in &response.topics {
        match topic.error_code {
            ErrorCode::NONE => {
                made = true;
                tracing::info!(topic = %topic.name, partitions = topic.num_partitions, "topic created");
            }
            ErrorCode::TOPIC_ALREADY_EXISTS => {}
            ErrorCode::INVALID_REPLICATION_FACTOR if topic.name == GROUP_METADATA_TOPIC => {
                let message = topic.error_message.as_deref();
                tracing::warn!(
                    topic = %topic.name,
                    message,
                    "topic not created: groups wait until there are enough brokers; offsets.topic.replication.factor says how many it takes"
                );
            }
            code => {
                let message = topic.error_message.as_deref();
                tracing::warn!(topic = %topic.name, code = code.name(), message, "topic not created");
            }
        }
    }
    if made {
        wait_for(node, &response).await;
    }
    Ok(())
}

/// Another node may have decided: here the topics are there a moment later.
async fn wait_for(node: &Node, response: &CreateTopicsResponse<'_>) {
    let deadline = node.runtime.deadline(WAIT);
    let mut applied = node.controller.applied().watch();
    let made = response.topics.iter().filter(|topic| topic.error_code == ErrorCode::NONE);
    for topic in made {
        while node.image().topics.get(topic.topic_id).is_none() {
            if !matches!(tokio::time::timeout_at(deadline, applied.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

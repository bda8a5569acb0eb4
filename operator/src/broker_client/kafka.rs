//! Brokers reached over Kafka's protocol. Keeps one client per cluster; decides nothing.

use super::{Answer, BrokerClient, BrokerError, Brokers, ConfigChanges, LiveGroup, LiveTopic, LogBounds, NewTopic};
use barnabas_client::{Client, ClientError, ConfigChange, ConfigResource, OffsetQuery, Settings};
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use barnabas_protocol::{ApiKey, ErrorCode};
use barnabas_types::TopicPartition;
use futures::FutureExt as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Config sources: this one is a topic's own value (DescribeConfigs, `config_source`).
const TOPIC_CONFIG: i8 = 1;
/// Clients that are kept. A cluster that is deleted leaves its client behind until this many have come after it.
const MAX_CLIENTS: usize = 256;

/// Clients by bootstrap address.
#[derive(Default)]
pub struct KafkaBrokers {
    clients: Mutex<BTreeMap<String, Arc<KafkaClient>>>,
}

struct KafkaClient(Client);

impl Brokers for KafkaBrokers {
    fn client(&self, bootstrap: &str) -> Result<Arc<dyn BrokerClient>, BrokerError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(bootstrap) {
            return Ok(Arc::<KafkaClient>::clone(known));
        }
        // A pass has a minute, and another pass comes: calls give up early.
        let settings = Settings {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(15),
            ..Settings::new(vec![bootstrap.to_owned()], "barnabas-operator")
        };
        let client = Arc::new(KafkaClient(Client::new(settings).map_err(failed)?));
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(bootstrap.to_owned(), Arc::clone(&client));
        Ok(client)
    }
}

impl BrokerClient for KafkaClient {
    fn describe_topic<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<LiveTopic>> {
        async move { self.topic(topic).await.map_err(failed) }.boxed()
    }

    fn create_topic<'a>(&'a self, topic: &'a NewTopic) -> Answer<'a, ()> {
        let configs = topic.configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: name.as_str().into(),
            value: Some(value.as_str().into()),
            ..CreatableTopicConfig::default()
        });
        let wanted = CreatableTopic {
            name: topic.name.as_str().into(),
            num_partitions: topic.partitions.unwrap_or(-1),
            replication_factor: topic.replication_factor.and_then(|factor| i16::try_from(factor).ok()).unwrap_or(-1),
            configs: configs.collect(),
            ..CreatableTopic::default()
        };
        async move { self.0.create_topic(&wanted, false).await.map(drop).map_err(failed) }.boxed()
    }

    fn create_partitions<'a>(&'a self, topic: &'a str, count: i32) -> Answer<'a, ()> {
        async move { self.0.create_partitions(topic, count, false).await.map_err(failed) }.boxed()
    }

    fn alter_topic_configs<'a>(&'a self, topic: &'a str, changes: &'a ConfigChanges) -> Answer<'a, ()> {
        let change = |value: &Option<String>| match value {
            Some(value) => ConfigChange::Set(value.clone()),
            None => ConfigChange::Delete,
        };
        let changes: Vec<_> = changes.iter().map(|(key, value)| (key.clone(), change(value))).collect();
        let resource = ConfigResource::Topic(topic.to_owned());
        async move { self.0.incremental_alter_configs(&resource, &changes, false).await.map_err(failed) }.boxed()
    }

    fn delete_topic<'a>(&'a self, topic: &'a str) -> Answer<'a, ()> {
        async move {
            match self.0.delete_topic(topic).await {
                Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(()),
                result => result.map_err(failed),
            }
        }
        .boxed()
    }

    fn describe_group<'a>(&'a self, group: &'a str) -> Answer<'a, Option<LiveGroup>> {
        async move {
            let described = match self.0.describe_group(group).await {
                Ok(described) => described,
                Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => return Ok(None),
                Err(error) => return Err(failed(error)),
            };
            let state = described.group_state.to_string();
            Ok((state != "Dead").then(|| LiveGroup {
                state,
                members: i32::try_from(described.members.len()).unwrap_or(i32::MAX),
                assignor: Some(described.protocol_data.to_string()).filter(|assignor| !assignor.is_empty()),
            }))
        }
        .boxed()
    }

    fn committed_offsets<'a>(&'a self, group: &'a str) -> Answer<'a, BTreeMap<TopicPartition, i64>> {
        async move {
            let offsets = self.0.offset_fetch(group).await.map_err(failed)?;
            Ok(offsets.into_iter().map(|committed| (committed.partition, committed.offset)).collect())
        }
        .boxed()
    }

    fn log_bounds<'a>(&'a self, partitions: &'a [TopicPartition]) -> Answer<'a, BTreeMap<TopicPartition, LogBounds>> {
        async move {
            let mut starts = self.0.list_offsets(partitions, OffsetQuery::Earliest).await.map_err(failed)?;
            let ends = self.0.list_offsets(partitions, OffsetQuery::Latest).await.map_err(failed)?;
            let bounds = ends.into_iter().filter_map(|(partition, end)| {
                let start = starts.remove(&partition)?.ok()?;
                Some((partition, LogBounds { start: start.offset, end: end.ok()?.offset }))
            });
            Ok(bounds.collect())
        }
        .boxed()
    }
}

impl KafkaClient {
    async fn topic(&self, name: &str) -> Result<Option<LiveTopic>, ClientError> {
        let metadata = self.0.metadata(Some(&[name])).await?;
        let Some(topic) = metadata.topics.into_iter().find(|topic| topic.name.as_deref() == Some(name)) else {
            return Ok(None);
        };
        if topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
            return Ok(None);
        }
        if !topic.error_code.is_none() {
            let (api, what) = (ApiKey::Metadata, name.to_owned());
            return Err(ClientError::Refused { api, what, code: topic.error_code, message: None });
        }
        let configs = self.0.describe_configs(&ConfigResource::Topic(name.to_owned()), None).await?;
        let own = configs.into_iter().filter(|config| config.config_source == TOPIC_CONFIG);
        let replicas = topic.partitions.first().map_or(0, |partition| partition.replica_nodes.len());
        Ok(Some(LiveTopic {
            id: topic.topic_id.to_string(),
            partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            replication_factor: i32::try_from(replicas).unwrap_or(i32::MAX),
            configs: own
                .map(|config| (config.name.into_owned(), config.value.map(Into::into).unwrap_or_default()))
                .collect(),
        }))
    }
}

/// What the client says is kept as it is; the controllers need only know whether the cluster refused.
fn failed(error: ClientError) -> BrokerError {
    match error {
        ClientError::Refused { api, what, code, message } => {
            BrokerError::Refused { what: format!("{api} of {what}"), code, message }
        }
        other => BrokerError::Unavailable { reason: other.to_string() },
    }
}

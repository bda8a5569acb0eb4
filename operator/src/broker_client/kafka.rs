//! Brokers reached over Kafka's protocol. Keeps one client per cluster; decides nothing.

use super::{
    Answer, BrokerClient, BrokerError, Brokers, ConfigChanges, Hosted, LiveGroup, LivePartition, LiveQuorum,
    LiveReplica, LiveTopic, LogBounds, NewTopic, StopPermit, VoterChange, admin_port,
};
use crate::k8s::names;
use barnabas_client::{Client, ClientError, ConfigChange, ConfigResource, OffsetQuery, Settings};
use barnabas_protocol::messages::add_raft_voter::Listener;
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use barnabas_protocol::messages::describe_quorum::{PartitionDataResult, ReplicaState};
use barnabas_protocol::messages::metadata::{MetadataResponsePartition, MetadataResponseTopic};
use barnabas_protocol::{ApiKey, ErrorCode};
use barnabas_types::TopicPartition;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Config sources (DescribeConfigs, `config_source`): a topic's own value, and what is set on all brokers at run time.
const TOPIC_CONFIG: i8 = 1;
const DYNAMIC_DEFAULT_BROKER_CONFIG: i8 = 3;
/// A replica that had everything of the leader's within this time keeps up with it.
const CAUGHT_UP_WITHIN_MS: i64 = 10_000;
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

    fn may_stop<'a>(&'a self, admin: &'a str) -> BoxFuture<'a, StopPermit> {
        admin_port::may_stop(admin).boxed()
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
        async move { self.alter(&ConfigResource::Topic(topic.to_owned()), changes).await.map_err(failed) }.boxed()
    }

    fn dynamic_configs(&self) -> Answer<'_, BTreeMap<String, String>> {
        async move {
            let configs = self.0.describe_configs(&ConfigResource::AllBrokers, None).await.map_err(failed)?;
            let set = configs.into_iter().filter(|config| config.config_source == DYNAMIC_DEFAULT_BROKER_CONFIG);
            Ok(set.filter_map(|config| Some((config.name.into_owned(), config.value?.into_owned()))).collect())
        }
        .boxed()
    }

    fn alter_dynamic_configs<'a>(&'a self, changes: &'a ConfigChanges) -> Answer<'a, ()> {
        async move { self.alter(&ConfigResource::AllBrokers, changes).await.map_err(failed) }.boxed()
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

    fn describe_quorum(&self) -> Answer<'_, LiveQuorum> {
        async move {
            let described = self.0.describe_quorum().await.map_err(failed)?;
            let partition = described.topics.into_iter().flat_map(|topic| topic.partitions).next();
            let silent = || BrokerError::Unavailable { reason: "the answer says nothing of the quorum".to_owned() };
            live_quorum(&partition.ok_or_else(silent)?).ok_or(BrokerError::Refused {
                what: "DescribeQuorum".to_owned(),
                code: ErrorCode::LEADER_NOT_AVAILABLE,
                message: None,
            })
        }
        .boxed()
    }

    fn change_voter<'a>(&'a self, change: &'a VoterChange) -> Answer<'a, ()> {
        async move {
            let result = match change {
                VoterChange::Add { id, directory_id, host } => {
                    let listener = Listener {
                        name: names::CONTROLLER_LISTENER.into(),
                        host: host.as_str().into(),
                        port: names::CONTROLLER_PORT.unsigned_abs().try_into().unwrap_or_default(),
                        unknown_tags: Default::default(),
                    };
                    self.0.add_raft_voter(*id, *directory_id, vec![listener]).await
                }
                VoterChange::Remove { id, directory_id } => self.0.remove_raft_voter(*id, *directory_id).await,
            };
            result.map_err(failed)
        }
        .boxed()
    }

    fn hosted(&self) -> Answer<'_, BTreeMap<i32, Hosted>> {
        async move { Ok(hosted(&self.all_partitions().await.map_err(failed)?)) }.boxed()
    }

    fn partitions(&self) -> Answer<'_, Vec<LivePartition>> {
        async move { self.all_partitions().await.map_err(failed) }.boxed()
    }

    fn registered_brokers(&self) -> Answer<'_, BTreeSet<i32>> {
        async move {
            let described = self.0.describe_cluster(true).await.map_err(failed)?;
            Ok(described.brokers.into_iter().map(|broker| broker.broker_id).collect())
        }
        .boxed()
    }

    fn unregister_broker(&self, id: i32) -> Answer<'_, ()> {
        async move {
            match self.0.unregister_broker(id).await {
                Err(error) if error.code() == Some(ErrorCode::BROKER_ID_NOT_REGISTERED) => Ok(()),
                result => result.map_err(failed),
            }
        }
        .boxed()
    }
}

/// A replica that is not in sync may lack what was acknowledged: it is no copy to rely on.
fn hosted(partitions: &[LivePartition]) -> BTreeMap<i32, Hosted> {
    let mut hosted: BTreeMap<i32, Hosted> = BTreeMap::new();
    for partition in partitions {
        for broker in &partition.replicas {
            let held = hosted.entry(*broker).or_default();
            held.replicas += 1;
            held.alone += usize::from(!partition.in_sync.iter().any(|other| other != broker));
        }
    }
    hosted
}

/// Measures every replica by the leader, whose own times are the present. Nothing when no leader is told.
fn live_quorum(described: &PartitionDataResult<'_>) -> Option<LiveQuorum> {
    let leader = described.current_voters.iter().find(|voter| voter.replica_id == described.leader_id)?;
    let live = |replica: &ReplicaState<'_>| {
        let lag = leader.log_end_offset.saturating_sub(replica.log_end_offset.max(0)).max(0);
        let behind_ms = leader.last_caught_up_timestamp.saturating_sub(replica.last_caught_up_timestamp);
        // What never caught up has -1 there.
        let caught_up = replica.last_caught_up_timestamp >= 0 && behind_ms <= CAUGHT_UP_WITHIN_MS;
        LiveReplica {
            id: replica.replica_id,
            directory_id: replica.replica_directory_id,
            caught_up: caught_up || replica.replica_id == described.leader_id,
            lag,
        }
    };
    Some(LiveQuorum {
        leader: described.leader_id,
        epoch: described.leader_epoch,
        voters: described.current_voters.iter().map(live).collect(),
        observers: described.observers.iter().map(live).collect(),
    })
}

impl KafkaClient {
    async fn all_partitions(&self) -> Result<Vec<LivePartition>, ClientError> {
        let metadata = self.0.metadata(None).await?;
        let of_topic = |topic: MetadataResponseTopic<'_>| {
            let name = topic.name.unwrap_or_default().into_owned();
            let live = move |partition: MetadataResponsePartition<'_>| LivePartition {
                topic: name.clone(),
                partition: partition.partition_index,
                leader: (partition.leader_id >= 0).then_some(partition.leader_id),
                replicas: partition.replica_nodes.iter().collect(),
                in_sync: partition.isr_nodes.iter().collect(),
            };
            topic.partitions.into_iter().map(live).collect::<Vec<_>>()
        };
        Ok(metadata.topics.into_iter().flat_map(of_topic).collect())
    }

    async fn alter(&self, resource: &ConfigResource, changes: &ConfigChanges) -> Result<(), ClientError> {
        let change = |value: &Option<String>| match value {
            Some(value) => ConfigChange::Set(value.clone()),
            None => ConfigChange::Delete,
        };
        let changes: Vec<_> = changes.iter().map(|(key, value)| (key.clone(), change(value))).collect();
        self.0.incremental_alter_configs(resource, &changes, false).await
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(id: i32, log_end_offset: i64, last_caught_up_timestamp: i64) -> ReplicaState<'static> {
        ReplicaState { replica_id: id, log_end_offset, last_caught_up_timestamp, ..ReplicaState::default() }
    }

    #[test]
    fn replicas_are_measured_by_the_leaders_own_clock() {
        let mut described = PartitionDataResult {
            leader_id: 1,
            leader_epoch: 7,
            current_voters: vec![replica(0, 90, 990_000), replica(1, 100, 1_000_000), replica(2, 40, 989_999)],
            observers: vec![replica(3, -1, -1)],
            ..PartitionDataResult::default()
        };
        let quorum = live_quorum(&described).unwrap();
        let shown = |replica: &LiveReplica| (replica.id, replica.caught_up, replica.lag);
        assert_eq!(quorum.voters.iter().map(shown).collect::<Vec<_>>(), [(0, true, 10), (1, true, 0), (2, false, 60)]);
        assert_eq!(shown(&quorum.observers[0]), (3, false, 100));
        described.leader_id = -1;
        assert_eq!(live_quorum(&described), None);
    }

    #[test]
    fn partitions_of_which_no_other_broker_has_all_are_counted_apart() {
        let partition = |replicas: &[i32], in_sync: &[i32]| LivePartition {
            replicas: replicas.to_vec(),
            in_sync: in_sync.to_vec(),
            ..LivePartition::default()
        };
        let both = partition(&[0, 1], &[0, 1]);
        let hosted = hosted(&[both, partition(&[1], &[1]), partition(&[2, 0], &[2]), partition(&[2, 1], &[])]);
        assert_eq!(hosted[&0], Hosted { replicas: 2, alone: 0 }, "what it lacks of the third, another has");
        assert_eq!(hosted[&1], Hosted { replicas: 3, alone: 2 }, "nobody knows who has all of the last");
        assert_eq!(hosted[&2], Hosted { replicas: 2, alone: 2 }, "the other replica of the third is not in sync");
    }
}

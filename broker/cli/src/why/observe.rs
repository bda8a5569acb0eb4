//! Looks at a cluster as any client does, and turns its answers into plain values. Draws no conclusion; what cannot be asked is part of
//! what was seen, unless nobody answers at all.

use std::collections::BTreeMap;
use std::time::Duration;

use barnabas_client::{Client, ClientError, ConfigResource, Settings};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::Int32List;
use barnabas_protocol::messages::describe_log_dirs::DescribeLogDirsResult;
use barnabas_protocol::messages::describe_quorum::{DescribeQuorumResponse, ReplicaState};
use barnabas_protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};

use super::observed::{Broker, Disk, Observed, Partition, Quorum, Replica, Topic};
use super::stopping;

/// Nothing could be seen.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// No broker answers.
    #[error("the cluster cannot be asked: {0}. Name a broker that answers (--bootstrap-server)")]
    Unreachable(#[from] ClientError),
    /// The system gives no event loop.
    #[error("cannot wait for answers: {0}")]
    Runtime(std::io::Error),
}

/// Asks one cluster.
pub struct Observer {
    client: Client,
}

impl Observer {
    /// One that begins with these addresses and waits so long for each answer.
    pub fn new(bootstrap_servers: &[String], timeout: Duration) -> Result<Self, ObserveError> {
        let settings = Settings {
            connect_timeout: timeout,
            request_timeout: timeout,
            call_timeout: timeout,
            ..Settings::new(bootstrap_servers.to_vec(), "barnabas-why")
        };
        Ok(Self { client: Client::new(settings)? })
    }

    /// What the quorum is explained from.
    pub async fn quorum(&self) -> Result<Observed, ObserveError> {
        // A cluster without a leader of its quorum still tells of its brokers.
        let cluster = match self.client.describe_cluster(true).await {
            Err(ClientError::NoCommonVersion { .. }) => self.client.describe_cluster(false).await?,
            described => described?,
        };
        let brokers = cluster.brokers.into_iter().map(|broker| Broker {
            id: broker.broker_id,
            address: format!("{}:{}", broker.host, broker.port),
            rack: broker.rack.map(Into::into),
            is_fenced: broker.is_fenced,
        });
        Ok(Observed {
            cluster_id: cluster.cluster_id.into(),
            brokers: brokers.collect(),
            quorum: self.client.describe_quorum().await.map(quorum).map_err(|error| error.to_string()),
            topics: Vec::new(),
            disks: BTreeMap::new(),
            min_insync_replicas: None,
            minimums: BTreeMap::new(),
        })
    }

    /// What broker `id` is explained from.
    pub async fn broker(&self, id: i32) -> Result<Observed, ObserveError> {
        let mut observed = self.quorum().await?;
        observed.topics = topics(self.client.describe_topic_partitions(&[]).await?);
        self.look_at_disks(&mut observed, id).await;
        for topic in stopping::undecided(&observed, id) {
            if let Some(minimum) = self.min_insync_replicas(&topic).await {
                observed.minimums.insert(topic, minimum);
            }
        }
        Ok(observed)
    }

    /// What a partition is explained from.
    pub async fn partition(&self, topic: &str, index: i32) -> Result<Observed, ObserveError> {
        let mut observed = self.quorum().await?;
        observed.topics = topics(self.client.describe_topic_partitions(&[topic]).await?);
        let partitions = observed.topics.iter().flat_map(|topic| &topic.partitions);
        let leader = partitions.into_iter().find(|partition| partition.index == index).and_then(|found| found.leader);
        if let Some(leader) = leader {
            self.look_at_disks(&mut observed, leader).await;
        }
        if !observed.topics.is_empty() {
            observed.min_insync_replicas = self.min_insync_replicas(topic).await;
        }
        Ok(observed)
    }

    /// A fenced broker is not asked: nobody is told its address.
    async fn look_at_disks(&self, observed: &mut Observed, id: i32) {
        if observed.broker(id).is_some_and(|broker| !broker.is_fenced) {
            let disks = self.client.describe_log_dirs(id).await;
            let disks = disks.map(|disks| disks.into_iter().map(disk).collect()).map_err(|error| error.to_string());
            observed.disks.insert(id, disks);
        }
    }

    async fn min_insync_replicas(&self, topic: &str) -> Option<usize> {
        const KEY: &str = "min.insync.replicas";
        let configs =
            self.client.describe_configs(&ConfigResource::Topic(topic.to_owned()), Some(&[KEY])).await.ok()?;
        configs.into_iter().find(|config| config.name == KEY)?.value?.parse().ok()
    }
}

fn quorum(response: DescribeQuorumResponse<'static>) -> Quorum {
    let addresses = response.nodes.iter().filter_map(|node| {
        let listener = node.listeners.first()?;
        Some((node.node_id, format!("{}:{}", listener.host, listener.port)))
    });
    let addresses = addresses.collect();
    let partition = response.topics.into_iter().flat_map(|topic| topic.partitions).next().unwrap_or_default();
    Quorum {
        leader: partition.leader_id,
        epoch: partition.leader_epoch,
        high_watermark: known(partition.high_watermark),
        voters: partition.current_voters.iter().map(replica).collect(),
        observers: partition.observers.iter().map(replica).collect(),
        addresses,
    }
}

fn replica(state: &ReplicaState<'_>) -> Replica {
    Replica {
        id: state.replica_id,
        directory_id: state.replica_directory_id,
        log_end: known(state.log_end_offset),
        last_fetch_ms: known(state.last_fetch_timestamp),
        last_caught_up_ms: known(state.last_caught_up_timestamp),
    }
}

/// -1 stands for what is not known.
fn known(number: i64) -> Option<i64> {
    (number >= 0).then_some(number)
}

/// The topics that are there, the parts of one put together.
fn topics(described: Vec<DescribeTopicPartitionsResponseTopic<'static>>) -> Vec<Topic> {
    let mut topics: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
    for topic in described {
        if let (ErrorCode::NONE, Some(name)) = (topic.error_code, topic.name) {
            topics.entry(name.into_owned()).or_default().extend(topic.partitions.iter().map(partition));
        }
    }
    topics.into_iter().map(|(name, partitions)| Topic { name, partitions }).collect()
}

fn partition(described: &DescribeTopicPartitionsResponsePartition<'_>) -> Partition {
    let ids = |list: &Int32List<'_>| list.iter().collect::<Vec<i32>>();
    Partition {
        index: described.partition_index,
        leader: (described.leader_id >= 0).then_some(described.leader_id),
        leader_epoch: described.leader_epoch,
        replicas: ids(&described.replica_nodes),
        isr: ids(&described.isr_nodes),
        eligible_leaders: described.eligible_leader_replicas.as_ref().map(ids).unwrap_or_default(),
        offline: ids(&described.offline_replicas),
    }
}

fn disk(described: DescribeLogDirsResult<'static>) -> Disk {
    let partitions = described.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.name.clone().into_owned(), partition.partition_index))
    });
    Disk {
        partitions: partitions.collect(),
        path: described.log_dir.into_owned(),
        error: (described.error_code != ErrorCode::NONE).then(|| described.error_code.to_string()),
        total_bytes: known(described.total_bytes),
        usable_bytes: known(described.usable_bytes),
        is_cordoned: described.is_cordoned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_comes_in_parts_is_put_together_and_one_that_is_not_there_left_out() {
        let part = |name: &'static str, index, error_code| DescribeTopicPartitionsResponseTopic {
            error_code,
            name: Some(name.into()),
            partitions: vec![DescribeTopicPartitionsResponsePartition {
                partition_index: index,
                leader_id: -1,
                replica_nodes: vec![3, 1].into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let gone = part("gone", 0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let seen = topics(vec![part("orders", 0, ErrorCode::NONE), part("orders", 1, ErrorCode::NONE), gone]);
        assert_eq!(seen.len(), 1);
        let partition = &seen[0].partitions[1];
        assert_eq!((partition.index, partition.leader, partition.replicas.as_slice()), (1, None, [3, 1].as_slice()));
    }
}

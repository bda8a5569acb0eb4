//! A client's connections: to whichever node leads a partition, as some node says. Tries nothing twice.

use std::collections::BTreeMap;
use std::time::Duration;

use barnabas_client::{ClientError, Connection, Settings};
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use barnabas_protocol::messages::metadata::MetadataRequestTopic;
use barnabas_protocol::messages::{CreateTopicsRequest, ElectLeadersRequest, MetadataRequest};
use barnabas_protocol::{ErrorCode, Request, VersionRange};
use barnabas_types::Uuid;

use super::super::network::Network;
use super::super::scene::Shape;
use super::Place;
use crate::random::Random;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(6);
/// Where clients are served.
pub const CLIENT_PORT: u16 = 9092;

/// See the module.
#[derive(Debug)]
pub struct Link {
    nodes: usize,
    settings: Settings,
    connections: BTreeMap<usize, Connection>,
    /// The newest leader epoch of each partition that was told.
    epochs: BTreeMap<i32, i32>,
    random: Random,
}

impl Link {
    /// No connection yet, to any of `nodes` nodes.
    #[must_use]
    pub fn new(nodes: usize, name: &str, random: Random) -> Self {
        Self {
            nodes,
            settings: Settings::new(Vec::new(), name),
            connections: BTreeMap::new(),
            epochs: BTreeMap::new(),
            random,
        }
    }

    /// Any of the nodes.
    pub fn any(&mut self) -> usize {
        1 + usize::try_from(self.random.below(self.nodes as u64)).unwrap_or(0)
    }

    /// Asks `node`; a connection on which that failed is used no more.
    ///
    /// # Errors
    /// No answer.
    pub async fn ask<Q: Request>(
        &mut self,
        node: usize,
        request: &Q,
        versions: VersionRange,
    ) -> Result<Q::Response<'static>, String> {
        let mut connection = self.connections.remove(&node);
        let call = async {
            let mut opened = match connection.take() {
                Some(connection) => connection,
                None => Connection::open(&format!("{}:{CLIENT_PORT}", Network::host(node)), &self.settings).await?,
            };
            let answered = opened.call(request, versions).await?;
            Ok::<_, ClientError>((opened, answered))
        };
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok((connection, answered))) => {
                self.connections.insert(node, connection);
                Ok(answered)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// Who leads `place`, as some node knows, and in which epoch. A node that is behind is not believed (KIP-320): who led before still
    /// takes itself for the leader.
    pub async fn leader(&mut self, place: Place) -> Option<(usize, i32)> {
        let topic = MetadataRequestTopic { topic_id: place.topic_id, name: None, ..Default::default() };
        let request =
            MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() };
        let node = self.any();
        let answer = self.ask(node, &request, VersionRange::new(12, 13)).await.ok()?;
        let partitions = &answer.topics.first()?.partitions;
        let partition = partitions.iter().find(|partition| partition.partition_index == Place::PARTITION)?;
        let newest = self.epochs.entry(place.number).or_insert(partition.leader_epoch);
        if partition.leader_epoch < *newest {
            return None;
        }
        *newest = partition.leader_epoch;
        Some((usize::try_from(partition.leader_id).ok()?, partition.leader_epoch))
    }
}

/// Makes topic `number` as `shape` says; says its id.
pub async fn create_topic(link: &mut Link, number: i32, shape: Shape) -> Option<Uuid> {
    let config = |(name, value): (&'static str, String)| CreatableTopicConfig {
        name: name.into(),
        value: Some(value.into()),
        ..Default::default()
    };
    let topic = CreatableTopic {
        name: Place::topic(number).into(),
        num_partitions: 1,
        replication_factor: shape.replicas,
        configs: shape.settings().into_iter().map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() };
    let node = link.any();
    _ = link.ask(node, &request, VersionRange::new(7, 7)).await;
    let named = MetadataRequestTopic { name: Some(Place::topic(number).into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![named]), allow_auto_topic_creation: false, ..Default::default() };
    let answer = link.ask(node, &request, VersionRange::new(12, 13)).await.ok()?;
    let topic = answer.topics.first().filter(|topic| topic.error_code == ErrorCode::NONE)?;
    Some(topic.topic_id)
}

/// Asks for the preferred leaders of all partitions, once, and waits for no good answer.
pub async fn elect_preferred(mut link: Link) {
    let request = ElectLeadersRequest { timeout_ms: 3_000, ..Default::default() };
    let node = link.any();
    _ = link.ask(node, &request, VersionRange::new(2, 2)).await;
}

//! What is asked of a cluster before a run: where a topic's partitions are led, where they begin and end, a producer's id. Tries again while
//! brokers restart or elect, for a bounded time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use barnabas_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use barnabas_protocol::messages::metadata::MetadataRequestTopic;
use barnabas_protocol::messages::{InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, MetadataResponse};
use barnabas_protocol::{ApiKey, ErrorCode};
use barnabas_types::Uuid;

use super::connection::Connection;
use super::error::PerfError;

/// How long a connection may take, and an answer during setup.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take while others wait.
const QUICK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long setup tries again.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// The codes after which another broker must be asked.
pub const LEADER_MOVED: [ErrorCode; 4] = [
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::LEADER_NOT_AVAILABLE,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::FENCED_LEADER_EPOCH,
];

/// Where a cluster is and how to introduce oneself.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Addresses to begin with, `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// `client.id`.
    pub client_id: String,
}

/// A topic and who leads its partitions.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; zero where the cluster is too old to say.
    pub id: Uuid,
    /// Partition numbers by the leader's address.
    pub by_leader: BTreeMap<String, Vec<i32>>,
}

impl Topic {
    /// How many partitions are led.
    pub fn partition_count(&self) -> usize {
        self.by_leader.values().map(Vec::len).sum()
    }
}

/// Runs `attempt` until it succeeds, fails for good, or patience ends.
pub fn patiently<T>(mut attempt: impl FnMut() -> Result<T, PerfError>) -> Result<T, PerfError> {
    let began = Instant::now();
    let mut told = false;
    loop {
        match attempt() {
            Err(error) if error.is_retriable() => {
                if !told {
                    eprintln!("barnabas perf: {error}; trying again for {PATIENCE:?}");
                    told = true;
                }
                if began.elapsed() >= PATIENCE {
                    return Err(PerfError::GaveUp { after: PATIENCE, last: Box::new(error) });
                }
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

impl Cluster {
    /// A connection to whichever bootstrap server answers first.
    ///
    /// # Errors
    /// When none does.
    pub fn connect_any(&self) -> Result<Connection, PerfError> {
        self.connect_any_within(CALL_TIMEOUT)
    }

    /// The same, with a longer time for answers.
    ///
    /// # Errors
    /// As there.
    pub fn connect_any_within(&self, timeout: Duration) -> Result<Connection, PerfError> {
        let mut failure = PerfError::argument("--bootstrap-server", "''", "name at least one host:port");
        for address in &self.bootstrap_servers {
            match Connection::open(address, &self.client_id, timeout) {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// A connection to `address`.
    ///
    /// # Errors
    /// All of [`Connection::open`].
    pub fn connect(&self, address: &str) -> Result<Connection, PerfError> {
        Connection::open(address, &self.client_id, CALL_TIMEOUT)
    }

    /// A connection to `address`, or soon an error: the other connections of a run wait meanwhile.
    fn connect_quickly(&self, address: &str) -> Result<Connection, PerfError> {
        Connection::open(address, &self.client_id, QUICK_TIMEOUT)
    }

    /// Where the partitions of `name` are led, once all of them are. With `partitions` only the first so many count.
    ///
    /// # Errors
    /// When no broker answers, or the topic is missing or has fewer partitions.
    pub fn topic(&self, name: &str, partitions: Option<usize>) -> Result<Topic, PerfError> {
        patiently(|| self.try_topic(name, partitions))
    }

    /// A connection, no longer blocking, to the broker that leads all of `partitions` of `topic` now.
    ///
    /// # Errors
    /// When it cannot be reached, or there is no such single broker.
    pub fn connect_to_leader(
        &self,
        topic: &str,
        limit: Option<usize>,
        partitions: &[i32],
    ) -> Result<Connection, PerfError> {
        let topic = self.try_topic(topic, limit)?;
        let mut leaders =
            topic.by_leader.iter().filter(|(_, led)| led.iter().any(|partition| partitions.contains(partition)));
        let (Some((address, _)), None) = (leaders.next(), leaders.next()) else {
            let reason = "leaders have moved, so that the partitions of one connection have several; begin anew";
            return Err(PerfError::argument("--connections", partitions.len(), reason));
        };
        let connection = self.connect_quickly(address)?;
        connection.stop_blocking()?;
        Ok(connection)
    }

    /// As [`Cluster::topic`], once.
    ///
    /// # Errors
    /// As there, also those that pass.
    fn try_topic(&self, name: &str, partitions: Option<usize>) -> Result<Topic, PerfError> {
        let response = metadata(&mut self.connect_any()?, &[name])?;
        led(name, partitions, &response)
    }
}

/// The first or next offset of each of `partitions`, all led by the broker behind `connection`.
///
/// # Errors
/// When the broker does not answer or refuses.
pub fn offsets(
    connection: &mut Connection,
    topic: &str,
    partitions: &[i32],
    latest: bool,
) -> Result<BTreeMap<i32, i64>, PerfError> {
    let timestamp = if latest { -1 } else { -2 };
    let asked = |index: &i32| ListOffsetsPartition { partition_index: *index, timestamp, ..Default::default() };
    let partitions = partitions.iter().map(asked).collect();
    let topics = vec![ListOffsetsTopic { name: topic.into(), partitions, ..Default::default() }];
    let response = connection.call(&ListOffsetsRequest { topics, ..Default::default() }, 1)?;
    let mut offsets = BTreeMap::new();
    for partition in response.topics.into_iter().flat_map(|topic| topic.partitions) {
        let what = format!("{topic}-{}", partition.partition_index);
        PerfError::check(ApiKey::ListOffsets, &what, partition.error_code, None)?;
        offsets.insert(partition.partition_index, partition.offset);
    }
    Ok(offsets)
}

/// What the broker behind `connection` knows of `topics`. Creates none by asking.
///
/// # Errors
/// When the broker does not answer.
pub fn metadata(connection: &mut Connection, topics: &[&str]) -> Result<MetadataResponse<'static>, PerfError> {
    let named = |name: &&str| MetadataRequestTopic { name: Some((*name).to_owned().into()), ..Default::default() };
    let request = MetadataRequest {
        topics: Some(topics.iter().map(named).collect()),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let response = connection.call(&request, 4)?;
    PerfError::check(ApiKey::Metadata, connection.address(), response.error_code, None)?;
    Ok(response)
}

/// An id and epoch for an idempotent producer.
///
/// # Errors
/// When the broker does not answer or refuses for good.
pub fn producer_id(connection: &mut Connection) -> Result<(i64, i16), PerfError> {
    patiently(|| {
        let request =
            InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: i32::MAX, ..Default::default() };
        let response = connection.call(&request, 0)?;
        PerfError::check(ApiKey::InitProducerId, "an idempotent producer", response.error_code, None)?;
        Ok((response.producer_id, response.producer_epoch))
    })
}

fn led(name: &str, partitions: Option<usize>, response: &MetadataResponse<'_>) -> Result<Topic, PerfError> {
    let problem = |problem: String| PerfError::Topic { topic: name.to_owned(), problem };
    let found = response.topics.iter().find(|topic| topic.name.as_deref() == Some(name));
    let found = found.ok_or_else(|| problem("the broker says nothing about it".to_owned()))?;
    PerfError::check(ApiKey::Metadata, &format!("topic {name}"), found.error_code, None)?;
    let wanted = partitions.unwrap_or(found.partitions.len());
    if wanted > found.partitions.len() {
        let reason = format!("topic {name} has {}", found.partitions.len());
        return Err(PerfError::argument("--partitions", wanted, reason));
    }
    let mut by_leader: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in &found.partitions {
        if usize::try_from(partition.partition_index).is_ok_and(|index| index >= wanted) {
            continue;
        }
        let leader = response.brokers.iter().find(|broker| broker.node_id == partition.leader_id);
        let leader = leader.ok_or_else(|| problem(format!("nobody leads partition {}", partition.partition_index)))?;
        let address = barnabas_client::address(&leader.host, leader.port);
        by_leader.entry(address).or_default().push(partition.partition_index);
    }
    if by_leader.is_empty() {
        return Err(problem("it has no partitions".to_owned()));
    }
    by_leader.values_mut().for_each(|partitions| partitions.sort_unstable());
    Ok(Topic { name: name.to_owned(), id: found.topic_id, by_leader })
}

//! Carries out what a fetcher wants: sends its Fetch requests to one peer, appends what comes, cuts logs, and tells it what came of it. One
//! Fetch is under way at a time, and beside it one question about the ends of a log. Decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use barnabas_client::{ClientError, Connection, Settings, address};
use barnabas_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic, PartitionData, ReplicaState,
};
use barnabas_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use barnabas_protocol::{ApiKey, ErrorCode, Message, Reader as WireReader, Records, VersionRange};
use barnabas_replica::fetcher::{
    AppendFailure, Config, Effect, EpochEnd, FetchAnswer, FetchFailure, Fetcher, Input, LeaderEnds, OwnLog,
    PartitionAnswer, PartitionError, PartitionOutcome,
};
use barnabas_replica::{Settings as ReplicaSettings, fetcher};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, TopicIdPartition};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::Partition;
use super::fetchers::{FetcherKey, Inbox};
use super::follow::{Cut, Told};
use crate::node::Node;

/// Versions of Fetch that carry topic ids and the epoch of the follower.
const FETCH_VERSIONS: VersionRange = VersionRange::new(15, 17);
/// Versions of ListOffsets that know leader epochs.
const LIST_OFFSETS_VERSIONS: VersionRange = VersionRange::new(4, 10);
/// ListOffsets: the end, and the first offset.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// How long a peer that does not answer is waited for, beside the time that the request lets it wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to find out whether a peer is still there whose connection has ended.
const LOOK_PATIENCE: Duration = Duration::from_millis(100);
/// How long after a connection that ended while it was opened.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How long fetchers may take to end what they do.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// How long a round waits for syncs before it goes on without the partitions that are not synced.
const SYNC_PATIENCE_MS: u64 = 50;
/// What an answer may have beside its records.
const ENVELOPE_BYTES: usize = 16 * 1024 * 1024;

/// What came of a request: its number, and the answer.
type Answered = (u64, Result<Box<Got>, ClientError>);
/// A request that is under way, and the connection that it has.
type UnderWay = BoxFuture<'static, Answered>;

/// The leader is asked where its log of a partition begins and ends.
struct Asking {
    partition: TopicIdPartition,
    leader_epoch: LeaderEpoch,
    answer: BoxFuture<'static, Input>,
}

/// Runs the fetchers of this broker until `stop`. When it returns, none of them runs any more.
pub async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let surroundings = Arc::clone(node.replicas.surroundings());
    let mut drivers = Vec::new();
    loop {
        let begun = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            begun = surroundings.fetchers.begun() => begun,
        };
        for (key, inbox) in begun {
            let driver = Driver::new(Arc::clone(&node), key, inbox);
            drivers.push(node.runtime.spawn_data(driver.run(stop.clone())));
        }
    }
    let deadline = node.runtime.deadline(END_PATIENCE);
    for mut driver in drivers {
        // One that cuts a log waits for the disk.
        if tokio::time::timeout_at(deadline, &mut driver).await.is_err() {
            driver.abort();
        }
    }
}

/// An answer in its version, and the connection that is free again.
struct Got {
    connection: Connection,
    frame: Bytes,
    version: i16,
}

enum Event {
    Stop,
    Filled,
    Tick,
    Answered(Answered),
    LeaderEnds(Input),
}

struct Driver {
    node: Arc<Node>,
    leader: BrokerId,
    core: Fetcher,
    inbox: Arc<Inbox>,
    connection: Option<Connection>,
    under_way: Option<UnderWay>,
    asking: Option<Asking>,
    /// Whose ends are asked for next, one partition after the other.
    to_ask: BTreeMap<TopicIdPartition, LeaderEpoch>,
}

impl Driver {
    fn new(node: Arc<Node>, (leader, durability): FetcherKey, inbox: Arc<Inbox>) -> Self {
        let settings = ReplicaSettings {
            durability,
            #[cfg(feature = "simulated")]
            bug: node.runtime.bug().and_then(crate::bug::Seeded::of_replica),
            ..ReplicaSettings::default()
        };
        let backoff_ms = node.config.replication.fetch_backoff_ms;
        let core = Fetcher::new(Config { backoff_ms, sync_patience_ms: SYNC_PATIENCE_MS, settings });
        let (asking, to_ask) = (None, BTreeMap::new());
        Self { node, leader, core, inbox, connection: None, under_way: None, asking, to_ask }
    }

    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let inputs = self.inbox.take();
            if !inputs.is_empty() {
                self.hand_in(inputs, &HashMap::new()).await;
            }
            self.ask_next();
            match self.next(&mut stop).await {
                Event::Stop => return,
                Event::Filled => {}
                Event::Tick => self.hand_in(vec![Input::Tick], &HashMap::new()).await,
                Event::Answered((number, answer)) => {
                    self.under_way = None;
                    self.answered(number, answer).await;
                }
                Event::LeaderEnds(answer) => {
                    self.asking = None;
                    self.hand_in(vec![answer], &HashMap::new()).await;
                }
            }
        }
    }

    async fn next(&mut self, stop: &mut watch::Receiver<bool>) -> Event {
        let now = self.node.runtime.now();
        let wait = self.core.next_deadline(now).map(|at| at.saturating_sub(now.monotonic));
        let tick = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let answered = async {
            match &mut self.under_way {
                Some(under_way) => under_way.await,
                None => std::future::pending().await,
            }
        };
        let ends = async {
            match &mut self.asking {
                Some(asking) => (&mut asking.answer).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Event::Stop,
            answered = answered => Event::Answered(answered),
            answer = ends => Event::LeaderEnds(answer),
            () = self.inbox.filled() => Event::Filled,
            () = tick => Event::Tick,
        }
    }

    /// Hands inputs that have come together to the core and does what it wants; `records` are those of the answer that it is about.
    async fn hand_in(&mut self, mut inputs: Vec<Input>, records: &HashMap<TopicIdPartition, Bytes>) {
        while !inputs.is_empty() {
            let mut effects = Vec::new();
            self.core.handle_all(std::mem::take(&mut inputs), self.node.runtime.now(), &mut effects);
            for effect in effects {
                inputs.extend(self.execute(effect, records).await);
            }
        }
    }

    /// Carries out an effect; what came of it is an input again.
    async fn execute(&mut self, effect: Effect, records: &HashMap<TopicIdPartition, Bytes>) -> Option<Input> {
        match effect {
            Effect::Fetch { number, request } => {
                self.fetch(number, &request);
                None
            }
            Effect::Append { partition, leader_epoch, offset, high_watermark, log_start } => {
                let told = Told { leader_epoch, high_watermark, log_start };
                let now = self.node.runtime.wall();
                let append = |hosted: Arc<Partition>| {
                    let records = records.get(&partition).map_or(&[][..], |records| records);
                    hosted.append_fetched(records, offset, told, now)
                };
                let result = self.node.replicas.get(partition).map_or(Err(AppendFailure::NotFollowing), append);
                Some(Input::Appended { partition, leader_epoch, result })
            }
            Effect::Learn { partition, leader_epoch, high_watermark, log_start } => {
                if let Some(hosted) = self.node.replicas.get(partition) {
                    hosted.learn(Told { leader_epoch, high_watermark, log_start });
                }
                None
            }
            Effect::Truncate { partition, leader_epoch, to, .. } => {
                Some(cut(&self.node, partition, leader_epoch, Cut::To(to)).await)
            }
            Effect::StartAt { partition, leader_epoch, at, .. } => {
                Some(cut(&self.node, partition, leader_epoch, Cut::StartAt(at)).await)
            }
            Effect::AskLeaderEnds { partition, leader_epoch } => {
                self.to_ask.insert(partition, leader_epoch);
                None
            }
            Effect::HangUp => {
                (self.connection, self.under_way) = (None, None);
                None
            }
            Effect::SetAside { partition, reason } => {
                self.node.replicas.surroundings().fetchers.set_aside(partition);
                let name = self.node.replicas.get(partition).map(|hosted| hosted.name.to_string());
                tracing::warn!(partition = name, ?reason, leader = %self.leader, "a partition is not fetched before the metadata says something new");
                None
            }
        }
    }

    /// Gives up a question whose answer nobody waits for any more, as a peer that is silent may never give it, and asks the next one.
    fn ask_next(&mut self) {
        let core = &self.core;
        let is_awaited = |asking: &mut Asking| core.awaits_leader_ends(asking.partition, asking.leader_epoch);
        self.asking.take_if(|asking| !is_awaited(asking));
        while self.asking.is_none()
            && let Some((partition, leader_epoch)) = self.to_ask.pop_first()
        {
            if self.core.awaits_leader_ends(partition, leader_epoch) {
                let answer = ask_ends(Arc::clone(&self.node), self.leader, partition, leader_epoch).boxed();
                self.asking = Some(Asking { partition, leader_epoch, answer });
            }
        }
    }

    /// Sends a Fetch; its answer comes later.
    fn fetch(&mut self, number: u64, wanted: &fetcher::FetchRequest) {
        let (node, leader, connection) = (Arc::clone(&self.node), self.leader, self.connection.take());
        let request = request(&node, wanted);
        let deadline =
            node.runtime.deadline(PATIENCE + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)));
        let exchange = async move {
            let mut connection = match connection {
                Some(connection) => connection,
                None => connect(&node, leader).await?,
            };
            let version = FETCH_VERSIONS.intersect(connection.served(ApiKey::Fetch)).max;
            let body = request.encode(version).map_err(|source| ClientError::Encode { api: ApiKey::Fetch, source })?;
            match connection.call_encoded(ApiKey::Fetch, version, body).await {
                Ok(frame) => Ok(Box::new(Got { connection, frame, version })),
                Err(error) => {
                    look(&node, leader).await;
                    Err(error)
                }
            }
        };
        let timed = async move {
            let late = || ClientError::Timeout { address: leader.to_string(), api: ApiKey::Fetch, timeout: PATIENCE };
            (number, tokio::time::timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(late())))
        };
        self.under_way = Some(timed.boxed());
    }

    async fn answered(&mut self, number: u64, answer: Result<Box<Got>, ClientError>) {
        let mut records = HashMap::new();
        let answer = match answer {
            Ok(got) => {
                let Got { connection, frame, version } = *got;
                self.connection = Some(connection);
                self.understand(&frame, version, &mut records)
            }
            Err(error) => {
                tracing::debug!(%error, leader = %self.leader, "a Fetch was not answered");
                Err(FetchFailure::NoAnswer)
            }
        };
        self.hand_in(vec![Input::Answered { number, answer }], &records).await;
    }

    fn understand(
        &self,
        frame: &Bytes,
        version: i16,
        records: &mut HashMap<TopicIdPartition, Bytes>,
    ) -> Result<FetchAnswer, FetchFailure> {
        let decoded = FetchResponse::decode(&mut WireReader::new(frame), version);
        let response = decoded.map_err(|error| {
            tracing::warn!(%error, leader = %self.leader, "an answer to Fetch is not understood");
            FetchFailure::Malformed
        })?;
        match response.error_code {
            ErrorCode::NONE => {}
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND => return Err(FetchFailure::SessionIdNotFound),
            code => return Err(FetchFailure::Session(code.0)),
        }
        let mut partitions = Vec::new();
        for topic in &response.responses {
            for data in &topic.partitions {
                let partition = TopicIdPartition { topic_id: topic.topic_id, partition: data.partition_index };
                partitions.push(PartitionAnswer { partition, outcome: self.outcome(partition, data) });
                if let Some(Records::Borrowed(bytes)) = &data.records
                    && !bytes.is_empty()
                {
                    records.insert(partition, frame.slice_ref(bytes));
                }
            }
        }
        Ok(FetchAnswer { session_id: response.session_id, partitions })
    }

    fn outcome(&self, partition: TopicIdPartition, data: &PartitionData<'_>) -> PartitionOutcome {
        if data.error_code != ErrorCode::NONE {
            return PartitionOutcome::Refused(partition_error(data.error_code));
        }
        let epoch = LeaderEpoch(data.diverging_epoch.epoch);
        if epoch.0 >= 0 {
            let leader = EpochEnd { epoch, end_offset: Offset(data.diverging_epoch.end_offset) };
            return PartitionOutcome::Diverging { leader, own: own_log(&self.node, partition, Some(epoch)) };
        }
        PartitionOutcome::Records {
            has_records: data.records.as_ref().is_some_and(|records| !records.is_empty()),
            high_watermark: Offset(data.high_watermark),
            log_start: Offset(data.log_start_offset),
        }
    }
}

async fn cut(node: &Arc<Node>, partition: TopicIdPartition, leader_epoch: LeaderEpoch, cut: Cut) -> Input {
    let owned = Arc::clone(node);
    let cut = move || {
        let hosted = owned.replicas.get(partition).ok_or(AppendFailure::NotFollowing)?;
        hosted.cut(cut, leader_epoch, &owned.directories, owned.runtime.wall())
    };
    let result = node.runtime.spawn_blocking(cut).await.unwrap_or(Err(AppendFailure::Refused));
    Input::Truncated { partition, leader_epoch, result }
}

fn own_log(node: &Node, partition: TopicIdPartition, epoch: Option<LeaderEpoch>) -> OwnLog {
    let nothing = OwnLog { epoch_end: None, log_end: Offset(0), high_watermark: Offset(0) };
    node.replicas.get(partition).map_or(nothing, |hosted| hosted.own_log(epoch))
}

/// Asks where the leader's log begins and ends, by a connection of its own: a Fetch may be under way.
async fn ask_ends(node: Arc<Node>, leader: BrokerId, partition: TopicIdPartition, leader_epoch: LeaderEpoch) -> Input {
    let ends = async {
        let hosted = node.replicas.get(partition).ok_or(PartitionError::Other(-1))?;
        let mut connection = connect(&node, leader).await.map_err(|_| PartitionError::Other(-1))?;
        let log_start = list_offset(&node, &mut connection, &hosted, leader_epoch, EARLIEST).await?;
        let log_end = list_offset(&node, &mut connection, &hosted, leader_epoch, LATEST).await?;
        Ok(LeaderEnds { log_start, log_end })
    };
    let deadline = node.runtime.deadline(PATIENCE);
    let result = tokio::time::timeout_at(deadline, ends).await.unwrap_or(Err(PartitionError::Other(-1)));
    Input::LeaderEndsAnswered { partition, leader_epoch, result, own: own_log(&node, partition, None) }
}

/// The request in Kafka's words.
fn request(node: &Node, wanted: &fetcher::FetchRequest) -> FetchRequest<'static> {
    let config = &node.config.replication;
    let mut topics: Vec<FetchTopic<'static>> = Vec::new();
    for one in &wanted.partitions {
        let partition = FetchPartition {
            partition: one.partition.partition,
            current_leader_epoch: one.leader_epoch.0,
            fetch_offset: one.offset.0,
            last_fetched_epoch: one.last_epoch.map_or(-1, |epoch| epoch.0),
            log_start_offset: one.log_start.0,
            partition_max_bytes: config.fetch_max_bytes,
            ..Default::default()
        };
        match topics.last_mut().filter(|topic| topic.topic_id == one.partition.topic_id) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                let (topic_id, partitions) = (one.partition.topic_id, vec![partition]);
                topics.push(FetchTopic { topic_id, partitions, ..Default::default() });
            }
        }
    }
    let forgotten = wanted.forgotten.iter().map(|one| ForgottenTopic {
        topic_id: one.topic_id,
        partitions: vec![one.partition],
        ..Default::default()
    });
    let may_wait_ms = i32::try_from(wanted.may_wait_ms).unwrap_or(i32::MAX);
    FetchRequest {
        replica_state: ReplicaState {
            replica_id: node.broker_id.0,
            replica_epoch: node.replicas.surroundings().own_epoch(),
            ..Default::default()
        },
        max_wait_ms: config.fetch_wait_max_ms.min(may_wait_ms),
        min_bytes: config.fetch_min_bytes,
        max_bytes: config.fetch_response_max_bytes,
        session_id: wanted.session_id,
        session_epoch: wanted.session_epoch,
        topics,
        forgotten_topics_data: forgotten.collect(),
        ..Default::default()
    }
}

/// Connects to the listener of `leader` that is for brokers.
async fn connect(node: &Node, leader: BrokerId) -> Result<Connection, ClientError> {
    let to = address_of(node, leader).ok_or(ClientError::NoSuchNode { node_id: leader.0 })?;
    // The first batch comes whole, whatever was asked for, and may be as large as a request.
    let response_bytes = usize::try_from(node.config.replication.fetch_response_max_bytes).unwrap_or(0);
    let largest = response_bytes.saturating_mul(2).max(node.config.network.socket_request_max_bytes);
    let max_response_bytes = largest.saturating_add(ENVELOPE_BYTES);
    let client_id = format!("broker-{}-fetcher", node.broker_id);
    let opened = Connection::open(&to, &Settings { max_response_bytes, ..Settings::new(Vec::new(), &client_id) }).await;
    let departures = node.replicas.surroundings().departures();
    match &opened {
        Err(error) if is_refused(error) => departures.gone(leader, node.runtime.now().monotonic),
        // A process that is ending may still be connected to, for a moment.
        Err(_) => {}
        Ok(_) => departures.is_there(leader),
    }
    opened
}

fn is_refused(error: &ClientError) -> bool {
    matches!(error, ClientError::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused)
}

/// Finds out whether a broker is there whose connection has ended: clients will want to know that next.
async fn look(node: &Node, leader: BrokerId) {
    let departures = node.replicas.surroundings().departures();
    departures.doubted(leader, node.runtime.now().monotonic);
    let looking = async {
        while connect(node, leader).await.is_err_and(|error| !is_refused(&error)) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    if tokio::time::timeout(LOOK_PATIENCE, looking).await.is_err() {
        departures.is_there(leader);
    }
}

fn address_of(node: &Node, broker: BrokerId) -> Option<String> {
    let image = node.image();
    let endpoints = &image.brokers.get(broker)?.endpoints;
    let endpoint = endpoints.iter().find(|one| *one.name == *node.config.inter_broker_listener_name)?;
    Some(address(&endpoint.host, endpoint.port))
}

async fn list_offset(
    node: &Node,
    connection: &mut Connection,
    hosted: &Partition,
    leader_epoch: LeaderEpoch,
    timestamp: i64,
) -> Result<Offset, PartitionError> {
    let partition = ListOffsetsPartition {
        partition_index: hosted.name.partition,
        current_leader_epoch: leader_epoch.0,
        timestamp,
        ..Default::default()
    };
    let topic = ListOffsetsTopic {
        name: hosted.name.topic.to_string().into(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = ListOffsetsRequest { replica_id: node.broker_id.0, topics: vec![topic], ..Default::default() };
    let response = connection.call(&request, LIST_OFFSETS_VERSIONS).await.map_err(|_| PartitionError::Other(-1))?;
    let found = response.topics.first().and_then(|topic| topic.partitions.first()).ok_or(PartitionError::Other(-1))?;
    match found.error_code {
        ErrorCode::NONE => Ok(Offset(found.offset)),
        code => Err(partition_error(code)),
    }
}

const fn partition_error(code: ErrorCode) -> PartitionError {
    match code {
        ErrorCode::OFFSET_OUT_OF_RANGE => PartitionError::OffsetOutOfRange,
        ErrorCode::FENCED_LEADER_EPOCH => PartitionError::FencedLeaderEpoch,
        ErrorCode::UNKNOWN_LEADER_EPOCH => PartitionError::UnknownLeaderEpoch,
        ErrorCode::NOT_LEADER_OR_FOLLOWER => PartitionError::NotLeaderOrFollower,
        ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => PartitionError::UnknownTopic,
        code => PartitionError::Other(code.0),
    }
}

#[cfg(test)]
mod tests;

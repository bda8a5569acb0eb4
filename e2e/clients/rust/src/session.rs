//! What the cases are made of: topics, a producer, consumers, reading with a deadline. Knows no case.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

pub const DEADLINE: Duration = Duration::from_secs(30);

/// Keeps what failed to be delivered: librdkafka calls from C, where a panic would end the program.
#[derive(Default)]
struct Deliveries {
    failed: Mutex<Vec<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.lock().unwrap().push(error.to_string());
        }
    }
}

pub struct Session {
    bootstrap: String,
    /// Distinguishes the topics and groups of this run.
    pub run: String,
    pub admin: AdminClient<DefaultClientContext>,
}

impl Session {
    pub fn new(bootstrap: &str) -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let mut session = ClientConfig::new();
        session.set("bootstrap.servers", bootstrap);
        Self { bootstrap: bootstrap.into(), run: format!("rs{:08x}", nanos as u32), admin: session.create().unwrap() }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("log_level", "0");
        config
    }

    /// Creates a topic; the code of the error when it is refused.
    pub fn create(&self, name: &str, partitions: i32, replicas: i32) -> Result<(), RDKafkaErrorCode> {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        let results = block_on(self.admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        results.into_iter().next().unwrap().map(drop).map_err(|(_, code)| code)
    }

    pub fn topic(&self, name: &str, partitions: i32) -> String {
        let full = format!("{name}-{}", self.run);
        self.create(&full, partitions, 1).unwrap();
        full
    }

    /// Produces with idempotence; returns once all is acknowledged.
    pub fn produce<'a>(&self, codec: &str, records: impl IntoIterator<Item = BaseRecord<'a, [u8], [u8]>>) {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("compression.type", codec).set("linger.ms", "20");
        let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default()).unwrap();
        for record in records {
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
        let failed = producer.context().failed.lock().unwrap();
        assert!(failed.is_empty(), "{} deliveries failed, first {:?}", failed.len(), failed.first());
    }

    /// Values `start` to `start + count`, as decimal text.
    pub fn numbered(&self, topic: &str, partition: i32, start: usize, count: usize) {
        let values: Vec<String> = (start..start + count).map(|n| n.to_string()).collect();
        let record = |value| BaseRecord::to(topic).partition(partition).key(&b"k"[..]).payload(value);
        self.produce("none", values.iter().map(|value| record(value.as_bytes())));
    }

    pub fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = self.config();
        config.set("group.id", group).set("client.id", "describer").set("auto.offset.reset", "earliest");
        config.set("enable.auto.commit", "false").set("session.timeout.ms", "10000");
        config.set("topic.metadata.refresh.interval.ms", "500").set("allow.auto.create.topics", "false");
        config.create().unwrap()
    }

    /// A consumer of given partitions from given offsets.
    pub fn assigned(&self, topic: &str, partitions: &[(i32, Offset)]) -> BaseConsumer {
        let consumer = self.consumer(&format!("alone-{topic}"));
        consumer.assign(&list(topic, partitions)).unwrap();
        consumer
    }
}

pub fn list(topic: &str, partitions: &[(i32, Offset)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        list.add_partition_offset(topic, *partition, *offset).unwrap();
    }
    list
}

/// The next message within `wait`; a topic that is not there yet is nothing.
pub fn poll(consumer: &BaseConsumer, wait: Duration) -> Option<OwnedMessage> {
    match consumer.poll(wait)? {
        Ok(message) => Some(message.detach()),
        Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) => None,
        Err(error) => panic!("reading failed: {error}"),
    }
}

pub fn read(consumer: &BaseConsumer, count: usize) -> Vec<OwnedMessage> {
    let (mut messages, deadline) = (Vec::new(), Instant::now() + DEADLINE);
    while messages.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} records came", messages.len());
        messages.extend(poll(consumer, Duration::from_millis(200)));
    }
    messages
}

pub fn quiet(consumer: &BaseConsumer, wait: Duration) {
    let message = poll(consumer, wait);
    assert!(message.is_none(), "an unexpected record came: {message:?}");
}

pub fn numbers(messages: &[OwnedMessage]) -> Vec<usize> {
    messages.iter().map(|m| std::str::from_utf8(m.payload().unwrap()).unwrap().parse().unwrap()).collect()
}

pub fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers
}

/// Waits until something holds, polling it.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
    }
}

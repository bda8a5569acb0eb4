//! Producers. One that waits for all replicas is idempotent and sends a batch until it is kept; one that waits for the leader, or for nobody,
//! sends each batch once. Each batch holds records that no other batch holds.

use std::time::Duration;

use barnabas_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use barnabas_protocol::messages::{InitProducerIdRequest, ProduceRequest};
use barnabas_protocol::{ErrorCode, Records, VersionRange};
use barnabas_records::{BatchBuilder, Compression};
use barnabas_types::{Offset, ProducerEpoch, ProducerId, Timestamp};
use tokio::sync::watch;

use super::super::disks::Disks;
use super::super::history::{Acks, Event, History, Record};
use super::{Link, Place};
use crate::random::Random;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a batch to which nothing is answered may take to be sent.
const UNANSWERED: Duration = Duration::from_millis(40);

/// What a node said of a batch.
enum Said {
    Kept {
        offset: i64,
        leader_epoch: i32,
    },
    /// It has it, and does not say where.
    KeptBefore,
    NotNow,
    /// What was kept before is not there.
    OutOfOrder,
}

/// Who produces.
pub struct Producer {
    /// Its number, which its records have.
    pub number: u32,
    /// Whom it waits for.
    pub acks: Acks,
    /// Where to.
    pub place: Place,
    /// Its connections.
    pub link: Link,
    /// Its chance.
    pub random: Random,
    /// Who is told.
    pub history: History,
    /// What becomes of what it sends.
    pub disks: Disks,
}

/// Produces until `stop`, the batch that is under way included.
pub async fn run(mut producer: Producer, stop: watch::Receiver<bool>) {
    let mut id = None;
    while producer.acks == Acks::All && id.is_none() && !*stop.borrow() {
        id = producer.producer_id().await;
    }
    let mut next = 0;
    while !*stop.borrow() {
        let count = 1 + producer.random.below(3);
        let batch = producer.batch(next, count, id);
        let Producer { number, acks, place, .. } = producer;
        let partition = place.number;
        producer.history.note(Event::Sent { producer: number, acks, partition, first: next, count });
        let kept = producer.send(&batch).await;
        if !producer.told(kept, next, count) {
            return;
        }
        next += count;
        tokio::time::sleep(Duration::from_millis(producer.random.below(120))).await;
    }
}

impl Producer {
    async fn producer_id(&mut self) -> Option<ProducerId> {
        let request =
            InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: 60_000, ..Default::default() };
        let node = self.link.any();
        let answer = self.link.ask(node, &request, VersionRange::new(4, 5)).await;
        match answer {
            Ok(answer) if answer.error_code == ErrorCode::NONE => Some(ProducerId(answer.producer_id)),
            _ => {
                tokio::time::sleep(PAUSE).await;
                None
            }
        }
    }

    fn batch(&self, first: u64, count: u64, id: Option<ProducerId>) -> Vec<u8> {
        let mut batch = BatchBuilder::new(Offset(0), Compression::None);
        if let Some(id) = id {
            batch = batch.producer(id, ProducerEpoch(0), i32::try_from(first).unwrap_or(0));
        }
        for number in first..first + count {
            let value = Record { producer: self.number, number }.encode();
            // Small records without headers always fit.
            _ = batch.append(Timestamp(1), None, Some(&value), &[]);
        }
        batch.build().unwrap_or_default()
    }

    /// Sends until it is kept where the producer waits for that, else once. None: nobody knows.
    async fn send(&mut self, batch: &[u8]) -> Option<Said> {
        loop {
            let said = self.send_once(batch).await;
            match said {
                Said::NotNow if self.acks == Acks::All => tokio::time::sleep(PAUSE).await,
                Said::NotNow => return None,
                said => return Some(said),
            }
        }
    }

    async fn send_once(&mut self, batch: &[u8]) -> Said {
        let Some((leader, leader_epoch)) = self.link.leader(self.place).await else { return Said::NotNow };
        let data = PartitionProduceData {
            index: Place::PARTITION,
            records: Some(Records::Borrowed(batch)),
            ..Default::default()
        };
        let topic =
            TopicProduceData { topic_id: self.place.topic_id, partition_data: vec![data], ..Default::default() };
        let acks = self.acks.number();
        let request = ProduceRequest { acks, timeout_ms: 3_000, topic_data: vec![topic], ..Default::default() };
        let asked = self.link.ask(leader, &request, VersionRange::new(13, 13));
        // Nothing is answered to who waits for nobody: the connection is given up once the batch is on its way.
        let wait = if self.acks == Acks::None { UNANSWERED } else { Duration::MAX };
        let Ok(Ok(answer)) = tokio::time::timeout(wait, asked).await else { return Said::NotNow };
        let Some(answer) = answer.responses.first().and_then(|topic| topic.partition_responses.first()) else {
            return Said::NotNow;
        };
        match answer.error_code {
            ErrorCode::NONE => Said::Kept { offset: answer.base_offset, leader_epoch },
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Said::KeptBefore,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID => Said::OutOfOrder,
            _ => Said::NotNow,
        }
    }

    /// Tells the history; false when there is no way on.
    fn told(&self, said: Option<Said>, first: u64, count: u64) -> bool {
        let (producer, acks, partition) = (self.number, self.acks, self.place.number);
        match said {
            Some(Said::Kept { offset, leader_epoch }) => {
                let durable_on = self.disks.durable_on(partition, offset, Record { producer, number: first });
                let kept = Event::Kept { producer, acks, partition, offset, leader_epoch, first, count, durable_on };
                self.history.note(kept);
            }
            Some(Said::KeptBefore) => self.history.note(Event::KeptSomewhere { producer, partition, first, count }),
            Some(Said::OutOfOrder) => {
                self.history.note(Event::OutOfOrder { producer, partition, first });
                return false;
            }
            Some(Said::NotNow) | None => {}
        }
        true
    }
}

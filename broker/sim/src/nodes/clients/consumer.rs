//! Consumers: each reads a partition from its beginning, record by record, wherever it is led.

use std::time::Duration;

use barnabas_protocol::messages::FetchRequest;
use barnabas_protocol::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use barnabas_protocol::{ErrorCode, VersionRange};
use barnabas_records::{DecompressLimits, Records as BatchRecords, batches};
use tokio::sync::watch;

use super::super::history::{Event, History, Record};
use super::{Link, Place};

const PAUSE: Duration = Duration::from_millis(100);
const MAX_BYTES: i32 = 64 * 1024;

/// Who consumes.
pub struct Consumer {
    /// Its number.
    pub number: u32,
    /// What it reads.
    pub place: Place,
    /// Its connections.
    pub link: Link,
    /// Who is told.
    pub history: History,
}

/// What came of one Fetch.
enum Read {
    /// Up to there, and where the watermark was.
    To(i64, i64),
    NotNow,
}

/// Reads until `stop`.
pub async fn run(mut consumer: Consumer, stop: watch::Receiver<bool>) {
    let (mut position, mut leader) = (0, None);
    while !*stop.borrow() {
        position = consumer.step(position, &mut leader).await.0;
    }
}

/// Reads from the beginning to the watermark.
pub async fn read_whole(mut consumer: Consumer) {
    let (mut position, mut leader) = (0, None);
    loop {
        let watermark;
        (position, watermark) = consumer.step(position, &mut leader).await;
        if watermark.is_some_and(|watermark| position >= watermark) {
            consumer.history.note(Event::Whole { partition: consumer.place.number, end: position });
            return;
        }
    }
}

impl Consumer {
    /// Reads on from `position`. Returns where it has come to, and the watermark if there was an answer.
    async fn step(&mut self, position: i64, leader: &mut Option<(usize, i32)>) -> (i64, Option<i64>) {
        if leader.is_none() {
            *leader = self.link.leader(self.place).await;
        }
        let read = match *leader {
            Some((node, epoch)) => self.fetch(node, epoch, position).await,
            None => Read::NotNow,
        };
        match read {
            Read::To(end, watermark) => (end, Some(watermark)),
            Read::NotNow => {
                *leader = None;
                tokio::time::sleep(PAUSE).await;
                (position, None)
            }
        }
    }

    async fn fetch(&mut self, node: usize, leader_epoch: i32, position: i64) -> Read {
        let partition = FetchPartition {
            partition: Place::PARTITION,
            current_leader_epoch: leader_epoch,
            fetch_offset: position,
            partition_max_bytes: MAX_BYTES,
            ..Default::default()
        };
        let topic = FetchTopic { topic_id: self.place.topic_id, partitions: vec![partition], ..Default::default() };
        let request = FetchRequest {
            max_wait_ms: 400,
            min_bytes: 1,
            max_bytes: MAX_BYTES,
            topics: vec![topic],
            ..Default::default()
        };
        let Ok(answer) = self.link.ask(node, &request, VersionRange::new(13, 17)).await else { return Read::NotNow };
        let Some(data) = answer.responses.first().and_then(|topic| topic.partitions.first()) else {
            return Read::NotNow;
        };
        match data.error_code {
            ErrorCode::NONE => self.take(data, leader_epoch, position),
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                let (consumer, partition) = (self.number, self.place.number);
                self.history.note(Event::OutOfRange { consumer, partition, position, leader_epoch });
                Read::NotNow
            }
            _ => Read::NotNow,
        }
    }

    /// Tells of each record that was read.
    fn take(&self, data: &PartitionData<'_>, leader_epoch: i32, position: i64) -> Read {
        let bytes = data.records.as_ref().map(Self::bytes).unwrap_or_default();
        let (consumer, partition, watermark) = (self.number, self.place.number, data.high_watermark);
        let mut next = position;
        for batch in batches(bytes) {
            // The last batch may be cut off.
            let Ok(batch) = batch else { break };
            if batch.check_crc().is_err() {
                self.history.note(Event::Damaged { consumer, partition, offset: batch.header().base_offset.0 });
                return Read::NotNow;
            }
            let Ok(mut records) = BatchRecords::new(&batch, DecompressLimits::default()) else { break };
            while let Ok(Some(record)) = records.next() {
                let offset = record.offset.0;
                if offset < next {
                    continue;
                }
                next = offset + 1;
                let record = record.value.and_then(Record::decode);
                let epoch = batch.header().partition_leader_epoch.0;
                self.history.note(Event::Read { consumer, partition, offset, record, epoch, watermark });
            }
        }
        self.history.note(Event::Watermark { consumer, partition, leader_epoch, watermark });
        Read::To(next, watermark)
    }

    fn bytes<'a>(records: &'a barnabas_protocol::Records<'_>) -> &'a [u8] {
        match records {
            barnabas_protocol::Records::Borrowed(bytes) => bytes,
            barnabas_protocol::Records::Bytes(bytes) => bytes,
            _ => &[],
        }
    }
}

//! Compaction of whole logs. What the cases share: records and transactions to append, a compactor that can be told to stop, and a
//! reader that sees a log as clients do.

mod crash;
mod model;
mod pass;
mod speed;

use std::collections::BTreeMap;

use barnabas_records::control::{ControlRecord, EndTransactionMarker, transaction_marker_batch};
use barnabas_records::{BatchBuilder, BatchHeader, BatchView, Compression, DecompressLimits, Records};
use barnabas_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use super::{Compacted, CompactionError, CompactionLimits, Compactor};
use crate::testing::{LogContext, small_segments};
use crate::{AppendError, AppendOrigin, Doomed, Log, LogConfig, ReadLimits};

/// How long tombstones stay in these tests.
const RETENTION_MS: i64 = 1000;

fn config() -> LogConfig {
    LogConfig {
        compact: true,
        delete: false,
        delete_retention_ms: RETENTION_MS,
        min_cleanable_dirty_ratio: 0.0,
        ..small_segments()
    }
}

/// A batch to be appended: keys with their values.
#[derive(Clone, Debug)]
struct Batch<'a> {
    records: Vec<(Option<&'a str>, Option<&'a str>)>,
    timestamp: i64,
    compression: Compression,
    /// Id, epoch and first sequence.
    producer: Option<(i64, i16, i32)>,
    transactional: bool,
}

impl<'a> Batch<'a> {
    fn of(records: &[(&'a str, Option<&'a str>)]) -> Self {
        let records = records.iter().map(|(key, value)| (Some(*key), *value)).collect();
        Self { records, timestamp: 0, compression: Compression::None, producer: None, transactional: false }
    }

    fn build(&self) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Offset(0), self.compression);
        if let Some((id, epoch, sequence)) = self.producer {
            builder = builder.producer(ProducerId(id), ProducerEpoch(epoch), sequence);
        }
        if self.transactional {
            builder = builder.transactional();
        }
        for (index, (key, value)) in self.records.iter().enumerate() {
            let timestamp = Timestamp(self.timestamp + index as i64);
            builder.append(timestamp, key.map(str::as_bytes), value.map(str::as_bytes), &[]).unwrap();
        }
        builder.build().unwrap()
    }
}

/// Appends; the first record's offset.
fn append(log: &mut Log, bytes: &[u8], origin: AppendOrigin) -> Result<i64, AppendError> {
    let batch = BatchView::parse(bytes).unwrap();
    let appended =
        log.append_as_leader(batch.header(), batch.stored_records(), LeaderEpoch(0), origin, Timestamp(0))?;
    assert!(!appended.duplicate);
    Ok(appended.base_offset.0)
}

/// Ends the producer's transaction; the marker's offset.
fn end_transaction(log: &mut Log, (id, epoch): (i64, i16), commit: bool) -> Result<i64, AppendError> {
    let marker = EndTransactionMarker { coordinator_epoch: 3 };
    let marker = if commit { ControlRecord::Commit(marker) } else { ControlRecord::Abort(marker) };
    let bytes = transaction_marker_batch(Timestamp(0), ProducerId(id), ProducerEpoch(epoch), &marker).unwrap();
    append(log, &bytes, AppendOrigin::Internal)
}

/// Runs compactions on a log of a test.
struct TestCompactor<'a> {
    context: &'a mut LogContext,
    doomed: Vec<Doomed>,
    /// How often it goes on before it stops.
    patience: u32,
    bytes: u64,
}

impl Compactor for TestCompactor<'_> {
    fn with_log<T>(&mut self, change: impl FnOnce(&mut Log) -> T) -> T {
        change(self.context.log())
    }

    fn go_on(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        self.patience = self.patience.saturating_sub(1);
        self.patience > 0
    }

    fn discard(&mut self, replaced: Doomed) {
        self.doomed.push(replaced);
    }
}

/// Room for so many keys.
fn room_for(keys: usize) -> CompactionLimits {
    CompactionLimits { map_bytes: keys * 24, map_load_factor: 1.0, buffer_bytes: 100 }
}

/// One pass over what is stable; none when nothing is dirty.
fn compact(
    context: &mut LogContext,
    now: i64,
    limits: CompactionLimits,
) -> Option<Result<(Compacted, Vec<Doomed>), CompactionError>> {
    let log = context.log();
    let stable = log.last_stable_offset(log.durable_end());
    let cleanable = log.cleanable(stable, Timestamp(now))?;
    let ticket = log.prepare_compaction(cleanable)?;
    let mut compactor = TestCompactor { context, doomed: Vec::new(), patience: u32::MAX, bytes: 0 };
    let run = ticket.run(&limits, &mut compactor);
    let TestCompactor { doomed, .. } = compactor;
    Some(run.map(|done| (done, doomed)))
}

/// Compacts until nothing is dirty, and removes what was replaced.
fn compact_all(context: &mut LogContext, now: i64) {
    while let Some(run) = compact(context, now, room_for(100_000)) {
        let (_, doomed) = run.unwrap();
        doomed.iter().for_each(|doomed| doomed.remove().unwrap());
    }
}

/// A record as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    offset: i64,
    timestamp: i64,
    key: Option<String>,
    value: Option<String>,
}

/// Producer and first offset of aborted transactions.
type Aborted = Vec<(i64, i64)>;

/// Whole batches from `offset` to before `end`, and for each region the aborted transactions told beside it.
fn batches(log: &Log, mut offset: Offset, end: Offset) -> Vec<(Vec<u8>, Aborted)> {
    let limits = ReadLimits { end, max_bytes: 300, at_least_one_batch: true };
    let mut found = Vec::new();
    while let Some(region) = log.read(offset, limits).unwrap() {
        let aborted = log.prepare_aborted(offset, end, &region).run().unwrap().unwrap();
        let mut aborted: Aborted =
            aborted.iter().map(|aborted| (aborted.producer_id.0, aborted.first_offset.0)).collect();
        let bytes = region.bytes().unwrap();
        let before = offset;
        for batch in barnabas_records::batches(&bytes).map_while(Result::ok) {
            batch.check_crc().unwrap();
            offset = batch.header().next_offset();
            found.push((batch.bytes().to_vec(), std::mem::take(&mut aborted)));
        }
        assert!(offset > before, "reading from {before} goes in circles");
    }
    found
}

fn headers(log: &Log) -> Vec<BatchHeader> {
    let batches = batches(log, log.log_start(), log.log_end());
    batches.iter().map(|(batch, _)| *BatchView::parse(batch).unwrap().header()).collect()
}

/// The records that a client gets that reads the log from its start, in batches, leaving out aborted ones if it is read-committed.
fn read(log: &Log, committed_only: bool) -> Vec<Seen> {
    let (start, end) = (log.log_start(), log.log_end());
    let end = if committed_only { log.last_stable_offset(end) } else { end };
    let mut seen = Vec::new();
    // As clients do: a producer's records are aborted from the first offset told until its next marker.
    let mut told: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut aborting: BTreeMap<i64, ()> = BTreeMap::new();
    for (bytes, aborted) in batches(log, start, end) {
        for (producer, first) in aborted {
            let offsets = told.entry(first).or_default();
            if !offsets.contains(&producer) {
                offsets.push(producer);
            }
        }
        let batch = BatchView::parse(&bytes).unwrap();
        let header = batch.header();
        while let Some(first) = told.first_entry().filter(|first| *first.key() <= header.last_offset().0) {
            first.remove().into_iter().for_each(|producer| _ = aborting.insert(producer, ()));
        }
        let producer = header.producer_id.0;
        if header.attributes.is_control() {
            aborting.remove(&producer);
            continue;
        }
        if committed_only && header.attributes.is_transactional() && aborting.contains_key(&producer) {
            continue;
        }
        let mut records = Records::new(&batch, DecompressLimits::default()).unwrap();
        while let Some(record) = records.next().unwrap() {
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            let (key, value) = (text(record.key), text(record.value));
            seen.push(Seen { offset: record.offset.0, timestamp: record.timestamp.0, key, value });
        }
    }
    seen.retain(|record| record.offset >= start.0);
    seen
}

/// Offset, key and value of each record, for short expectations: `3 a=x`, `4 b=-` for a tombstone.
fn listing(log: &Log) -> Vec<String> {
    let text = |record: Seen| {
        let (key, value) = (record.key.unwrap_or("?".into()), record.value.unwrap_or("-".into()));
        format!("{} {key}={value}", record.offset)
    };
    read(log, false).into_iter().map(text).collect()
}

/// Seals what there is, so that it may be compacted.
fn seal(log: &mut Log) {
    log.roll(Timestamp(0)).unwrap();
    log.flush().unwrap();
}

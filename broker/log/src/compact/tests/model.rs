//! Random histories against a naive model: for each key the last record, tombstones, transactions, producers; compactions with maps of
//! all sizes, failing disks and crashes in between. As many histories as `COMPACTION_SEEDS` says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::fs::{Fault, Operation};
use crate::testing::Random;

/// How a record's transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    Aborted,
    Open,
}

/// A record as it was appended.
#[derive(Clone, Debug)]
struct Written {
    seen: Seen,
    producer: i64,
    fate: Fate,
    /// The last offset of its batch.
    batch_end: i64,
    /// When a pass that may have covered its batch began for the first time, and when one has surely covered it.
    covered: [Option<i64>; 2],
}

/// A producer, as the log has to know it.
#[derive(Clone, Copy, Debug, Default)]
struct Producer {
    epoch: i16,
    sequence: i32,
    /// The first offset of its open transaction.
    transaction: Option<i64>,
}

struct Model {
    context: LogContext,
    random: Random,
    now: i64,
    written: BTreeMap<i64, Written>,
    producers: BTreeMap<i64, Producer>,
    /// Producer, first offset and marker of each transaction that has ended.
    ended: Vec<(i64, i64, i64)>,
    trace: Vec<String>,
    figures: Figures,
}

/// How much a history has tried.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    passes: usize,
    full_maps: usize,
    broken_off: usize,
    reopened: usize,
}

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const EIO: i32 = 5;

/// Epoch, last sequence and offset, and open transaction of each producer.
type Known = BTreeMap<i64, (i16, Option<(i32, Offset)>, Option<Offset>)>;

fn known(log: &Log) -> Known {
    let producers = log.producers().producers();
    let known = producers.map(|(id, entry)| {
        let last = entry.last_batch().map(|last| (last.last_sequence, last.last_offset));
        (id.0, (entry.epoch.0, last, entry.transaction_first_offset))
    });
    known.collect()
}

impl Model {
    fn new(seed: u64) -> Self {
        Self {
            context: LogContext::new(LogConfig { index_interval_bytes: 200, ..config() }),
            random: Random::from_seed(seed),
            now: 10_000,
            written: BTreeMap::new(),
            producers: BTreeMap::new(),
            ended: Vec::new(),
            trace: Vec::new(),
            figures: Figures::default(),
        }
    }

    fn below(&mut self, limit: u64) -> usize {
        usize::try_from(self.random.below(limit)).unwrap()
    }

    fn step(&mut self) {
        match self.below(100) {
            0..50 => return self.append(),
            50..62 => return self.end_transaction(),
            62..66 => return self.new_epoch(),
            66..72 => return seal(self.context.log()),
            72..92 => self.compact(),
            92..95 => self.reopen(),
            95..97 => self.delete_before(),
            _ => self.fault(),
        }
        self.check();
    }

    fn append(&mut self) {
        let id = i64::try_from(self.below(4)).unwrap();
        let mut records = Vec::new();
        for _ in 0..=self.below(4) {
            let key = KEYS[self.below(6)];
            let value = format!("value {}", self.written.len() + records.len());
            records.push((Some(key).filter(|_| self.random.below(20) > 0), value));
        }
        let records: Vec<_> = records
            .iter()
            .map(|(key, value)| (*key, Some(value.as_str()).filter(|_| self.random.below(4) > 0)))
            .collect();
        self.append_of(id, records);
    }

    fn append_of(&mut self, id: i64, records: Vec<(Option<&str>, Option<&str>)>) {
        let mut producer = self.producers.get(&id).copied().unwrap_or_default();
        let count = records.len();
        let compression = [Compression::None, Compression::Lz4, Compression::Zstd { level: 3 }][self.below(3)];
        // Number 0 is no producer at all.
        let transactional = id > 0 && (producer.transaction.is_some() || self.random.below(2) == 0);
        let numbers = (id > 0).then_some((id, producer.epoch, producer.sequence));
        let batch = Batch { records, timestamp: self.now, compression, producer: numbers, transactional };
        let base = append(self.context.log(), &batch.build(), AppendOrigin::Client).unwrap();
        let batch_end = base + count as i64 - 1;
        for (offset, (key, value)) in (base..).zip(&batch.records) {
            let (key, value) = (key.map(str::to_owned), value.map(str::to_owned));
            let seen = Seen { offset, timestamp: self.now + offset - base, key, value };
            let fate = if transactional { Fate::Open } else { Fate::Committed };
            self.written.insert(offset, Written { seen, producer: id, fate, batch_end, covered: [None; 2] });
        }
        self.trace.push(format!("{base} to {batch_end} by {numbers:?} {transactional}: {:?}", batch.records));
        if id > 0 {
            producer.sequence += i32::try_from(count).unwrap();
            producer.transaction = transactional.then(|| producer.transaction.unwrap_or(base));
            self.producers.insert(id, producer);
        }
    }

    fn end_transaction(&mut self) {
        let id = 1 + i64::try_from(self.below(3)).unwrap();
        let commit = self.below(2) == 0;
        self.end_transaction_of(id, 0, commit);
    }

    fn end_transaction_of(&mut self, id: i64, epochs_later: i16, commit: bool) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        let Some(first) = producer.transaction.take() else { return };
        let epoch = producer.epoch + epochs_later;
        let marker = end_transaction(self.context.log(), (id, epoch), commit).unwrap();
        self.ended.push((id, first, marker));
        let fate = if commit { Fate::Committed } else { Fate::Aborted };
        let of_it = |record: &&mut Written| record.producer == id && record.fate == Fate::Open;
        self.written.values_mut().filter(of_it).for_each(|record| record.fate = fate);
        self.trace.push(format!("{marker}: {id} has {fate:?} what began at {first}"));
    }

    /// A producer begins again, as after its process died: what it left open is aborted in the new epoch.
    fn new_epoch(&mut self) {
        let id = 1 + i64::try_from(self.below(3)).unwrap();
        self.end_transaction_of(id, 1, false);
        if let Some(producer) = self.producers.get_mut(&id) {
            *producer = Producer { epoch: producer.epoch + 1, ..Producer::default() };
            self.trace.push(format!("{id} is in epoch {}", producer.epoch));
        }
    }

    fn limits(&mut self) -> CompactionLimits {
        let keys = match self.below(3) {
            0 => 1 + self.below(5),
            _ => 1000,
        };
        room_for(keys)
    }

    fn compact(&mut self) {
        self.now += i64::try_from(self.below(1000)).unwrap();
        let limits = self.limits();
        self.compact_with(limits);
    }

    fn compact_with(&mut self, limits: CompactionLimits) {
        let now = self.now;
        let end = self.context.log().log_end().0;
        self.cover(0, end);
        match compact(&mut self.context, now, limits) {
            None => self.trace.push("nothing is dirty".into()),
            Some(Ok((done, doomed))) => {
                doomed.iter().for_each(|doomed| doomed.remove().unwrap());
                self.trace.push(format!("compacted at {now}: {done:?}"));
                self.figures.passes += 1;
                self.figures.full_maps += usize::from(done.map_was_full);
                self.cover(1, done.dirty[1].0);
                self.check_covered(done.dirty[1].0);
            }
            Some(Err(error)) => self.trace.push(format!("compaction broke off at {now}: {error}")),
        }
    }

    /// Notes that a pass may have covered (0) or has covered (1) batches below `end`.
    fn cover(&mut self, which: usize, end: i64) {
        for record in self.written.values_mut().filter(|record| record.batch_end < end) {
            record.covered[which].get_or_insert(self.now);
        }
    }

    /// A pass went through to `end`: nothing below may still be there that should have gone.
    fn check_covered(&mut self, end: i64) {
        let last = self.last_of_each_key(end);
        for record in read(self.context.log(), false).iter().filter(|record| record.offset < end) {
            let written = &self.written[&record.offset];
            assert_ne!(written.fate, Fate::Aborted, "{record:?} was aborted");
            let key = record.key.as_ref().unwrap_or_else(|| panic!("{record:?} has no key"));
            assert_eq!(last[key], record.offset, "{record:?} was overtaken");
            let time_is_up = written.covered[1].is_some_and(|covered| covered + RETENTION_MS <= self.now);
            assert!(record.value.is_some() || !time_is_up || written.batch_end >= end, "{record:?} has outstayed");
        }
    }

    /// The offset of the last committed record of each key below `end`.
    fn last_of_each_key(&self, end: i64) -> BTreeMap<String, i64> {
        let committed = self.written.range(..end).filter(|(_, record)| record.fate == Fate::Committed);
        committed.filter_map(|(offset, record)| Some((record.seen.key.clone()?, *offset))).collect()
    }

    fn delete_before(&mut self) {
        let log = self.context.log();
        let (start, stable) = (log.log_start().0, log.last_stable_offset(log.log_end()).0);
        let offset = start + self.below(u64::try_from((stable - start) / 4 + 1).unwrap()) as i64;
        let log = self.context.log();
        log.raise_log_start(Offset(offset));
        let doomed = log.apply_retention(Offset(stable), Timestamp(self.now)).unwrap();
        doomed.iter().for_each(|doomed| doomed.remove().unwrap());
        self.trace.push(format!("deleted before {offset}"));
    }

    fn reopen(&mut self) {
        self.context.log().flush().unwrap();
        let how = self.below(3);
        self.reopen_after(how);
    }

    /// 0: a clean stop. 1: a kill, after which no snapshot of producers is left. 2: a power cut.
    fn reopen_after(&mut self, how: usize) {
        let log = self.context.log();
        let (before, start, end) = (known(log), log.log_start(), log.log_end());
        let (first_dirty, durable_end) = (log.first_dirty(), log.durable_end());
        self.figures.reopened += 1;
        self.trace.push(format!("reopened, way {how}, clean to {first_dirty}"));
        if how == 0 {
            self.context.close();
        } else {
            self.context.kill();
            self.context.options.log_start = start;
            self.context.options.recovery_point = durable_end;
        }
        match how {
            1 => {
                for entry in std::fs::read_dir(&self.context.options.directory).unwrap() {
                    let path = entry.unwrap().path();
                    if path.extension().is_some_and(|extension| extension == "snapshot") {
                        std::fs::remove_file(path).unwrap();
                    }
                }
            }
            2 => self.context.fs.cut_power().unwrap(),
            _ => {}
        }
        self.context.open().unwrap();
        let log = self.context.log();
        log.set_cleaned_to(first_dirty);
        assert_eq!((log.log_start(), log.log_end()), (start, end));
        let after = known(log);
        for (id, producer) in &mut self.producers {
            // Its data was deleted and its marker was not: the log takes it for one that has begun anew, as Kafka does.
            if after.get(id).is_some_and(|(epoch, last, _)| *epoch == producer.epoch && last.is_none()) {
                producer.sequence = 0;
            }
        }
        for (id, known) in before {
            let (_, last, first_open) = known;
            let all_is_there =
                last.is_some_and(|(_, offset)| offset >= start) && first_open.is_none_or(|first| first >= start);
            assert!(
                !all_is_there || after.get(&id) == Some(&known),
                "producer {id}: {known:?} is now {:?}",
                after.get(&id)
            );
        }
    }

    /// One compaction on a disk that fails in some way.
    fn fault(&mut self) {
        let operations =
            [Operation::Write, Operation::Open, Operation::Sync, Operation::Rename, Operation::Remove, Operation::Read];
        let operation = operations[self.below(6)];
        let after = u32::try_from(self.below(12)).unwrap();
        let times = if self.below(2) == 0 { 1 } else { u32::MAX };
        self.context.log().flush().unwrap();
        self.trace.push(format!("{operation} fails after {after}, {times} times"));
        let fault = Fault { operation, path_contains: "topic-0", after, error_number: Some(EIO), times };
        self.context.fs.inject(fault);
        let limits = self.limits();
        let now = self.now;
        let end = self.context.log().log_end().0;
        self.cover(0, end);
        let run = compact(&mut self.context, now, limits);
        self.context.fs.heal();
        if let Some(Ok((done, _))) = &run {
            self.cover(1, done.dirty[1].0);
        }
        self.figures.broken_off += usize::from(matches!(run, Some(Err(_))));
        self.trace.push(format!("{:?}", run.map(|run| run.map(|(done, _)| done))));
        if self.context.log().is_offline() || self.below(2) == 0 {
            let how = 1 + self.below(2);
            self.reopen_after(how);
        }
    }

    /// What holds at any time: nothing is there that was not written so, readers see what is committed, and the last record of
    /// each key.
    fn check(&mut self) {
        let log = self.context.log();
        let (start, end) = (log.log_start().0, log.log_end().0);
        let stable = log.last_stable_offset(Offset(end)).0;
        let all = read(log, false);
        for record in &all {
            assert_eq!(record, &self.written[&record.offset].seen);
        }
        let committed: Vec<Seen> = all
            .iter()
            .filter(|record| record.offset < stable && self.written[&record.offset].fate == Fate::Committed)
            .cloned()
            .collect();
        assert_eq!(read(self.context.log(), true), committed, "what read-committed clients get");
        let there: BTreeSet<i64> = committed.iter().map(|record| record.offset).collect();
        for (key, last) in self.last_of_each_key(stable) {
            let newest = committed.iter().rev().find(|record| record.key.as_ref() == Some(&key));
            let record = &self.written[&last];
            let may_be_gone = last < start
                || (record.seen.value.is_none()
                    && record.covered[0].is_some_and(|covered| covered + RETENTION_MS <= self.now));
            assert!(there.contains(&last) || may_be_gone, "{:?} is gone", record.seen);
            // A tombstone that is gone must have taken all before it along.
            assert!(newest.is_none_or(|newest| newest.offset == last), "{newest:?} was overtaken by {:?}", record.seen);
        }
    }

    /// In the end, with all transactions ended and all time gone by, little is left besides values.
    fn finish(&mut self) {
        (1..4).for_each(|id| self.end_transaction_of(id, 0, true));
        for _ in 0..5 {
            self.now += 2 * RETENTION_MS;
            // A key of its own: nothing else is overtaken any more.
            self.append_of(0, vec![(Some("z"), Some("value"))]);
            seal(self.context.log());
            self.compact_with(room_for(1000));
            self.check();
        }
        let log = self.context.log();
        let (headers, end) = (headers(log), log.first_dirty());
        let last_batches = known(log);
        for marker in headers.iter().filter(|header| header.attributes.is_control()) {
            let id = marker.producer_id.0;
            let (offset, last_of_all) = (marker.base_offset.0, marker.next_offset() == end);
            let (_, first, _) = self.ended.iter().find(|(_, _, marker)| *marker == offset).unwrap();
            let inside =
                |header: &&BatchHeader| header.producer_id.0 == id && (*first..offset).contains(&header.base_offset.0);
            let is_known_by = last_batches.get(&id).is_some_and(|(_, last, _)| last.is_none());
            let stays = headers.iter().any(|header| inside(&header)) || is_known_by || last_of_all;
            assert!(stays, "the marker at {offset} of {id} ends nothing");
        }
    }
}

#[test]
fn a_compacted_log_agrees_with_its_model_whatever_fails_and_whenever_it_stops() {
    let seeds: u64 = std::env::var("COMPACTION_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(200);
    let first = match std::env::var("SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
    };
    println!("histories from SEED={first} on");
    let mut all = Figures::default();
    for seed in (0..seeds).map(|number| first.wrapping_add(number.wrapping_mul(2))) {
        let mut model = Model::new(seed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..150).for_each(|_| model.step());
            model.finish();
        }));
        if let Err(panic) = result {
            println!("SEED={seed} COMPACTION_SEEDS=1 repeats this:\n{}", model.trace.join("\n"));
            std::panic::resume_unwind(panic);
        }
        let Figures { passes, full_maps, broken_off, reopened } = model.figures;
        all.passes += passes;
        all.full_maps += full_maps;
        all.broken_off += broken_off;
        all.reopened += reopened;
    }
    let Figures { passes, full_maps, broken_off, reopened } = all;
    println!(
        "compaction: {seeds} histories, {passes} passes, {full_maps} of them with a full map, {broken_off} broken off by a failing \
         disk, logs opened again {reopened} times"
    );
    assert!(seeds < 20 || (full_maps > 0 && broken_off > 0 && reopened > 0));
}

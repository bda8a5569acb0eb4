//! Every call to the disk fails in turn, in every way that a disk has: the failure is said, a log that goes on is right, and what was
//! durable is there after a power cut and a healthy disk. One fixed life of a log, played once for each call and each way.

use std::collections::{BTreeMap, BTreeSet};

use barnabas_records::{BatchView, DecompressLimits, Records};
use barnabas_types::{LeaderEpoch, Offset, ProducerId, Timestamp};

use crate::fs::{Failure, Fs, Operation};
use crate::testing::{LogContext, TestBatch, small_segments};
use crate::{CompactionLimits, Compactor, Doomed, FlushTicket, Log, LogConfig, ReadError, ReadLimits};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const PRODUCER: i64 = 7;
const TRANSACTIONAL: i64 = 8;

/// What is done to the log, in the order of [`LIFE`].
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Opens it as the step before left it.
    Open,
    /// So many batches in that leader epoch.
    Append(i32, i32),
    /// A batch of a transaction, and its end; true aborts it. In epoch 0.
    Transaction(bool),
    Flush,
    /// Syncs the volume, as a round of several partitions does.
    FlushVolume,
    Roll,
    /// Cuts so many offsets off its end.
    Truncate(i64),
    /// Raises its start by so many offsets.
    RaiseStart(i64),
    /// Retention by size, in bytes.
    Retention(i64),
    /// Reads all of it, and looks for a time and for aborted transactions.
    Read,
    Compact,
    Close,
    Kill,
}

/// Every way through the crate that writes but compaction, with what comes before and after it.
const LIFE: &[Step] = &[
    Step::Open,
    Step::Append(4, 0),
    Step::Transaction(true),
    Step::Append(4, 0),
    Step::Transaction(false),
    Step::Flush,
    Step::Append(5, 1),
    Step::Read,
    Step::FlushVolume,
    Step::Roll,
    Step::Append(9, 1),
    Step::Truncate(6),
    Step::Append(3, 2),
    Step::Flush,
    Step::RaiseStart(5),
    Step::Retention(2500),
    Step::Append(1, 3),
    Step::Flush,
    Step::Append(1, 3),
    Step::Flush,
    Step::Close,
    Step::Open,
    Step::Append(12, 4),
    Step::Flush,
    Step::Append(2, 4),
    Step::Kill,
    Step::Open,
    Step::Append(4, 5),
    Step::Truncate(1),
    // Below what is synced: in the active segment, and in one before it.
    Step::Flush,
    Step::Truncate(2),
    Step::Append(2, 6),
    Step::Roll,
    Step::Append(3, 6),
    Step::Flush,
    Step::Truncate(5),
    Step::Append(1, 7),
    Step::Kill,
    Step::Open,
    Step::Retention(1500),
    Step::Flush,
    Step::Close,
    Step::Open,
    Step::Close,
];

/// The same with compaction, which is not cut.
const COMPACTED_LIFE: &[Step] = &[
    Step::Open,
    Step::Append(22, 0),
    Step::Transaction(true),
    Step::Roll,
    Step::Append(1, 0),
    Step::Flush,
    Step::Compact,
    Step::Read,
    Step::Append(20, 0),
    Step::Transaction(false),
    Step::Roll,
    Step::Flush,
    Step::Compact,
    Step::Append(3, 0),
    Step::Close,
    Step::Open,
    Step::Append(12, 0),
    Step::Flush,
    Step::Kill,
    Step::Open,
    Step::Compact,
    Step::Append(2, 0),
    Step::Compact,
    Step::Close,
    Step::Open,
    Step::Close,
];

const LIVES: [(&[Step], bool); 2] = [(LIFE, false), (COMPACTED_LIFE, true)];

/// How a call fails, and whether the power goes with it where the log then has to be opened again.
const WAYS: &[(&str, Failure, bool)] = &[
    ("EIO", Failure::Error(EIO), true),
    ("ENOSPC", Failure::Error(ENOSPC), false),
    ("short", Failure::Short, false),
    ("half written, then EIO", Failure::Torn(EIO), true),
    ("half written, then ENOSPC", Failure::Torn(ENOSPC), false),
    ("killed", Failure::Dead, false),
    ("power cut", Failure::Dead, true),
];

/// True when `failure` is something else than an error for a call of this kind.
fn applies(failure: Failure, operation: Operation) -> bool {
    match failure {
        Failure::Short => matches!(operation, Operation::Read | Operation::Write),
        Failure::Torn(_) => operation == Operation::Write,
        Failure::Error(_) | Failure::Dead => true,
    }
}

#[derive(Clone, Debug)]
struct Written {
    base: i64,
    last: i64,
    epoch: i32,
    bytes: Vec<u8>,
}

impl Written {
    fn read((base, bytes): &(i64, Vec<u8>)) -> Self {
        let header = *BatchView::parse(bytes).unwrap().header();
        Self { base: *base, last: header.last_offset().0, epoch: header.partition_leader_epoch.0, bytes: bytes.clone() }
    }

    fn producer(&self) -> i64 {
        BatchView::parse(&self.bytes).unwrap().header().producer_id.0
    }

    /// Offset, key and value; nothing of a marker.
    fn records(&self) -> Vec<(i64, (String, String))> {
        let batch = BatchView::parse(&self.bytes).unwrap();
        let mut found = Vec::new();
        let mut records = Records::new(&batch, DecompressLimits::default()).unwrap();
        while let Some(record) = records.next().unwrap().filter(|_| !batch.header().attributes.is_control()) {
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            found.push((record.offset.0, (text(record.key), text(record.value))));
        }
        found
    }
}

/// Runs a compaction to its end.
struct InTest<'a> {
    context: &'a mut LogContext,
    doomed: Vec<Doomed>,
}

impl Compactor for InTest<'_> {
    fn with_log<T>(&mut self, change: impl FnOnce(&mut Log) -> T) -> T {
        change(self.context.log())
    }

    fn go_on(&mut self, _bytes: u64) -> bool {
        true
    }

    fn discard(&mut self, replaced: Doomed) {
        self.doomed.push(replaced);
    }
}

/// A log, and what it must hold.
struct Life {
    context: LogContext,
    /// Of every key only the last record has to be there.
    compacted: bool,
    /// Producer, first offset and marker of aborted transactions.
    aborted: Vec<(i64, i64, i64)>,
    /// In the log now, oldest first.
    held: Vec<Written>,
    /// All that ever was: a cut that was not synced is undone by a power cut.
    ever: Vec<Written>,
    start: i64,
    end: i64,
    durable: i64,
    /// The last cut got so far that it lowered the checkpoints.
    cut_begun: bool,
}

/// What became of one run.
#[derive(Debug, Default)]
struct Outcome {
    site: Option<(Operation, String)>,
    step: Option<(usize, Step)>,
    said: bool,
    offline: bool,
}

impl Life {
    fn new(compacted: bool) -> Self {
        let config = LogConfig { retention_ms: -1, compact: compacted, delete: !compacted, ..small_segments() };
        let context = LogContext::unopened(config);
        let (held, ever, aborted) = (Vec::new(), Vec::new(), Vec::new());
        Self { context, compacted, aborted, held, ever, start: 0, end: 0, durable: 0, cut_begun: false }
    }

    /// The error's text.
    fn apply(&mut self, step: Step) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        match step {
            Step::Open => self.context.open().map(|_| ()).map_err(|error| text(&error))?,
            Step::Append(count, epoch) => (0..count).try_for_each(|_| self.append(epoch))?,
            Step::Transaction(aborted) => self.transaction(aborted)?,
            Step::Flush => _ = self.context.log().flush().map_err(|error| text(&error))?,
            Step::FlushVolume => self.flush_volume()?,
            Step::Roll => self.context.log().roll(Timestamp(0)).map_err(|error| text(&error))?,
            Step::Truncate(back) => self.truncate(self.end - back)?,
            Step::RaiseStart(by) => {
                self.start += by;
                assert!(self.context.log().raise_log_start(Offset(self.start)));
            }
            Step::Retention(bytes) => self.retention(bytes)?,
            Step::Read => {
                self.read_all(self.start).map_err(|error| text(&error))?;
                let time = Timestamp(1000 * self.start + 3000);
                let found = self.context.log().prepare_offset_for_timestamp(time).and_then(crate::TimestampTicket::run);
                _ = found.map_err(|error| text(&error))?;
                _ = self.aborted_in_log().map_err(|error| text(&error))?;
            }
            Step::Compact => self.compact()?,
            Step::Close => {
                self.context.log().close().map_err(|error| text(&error))?;
                self.durable = self.end;
                self.note_checkpoints();
                self.context.kill();
                self.context.options.clean = true;
            }
            Step::Kill => {
                self.note_checkpoints();
                self.context.kill();
            }
        }
        if self.context.is_open() {
            self.durable = self.context.log().durable_end().0;
        }
        Ok(())
    }

    fn sequence_after(&mut self, producer: i64) -> i32 {
        let known = self.context.log().producers().producer(ProducerId(producer));
        known.and_then(|entry| entry.last_batch()).map_or(0, |batch| batch.last_sequence + 1)
    }

    fn append(&mut self, epoch: i32) -> Result<(), String> {
        let sequence = self.sequence_after(PRODUCER);
        let value = |index: i64| format!("{}={}", (self.end + index) % 5, "x".repeat(self.end as usize % 90));
        let values = (0..1 + self.end % 3).map(value).collect();
        let batch = TestBatch {
            values,
            epoch,
            timestamp: 1000 * self.end,
            base_offset: self.end,
            producer: Some((PRODUCER, 0, sequence)),
            transactional: false,
        };
        let appended = self.context.append(&batch).map_err(|error| error.to_string())?;
        assert_eq!((appended.base_offset, appended.duplicate), (Offset(self.end), false));
        self.wrote(Written { base: self.end, last: appended.last_offset.0, epoch, bytes: batch.build() });
        Ok(())
    }

    fn wrote(&mut self, written: Written) {
        self.ever.push(written.clone());
        self.end = written.last + 1;
        self.held.push(written);
    }

    /// A transaction of a producer of its own; one that a failure left open is ended by the next.
    fn transaction(&mut self, aborted: bool) -> Result<(), String> {
        let (first, sequence) = (self.end, self.sequence_after(TRANSACTIONAL));
        let batch = TestBatch {
            values: vec![format!("{}=t", first % 5)],
            producer: Some((TRANSACTIONAL, 0, sequence)),
            transactional: true,
            base_offset: first,
            ..TestBatch::default()
        };
        self.context.append(&batch).map_err(|error| error.to_string())?;
        self.wrote(Written { base: first, last: first, epoch: 0, bytes: batch.build() });
        self.end_transaction(first, aborted)
    }

    fn end_transaction(&mut self, first: i64, aborted: bool) -> Result<(), String> {
        let open = self.context.log().producers().first_open_transaction().map_or(first, |open| open.0);
        let marker = self.context.end_transaction(TRANSACTIONAL, 0, aborted).map_err(|error| error.to_string())?;
        let base = marker.base_offset.0;
        self.context.fs.spare(true);
        let (_, bytes) = self.read_all(base).unwrap().remove(0);
        self.context.fs.spare(false);
        self.wrote(Written { base, last: base, epoch: 0, bytes });
        if aborted {
            self.aborted.push((TRANSACTIONAL, open, base));
        }
        Ok(())
    }

    fn aborted_in_log(&mut self) -> Result<Vec<(i64, i64, i64)>, ReadError> {
        let (start, end) = (self.context.log().log_start(), self.context.log().log_end());
        let found = self.context.log().prepare_all_aborted(start, end).run()?.unwrap_or_default();
        Ok(found.iter().map(|one| (one.producer_id.0, one.first_offset.0, one.last_offset.0)).collect())
    }

    fn compact(&mut self) -> Result<(), String> {
        let log = self.context.log();
        let stable = log.last_stable_offset(log.durable_end());
        let Some(cleanable) = log.cleanable(stable, Timestamp(1 << 40)) else {
            return Ok(());
        };
        let ticket = log.prepare_compaction(cleanable).unwrap();
        let mut compactor = InTest { context: &mut self.context, doomed: Vec::new() };
        let run = ticket.run(&CompactionLimits::default(), &mut compactor);
        let doomed = compactor.doomed;
        if !self.context.log().is_offline() {
            self.context.fs.spare(true);
            self.take_stock();
            self.context.fs.spare(false);
        }
        run.map_err(|error| error.to_string())?;
        doomed.iter().try_for_each(Doomed::remove).map_err(|error| error.to_string())
    }

    fn flush_volume(&mut self) -> Result<(), String> {
        let volume =
            self.context.fs.volume(&self.context.options.directory).map_err(|error| error.to_string())?.unwrap();
        let Some(ticket) = self.context.log().prepare_flush() else {
            return Ok(());
        };
        let (tickets, failure) = FlushTicket::run_all(vec![ticket], &*volume);
        for ticket in tickets {
            self.context.log().flushed(ticket).map_err(|error| error.to_string())?;
        }
        // The tickets were synced one by one then: nothing is lost, and the volume is not asked again.
        failure.map_or(Ok(()), |error| Err(error.to_string()))
    }

    fn truncate(&mut self, offset: i64) -> Result<(), String> {
        let mut lowest = i64::MAX;
        let cut = self.context.log().truncate_to(Offset(offset), Timestamp(0), |limit| {
            lowest = limit.0;
            Ok(())
        });
        // From here on no checkpoint names more, however the cut went.
        self.durable = self.durable.min(lowest);
        self.cut_begun = lowest < i64::MAX;
        let end = cut.map_err(|error| error.to_string())?.0;
        self.held.retain(|batch| batch.last < offset);
        self.aborted.retain(|(.., marker)| *marker < offset);
        assert!(end <= offset && self.held.last().is_none_or(|batch| batch.last < end));
        self.end = end;
        self.start = self.start.min(end);
        Ok(())
    }

    fn retention(&mut self, bytes: i64) -> Result<(), String> {
        let config = *self.context.log().config();
        self.context.log().set_config(LogConfig { retention_bytes: bytes, ..config });
        let applied = self.context.log().apply_retention(Offset(self.end), Timestamp(0));
        self.context.log().set_config(config);
        let start = self.context.log().log_start().0;
        assert!(start >= self.start && start <= self.end);
        self.start = start;
        for doomed in applied.map_err(|error| error.to_string())? {
            doomed.remove().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// As the broker writes them: nothing newer than what the log says of itself.
    fn note_checkpoints(&mut self) {
        self.context.options.log_start = Offset(self.start);
        self.context.options.recovery_point = Offset(self.durable);
    }

    /// After a failure that leaves no log to go on with: a process that died, with or without the power, and a healthy disk.
    fn come_back(&mut self, power_cut: bool) {
        self.context.fs.heal();
        if self.context.is_open() {
            self.note_checkpoints();
        }
        self.context.kill();
        if power_cut {
            self.context.fs.cut_power().unwrap();
        }
        let recovery = self.context.open().unwrap();
        assert_eq!(recovery.missing_records, 0);
        self.take_stock();
    }

    /// Finds out what is there: everything that was durable, and of the rest nothing that never was.
    fn take_stock(&mut self) {
        let log = self.context.log();
        let (start, end) = (log.log_start().0, log.log_end().0);
        assert!(end >= self.durable, "ends at {end}, and was durable to {}", self.durable);
        assert!(start >= self.start, "starts at {start}, and started at {}", self.start);
        let found: Vec<Written> = self.read_all(start).unwrap().iter().map(Written::read).collect();
        if self.compacted {
            self.holds_the_last_of_every_key(&found);
        } else {
            let was = |batch: &&Written| self.ever.iter().any(|written| written.bytes == batch.bytes);
            assert_eq!(found.iter().find(|batch| !was(batch)).map(|batch| batch.base), None, "a batch that never was");
            for kept in self.held.iter().filter(|kept| kept.last < self.durable && kept.last >= start) {
                assert!(
                    found.iter().any(|found| found.bytes == kept.bytes),
                    "the durable batch at {} is gone",
                    kept.base
                );
            }
            assert_eq!(found.last().map_or(end, |batch| batch.last + 1), end);
        }
        self.aborted.retain(|(.., marker)| *marker < end);
        (self.held, self.start, self.end) = (found, start, end);
        self.durable = self.context.log().durable_end().0;
    }

    /// Every record is one that was written; of each key there is the last one that was durable, or a later one.
    fn holds_the_last_of_every_key(&self, found: &[Written]) {
        let ever: BTreeMap<i64, (String, String)> = self.ever.iter().flat_map(Written::records).collect();
        let found: BTreeMap<i64, (String, String)> = found.iter().flat_map(Written::records).collect();
        for (offset, record) in &found {
            assert_eq!(ever.get(offset), Some(record), "the record at {offset} never was");
        }
        let aborted = |offset: i64| self.aborted.iter().any(|(_, first, marker)| (*first..*marker).contains(&offset));
        let of_transaction = |batch: &&Written| batch.producer() != TRANSACTIONAL || !aborted(batch.base);
        let durable = self.held.iter().filter(of_transaction).filter(|batch| batch.last < self.durable);
        let last = durable.flat_map(Written::records).map(|(offset, (key, _))| (key, offset));
        for (key, offset) in last.collect::<BTreeMap<String, i64>>() {
            let there = found.range(offset..).any(|(_, record)| record.0 == key);
            assert!(there, "the last record of key {key}, at {offset}, is gone");
        }
    }

    /// Base offset and bytes of every batch from `offset` on, as a reader gets them.
    fn read_all(&mut self, offset: i64) -> Result<Vec<(i64, Vec<u8>)>, ReadError> {
        let mut found = Vec::new();
        let mut next = Offset(offset);
        let limits = ReadLimits { end: self.context.log().log_end(), max_bytes: 400, at_least_one_batch: true };
        while let Some(region) = self.context.log().read(next, limits)? {
            let bytes = region.bytes().unwrap();
            for batch in barnabas_records::batches(&bytes).map_while(Result::ok) {
                batch.check_crc().unwrap();
                found.push((batch.header().base_offset.0, batch.bytes().to_vec()));
                next = batch.header().next_offset();
            }
        }
        Ok(found)
    }

    /// The log holds what it must, for readers, for followers (epochs) and for producers.
    fn verify(&mut self) {
        self.context.fs.spare(true);
        let log = self.context.log();
        assert_eq!((log.log_start(), log.log_end()), (Offset(self.start), Offset(self.end)));
        assert!(log.durable_end() <= log.log_end() && log.durable_end().0 >= self.durable);
        let read = self.read_all(self.start).unwrap();
        let found = self.aborted_in_log().unwrap();
        let due: Vec<_> = self.aborted.iter().filter(|(.., marker)| *marker >= self.start).copied().collect();
        // What compaction has taken out altogether needs no telling.
        let told = found == due || self.compacted && found.iter().all(|one| due.contains(one));
        assert!(told, "{found:?}, due are {due:?}");
        let due = self.held.iter().filter(|batch| batch.last >= self.start);
        assert!(
            read.iter().map(|(base, bytes)| (*base, bytes)).eq(due.clone().map(|batch| (batch.base, &batch.bytes)))
        );
        let log = self.context.log();
        for batch in due.filter(|batch| batch.base >= self.start) {
            assert_eq!(
                log.leader_epochs().epoch_of(Offset(batch.base)),
                Some(LeaderEpoch(batch.epoch)),
                "{}",
                batch.base
            );
        }
        if let Some(last) = self.held.iter().rfind(|batch| batch.producer() == PRODUCER) {
            let known = log.producers().producer(ProducerId(PRODUCER)).and_then(|entry| entry.last_batch().copied());
            assert_eq!(known.map(|batch| batch.last_offset), Some(Offset(last.last)));
        }
        self.context.fs.spare(false);
    }
}

/// Plays a life with the call `number` failing as `way` says. Without a site: there are not so many calls.
fn play((steps, compacted): (&[Step], bool), number: u64, (way, failure, power_cut): (&str, Failure, bool)) -> Outcome {
    let mut life = Life::new(compacted);
    let mut outcome = Outcome::default();
    life.context.fs.fail_call(number, failure);
    for (index, step) in steps.iter().enumerate() {
        let result = life.apply(*step);
        let failed = life.context.fs.failed().filter(|_| outcome.site.is_none());
        let Some((operation, path)) = failed else {
            assert_eq!(result, Ok(()), "call {number}, {way}, step {index} {step:?}: nothing failed in it");
            if life.context.is_open() {
                life.verify();
            }
            continue;
        };
        outcome.site = Some((operation, kind_of(&path)));
        outcome.step = Some((index, *step));
        outcome.said = result.is_err();
        outcome.offline = life.context.is_open() && life.context.log().is_offline();
        // Who dies goes on to fail elsewhere.
        if let Err(error) = &result
            && failure != Failure::Dead
        {
            assert!(error.contains(&*path.to_string_lossy()), "{step:?} does not say where: {error}");
        }
        let lost = matches!(failure, Failure::Error(_)) && operation == Operation::Sync;
        assert!(!lost || outcome.said, "a failed sync was kept quiet");
        let broken_off = result.is_err() && matches!(step, Step::Truncate(_)) && life.cut_begun;
        assert!(!broken_off || outcome.offline, "a cut that broke off left the log in use");
        if failure == Failure::Dead || outcome.offline || (result.is_err() && !life.context.is_open()) {
            life.come_back(power_cut);
        } else if result.is_err() && matches!(step, Step::Close) {
            // A broker that stops does not try again: the next start recovers.
            life.come_back(power_cut);
        }
        if life.context.is_open() {
            life.verify();
        } else {
            life.apply(Step::Open).unwrap();
        }
        if next_opens(steps, index) {
            life.apply(Step::Kill).unwrap();
        }
    }
    finish(&mut life);
    outcome
}

/// True when the step after `index` opens the log.
fn next_opens(steps: &[Step], index: usize) -> bool {
    matches!(steps.get(index + 1), Some(Step::Open))
}

/// Whatever happened: the log opens after a power cut, is right, takes records, and closes.
fn finish(life: &mut Life) {
    life.context.fs.heal();
    if !life.context.is_open() {
        life.apply(Step::Open).unwrap();
    }
    life.verify();
    life.apply(Step::Append(2, 8)).unwrap();
    life.come_back(true);
    life.verify();
    for step in [Step::Append(7, 9), Step::Flush, Step::Close, Step::Open] {
        life.apply(step).unwrap();
    }
    life.verify();
}

/// `.log`, `.index.deleted`, `leader-epoch-checkpoint.tmp`: a file's name without its offset.
fn kind_of(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches(|letter: char| letter.is_ascii_digit()).to_owned()
}

/// As [`play`], and says which run it was that panicked.
fn play_named(life: usize, number: u64, way: (&str, Failure, bool)) -> Outcome {
    match std::panic::catch_unwind(|| play(LIVES[life], number, way)) {
        Ok(outcome) => outcome,
        Err(panic) => {
            println!("LOG_FAULTS={life}/{number} repeats this: call {number}, {}", way.0);
            std::panic::resume_unwind(panic);
        }
    }
}

/// In turn each call fails, one way for each unless `LOG_FAULTS=all` asks for all of them; `0/17` asks for call 17 of the first life in all ways.
#[test]
fn a_log_is_right_whichever_call_to_the_disk_fails_and_however_it_fails() {
    let asked = std::env::var("LOG_FAULTS").unwrap_or_default();
    if let Some((life, number)) = asked.split_once('/') {
        let (life, number) = (life.parse().unwrap(), number.parse().unwrap());
        WAYS.iter().for_each(|way| println!("{}: {:?}", way.0, play_named(life, number, *way)));
        return;
    }
    let mut sites = BTreeSet::new();
    let mut runs: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut said, mut offline, mut calls) = (0, 0, 0);
    for life in 0..LIVES.len() {
        let mut number = 0;
        while let Some((operation, kind)) = play_named(life, number, WAYS[0]).site {
            sites.insert((operation.to_string(), kind));
            for (index, way) in WAYS.iter().enumerate() {
                if !applies(way.1, operation) || !(asked == "all" || index as u64 == number % WAYS.len() as u64) {
                    continue;
                }
                let outcome = play_named(life, number, *way);
                *runs.entry(way.0).or_default() += 1;
                said += u64::from(outcome.said);
                offline += u64::from(outcome.offline);
            }
            number += 1;
        }
        calls += number;
    }
    let total: u64 = runs.values().sum();
    let ways: Vec<String> = runs.iter().map(|(way, runs)| format!("{way} {runs}")).collect();
    println!(
        "log-faults: {calls} calls at {} call sites, {total} runs ({}): {said} errors said, {offline} logs offline, all right again",
        sites.len(),
        ways.join(", ")
    );
    assert!(calls > 200 && sites.len() > 20, "{sites:?}");
}

//! What the tests of this crate share: batches and a log in a directory of its own. Tests of other files build logs only here.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use barnabas_records::control::{ControlRecord, EndTransactionMarker, transaction_marker_batch};
use barnabas_records::{BatchBuilder, BatchView, Compression};
use barnabas_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use tempfile::TempDir;

use crate::fs::{Disk, FaultyFs, IoError};
use crate::{
    AppendError, AppendOrigin, Appended, ChangeError, Log, LogConfig, OpenError, OpenOptions, ReadLimits, Recovery,
};

/// A batch to be built. The value `a=b` has the key `a`, any other one the key `key`.
#[derive(Clone, Debug)]
pub(crate) struct TestBatch {
    pub(crate) values: Vec<String>,
    pub(crate) timestamp: i64,
    pub(crate) producer: Option<(i64, i16, i32)>,
    pub(crate) transactional: bool,
    pub(crate) base_offset: i64,
    pub(crate) epoch: i32,
}

impl Default for TestBatch {
    fn default() -> Self {
        Self {
            values: vec!["value".into()],
            timestamp: 1000,
            producer: None,
            transactional: false,
            base_offset: 0,
            epoch: 0,
        }
    }
}

impl TestBatch {
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut builder =
            BatchBuilder::new(Offset(self.base_offset), Compression::None).leader_epoch(LeaderEpoch(self.epoch));
        if let Some((id, epoch, sequence)) = self.producer {
            builder = builder.producer(ProducerId(id), ProducerEpoch(epoch), sequence);
        }
        if self.transactional {
            builder = builder.transactional();
        }
        for (index, value) in self.values.iter().enumerate() {
            let timestamp = Timestamp(self.timestamp + index as i64);
            let key = value.split_once('=').map_or("key", |(key, _)| key);
            builder.append(timestamp, Some(key.as_bytes()), Some(value.as_bytes()), &[]).unwrap();
        }
        builder.build().unwrap()
    }
}

/// A log, its disk and the directory they live in.
pub(crate) struct LogContext {
    _root: TempDir,
    pub(crate) fs: FaultyFs,
    pub(crate) options: OpenOptions,
    log: Option<Log>,
}

fn lower(options: &mut OpenOptions, limit: Offset) -> Result<(), IoError> {
    options.recovery_point = options.recovery_point.min(limit);
    options.log_start = options.log_start.min(limit);
    Ok(())
}

/// One of the ways to open a log.
type OpenLog = fn(&Arc<Disk>, &OpenOptions) -> Result<(Log, Recovery), OpenError>;

impl LogContext {
    pub(crate) fn new(config: LogConfig) -> Self {
        let mut context = Self::unopened(config);
        context.open().unwrap();
        context
    }

    pub(crate) fn unopened(config: LogConfig) -> Self {
        let root = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            directory: root.path().join("topic-0"),
            config: Arc::new(config),
            recovery_point: Offset(0),
            log_start: Offset(0),
            clean: false,
            known_empty: None,
            now: Timestamp(1_000_000),
        };
        Self { _root: root, fs: FaultyFs::default(), options, log: None }
    }

    /// Segments of about 1000 bytes, an index entry for every batch but the first.
    pub(crate) fn small() -> Self {
        Self::new(small_segments())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.log.is_some()
    }

    pub(crate) fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    /// Opens the log as `options` say, after whatever happened to its files.
    pub(crate) fn open(&mut self) -> Result<Recovery, OpenError> {
        self.open_by(Log::open)
    }

    /// As [`LogContext::open`], by `open`.
    pub(crate) fn open_by(&mut self, open: OpenLog) -> Result<Recovery, OpenError> {
        self.log = None;
        let disk = Arc::new(Disk::new(Arc::new(self.fs.clone()), 4));
        let (log, recovery) = open(&disk, &self.options)?;
        self.log = Some(log);
        Ok(recovery)
    }

    /// Stops as a killed process does: nothing is written that was not.
    pub(crate) fn kill(&mut self) {
        self.log = None;
        self.options.clean = false;
    }

    /// Stops cleanly.
    pub(crate) fn close(&mut self) {
        let mut log = self.log.take().unwrap();
        log.close().unwrap();
        self.options.clean = true;
        self.options.recovery_point = log.log_end();
        self.options.log_start = log.log_start();
    }

    /// Cuts the log, and lowers its checkpoints when it says so.
    pub(crate) fn truncate_to(&mut self, offset: i64) -> Result<Offset, ChangeError> {
        let (log, options) = (self.log.as_mut().unwrap(), &mut self.options);
        log.truncate_to(Offset(offset), Timestamp(0), |limit| lower(options, limit))
    }

    /// Begins the log anew, and lowers its checkpoints when it says so.
    pub(crate) fn restart_at(&mut self, offset: i64) -> Result<(), ChangeError> {
        let (log, options) = (self.log.as_mut().unwrap(), &mut self.options);
        log.restart_at(Offset(offset), Timestamp(0), |limit| lower(options, limit))
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.options.directory.join(name)
    }

    pub(crate) fn append(&mut self, batch: &TestBatch) -> Result<Appended, AppendError> {
        let bytes = batch.build();
        let view = BatchView::parse(&bytes).unwrap();
        let epoch = LeaderEpoch(batch.epoch);
        let now = Timestamp(batch.timestamp);
        self.log().append_as_leader(view.header(), view.stored_records(), epoch, AppendOrigin::Client, now)
    }

    /// Ends the transaction of producer `id`, as a coordinator does.
    pub(crate) fn end_transaction(&mut self, id: i64, epoch: i16, aborted: bool) -> Result<Appended, AppendError> {
        let marker = EndTransactionMarker { coordinator_epoch: 0 };
        let marker = if aborted { ControlRecord::Abort(marker) } else { ControlRecord::Commit(marker) };
        let bytes = transaction_marker_batch(Timestamp(1000), ProducerId(id), ProducerEpoch(epoch), &marker).unwrap();
        let view = BatchView::parse(&bytes).unwrap();
        let origin = AppendOrigin::Internal;
        self.log().append_as_leader(view.header(), view.stored_records(), LeaderEpoch(0), origin, Timestamp(1000))
    }

    /// Appends `count` batches of one record, `v<offset>` at time 1000 times the offset.
    pub(crate) fn fill(&mut self, count: i64) {
        for _ in 0..count {
            let offset = self.log().log_end().0;
            let values = vec![format!("v{offset}")];
            self.append(&TestBatch { values, timestamp: 1000 * offset, ..TestBatch::default() }).unwrap();
        }
    }

    /// All batches' base offsets and last offsets, read from `offset` to the end one region after the other.
    pub(crate) fn offsets_from(&mut self, offset: i64) -> Vec<(i64, i64)> {
        let mut found = Vec::new();
        let mut next = Offset(offset);
        let limits = ReadLimits { end: self.log().log_end(), max_bytes: 300, at_least_one_batch: true };
        while let Some(region) = self.log().read(next, limits).unwrap() {
            let bytes = region.bytes().unwrap();
            let mut whole = 0;
            for batch in barnabas_records::batches(&bytes).map_while(Result::ok) {
                batch.check_crc().unwrap();
                let header = batch.header();
                found.push((header.base_offset.0, header.last_offset().0));
                next = header.next_offset();
                whole += 1;
            }
            assert!(whole > 0, "a region without a whole batch at {next}");
        }
        found
    }

    /// Asserts that the log holds batches of one record each from `first` to `end`, found from every offset.
    pub(crate) fn assert_holds(&mut self, first: i64, end: i64) {
        assert_eq!(self.log().log_end(), Offset(end));
        let expected: Vec<(i64, i64)> = (first..end).map(|offset| (offset, offset)).collect();
        assert_eq!(self.offsets_from(first), expected);
        let limits = ReadLimits { end: Offset(end), max_bytes: 1, at_least_one_batch: true };
        for offset in first..end {
            let region = self.log().read(Offset(offset), limits).unwrap().unwrap();
            let bytes = region.bytes().unwrap();
            assert_eq!(BatchView::parse(&bytes).unwrap().header().base_offset, Offset(offset));
        }
    }
}

impl Drop for LogContext {
    /// A log that its test leaves open is closed and kept in the directory that `BARNABAS_KEEP_LOGS` names, if any: for another
    /// implementation to read. One that is closed, killed, damaged beyond opening or on a failing disk is not.
    fn drop(&mut self) {
        let (Some(kept), Some(log)) = (std::env::var_os("BARNABAS_KEEP_LOGS"), self.log.as_mut()) else { return };
        if std::thread::panicking() || log.close().is_err() {
            return;
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let test = std::thread::current().name().unwrap_or("unnamed").replace("::", ".");
        let place = Path::new(&kept).join(format!("{test}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::rename(&self.options.directory, place.join("topic-0")).unwrap();
    }
}

pub(crate) fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 0, ..LogConfig::default() }
}

/// What `SEED` says, else another one each time.
pub(crate) fn seed() -> u64 {
    match std::env::var("SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64,
    }
}

/// A small generator, so that a failure names the seed that repeats it.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let seed = seed();
        println!("SEED={seed}");
        Self::from_seed(seed)
    }

    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// What [`Random::from_seed`] takes to go on from here.
    pub(crate) fn seed(&self) -> u64 {
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

//! The metadata log on disk: `__cluster_metadata-0` with its snapshots and `quorum-state`. Reads, appends, syncs, trims; the
//! quorum engine says what and when.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_log::fs::{Disk, IoError, OpenMode, Operation, write_all_at};
use barnabas_log::{
    AppendError, AppendOrigin, ChangeError, Log, LogConfig, OpenError, OpenOptions, ReadError, ReadLimits,
    TextFileError, identity,
};
use barnabas_metadata::{History, ReplayError};
use barnabas_raft::{
    BatchSummary, ControlHistory, ElectionState, FetchContent, FetchResponse, LogView, LogViewError, Recovered,
    Response, SnapshotId,
};
use barnabas_records::{BatchError, BatchView, batches};
use barnabas_types::{FileRegion, LeaderEpoch, Offset, Timestamp, Uuid};

use super::batch::{self, Content, DecodeBatchError};
use super::control;
use super::quorum_state::{self, QuorumStateError};
use super::snapshots::{self, Held, ReadSnapshotError};

/// The directory of the metadata log, in the metadata log directory.
pub const METADATA_LOG: &str = "__cluster_metadata-0";

/// How much room is taken on the disk at a time, ahead of the batches.
const RESERVED_BYTES: u64 = 64 * 1024;
/// How much of the log is read at a time.
const READ_BYTES: u32 = 1024 * 1024;

/// The metadata log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A small file of the log.
    #[error(transparent)]
    Text(#[from] TextFileError),
    /// The log's files.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// Reading the log.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A region of the log.
    #[error("the metadata log cannot be read: {0}")]
    Region(#[from] std::io::Error),
    /// A batch of the log.
    #[error("the metadata log after offset {offset}: {source}")]
    Batch {
        /// The last offset that was read.
        offset: Offset,
        /// What is wrong.
        source: DecodeBatchError,
    },
    /// The bounds of the log.
    #[error(transparent)]
    Bounds(#[from] LogViewError),
    /// A snapshot.
    #[error(transparent)]
    Snapshot(#[from] ReadSnapshotError),
    /// `quorum-state`.
    #[error(transparent)]
    QuorumState(#[from] QuorumStateError),
    /// The log could not be emptied after a snapshot that was installed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A record that contradicts what comes before it.
    #[error("the metadata record at offset {offset}: {source}")]
    Replay {
        /// Its offset.
        offset: Offset,
        /// What is wrong.
        source: ReplayError,
    },
}

/// What the disk holds.
#[derive(Debug)]
pub struct Loaded {
    /// The metadata of the newest snapshot. What of the log is committed only the quorum knows.
    pub history: History,
    /// What the quorum engine starts from.
    pub recovered: Recovered,
    /// When the last record was appended.
    pub last_timestamp: Timestamp,
}

/// The metadata log, open.
#[derive(Debug)]
pub struct MetadataStore {
    disk: Arc<Disk>,
    directory: PathBuf,
    log: Log,
    bytes_since_snapshot: u64,
}

impl MetadataStore {
    /// Opens the log in `metadata_log_dir` and reads all of it.
    ///
    /// # Errors
    /// Anything that would make the metadata other than what was committed.
    pub fn open(
        disk: &Arc<Disk>,
        metadata_log_dir: &Path,
        segment_bytes: u32,
        now: Timestamp,
    ) -> Result<(Self, Loaded), LoadError> {
        let directory = metadata_log_dir.join(METADATA_LOG);
        let fs = disk.fs();
        fs.create_directory(&directory)?;
        if identity::read_topic_id(fs, &directory)?.is_none() {
            identity::write_topic_id(fs, &directory, Uuid::METADATA_TOPIC)?;
        }
        let snapshots = snapshots::list(fs, &directory)?;
        let snapshot = snapshots.last().copied().unwrap_or_default();
        let config =
            LogConfig { segment_bytes, retention_ms: -1, retention_bytes: -1, delete: true, ..LogConfig::default() };
        // What a snapshot holds was synced before it was taken.
        let recovery_point = snapshot.end_offset;
        let options = OpenOptions {
            directory: directory.clone(),
            config: config.into(),
            recovery_point,
            log_start: Offset(0),
            clean: false,
            known_empty: None,
            now,
        };
        let (log, recovery) = Log::open(disk, &options)?;
        tracing::info!(
            log_start = log.log_start().0,
            log_end = log.log_end().0,
            %snapshot,
            scanned_bytes = recovery.scanned_bytes,
            cut_bytes = recovery.cut_bytes,
            "the metadata log is open"
        );
        let mut store = Self { disk: Arc::clone(disk), directory, log, bytes_since_snapshot: 0 };
        store.finish_install(snapshot, now)?;
        let loaded = store.load(snapshots)?;
        Ok((store, loaded))
    }

    /// Begins the log anew after the newest snapshot, where that was downloaded and a crash came before the log was emptied: it ends
    /// before the snapshot does, or has only older epochs.
    fn finish_install(&mut self, snapshot: SnapshotId, now: Timestamp) -> Result<(), LoadError> {
        let last_epoch = self.log.leader_epochs().entries().last().map(|entry| entry.epoch);
        let is_older =
            last_epoch.is_some_and(|epoch| epoch < snapshot.epoch) && self.log.log_end() >= snapshot.end_offset;
        if self.log.log_end() < snapshot.end_offset || is_older {
            tracing::info!(%snapshot, log_end = self.log.log_end().0, "the metadata log begins anew after a downloaded snapshot");
            self.log.restart_at(snapshot.end_offset, now, |_| Ok(()))?;
            self.log.flush()?;
        }
        Ok(())
    }

    /// Reads the newest snapshot, and all of the log after it for the records of the quorum. The metadata there is only looked at: what
    /// could not be applied later is refused now, before anything is changed.
    fn load(&mut self, snapshots: Vec<SnapshotId>) -> Result<Loaded, LoadError> {
        let election = quorum_state::read(self.disk.fs(), &self.directory)?;
        let mut held = Held::default();
        if let Some(newest) = snapshots.last() {
            held = snapshots::read_held(self.disk.fs(), &snapshots::path(&self.directory, *newest))?;
        }
        let newest = snapshots.last().copied().unwrap_or_default();
        let mut control = ControlHistory::from_snapshot(newest, held.kraft_version, held.voters);
        let (mut last_timestamp, mut bytes) = (held.last_timestamp, 0);
        self.for_each_batch(newest.end_offset, self.log.log_end(), &mut |batch| {
            bytes += batch.bytes().len() as u64;
            batch::for_each::<DecodeBatchError>(batch, &mut |entry| {
                last_timestamp = last_timestamp.max(entry.timestamp);
                if let Some(record) = control::from_log(&entry.content)
                    && entry.offset >= newest.end_offset
                {
                    control.record(entry.offset, &record);
                }
                Ok(())
            })
        })?;
        self.bytes_since_snapshot = bytes;
        let epochs = self.log.leader_epochs().entries().iter().map(|entry| (entry.epoch, entry.start_offset));
        let log = LogView::new(self.log.log_start(), self.log.log_end(), snapshots, epochs.collect())?;
        Ok(Loaded { history: held.history, recovered: Recovered { election, log, control }, last_timestamp })
    }

    /// Hands over the batches of the log from the one that holds `from` on, up to `end`.
    fn for_each_batch(
        &self,
        from: Offset,
        end: Offset,
        visit: &mut dyn FnMut(&BatchView<'_>) -> Result<(), DecodeBatchError>,
    ) -> Result<(), LoadError> {
        let mut next = from;
        while next < end {
            let limits = ReadLimits { end, max_bytes: READ_BYTES, at_least_one_batch: true };
            let Some(region) = self.log.read(next, limits)? else { break };
            let bytes = region.bytes()?;
            let before = next;
            for batch in batches(&bytes) {
                let at = |source| LoadError::Batch { offset: next, source };
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(BatchError::Truncated { .. }) => break,
                    Err(error) => return Err(at(error.into())),
                };
                visit(&batch).map_err(at)?;
                next = batch.header().next_offset();
            }
            if next == before {
                break;
            }
        }
        Ok(())
    }

    /// Applies the metadata of the log from `from` up to `end` to `history`.
    ///
    /// # Errors
    /// Damage, or a record that contradicts what comes before it.
    pub fn replay(&self, from: Offset, end: Offset, history: &mut History) -> Result<(), LoadError> {
        let mut refused = None;
        let walked = self.for_each_batch(from, end, &mut |batch| {
            batch::for_each::<DecodeBatchError>(batch, &mut |entry| {
                // A snapshot may end inside a batch.
                if let Content::Metadata(record) = &entry.content
                    && entry.offset >= from
                    && refused.is_none()
                {
                    let offset = entry.offset;
                    refused = history.replay(record).err().map(|source| LoadError::Replay { offset, source });
                }
                Ok(())
            })
        });
        refused.map_or(walked, Err)
    }

    /// The metadata of snapshot `id`.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn read_snapshot(&self, id: SnapshotId) -> Result<History, ReadSnapshotError> {
        Ok(snapshots::read_held(self.disk.fs(), &snapshots::path(&self.directory, id))?.history)
    }

    /// The batches from the one on that holds `from`, below `end`: at most `max_bytes` of them, but one at least.
    ///
    /// # Errors
    /// The disk.
    pub fn read(&self, from: Offset, end: Offset, max_bytes: u32) -> Result<Option<FileRegion>, ReadError> {
        let limits = ReadLimits { end, max_bytes, at_least_one_batch: true };
        let region = self.log.read(from, limits)?;
        Ok(region.map(|region| {
            let length = region.length as usize;
            FileRegion { file: region.file, position: region.position, length }
        }))
    }

    /// At most `max_bytes` of the file of snapshot `id` from `position` on, and the size of the file. None when there is no such file.
    ///
    /// # Errors
    /// The disk.
    pub fn read_snapshot_piece(
        &self,
        id: SnapshotId,
        position: u64,
        max_bytes: u32,
    ) -> Result<Option<(FileRegion, u64)>, IoError> {
        let file = match self.disk.fs().open(&snapshots::path(&self.directory, id), OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.length()?;
        let length = size.saturating_sub(position).min(u64::from(max_bytes)) as usize;
        Ok(Some((FileRegion { file: Arc::clone(file.handle()), position, length }, size)))
    }

    /// Writes a piece of the unfinished file of snapshot `id`; at position 0 the file is begun anew.
    ///
    /// # Errors
    /// The disk.
    pub fn write_snapshot_piece(&self, id: SnapshotId, position: u64, bytes: &[u8]) -> Result<(), IoError> {
        let mode = if position == 0 { OpenMode::Truncate } else { OpenMode::Write };
        let file = self.disk.fs().open(&snapshots::unfinished_path(&self.directory, id), mode)?;
        write_all_at(&*file, &mut [IoSlice::new(bytes)], position)
    }

    /// Checks the unfinished file of snapshot `id`, gives it its name, durably, and begins the log anew at its end. None when the file is
    /// damaged; it is gone then.
    ///
    /// # Errors
    /// The disk, or a record that this release does not serve.
    pub fn install_snapshot(&mut self, id: SnapshotId, now: Timestamp) -> Result<Option<Held>, InstallError> {
        let fs = self.disk.fs();
        let unfinished = snapshots::unfinished_path(&self.directory, id);
        fs.open(&unfinished, OpenMode::Read)?.sync()?;
        let held = match snapshots::read_held(fs, &unfinished) {
            Ok(held) => held,
            Err(ReadSnapshotError::Io(error)) => return Err(error.into()),
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "a downloaded snapshot of the metadata is damaged; it is fetched again");
                fs.remove_file(&unfinished)?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        self.roll_for_install(now)?;
        let fs = self.disk.fs();
        fs.rename(&unfinished, &snapshots::path(&self.directory, id))?;
        fs.sync_directory(&self.directory)?;
        // Only now: until the snapshot has its name durably, the log is all that this replica has.
        self.log.restart_at(id.end_offset, now, |_| Ok(()))?;
        self.log.flush()?;
        self.bytes_since_snapshot = 0;
        let older = snapshots::list(self.disk.fs(), &self.directory)?.into_iter().filter(|other| *other < id);
        for other in older {
            self.disk.fs().remove_file(&snapshots::path(&self.directory, other))?;
        }
        Ok(Some(held))
    }

    /// Gives back the room that the log's last segment has taken ahead: should a crash leave the log behind a downloaded snapshot, the
    /// next start must not take that room for records that were lost.
    pub(super) fn roll_for_install(&mut self, now: Timestamp) -> Result<(), IoError> {
        self.log.roll(now)?;
        self.log.flush()?;
        Ok(())
    }

    /// Removes the unfinished file of snapshot `id`.
    ///
    /// # Errors
    /// The disk.
    pub fn abandon_snapshot(&self, id: SnapshotId) -> Result<(), IoError> {
        match self.disk.fs().remove_file(&snapshots::unfinished_path(&self.directory, id)) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }

    /// Appends batches as the leader sent them. They are durable after the next sync.
    ///
    /// # Errors
    /// The disk, or batches that do not go on from the end of the log.
    pub fn append_fetched(&mut self, batches: &[u8], now: Timestamp) -> Result<Offset, AppendError> {
        let end = self.log.append_as_follower(batches, now)?;
        self.bytes_since_snapshot += batches.len() as u64;
        Ok(end)
    }

    /// Removes every record from `end` on.
    ///
    /// # Errors
    /// The disk.
    pub fn truncate(&mut self, end: Offset, now: Timestamp) -> Result<Offset, ChangeError> {
        // There is no checkpoint to lower: the recovery point is the end of the newest snapshot, and what that holds is committed.
        self.log.truncate_to(end, now, |_| Ok(()))
    }

    /// Keeps an election result, durably.
    pub fn persist_election(&self, election: &ElectionState) -> Result<(), IoError> {
        quorum_state::write(self.disk.fs(), &self.directory, election)
    }

    /// Appends one batch. It is durable after the next sync.
    pub fn append(&mut self, batch: &[u8], epoch: LeaderEpoch, now: Timestamp) -> Result<Offset, AppendError> {
        let batch = BatchView::parse(batch)?;
        let records = batch.stored_records();
        let appended = self.log.append_as_leader(batch.header(), records, epoch, AppendOrigin::Internal, now)?;
        self.bytes_since_snapshot += batch.bytes().len() as u64;
        Ok(appended.base_offset)
    }

    /// Sees to it that a batch of `bytes` bytes finds room on the disk.
    ///
    /// # Errors
    /// It would not, or the disk failed; the log is as it was.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), IoError> {
        self.log.reserve((bytes as u64).max(RESERVED_BYTES), bytes as u64)
    }

    /// Sees to it that the `bytes` bytes of an answer from the leader find room on the disk, where they can be of use to a log that ends
    /// at `log_end`.
    ///
    /// # Errors
    /// They would not, or the disk failed; the log is as it was.
    pub fn check_room(&mut self, response: &Response, log_end: Offset, bytes: usize) -> Result<(), IoError> {
        let goes_on = |batch: &BatchSummary| batch.base_offset == log_end;
        match response {
            Response::Fetch(FetchResponse { content: FetchContent::Batches { batches, .. }, .. })
                if batches.first().is_some_and(goes_on) =>
            {
                self.reserve(bytes)
            }
            Response::FetchSnapshot(_) if self.disk.fs().space(&self.directory)?.usable_bytes < bytes as u64 => {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                Err(IoError::new(Operation::Write, &self.directory, full))
            }
            _ => Ok(()),
        }
    }

    /// Makes everything durable; returns up to where.
    pub fn sync(&mut self) -> Result<Offset, IoError> {
        self.log.flush()
    }

    /// Bytes of batches since the newest snapshot.
    pub const fn bytes_since_snapshot(&self) -> u64 {
        self.bytes_since_snapshot
    }

    /// Begins a new segment, so that the ones before it can go once a snapshot holds them; returns the snapshot's file.
    pub fn begin_snapshot(&mut self, id: SnapshotId, now: Timestamp) -> Result<PathBuf, IoError> {
        self.log.roll(now)?;
        // Once the snapshot is there a start takes all below its end for synced. What a roll cuts off a segment must be cut durably by then, or
        // zeros that were written ahead come back in the middle of the log.
        self.log.flush()?;
        self.bytes_since_snapshot = 0;
        Ok(snapshots::path(&self.directory, id))
    }

    /// Removes segments and snapshots before snapshot `to`, which is on disk.
    pub fn trim(&mut self, to: SnapshotId, now: Timestamp) -> Result<(), TrimError> {
        self.log.raise_log_start(to.end_offset);
        for doomed in self.log.apply_retention(to.end_offset, now)? {
            doomed.remove()?;
        }
        let fs = self.disk.fs();
        for id in snapshots::list(fs, &self.directory)?.into_iter().filter(|id| *id < to) {
            fs.remove_file(&snapshots::path(&self.directory, id))?;
        }
        Ok(fs.sync_directory(&self.directory)?)
    }

    /// Leaves the log complete.
    pub fn close(&mut self) -> Result<(), ChangeError> {
        self.log.close()
    }

    /// The disk it lies on.
    pub const fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }
}

/// A downloaded snapshot could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The log.
    #[error(transparent)]
    Log(#[from] ChangeError),
    /// A record that this release does not serve.
    #[error(transparent)]
    Snapshot(#[from] ReadSnapshotError),
}

/// Superfluous files could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The log.
    #[error(transparent)]
    Log(#[from] ChangeError),
}

//! The metadata log on disk: `__cluster_metadata-0` with its snapshots and `quorum-state`. Reads, appends, syncs, trims; the
//! quorum engine says what and when.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_log::fs::{Disk, IoError};
use barnabas_log::{
    AppendError, AppendOrigin, ChangeError, Log, LogConfig, OpenError, OpenOptions, ReadError, ReadLimits,
    TextFileError, identity,
};
use barnabas_metadata::{History, ReplayError};
use barnabas_raft::{ElectionState, LogView, LogViewError, SnapshotId, VoterSet};
use barnabas_records::control::ControlRecord;
use barnabas_records::{BatchError, BatchView, batches};
use barnabas_types::{LeaderEpoch, Offset, Timestamp, Uuid};

use super::batch::{self, Content, DecodeBatchError, Entry};
use super::control;
use super::quorum_state::{self, QuorumStateError};
use super::snapshots::{self, ReadSnapshotError};

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
    /// The metadata after every record.
    pub history: History,
    /// The last election.
    pub election: Option<ElectionState>,
    /// The bounds of the log.
    pub log: LogView,
    /// The finalised `kraft.version`.
    pub kraft_version: i16,
    /// The last voters, from a snapshot or the log.
    pub voters: Option<VoterSet>,
    /// The last voters that do not come from the format.
    pub voters_in_log: Option<VoterSet>,
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
        let snapshot = snapshots::list(fs, &directory)?.last().copied().unwrap_or_default();
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
        let epochs = log.leader_epochs().entries().iter().map(|entry| (entry.epoch, entry.start_offset));
        let view = LogView::new(log.log_start(), log.log_end(), snapshot, epochs.collect())?;
        let mut store = Self { disk: Arc::clone(disk), directory, log, bytes_since_snapshot: 0 };
        let loaded = store.load(view)?;
        Ok((store, loaded))
    }

    fn load(&mut self, log: LogView) -> Result<Loaded, LoadError> {
        let election = quorum_state::read(self.disk.fs(), &self.directory)?;
        let mut loaded = Loaded {
            history: History::default(),
            election,
            log,
            kraft_version: 0,
            voters: None,
            voters_in_log: None,
            last_timestamp: Timestamp(0),
        };
        let snapshot = loaded.log.snapshot();
        let path = snapshots::path(&self.directory, snapshot);
        if !snapshots::list(self.disk.fs(), &self.directory)?.is_empty() {
            let formatted = snapshot.end_offset == Offset(0);
            snapshots::read(self.disk.fs(), &path, &mut |entry| loaded.take(entry, !formatted))?;
        }
        self.load_log(&mut loaded, snapshot.end_offset)?;
        Ok(loaded)
    }

    /// Takes the records of the log from `from` on.
    fn load_log(&mut self, loaded: &mut Loaded, from: Offset) -> Result<(), LoadError> {
        let mut next = from;
        while next < self.log.log_end() {
            let limits = ReadLimits { end: self.log.log_end(), max_bytes: READ_BYTES, at_least_one_batch: true };
            let Some(region) = self.log.read(next, limits)? else { break };
            let bytes = region.bytes()?;
            let before = next;
            for batch in batches(&bytes) {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(BatchError::Truncated { .. }) => break,
                    Err(error) => return Err(LoadError::Batch { offset: next, source: error.into() }),
                };
                let end = batch.header().next_offset();
                let visited = batch::for_each(&batch, &mut |entry| {
                    // A snapshot may end inside a batch.
                    if entry.offset < from { Ok(()) } else { loaded.take(entry, true).map_err(InLog::Take) }
                });
                visited.map_err(|error| match error {
                    InLog::Take(error) => error,
                    InLog::Decode(source) => LoadError::Batch { offset: next, source },
                })?;
                self.bytes_since_snapshot += batch.bytes().len() as u64;
                next = end;
            }
            if next == before {
                break;
            }
        }
        Ok(())
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
        self.bytes_since_snapshot = 0;
        Ok(snapshots::path(&self.directory, id))
    }

    /// Removes segments and snapshots that snapshot `newest`, which is on disk, makes superfluous.
    pub fn trim(&mut self, newest: SnapshotId, now: Timestamp) -> Result<(), TrimError> {
        self.log.raise_log_start(newest.end_offset);
        for doomed in self.log.apply_retention(newest.end_offset, now)? {
            doomed.remove()?;
        }
        let fs = self.disk.fs();
        for id in snapshots::list(fs, &self.directory)?.into_iter().filter(|id| *id < newest) {
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

enum InLog {
    Decode(DecodeBatchError),
    Take(LoadError),
}

impl From<DecodeBatchError> for InLog {
    fn from(error: DecodeBatchError) -> Self {
        Self::Decode(error)
    }
}

impl Loaded {
    /// Takes one record; `written_by_a_leader` is false for those of the format.
    fn take(&mut self, entry: Entry<'_>, written_by_a_leader: bool) -> Result<(), LoadError> {
        self.last_timestamp = self.last_timestamp.max(entry.timestamp);
        let offset = entry.offset;
        match entry.content {
            Content::Metadata(record) => {
                return self.history.replay(&record).map_err(|source| LoadError::Replay { offset, source });
            }
            Content::Control(ControlRecord::KRaftVersion { kraft_version }) => self.kraft_version = kraft_version,
            Content::Control(ControlRecord::Voters(voters)) => {
                let voters = control::voter_set(&voters);
                if written_by_a_leader {
                    self.voters_in_log = Some(voters.clone());
                }
                self.voters = Some(voters);
            }
            Content::Control(ControlRecord::SnapshotHeader { last_contained_log_timestamp }) => {
                self.last_timestamp = last_contained_log_timestamp;
            }
            // A transaction's markers have no place in this log; a newer release may add records that only it needs.
            Content::Control(
                ControlRecord::LeaderChange(_)
                | ControlRecord::SnapshotFooter
                | ControlRecord::Abort(_)
                | ControlRecord::Commit(_)
                | ControlRecord::Unknown { .. },
            ) => {}
        }
        Ok(())
    }
}

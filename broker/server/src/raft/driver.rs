//! Drives the quorum engine: carries out its effects on the metadata log, in order, and reports back what the disk did. Runs on
//! the controller's thread, which owns it; decides nothing.

use std::path::PathBuf;
use std::sync::Arc;

use barnabas_log::fs::{Disk, IoError};
use barnabas_log::{AppendError, ChangeError};
use barnabas_metadata::History;
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_raft::{
    AppendRefusal, Config, Effect, Endpoint, HaltReason, Input, KRaftVersionRange, Node, ReplicaKey, SnapshotId,
    StartError, Voter, VoterSet,
};
use barnabas_records::BuildError;
use barnabas_records::control::control_batch;
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use super::batch::{self, EncodeBatchError};
use super::control;
use super::snapshots::Frame;
use super::store::{LoadError, MetadataStore};

/// What the quorum replica needs to know.
#[derive(Clone, Debug)]
pub struct QuorumSettings {
    /// `metadata.log.dir`, or the first of `log.dirs`.
    pub metadata_log_dir: PathBuf,
    /// This node and the id of that directory.
    pub key: ReplicaKey,
    /// The controller listeners as advertised.
    pub endpoints: Vec<Endpoint>,
    /// `metadata.log.segment.bytes`.
    pub segment_bytes: u32,
}

/// The replica cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum QuorumError {
    /// The log cannot be opened.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The quorum is not this node's.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The engine has stopped.
    #[error("the quorum replica has stopped: {0}")]
    Halted(HaltReason),
    /// The disk failed; the engine stops.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The log does not take a batch.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log cannot be closed.
    #[error(transparent)]
    Close(#[from] ChangeError),
    /// Control records that do not become a batch.
    #[error(transparent)]
    Control(#[from] BuildError),
}

/// Why records were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendRecordsError {
    /// They do not become a batch.
    #[error(transparent)]
    Encode(#[from] EncodeBatchError),
    /// The engine refuses them.
    #[error(transparent)]
    Refused(#[from] AppendRefusal),
    /// The disk has no room for them. The replica goes on, and takes records again once there is.
    #[error(transparent)]
    NoRoom(IoError),
    /// The replica cannot go on.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
}

/// A batch on its way into the log.
struct Pending {
    token: u64,
    bytes: Vec<u8>,
    refused: Option<AppendRefusal>,
}

/// The quorum replica of this node.
pub struct QuorumDriver {
    node: Node,
    store: MetadataStore,
    voters: VoterSet,
    kraft_version: u16,
    lead: Option<LeaderEpoch>,
    high_watermark: Offset,
    pending: Option<Pending>,
    next_token: u64,
    last_timestamp: Timestamp,
}

impl QuorumDriver {
    /// Opens the metadata log and takes this node's part in the quorum: with one voter that is to lead it. Returns the metadata
    /// of every record on disk; all of it is committed.
    ///
    /// # Errors
    /// The log cannot be read whole, or the quorum has other voters.
    pub fn start(disk: &Arc<Disk>, settings: &QuorumSettings, now: Timestamp) -> Result<(Self, History), QuorumError> {
        let (store, loaded) = MetadataStore::open(disk, &settings.metadata_log_dir, settings.segment_bytes, now)?;
        let kraft_version = u16::try_from(loaded.kraft_version).unwrap_or(0);
        let myself = Voter {
            key: settings.key,
            endpoints: settings.endpoints.clone(),
            kraft_version: KRaftVersionRange { min: 0, max: 1 },
        };
        let mut voters = loaded.voters.unwrap_or_else(|| VoterSet(vec![myself.clone()]));
        for voter in voters.0.iter_mut().filter(|voter| voter.key == myself.key) {
            *voter = myself.clone();
        }
        let config =
            Config { key: settings.key, voters: voters.clone(), kraft_version, voters_in_log: loaded.voters_in_log };
        let mut driver = Self {
            node: Node::new(config, loaded.election, loaded.log)?,
            store,
            voters,
            kraft_version,
            lead: None,
            high_watermark: Offset(0),
            pending: None,
            next_token: 0,
            last_timestamp: loaded.last_timestamp,
        };
        driver.handle(Input::Start, now)?;
        driver.sync(now)?;
        Ok((driver, loaded.history))
    }

    /// The epoch that this node leads, if it does.
    pub const fn lead(&self) -> Option<LeaderEpoch> {
        self.lead
    }

    /// The offset that the next record gets.
    pub fn log_end(&self) -> Offset {
        self.node.log().end()
    }

    /// Everything below is committed.
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Appends `records` as one batch; it commits with the next sync. Returns the offset after the last.
    ///
    /// # Errors
    /// Nothing is appended, and unless the replica has stopped the next call may succeed.
    pub fn append(
        &mut self,
        records: &[MetadataRecord<'_>],
        metadata_version: i16,
        now: Timestamp,
    ) -> Result<Offset, AppendRecordsError> {
        let epoch = self.node.role().epoch();
        let (bytes, count) = batch::encode(self.log_end(), epoch, now, metadata_version, records.iter().cloned())?;
        // Before the engine counts on them: what it has once given an offset must be in the log.
        match self.store.reserve(bytes.len()) {
            Ok(()) => {}
            Err(error) if error.is_out_of_space() => return Err(AppendRecordsError::NoRoom(error)),
            Err(error) => return Err(self.disk_failed(error.into(), now).into()),
        }
        let token = self.next_token;
        self.next_token += 1;
        self.pending = Some(Pending { token, bytes, refused: None });
        let handled = self.handle(Input::Append { token, epoch, records: count }, now);
        let refused = self.pending.take().and_then(|pending| pending.refused);
        handled?;
        match refused {
            Some(refusal) => Err(refusal.into()),
            None => Ok(self.log_end()),
        }
    }

    /// Syncs what was appended and returns the new high watermark.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn sync(&mut self, now: Timestamp) -> Result<Offset, QuorumError> {
        match self.store.sync() {
            Ok(end) => self.handle(Input::Synced { end }, now)?,
            Err(error) => return Err(self.disk_failed(error.into(), now)),
        }
        Ok(self.high_watermark)
    }

    /// Bytes of the log since the newest snapshot.
    pub const fn bytes_since_snapshot(&self) -> u64 {
        self.store.bytes_since_snapshot()
    }

    /// Prepares a snapshot of everything committed: its id, its file, and all that it holds beside the metadata. None when
    /// the newest snapshot already ends there.
    ///
    /// # Errors
    /// The log cannot begin a new segment.
    pub fn begin_snapshot(
        &mut self,
        metadata_version: i16,
        now: Timestamp,
    ) -> Result<Option<(SnapshotId, PathBuf, Frame)>, QuorumError> {
        let end_offset = self.high_watermark;
        let Some(epoch) = self.node.log().epoch_below(end_offset) else { return Ok(None) };
        if end_offset <= self.node.log().snapshot().end_offset {
            return Ok(None);
        }
        let id = SnapshotId { end_offset, epoch };
        let path = self.store.begin_snapshot(id, now)?;
        let mut records = Vec::new();
        if self.kraft_version >= 1 {
            let version = barnabas_raft::ControlRecord::KRaftVersion { version: self.kraft_version };
            records.push(control::to_log(&version));
            records.push(control::voters_to_log(&self.voters));
        }
        let last_contained_log_timestamp = self.last_timestamp;
        Ok(Some((id, path, Frame { epoch, now, last_contained_log_timestamp, control: records, metadata_version })))
    }

    /// A snapshot is on disk: what it holds leaves the log.
    ///
    /// # Errors
    /// The snapshot is not one that was prepared.
    pub fn snapshot_written(&mut self, id: SnapshotId, now: Timestamp) -> Result<(), QuorumError> {
        self.handle(Input::SnapshotWritten(id), now)
    }

    /// Resigns and leaves the log complete.
    ///
    /// # Errors
    /// The last sync failed; what was committed is safe.
    pub fn stop(mut self, now: Timestamp) -> Result<(), QuorumError> {
        self.handle(Input::Stop, now)?;
        Ok(self.store.close()?)
    }

    /// Where the log lies.
    pub fn disk(&self) -> Arc<Disk> {
        Arc::clone(self.store.disk())
    }

    /// Gives the engine an input and carries out what it asks for; reports of finished effects are inputs again.
    fn handle(&mut self, input: Input, now: Timestamp) -> Result<(), QuorumError> {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.node.handle(input, &mut effects);
            for effect in effects {
                match self.execute(effect, now) {
                    Ok(report) => inputs.extend(report),
                    Err(error @ QuorumError::Halted(_)) => return Err(error),
                    Err(error) => return Err(self.disk_failed(error, now)),
                }
            }
        }
        Ok(())
    }

    /// Tells the engine, which resigns, and hands the error on.
    fn disk_failed(&mut self, error: QuorumError, _now: Timestamp) -> QuorumError {
        let mut effects = Vec::new();
        self.node.handle(Input::DiskFailed, &mut effects);
        self.lead = None;
        error
    }

    /// Carries out one effect; returns what to report.
    fn execute(&mut self, effect: Effect, now: Timestamp) -> Result<Option<Input>, QuorumError> {
        match effect {
            Effect::PersistElection(election) => {
                self.store.persist_election(&election)?;
                return Ok(Some(Input::ElectionPersisted(election)));
            }
            Effect::AppendControl { base_offset, epoch, records } => {
                let records: Vec<_> = records.iter().map(control::to_log).collect();
                let batch = control_batch(base_offset, epoch, now, &records)?;
                self.store.append(&batch, epoch, now)?;
                self.last_timestamp = now;
            }
            Effect::Append { token, base_offset, epoch } => {
                let Some(pending) = self.pending.as_ref().filter(|pending| pending.token == token) else {
                    return Ok(None);
                };
                let appended = self.store.append(&pending.bytes, epoch, now)?;
                debug_assert_eq!(appended, base_offset, "engine and log disagree about the log's end");
                self.last_timestamp = now;
            }
            Effect::RefuseAppend { token, refusal } => {
                if let Some(pending) = self.pending.as_mut().filter(|pending| pending.token == token) {
                    pending.refused = Some(refusal);
                }
            }
            Effect::Commit { high_watermark } => self.high_watermark = high_watermark,
            Effect::Lead { epoch } => self.lead = Some(epoch),
            Effect::LeadershipLost { .. } => self.lead = None,
            Effect::TrimLog { .. } => {
                // Files that cannot be removed cost space, not records: said, and tried again with the next snapshot.
                if let Err(error) = self.store.trim(self.node.log().snapshot(), now) {
                    tracing::warn!(%error, "files of the metadata log that a snapshot replaces could not be removed");
                }
            }
            Effect::Halt(reason) => return Err(QuorumError::Halted(reason)),
        }
        Ok(None)
    }
}

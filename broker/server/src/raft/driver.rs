//! Drives the quorum engine: carries out its effects on the metadata log, in order, and reports back what the disk did. Runs on
//! the controller's thread, which owns it; decides nothing, and leaves what is for others to do to its owner.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::{Disk, IoError};
use barnabas_log::{AppendError, ChangeError};
use barnabas_metadata::History;
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_raft::{
    AppendRefusal, Config, Effect, FetchContent, HaltReason, Input, Node, ReplicaKey, RequestFailure, RequestId,
    Response, SnapshotContent, SnapshotId, StartError, Voter,
};
use barnabas_records::BuildError;
use barnabas_records::control::control_batch;
use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp};

use super::batch::{self, EncodeBatchError};
use super::control;
use super::recorder::Recorder;
use super::remote::{self, Outgoing};
use super::snapshots::{Frame, ReadSnapshotError};
use super::store::{InstallError, LoadError, MetadataStore};
use crate::recordings::RecordingFiles;

/// What the quorum replica needs to know.
#[derive(Clone, Debug)]
pub struct QuorumSettings {
    /// `metadata.log.dir`, or the first of `log.dirs`.
    pub metadata_log_dir: PathBuf,
    /// This node's part in the quorum.
    pub replica: Config,
    /// `metadata.log.segment.bytes`.
    pub segment_bytes: u32,
    /// `barnabas.recordings.dir`, or where the metadata log's directory is.
    pub recordings_dir: PathBuf,
}

/// The replica cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum QuorumError {
    /// The log cannot be opened.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The engine cannot run this quorum.
    #[error(transparent)]
    Start(#[from] StartError),
    /// This node is no voter and has nobody whom it could ask.
    #[error(
        "the voters of the quorum are {voters:?} and this replica is {key}, alone: node.id and directory.id must be those it was formatted \
         with; or name the other nodes in controller.quorum.bootstrap.servers"
    )]
    Alone {
        /// This replica.
        key: ReplicaKey,
        /// The voters.
        voters: Vec<ReplicaKey>,
    },
    /// A downloaded snapshot cannot be used.
    #[error(transparent)]
    Install(#[from] InstallError),
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
    pub(super) store: MetadataStore,
    lead: Option<LeaderEpoch>,
    pending: Option<Pending>,
    /// The bytes of the answer that is being handled.
    received: Vec<u8>,
    next_token: u64,
    wants_sync: bool,
    last_timestamp: Timestamp,
    outgoing: Vec<Outgoing>,
    recorder: Recorder,
}

impl QuorumDriver {
    /// Opens the metadata log of a replica. Returns the metadata of the newest snapshot; what of the log is committed the quorum has to
    /// say. Nothing happens before [`QuorumDriver::begin`].
    ///
    /// # Errors
    /// The log cannot be read whole, or this node can never take part.
    pub fn open(disk: &Arc<Disk>, settings: &QuorumSettings, now: Now) -> Result<(Self, History), QuorumError> {
        let (store, loaded) = MetadataStore::open(disk, &settings.metadata_log_dir, settings.segment_bytes, now.wall)?;
        let driver = Self {
            node: Node::new(settings.replica.clone(), loaded.recovered)?,
            store,
            lead: None,
            pending: None,
            received: Vec::new(),
            next_token: 0,
            wants_sync: false,
            last_timestamp: loaded.last_timestamp,
            outgoing: Vec::new(),
            recorder: Recorder::new(RecordingFiles::new(disk, &settings.recordings_dir, settings.replica.key.id)),
        };
        let (key, voters) = (settings.replica.key, driver.node.voters());
        // The only voter is this node with a disk that is gone, or nobody is known at all.
        let is_nobody = |voter: &Voter| voter.key.id == key.id && !voter.key.matches(&key);
        if settings.replica.bootstrap_servers.is_empty() && voters.0.len() <= 1 && voters.0.iter().all(is_nobody) {
            return Err(QuorumError::Alone { key, voters: voters.keys() });
        }
        Ok((driver, loaded.history))
    }

    /// Begins to take part.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn begin(&mut self, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::Start, now)
    }

    /// The engine's state, to look at.
    pub const fn node(&self) -> &Node {
        &self.node
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
        self.node.high_watermark()
    }

    /// What others have to do since this was last asked.
    pub fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    /// When [`QuorumDriver::tick`] is due, on the monotonic clock.
    pub fn deadline(&self) -> Option<Duration> {
        self.node.deadline()
    }

    /// Time has passed.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn tick(&mut self, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::Tick, now)
    }

    /// Another node asks.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn requested(&mut self, token: u64, request: barnabas_raft::Request, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::Request { token, request }, now)
    }

    /// Another node has answered; `bytes` are the records or the piece of a snapshot in the answer.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn answered(
        &mut self,
        id: RequestId,
        mut response: Response,
        bytes: Vec<u8>,
        now: Now,
    ) -> Result<(), QuorumError> {
        let token = self.next_token;
        self.next_token += 1;
        match &mut response {
            Response::Fetch(fetch) if !bytes.is_empty() && fetch.content == FetchContent::Nothing => {
                fetch.content = FetchContent::Batches { token, batches: remote::summaries(&bytes) };
            }
            Response::FetchSnapshot(fetch) => {
                if let SnapshotContent::Piece { token: named, length, .. } = &mut fetch.content {
                    (*named, *length) = (token, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
                }
            }
            _ => {}
        }
        match self.store.check_room(&response, self.node.log().end(), bytes.len()) {
            Ok(()) => {}
            Err(error) if error.is_out_of_space() => {
                // As if it had not come: it is asked for again, until there is room.
                tracing::warn!(%error, "the disk of the metadata log has no room for what the leader sends");
                return self.request_failed(id, RequestFailure::Unreachable, now);
            }
            Err(error) => return Err(self.disk_failed(error.into(), now)),
        }
        self.received = bytes;
        let handled = self.handle(Input::Response { id, response }, now);
        self.received = Vec::new();
        handled
    }

    /// Another node gives no answer.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn request_failed(&mut self, id: RequestId, failure: RequestFailure, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::RequestFailed { id, failure }, now)
    }

    /// The leader answers nothing at its listener.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn leader_silent(&mut self, leader: BrokerId, epoch: LeaderEpoch, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::LeaderSilent { leader, epoch }, now)
    }

    /// The controller wants `kraft.version` raised; answered like a request.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn upgrade_kraft_version(
        &mut self,
        token: u64,
        version: u16,
        validate_only: bool,
        now: Now,
    ) -> Result<(), QuorumError> {
        self.handle(Input::UpgradeKRaftVersion { token, version, validate_only }, now)
    }

    /// The controller cannot go on: another node should lead.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn resign(&mut self, epoch: LeaderEpoch, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::Resign { epoch }, now)
    }

    /// The node is stopping; [`Outgoing::Stopped`] says when the other voters know.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn begin_stop(&mut self, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::Stop, now)
    }

    /// Appends `records` as one batch; it commits with the next sync, once a majority has it. Returns the offset after the last.
    ///
    /// # Errors
    /// Nothing is appended, and unless the replica has stopped the next call may succeed.
    pub fn append(
        &mut self,
        records: &[MetadataRecord<'_>],
        metadata_version: i16,
        now: Now,
    ) -> Result<Offset, AppendRecordsError> {
        let epoch = self.node.epoch();
        let (bytes, count) = batch::encode(self.log_end(), epoch, now.wall, metadata_version, records.iter().cloned())?;
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

    /// True when something was appended that no sync has covered.
    pub const fn wants_sync(&self) -> bool {
        self.wants_sync
    }

    /// Syncs what was appended and returns the new high watermark.
    ///
    /// # Errors
    /// The disk failed: the replica has stopped.
    pub fn sync(&mut self, now: Now) -> Result<Offset, QuorumError> {
        self.wants_sync = false;
        match self.store.sync() {
            Ok(end) => self.handle(Input::Synced { end }, now)?,
            Err(error) => return Err(self.disk_failed(error.into(), now)),
        }
        Ok(self.high_watermark())
    }

    /// Applies the metadata of the log from `from` up to `end`, which is committed, to `history`.
    ///
    /// # Errors
    /// The log cannot be read, or a record contradicts what comes before it.
    pub fn replay(&self, from: Offset, end: Offset, history: &mut History) -> Result<(), LoadError> {
        self.store.replay(from, end, history)
    }

    /// The metadata of snapshot `id`.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn read_snapshot(&self, id: SnapshotId) -> Result<History, ReadSnapshotError> {
        self.store.read_snapshot(id)
    }

    /// Bytes of the log since the newest snapshot.
    pub const fn bytes_since_snapshot(&self) -> u64 {
        self.store.bytes_since_snapshot()
    }

    /// Prepares a snapshot of everything committed: its id, its file, and all that it holds beside the metadata. None when
    /// the newest snapshot already ends there, or this node's disk is behind.
    ///
    /// # Errors
    /// The log cannot begin a new segment.
    pub fn begin_snapshot(
        &mut self,
        metadata_version: i16,
        now: Now,
    ) -> Result<Option<(SnapshotId, PathBuf, Frame)>, QuorumError> {
        let end_offset = self.high_watermark();
        // The disk of a leader may be behind those of the majority. Where a snapshot ends recovery of the log begins: later, then.
        if self.node.log().durable_end() < end_offset {
            return Ok(None);
        }
        let Some(epoch) = self.node.log().epoch_below(end_offset) else { return Ok(None) };
        if end_offset <= self.node.log().snapshot().end_offset {
            return Ok(None);
        }
        let id = SnapshotId { end_offset, epoch };
        let path = self.store.begin_snapshot(id, now.wall)?;
        let (quorum, mut records) = (self.node.control(), Vec::new());
        let version = quorum.kraft_version_below(end_offset);
        if version >= 1 {
            records.push(control::to_log(&barnabas_raft::ControlRecord::KRaftVersion { version }));
            records.extend(quorum.voters_below(end_offset).map(control::voters_to_log));
        }
        let frame = Frame {
            epoch,
            now: now.wall,
            last_contained_log_timestamp: self.last_timestamp,
            control: records,
            metadata_version,
        };
        Ok(Some((id, path, frame)))
    }

    /// A snapshot is on disk: what the one before it holds leaves the log.
    ///
    /// # Errors
    /// The snapshot is not one that was prepared.
    pub fn snapshot_written(&mut self, id: SnapshotId, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::SnapshotWritten(id), now)
    }

    /// Resigns and leaves the log complete.
    ///
    /// # Errors
    /// The last sync failed; what was committed is safe.
    pub fn stop(mut self, now: Now) -> Result<(), QuorumError> {
        self.handle(Input::Stop, now)?;
        Ok(self.store.close()?)
    }

    /// Where the log lies.
    pub fn disk(&self) -> Arc<Disk> {
        Arc::clone(self.store.disk())
    }

    /// Gives the engine an input and carries out what it asks for; reports of finished effects are inputs again.
    pub(super) fn handle(&mut self, input: Input, now: Now) -> Result<(), QuorumError> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.decide(input, now) {
                match self.execute(effect, now) {
                    Ok(report) => inputs.extend(report),
                    Err(error @ QuorumError::Halted(_)) => return Err(error),
                    Err(error) => return Err(self.disk_failed(error, now)),
                }
            }
        }
        Ok(())
    }

    /// Lets the engine decide, recorded. From a panic in it nothing goes on: only the recording is written before the thread ends.
    fn decide(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.recorder.note(now, &input, &self.node);
        let node = &mut self.node;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| node.handle(input, now, &mut effects))) {
            self.recorder.keep("the quorum engine panicked", now.wall);
            resume_unwind(panic);
        }
        self.recorder.came_back(&effects);
        effects
    }

    /// The last inputs of the engine as a file.
    pub fn recording(&self, now: Now) -> Option<Vec<u8>> {
        self.recorder.file("asked for", now.wall)
    }

    /// Tells the engine, which stops, and hands the error on.
    fn disk_failed(&mut self, error: QuorumError, now: Now) -> QuorumError {
        let effects = self.decide(Input::DiskFailed, now);
        self.lead = None;
        // Whoever waits for an answer gets it; everything else would be a deed of a replica that has stopped.
        for effect in effects {
            if let Effect::Respond { token, response } = effect {
                self.outgoing.push(Outgoing::Respond { token, answer: response.into() });
            }
        }
        error
    }

    /// Carries out one effect; returns what to report.
    fn execute(&mut self, effect: Effect, now: Now) -> Result<Option<Input>, QuorumError> {
        match effect {
            Effect::PersistElection(election) => self.store.persist_election(&election)?,
            Effect::AppendControl { base_offset, epoch, records } => {
                let records: Vec<_> = records.iter().map(control::to_log).collect();
                let batch = control_batch(base_offset, epoch, now.wall, &records)?;
                self.store.append(&batch, epoch, now.wall)?;
                self.last_timestamp = now.wall;
            }
            Effect::Append { token, base_offset, epoch } => {
                let Some(pending) = self.pending.as_ref().filter(|pending| pending.token == token) else {
                    return Ok(None);
                };
                let appended = self.store.append(&pending.bytes, epoch, now.wall)?;
                debug_assert_eq!(appended, base_offset, "engine and log disagree about the log's end");
                self.last_timestamp = now.wall;
            }
            Effect::RefuseAppend { token, refusal } => {
                if let Some(pending) = self.pending.as_mut().filter(|pending| pending.token == token) {
                    pending.refused = Some(refusal);
                }
            }
            Effect::AppendFetched { batches, .. } => {
                let end = self.store.append_fetched(remote::prefix(&self.received, batches), now.wall)?;
                debug_assert_eq!(end, self.log_end(), "engine and log disagree about the log's end");
                self.last_timestamp = now.wall;
            }
            Effect::Truncate { end } => {
                let ended = self.store.truncate(end, now.wall)?;
                debug_assert_eq!(ended, end, "engine and log disagree about the log's end");
            }
            Effect::Sync => self.wants_sync = true,
            Effect::WriteSnapshotPiece { id, position, .. } => {
                let position = u64::try_from(position).unwrap_or(0);
                self.store.write_snapshot_piece(id, position, &self.received)?;
            }
            Effect::InstallSnapshot { id } => return self.install(id, now).map(Some),
            Effect::AbandonSnapshot { id } => self.store.abandon_snapshot(id)?,
            Effect::TrimLog { to } => {
                // Files that cannot be removed cost space, not records: said, and tried again with the next snapshot.
                if let Err(error) = self.store.trim(to, now.wall) {
                    tracing::warn!(%error, "files of the metadata log that a snapshot replaces could not be removed");
                }
            }
            Effect::Halt(reason) => {
                self.lead = None;
                if matches!(reason, HaltReason::Broken(_)) {
                    self.recorder.keep(&reason.to_string(), now.wall);
                }
                return Err(QuorumError::Halted(reason));
            }
            Effect::MemoryDoubted => tracing::warn!(
                replica = %self.node.key(),
                "the quorum has a leader or records, and this voter has neither votes nor records: it may have lost what it promised. It votes                  again once a majority of the other voters runs and it has all that is committed; start those that do not"
            ),
            Effect::MemoryRegained => tracing::info!("this voter has all that is committed, and votes"),
            told => self.tell(told),
        }
        Ok(None)
    }

    fn install(&mut self, id: SnapshotId, now: Now) -> Result<Input, QuorumError> {
        let Some(held) = self.store.install_snapshot(id, now.wall)? else { return Ok(Input::SnapshotDamaged(id)) };
        tracing::info!(snapshot = %id, "a snapshot of the metadata was downloaded");
        self.last_timestamp = held.last_timestamp;
        self.outgoing.push(Outgoing::Reset(id));
        Ok(Input::SnapshotInstalled { id, kraft_version: held.kraft_version, voters: held.voters })
    }

    /// Passes on what is for others.
    fn tell(&mut self, effect: Effect) {
        let outgoing = match effect {
            Effect::Send { id, to, request } => Outgoing::Send { id, to, request },
            Effect::Respond { token, response } => {
                Outgoing::Respond { token, answer: remote::answer(&self.store, response) }
            }
            Effect::LeaderChanged { epoch, leader, endpoints } => Outgoing::LeaderChanged { epoch, leader, endpoints },
            Effect::Commit { high_watermark } => Outgoing::Committed(high_watermark),
            Effect::Lead { epoch } => {
                self.lead = Some(epoch);
                Outgoing::Lead(epoch)
            }
            Effect::LeadershipLost { epoch } => {
                self.lead = None;
                Outgoing::LeadershipLost(epoch)
            }
            Effect::Stopped => Outgoing::Stopped,
            _ => return,
        };
        self.outgoing.push(outgoing);
    }

    /// The state of the quorum, when this node leads it.
    pub fn describe(&self, now: Now) -> Option<barnabas_raft::QuorumDescription> {
        self.node.describe(now.wall)
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<BrokerId> {
        self.node.leader().leader
    }
}

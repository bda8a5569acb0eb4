//! The controller's thread: it alone owns the controller, the quorum replica and the committed state. One round takes the
//! decisions that wait, appends their records, syncs once, then commits, publishes and answers all of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::Disk;
use barnabas_metadata::{
    ConfigRules, Context, Controller, History, Image, MAX_RECORDS_PER_REQUEST, Outcome, first_batch, fit, snapshot,
};
use barnabas_protocol::records::metadata::{MetadataRecord, NoOpRecord};
use barnabas_raft::SnapshotId;
use barnabas_types::{LeaderEpoch, Offset};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::controller::{Command, Completion, ControllerSettings, Decision};
use super::error::{ControllerError, Fatal};
use super::publish::Published;
use crate::raft::{self, AppendRecordsError, QuorumDriver, QuorumError, QuorumSettings};
use crate::runtime::Runtime;

/// Decisions taken in one round, synced together.
const DECISIONS_PER_ROUND: usize = 64;
/// How long until a snapshot is tried again for which there was no room.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(30);

/// Records that are appended and not committed, with who waits for them.
struct Uncommitted {
    end: Offset,
    records: Vec<MetadataRecord<'static>>,
    completion: Option<Completion>,
}

pub(super) struct Owner {
    runtime: Runtime,
    settings: ControllerSettings,
    rules: Box<dyn ConfigRules + Send>,
    quorum: QuorumDriver,
    controller: Controller,
    committed: History,
    uncommitted: VecDeque<Uncommitted>,
    commands: mpsc::Receiver<Command>,
    /// To be told of a finished snapshot; weak, so that the thread ends when nobody can ask any more.
    own_commands: mpsc::WeakSender<Command>,
    published: watch::Sender<Published>,
    /// The epoch of the quorum in which the controller's sessions began.
    sessions_of: Option<LeaderEpoch>,
    last_append: Duration,
    last_snapshot: Duration,
    snapshot_running: bool,
    snapshot_not_before: Duration,
}

impl Owner {
    pub(super) fn open(
        runtime: Runtime,
        disk: &Arc<Disk>,
        quorum: &QuorumSettings,
        settings: ControllerSettings,
        rules: Box<dyn ConfigRules + Send>,
        commands: mpsc::Receiver<Command>,
        own_commands: mpsc::WeakSender<Command>,
    ) -> Result<(Self, watch::Receiver<Published>), Fatal> {
        let now = runtime.now();
        let (driver, committed) = QuorumDriver::start(disk, quorum, now)?;
        let (published, receiver) = watch::channel(Published::default());
        let mut owner = Self {
            runtime,
            settings,
            rules,
            quorum: driver,
            controller: Controller::new(committed.visible().clone()),
            committed,
            uncommitted: VecDeque::new(),
            commands,
            own_commands,
            published,
            sessions_of: None,
            last_append: now.monotonic,
            last_snapshot: now.monotonic,
            snapshot_running: false,
            snapshot_not_before: Duration::ZERO,
        };
        owner.finish_format(disk, quorum)?;
        owner.warn_of_what_is_not_enforced();
        owner.publish();
        Ok((owner, receiver))
    }

    /// Writes the first records of a new cluster, or undoes what a stop has cut in half.
    fn finish_format(&mut self, disk: &Disk, quorum: &QuorumSettings) -> Result<(), Fatal> {
        if self.committed.in_transaction() {
            let abort = MetadataRecord::AbortTransaction(Default::default());
            self.append(vec![abort], None)?;
            self.commit()?;
        }
        if self.controller.head().features.metadata_version() == 0 {
            let bootstrap = raft::read_bootstrap(disk.fs(), &quorum.metadata_log_dir)?;
            self.append(first_batch(bootstrap), None)?;
            self.commit()?;
        }
        Ok(())
    }

    /// The image keeps it, and nobody heeds it yet: who relied on it has to know.
    fn warn_of_what_is_not_enforced(&self) {
        let image = self.committed.visible();
        let (acls, quotas) = (image.acls.len(), image.client_quotas.iter().count());
        if acls > 0 || quotas > 0 {
            tracing::warn!(
                acls,
                quotas,
                "the metadata holds access control entries or quotas: they are kept, but not enforced by this release"
            );
        }
    }

    /// Works until it is told to stop, nobody can ask any more, or the disk fails.
    pub(super) fn run(mut self, handle: &Handle) {
        loop {
            match self.round(handle) {
                Ok(None) => {}
                Ok(Some(stopped)) => return self.stop(stopped),
                Err(fatal) => {
                    self.published.send_modify(|published| published.epoch = LeaderEpoch::NONE);
                    tracing::error!(error = %fatal, "the controller stops; this broker can change no metadata until it is started again");
                    return;
                }
            }
        }
    }

    /// One round; returns whom to tell when it is time to stop.
    fn round(&mut self, handle: &Handle) -> Result<Option<Option<oneshot::Sender<()>>>, Fatal> {
        let mut batch = Vec::new();
        let wait = self.idle_wait();
        let received = handle.block_on(async {
            tokio::time::timeout(wait, self.commands.recv_many(&mut batch, DECISIONS_PER_ROUND)).await
        });
        if received == Ok(0) {
            return Ok(Some(None));
        }
        let mut stop = None;
        for command in batch {
            match command {
                Command::Decide(decision) => self.decide(decision)?,
                // Who no longer waits has timed out or is gone.
                Command::DescribeQuorum(sender) => _ = sender.send(self.quorum.describe(self.runtime.now())),
                Command::SnapshotWritten(result) => self.snapshot_written(result)?,
                Command::Stop(sender) => stop = Some(Some(sender)),
            }
        }
        self.fence_silent()?;
        self.append_no_op()?;
        self.commit()?;
        self.maybe_snapshot()?;
        Ok(stop)
    }

    /// Fences the brokers whose sessions have ended. After the commands of a round, which may hold their heartbeats. Whoever has just
    /// begun to lead the quorum gives everybody a new session first.
    fn fence_silent(&mut self) -> Result<(), Fatal> {
        let lead = self.quorum.lead();
        if self.sessions_of != lead {
            self.sessions_of = lead;
            self.controller.activate(self.runtime.now().monotonic);
        }
        while self.sessions_of.is_some() {
            let decision: Decision = Box::new(|controller, context| {
                let Outcome { records, response } = controller.fence_silent(context);
                if let Some(broker) = response {
                    tracing::warn!(broker = broker.0, "a broker has not been heard of for its session timeout: fenced");
                }
                let nobody_waits: Completion = Box::new(|_| ());
                (records, nobody_waits)
            });
            let before = self.quorum.log_end();
            self.decide(decision)?;
            if self.quorum.log_end() == before {
                break;
            }
        }
        Ok(())
    }

    /// How long nothing has to be done.
    fn idle_wait(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        let now = self.runtime.now().monotonic;
        let since = now.saturating_sub(self.last_append);
        let idle = self.settings.max_idle_interval.map_or(LONGEST, |interval| interval.saturating_sub(since));
        let session = self.controller.session_deadline(self.settings.broker_session_timeout);
        idle.min(session.map_or(LONGEST, |deadline| deadline.saturating_sub(now)))
    }

    fn decide(&mut self, decision: Decision) -> Result<(), Fatal> {
        let runtime = self.runtime.clone();
        let mut random = move || u128::from_be_bytes(runtime.random_bytes());
        let mut context = Context {
            rules: &*self.rules,
            random: &mut random,
            default_partitions: self.settings.default_partitions,
            default_replication_factor: self.settings.default_replication_factor,
            next_offset: self.quorum.log_end(),
            now: self.runtime.now().monotonic,
            broker_session_timeout: self.settings.broker_session_timeout,
        };
        if self.quorum.lead().is_none() {
            // The decision is made to get at its completion, and thrown away.
            let (_, completion) = decision(&mut self.controller.clone(), &mut context);
            completion(Err(ControllerError::NotController));
            return Ok(());
        }
        let (records, completion) = decision(&mut self.controller, &mut context);
        self.append(records, Some(completion))
    }

    /// Appends records, in as many batches as they need, and lets the controller decide on them from here on.
    fn append(
        &mut self,
        mut records: Vec<MetadataRecord<'static>>,
        mut completion: Option<Completion>,
    ) -> Result<(), Fatal> {
        let (now, version) = (self.runtime.now(), self.controller.head().features.metadata_version());
        // The very first record sets the version; it looks the same in every one.
        let version = if version == 0 { barnabas_metadata::MAX_METADATA_VERSION } else { version };
        // What the log does not say must not become part of the metadata here either.
        records.iter_mut().for_each(|record| fit(record, version));
        let begin = self.quorum.log_end();
        let mut end = begin;
        for chunk in records.chunks(MAX_RECORDS_PER_REQUEST) {
            match self.quorum.append(chunk, version, now) {
                Ok(appended) => end = appended,
                Err(AppendRecordsError::Encode(error)) => {
                    if let Some(completion) = completion.take() {
                        completion(Err(ControllerError::Encode(Arc::new(error))));
                    }
                    return Ok(());
                }
                Err(AppendRecordsError::Refused(_)) => {
                    if let Some(completion) = completion.take() {
                        completion(Err(ControllerError::NotController));
                    }
                    return Ok(());
                }
                Err(AppendRecordsError::NoRoom(error)) if end == begin => {
                    if let Some(completion) = completion.take() {
                        completion(Err(ControllerError::NoRoom(Arc::new(error))));
                    }
                    return Ok(());
                }
                // A part of the decision is in the log, and the rest cannot follow.
                Err(error @ AppendRecordsError::NoRoom(_)) => return Err(error.into()),
                Err(AppendRecordsError::Quorum(error)) => return Err(error.into()),
            }
            for record in chunk {
                self.controller.replay(record)?;
            }
            self.last_append = now.monotonic;
        }
        self.uncommitted.push_back(Uncommitted { end, records, completion });
        Ok(())
    }

    /// Nothing for a while: a record all the same, so that everybody sees the quorum move.
    fn append_no_op(&mut self) -> Result<(), Fatal> {
        let Some(interval) = self.settings.max_idle_interval else { return Ok(()) };
        let idle = self.runtime.now().monotonic.saturating_sub(self.last_append) >= interval;
        if idle && self.quorum.lead().is_some() {
            self.append(vec![MetadataRecord::NoOp(NoOpRecord::default())], None)?;
        }
        Ok(())
    }

    /// Syncs, applies what is committed by that, publishes it, and answers.
    fn commit(&mut self) -> Result<(), Fatal> {
        if self.uncommitted.is_empty() {
            return Ok(());
        }
        let high_watermark = self.quorum.sync(self.runtime.now())?;
        // A quorum of one has nobody to tell.
        drop(self.quorum.take_outgoing());
        let all = self.uncommitted.back().is_some_and(|last| last.end <= high_watermark);
        // What was decided is what is committed then; replayed again it would be the same a second time in memory.
        let same = all && !self.committed.in_transaction();
        let mut answers = Vec::new();
        while let Some(done) = self.uncommitted.pop_front_if(|next| next.end <= high_watermark) {
            for record in done.records.iter().filter(|_| !same) {
                self.committed.replay(record)?;
            }
            answers.extend(done.completion.map(|completion| (completion, done.end)));
        }
        if same {
            self.committed = History::new(self.controller.head().clone());
        }
        self.publish();
        for (completion, end) in answers {
            completion(Ok(end));
        }
        Ok(())
    }

    fn publish(&self) {
        let image = self.committed.visible().clone();
        let published = Published {
            image: Arc::new(image),
            end: self.quorum.high_watermark(),
            epoch: self.quorum.lead().unwrap_or(LeaderEpoch::NONE),
        };
        self.published.send_replace(published);
    }

    fn maybe_snapshot(&mut self) -> Result<(), Fatal> {
        let now = self.runtime.now();
        let bytes = self.quorum.bytes_since_snapshot();
        if now.monotonic < self.snapshot_not_before {
            return Ok(());
        }
        let overdue = |interval| now.monotonic.saturating_sub(self.last_snapshot) >= interval;
        let wanted = bytes >= self.settings.max_bytes_between_snapshots
            || (bytes > 0 && self.settings.max_snapshot_interval.is_some_and(overdue));
        if !wanted || self.snapshot_running || self.committed.in_transaction() {
            return Ok(());
        }
        let image = self.committed.visible().clone();
        let version = image.features.metadata_version();
        let begun = match self.quorum.begin_snapshot(version, now) {
            Err(QuorumError::Io(error)) if error.is_out_of_space() => {
                tracing::warn!(%error, "no snapshot of the metadata can be begun; tried again later");
                self.snapshot_not_before = now.monotonic + SNAPSHOT_RETRY;
                return Ok(());
            }
            begun => begun?,
        };
        let Some((id, path, frame)) = begun else { return Ok(()) };
        self.last_snapshot = now.monotonic;
        self.snapshot_running = true;
        self.write_snapshot(id, path, frame, image);
        Ok(())
    }

    /// Writes a snapshot beside the controller; the image is a copy that shares everything.
    fn write_snapshot(&self, id: SnapshotId, path: std::path::PathBuf, frame: raft::Frame, image: Image) {
        let (disk, own_commands) = (self.quorum.disk(), self.own_commands.clone());
        self.runtime.spawn_blocking(move || {
            let written = raft::write_snapshot(disk.fs(), &path, &frame, snapshot::records(&image));
            let result = written.map(|()| id).map_err(|error| (path, error.to_string()));
            if let Some(commands) = own_commands.upgrade() {
                // The controller has stopped meanwhile: the next start finds the file.
                let _ = commands.blocking_send(Command::SnapshotWritten(result));
            }
        });
    }

    fn snapshot_written(&mut self, result: Result<SnapshotId, (std::path::PathBuf, String)>) -> Result<(), Fatal> {
        self.snapshot_running = false;
        match result {
            Ok(id) => {
                tracing::info!(snapshot = %id, "a snapshot of the metadata is written");
                Ok(self.quorum.snapshot_written(id, self.runtime.now())?)
            }
            // The log still holds everything; the next attempt comes with the next limit that is reached.
            Err((path, error)) => {
                tracing::warn!(path = %path.display(), error, "a snapshot of the metadata could not be written");
                Ok(())
            }
        }
    }

    fn stop(mut self, stopped: Option<oneshot::Sender<()>>) {
        self.commands.close();
        self.published.send_modify(|published| published.epoch = LeaderEpoch::NONE);
        if let Err(error) = self.quorum.stop(self.runtime.now()) {
            tracing::error!(%error, "the metadata log could not be closed; what was acknowledged is on disk");
        }
        if let Some(stopped) = stopped {
            let _ = stopped.send(());
        }
    }
}

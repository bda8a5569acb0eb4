//! The controller's thread: it alone owns the quorum replica, the committed state and, while this node leads, the controller. One round
//! takes the decisions and messages that wait, appends and syncs once for all of them, then commits, publishes and answers.

mod lead;
mod snapshots;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::Disk;
use barnabas_metadata::{ConfigRules, Controller, History, PermitsBefore};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_types::{LeaderEpoch, Offset};
use tokio::sync::{mpsc, oneshot, watch};

use super::controller::{Command, Completion, ControllerSettings};
use super::error::Fatal;
use super::heard::Heard;
use super::publish::{ActiveController, Published};
use crate::raft::{Answer, Outgoing, Peers, QuorumDriver, QuorumSettings};
use crate::runtime::Runtime;

/// Commands taken in one round, whose records are synced together.
const COMMANDS_PER_ROUND: usize = 64;
/// How long until a snapshot is tried again for which there was no room.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(30);
/// How long a leader that stops waits until the others know, so that the next one comes soon.
const HAND_OVER: Duration = Duration::from_secs(2);

/// Records that are appended and not committed, with who waits for them.
struct Uncommitted {
    end: Offset,
    records: Vec<MetadataRecord<'static>>,
    completion: Option<Completion>,
}

/// What decides, while this node leads the quorum.
struct Leading {
    epoch: LeaderEpoch,
    controller: Controller,
}

/// On the way out.
struct Stopping {
    /// Later the others are not waited for.
    deadline: Duration,
    told: Vec<oneshot::Sender<()>>,
}

pub(super) struct Owner {
    runtime: Runtime,
    settings: ControllerSettings,
    metadata_log_dir: PathBuf,
    rules: Box<dyn ConfigRules + Send>,
    quorum: QuorumDriver,
    peers: Peers,
    leading: Option<Leading>,
    committed: History,
    /// What `committed` says of permits to stop, and since when this node knows.
    permits: PermitsBefore,
    /// What `committed` ends at.
    applied: Offset,
    /// True when `committed` has changed and nobody was told.
    unpublished: bool,
    uncommitted: VecDeque<Uncommitted>,
    commands: mpsc::Receiver<Command>,
    /// To be told of what was done elsewhere; weak, so that the thread ends when nobody can ask any more.
    own_commands: mpsc::WeakSender<Command>,
    /// Who waits for an answer of the quorum, by token.
    asked: BTreeMap<u64, oneshot::Sender<Answer>>,
    next_token: u64,
    published: watch::Sender<Published>,
    active: watch::Sender<ActiveController>,
    heard: Heard,
    last_append: Duration,
    last_snapshot: Duration,
    snapshot_running: bool,
    snapshot_not_before: Duration,
    stopping: Option<Stopping>,
    stopped: bool,
}

/// What comes out of the thread.
pub(super) struct Watched {
    pub(super) published: watch::Receiver<Published>,
    pub(super) active: watch::Receiver<ActiveController>,
    pub(super) heard: Heard,
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
    ) -> Result<(Self, Watched), Fatal> {
        let now = runtime.now();
        let (mut driver, committed) = QuorumDriver::open(disk, quorum, now)?;
        let applied = driver.node().log().snapshot().end_offset;
        driver.begin(now)?;
        let (published, active) = (watch::Sender::default(), watch::Sender::default());
        let heard = Heard::default();
        let watched = Watched { published: published.subscribe(), active: active.subscribe(), heard: heard.clone() };
        let mut owner = Self {
            runtime,
            settings,
            metadata_log_dir: quorum.metadata_log_dir.clone(),
            rules,
            quorum: driver,
            peers: Peers::new(&quorum.replica),
            leading: None,
            committed,
            permits: PermitsBefore::since(now.monotonic),
            applied,
            unpublished: true,
            uncommitted: VecDeque::new(),
            commands,
            own_commands,
            asked: BTreeMap::new(),
            next_token: 0,
            published,
            active,
            heard,
            last_append: now.monotonic,
            last_snapshot: now.monotonic,
            snapshot_running: false,
            snapshot_not_before: Duration::ZERO,
            stopping: None,
            stopped: false,
        };
        owner.settle()?;
        owner.warn_of_what_is_not_enforced();
        Ok((owner, watched))
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
    pub(super) async fn run(mut self) {
        while !self.stopped {
            let mut batch = Vec::new();
            let received =
                tokio::time::timeout(self.idle_wait(), self.commands.recv_many(&mut batch, COMMANDS_PER_ROUND));
            if received.await == Ok(0) {
                break;
            }
            self.runtime.sync_takes_its_time().await;
            if let Err(fatal) = self.round(batch) {
                // Who waits learns from the end of this thread that nothing more is decided here.
                self.active.send_replace(ActiveController::default());
                tracing::error!(error = %fatal, "the metadata quorum stops here; this node can change no metadata until it is started again");
                return;
            }
        }
        self.close();
    }

    fn round(&mut self, batch: Vec<Command>) -> Result<(), Fatal> {
        let now = self.runtime.now();
        if self.quorum.deadline().is_some_and(|deadline| deadline <= now.monotonic) {
            self.quorum.tick(now)?;
            self.carry_out_all()?;
        }
        for command in batch {
            self.command(command)?;
            // Who leads is known here before the next decision is made.
            self.carry_out_all()?;
        }
        self.fence_silent()?;
        self.elect_periodically()?;
        self.append_no_op()?;
        self.settle()?;
        self.maybe_snapshot()?;
        let now = self.runtime.now().monotonic;
        self.stopped |= self.stopping.as_ref().is_some_and(|stopping| stopping.deadline <= now);
        Ok(())
    }

    fn command(&mut self, command: Command) -> Result<(), Fatal> {
        let now = self.runtime.now();
        match command {
            Command::Decide(decision) => self.decide(decision)?,
            // Who no longer waits has timed out or is gone.
            Command::DescribeQuorum(sender) => _ = sender.send(self.quorum.describe(now)),
            Command::CountVoters(sender) => _ = sender.send(self.quorum.node().voters().0.len()),
            Command::Recording(sender) => _ = sender.send(self.quorum.recording(now)),
            Command::SnapshotWritten(result) => self.snapshot_written(result)?,
            Command::Requested(request, sender) => {
                let token = self.asks(sender);
                self.quorum.requested(token, request, now)?;
            }
            Command::UpgradeKRaftVersion { version, validate_only, sender } => {
                let token = self.asks(sender);
                self.quorum.upgrade_kraft_version(token, version, validate_only, now)?;
            }
            Command::LeaderSilent(leader, epoch) => self.quorum.leader_silent(leader, epoch, now)?,
            Command::Answered(id, Ok((response, bytes))) => self.quorum.answered(id, response, bytes, now)?,
            Command::Answered(id, Err(failure)) => self.quorum.request_failed(id, failure, now)?,
            Command::Stop(sender) => {
                let deadline = now.monotonic + HAND_OVER;
                self.stopping.get_or_insert_with(|| Stopping { deadline, told: Vec::new() }).told.push(sender);
                self.quorum.begin_stop(now)?;
            }
        }
        Ok(())
    }

    /// Remembers who waits for an answer of the quorum.
    fn asks(&mut self, sender: oneshot::Sender<Answer>) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.asked.insert(token, sender);
        token
    }

    /// Carries out what the quorum wants done, and syncs, until it wants nothing more. Others are told first: they write while this disk
    /// does.
    fn settle(&mut self) -> Result<(), Fatal> {
        loop {
            self.carry_out_all()?;
            if !self.quorum.wants_sync() {
                break;
            }
            self.quorum.sync(self.runtime.now())?;
        }
        // Decisions without records have nothing to wait for but those before them.
        self.commit()
    }

    fn carry_out_all(&mut self) -> Result<(), Fatal> {
        loop {
            let outgoing = self.quorum.take_outgoing();
            if outgoing.is_empty() {
                return Ok(());
            }
            for outgoing in outgoing {
                self.carry_out(outgoing)?;
            }
        }
    }

    fn carry_out(&mut self, outgoing: Outgoing) -> Result<(), Fatal> {
        match outgoing {
            Outgoing::Send { id, to, request } => {
                let (answer, commands) = (self.peers.ask(to, request), self.own_commands.clone());
                self.runtime.spawn_control(async move {
                    let answer = answer.await;
                    if let Some(commands) = commands.upgrade() {
                        // The replica has stopped meanwhile.
                        let _ = commands.send(Command::Answered(id, answer)).await;
                    }
                });
            }
            Outgoing::Respond { token, answer } => {
                if let Some(sender) = self.asked.remove(&token) {
                    // Who no longer waits has closed the connection.
                    let _ = sender.send(answer);
                }
            }
            Outgoing::LeaderChanged { epoch, leader, endpoints } => {
                // Elected is not active yet: this node decides once a record of its epoch is committed.
                let own = self.quorum.node().key().id;
                let id = leader.filter(|&leader| leader != own || self.leading.is_some());
                let kraft_version = self.quorum.node().control().kraft_version();
                self.active.send_replace(ActiveController { epoch, id, endpoints, kraft_version });
                self.unpublished = true;
            }
            Outgoing::Committed(high_watermark) => self.committed_up_to(high_watermark)?,
            Outgoing::Lead(epoch) => self.lead(epoch)?,
            Outgoing::LeadershipLost(_) => self.leadership_lost(),
            Outgoing::Reset(id) => {
                self.committed = self.quorum.read_snapshot(id)?;
                // What was given before is not in it.
                self.permits = PermitsBefore::since(self.runtime.now().monotonic);
                self.applied = id.end_offset;
                self.unpublished = true;
            }
            Outgoing::Stopped => self.stopped = true,
        }
        Ok(())
    }

    /// Others lead: what is committed is read from the log. What this node decided itself it knows, and commits at the end of a round.
    fn committed_up_to(&mut self, high_watermark: Offset) -> Result<(), Fatal> {
        if self.leading.is_none() && self.applied < high_watermark {
            self.quorum.replay(self.applied, high_watermark, &mut self.committed)?;
            self.permits.read(self.committed.permit(), self.runtime.now().monotonic);
            self.applied = high_watermark;
            self.unpublished = true;
        }
        Ok(())
    }

    /// Commits what was decided here, publishes what is committed, and answers.
    fn commit(&mut self) -> Result<(), Fatal> {
        let answers = if self.leading.is_some() { self.commit_decided()? } else { Vec::new() };
        if std::mem::take(&mut self.unpublished) {
            self.publish();
        }
        for (completion, end) in answers {
            completion(Ok(end));
        }
        Ok(())
    }

    /// How long nothing has to be done.
    fn idle_wait(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        let now = self.runtime.now().monotonic;
        let until = |deadline: Option<Duration>| deadline.map_or(LONGEST, |deadline| deadline.saturating_sub(now));
        let stopping = until(self.stopping.as_ref().map(|stopping| stopping.deadline));
        let quorum = until(self.quorum.deadline()).min(stopping);
        let Some(leading) = &self.leading else { return quorum };
        let idle = until(self.settings.max_idle_interval.map(|interval| self.last_append + interval));
        let session = until(leading.controller.session_deadline(self.settings.broker_session_timeout));
        quorum.min(idle).min(session).min(until(leading.controller.election_deadline()))
    }

    fn publish(&self) {
        let kraft_version = self.quorum.node().control().kraft_version();
        self.active
            .send_if_modified(|active| std::mem::replace(&mut active.kraft_version, kraft_version) != kraft_version);
        let (image, active) = (self.committed.visible().clone(), self.active.borrow());
        let epoch = active.id.map_or(LeaderEpoch::NONE, |_| active.epoch);
        let partitions = self.leading.as_ref().map(|leading| leading.controller.partition_counts());
        self.published.send_replace(Published { image: Arc::new(image), end: self.applied, epoch, partitions });
    }

    fn close(mut self) {
        self.commands.close();
        self.leadership_lost();
        self.active.send_replace(ActiveController::default());
        if let Err(error) = self.quorum.stop(self.runtime.now()) {
            tracing::error!(%error, "the metadata log could not be closed; what was acknowledged is on disk");
        }
        for told in self.stopping.into_iter().flat_map(|stopping| stopping.told) {
            // Who no longer waits needs not be told.
            let _ = told.send(());
        }
    }
}

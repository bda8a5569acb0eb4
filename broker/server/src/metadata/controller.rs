//! The way to the controller: a decision is sent to the thread that owns it, and its answer comes back once its records are
//! committed and applied on this node.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::Disk;
use barnabas_metadata::{BrokerRegistration, ConfigRules, Context, Controller, Outcome};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_raft::{QuorumDescription, Request, RequestFailure, RequestId, Response, SnapshotId};
use barnabas_types::{BrokerId, LeaderEpoch, Offset};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::error::{ControllerError, Fatal};
use super::heard::Heard;
use super::owner::{Owner, Watched};
use super::publish::{ActiveController, Applied, Published};
use crate::raft::{Answer, QuorumSettings};
use crate::runtime::Runtime;

/// What may wait for the controller's thread; more waits where it comes from.
const QUEUED_COMMANDS: usize = 256;

/// What the controller is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerSettings {
    /// `num.partitions`.
    pub default_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `broker.session.timeout.ms`.
    pub broker_session_timeout: Duration,
    /// `leader.imbalance.check.interval.seconds`; None where `auto.leader.rebalance.enable` is false.
    pub leader_imbalance_check_interval: Option<Duration>,
    /// `unclean.leader.election.interval.ms`.
    pub unclean_leader_election_interval: Duration,
    /// `metadata.max.idle.interval.ms`; None for no NoOp records.
    pub max_idle_interval: Option<Duration>,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub max_bytes_between_snapshots: u64,
    /// `metadata.log.max.snapshot.interval.ms`; None for no limit.
    pub max_snapshot_interval: Option<Duration>,
}

impl Default for ControllerSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            default_partitions: 1,
            default_replication_factor: 1,
            broker_session_timeout: Duration::from_secs(9),
            leader_imbalance_check_interval: Some(Duration::from_secs(300)),
            unclean_leader_election_interval: Duration::from_secs(300),
            max_idle_interval: Some(Duration::from_millis(500)),
            max_bytes_between_snapshots: 20 * 1024 * 1024,
            max_snapshot_interval: Some(Duration::from_secs(3600)),
        }
    }
}

/// What becomes of a decision: the offset after its records, once they are committed.
pub(super) type Completion = Box<dyn FnOnce(Result<Offset, ControllerError>) + Send>;

/// The controller to decide with, or why there is none.
pub(super) type Turn<'a, 'b> = Result<(&'a mut Controller, &'a mut Context<'b>), ControllerError>;

/// A decision to make on the owner's thread.
pub(super) type Decision = Box<dyn FnOnce(Turn<'_, '_>) -> (Vec<MetadataRecord<'static>>, Completion) + Send>;

/// What the owner is told.
pub(super) enum Command {
    /// Decide.
    Decide(Decision),
    /// Tell how the quorum stands; None where another node leads it.
    DescribeQuorum(oneshot::Sender<Option<QuorumDescription>>),
    /// Tell how many voters the quorum has.
    CountVoters(oneshot::Sender<usize>),
    /// A snapshot is on disk, or could not be written.
    SnapshotWritten(Result<SnapshotId, (PathBuf, String)>),
    /// Another node, or a user, asks the quorum.
    Requested(Request, oneshot::Sender<Answer>),
    /// Raise `kraft.version`, or say whether it can be.
    UpgradeKRaftVersion { version: u16, validate_only: bool, sender: oneshot::Sender<Answer> },
    /// The leader of the quorum, in this epoch, answers nothing at its listener.
    LeaderSilent(BrokerId, LeaderEpoch),
    /// Another node has answered, or will not.
    Answered(RequestId, Result<(Response, Vec<u8>), RequestFailure>),
    /// The last inputs of the quorum engine, as a file.
    Recording(oneshot::Sender<Option<Vec<u8>>>),
    /// Stop, and say when it is done.
    Stop(oneshot::Sender<()>),
}

/// The controller of this node, for everybody who asks it.
#[derive(Clone)]
pub struct ControllerHandle {
    commands: mpsc::Sender<Command>,
    applied: Applied,
    active: watch::Receiver<ActiveController>,
    heard: Heard,
}

impl ControllerHandle {
    /// Decides on the controller's newest state. Returns once the decision is committed and this node has applied it: what was
    /// made can be used here.
    ///
    /// # Errors
    /// The controller is not active, has stopped, or `deadline` has passed.
    pub async fn decide<R, D>(&self, deadline: Instant, decide: D) -> Result<R, ControllerError>
    where
        R: Send + 'static,
        D: FnOnce(&mut Controller, &mut Context<'_>) -> Outcome<R> + Send + 'static,
    {
        let answer = async {
            let (response, offset) = self.committed(decide).await?;
            self.applied.reached(offset).await.map_err(|_| ControllerError::Stopped)?;
            Ok(response)
        };
        tokio::time::timeout_at(deadline, answer).await.unwrap_or(Err(ControllerError::TimedOut))
    }

    /// As [`ControllerHandle::try_decide`], but returns once the decision is committed, applied here or not.
    ///
    /// # Errors
    /// The outer ones are the controller's, the inner ones the decision's.
    pub async fn try_decide_committed<R, E, D>(
        &self,
        deadline: Instant,
        decide: D,
    ) -> Result<Result<R, E>, ControllerError>
    where
        R: Send + 'static,
        E: Send + 'static,
        D: FnOnce(&mut Controller, &mut Context<'_>) -> Result<Outcome<R>, E> + Send + 'static,
    {
        let answer = self.committed(move |controller, context| refusable(decide(controller, context)));
        let answered = tokio::time::timeout_at(deadline, answer).await.unwrap_or(Err(ControllerError::TimedOut));
        answered.map(|(response, _)| response)
    }

    /// The response, and the offset after the decision's records once they are committed.
    async fn committed<R, D>(&self, decide: D) -> Result<(R, Offset), ControllerError>
    where
        R: Send + 'static,
        D: FnOnce(&mut Controller, &mut Context<'_>) -> Outcome<R> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        // Who no longer waits has timed out or is gone.
        let decision: Decision = Box::new(move |turn| match turn {
            Ok((controller, context)) => {
                let Outcome { records, response } = decide(controller, context);
                (records, Box::new(move |result| _ = sender.send(result.map(|offset| (response, offset)))))
            }
            Err(error) => {
                _ = sender.send(Err(error));
                (Vec::new(), Box::new(|_| ()))
            }
        });
        self.commands.send(Command::Decide(decision)).await.map_err(|_| ControllerError::Stopped)?;
        receiver.await.map_err(|_| ControllerError::Stopped)?
    }

    /// As [`ControllerHandle::decide`], for decisions that may refuse.
    ///
    /// # Errors
    /// The outer ones are the controller's, the inner ones the decision's.
    pub async fn try_decide<R, E, D>(&self, deadline: Instant, decide: D) -> Result<Result<R, E>, ControllerError>
    where
        R: Send + 'static,
        E: Send + 'static,
        D: FnOnce(&mut Controller, &mut Context<'_>) -> Result<Outcome<R>, E> + Send + 'static,
    {
        self.decide(deadline, move |controller, context| refusable(decide(controller, context))).await
    }

    /// How the quorum stands; None where another node leads it.
    ///
    /// # Errors
    /// The controller has stopped, or `deadline` has passed.
    pub async fn describe_quorum(&self, deadline: Instant) -> Result<Option<QuorumDescription>, ControllerError> {
        let (sender, receiver) = oneshot::channel();
        let answer = async {
            self.commands.send(Command::DescribeQuorum(sender)).await.map_err(|_| ControllerError::Stopped)?;
            receiver.await.map_err(|_| ControllerError::Stopped)
        };
        tokio::time::timeout_at(deadline, answer).await.unwrap_or(Err(ControllerError::TimedOut))
    }

    /// How many voters the quorum has, as this node knows, whoever leads it.
    ///
    /// # Errors
    /// The controller has stopped.
    pub async fn count_voters(&self) -> Result<usize, ControllerError> {
        let (sender, receiver) = oneshot::channel();
        self.commands.send(Command::CountVoters(sender)).await.map_err(|_| ControllerError::Stopped)?;
        receiver.await.map_err(|_| ControllerError::Stopped)
    }

    /// The last inputs of this node's quorum engine, as a file; None when there are none.
    ///
    /// # Errors
    /// The quorum replica of this node has stopped.
    pub async fn recording(&self) -> Result<Option<Vec<u8>>, ControllerError> {
        let (sender, receiver) = oneshot::channel();
        self.commands.send(Command::Recording(sender)).await.map_err(|_| ControllerError::Stopped)?;
        receiver.await.map_err(|_| ControllerError::Stopped)
    }

    /// A heartbeat or a pulse of this registration is here. What comes of it is to be decided; that its broker was heard of does not wait
    /// for that.
    pub fn heard(&self, broker: &BrokerRegistration, now: Duration) {
        self.heard.note(broker, now);
    }

    /// Tells the quorum replica of this node that its leader answers nothing at its listener.
    pub async fn leader_silent(&self, leader: BrokerId, epoch: LeaderEpoch) {
        // A replica that has stopped follows nobody.
        let _ = self.commands.send(Command::LeaderSilent(leader, epoch)).await;
    }

    /// The quorum's answer to another node, or to a user who changes its voters.
    ///
    /// # Errors
    /// The quorum replica of this node has stopped.
    pub async fn ask_quorum(&self, request: Request) -> Result<Answer, ControllerError> {
        self.asked(|sender| Command::Requested(request, sender)).await
    }

    /// Raises `kraft.version`, or says whether it can be.
    ///
    /// # Errors
    /// The quorum replica of this node has stopped.
    pub async fn upgrade_kraft_version(&self, version: u16, validate_only: bool) -> Result<Answer, ControllerError> {
        self.asked(|sender| Command::UpgradeKRaftVersion { version, validate_only, sender }).await
    }

    async fn asked(&self, command: impl FnOnce(oneshot::Sender<Answer>) -> Command) -> Result<Answer, ControllerError> {
        let (sender, receiver) = oneshot::channel();
        self.commands.send(command(sender)).await.map_err(|_| ControllerError::Stopped)?;
        receiver.await.map_err(|_| ControllerError::Stopped)
    }

    /// The controller that is active, as far as this node knows.
    #[must_use]
    pub fn active(&self) -> watch::Receiver<ActiveController> {
        self.active.clone()
    }

    /// How far this node has applied the metadata.
    #[must_use]
    pub const fn applied(&self) -> &Applied {
        &self.applied
    }

    /// Stops the controller: nothing is decided any more, and the log is left complete. Returns when that is done.
    pub async fn stop(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.commands.send(Command::Stop(sender)).await.is_ok() {
            let _ = receiver.await;
        }
    }

    /// True when the controller has stopped, for whatever reason.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.commands.is_closed()
    }

    /// Returns when the controller has stopped, for whatever reason.
    pub async fn stopped(&self) {
        self.commands.closed().await;
    }
}

/// A decision that may refuse, as one that refuses in its response.
fn refusable<R, E>(decided: Result<Outcome<R>, E>) -> Outcome<Result<R, E>> {
    match decided {
        Ok(Outcome { records, response }) => Outcome { records, response: Ok(response) },
        Err(error) => Outcome { records: Vec::new(), response: Err(error) },
    }
}

/// Opens the metadata log, takes this node's part in the quorum and starts it on a thread of its own. Blocks until the log is read; what
/// of it is committed a quorum of one knows at once, and any other finds out. Committed metadata comes out of the receiver, for a
/// [`Publisher`](super::Publisher), which reports through `applied`.
///
/// # Errors
/// The log cannot be read whole, or this node can never take part.
pub fn start(
    runtime: &Runtime,
    disk: &Arc<Disk>,
    quorum: &QuorumSettings,
    settings: ControllerSettings,
    rules: Box<dyn ConfigRules + Send>,
    applied: Applied,
) -> Result<(ControllerHandle, watch::Receiver<Published>), Fatal> {
    let (commands, receiver) = mpsc::channel(QUEUED_COMMANDS);
    let opened = Owner::open(runtime.clone(), disk, quorum, settings, rules, receiver, commands.downgrade());
    let (owner, Watched { published, active, heard }) = opened?;
    runtime.spawn_owner("controller", owner.run());
    Ok((ControllerHandle { commands, applied, active, heard }, published))
}

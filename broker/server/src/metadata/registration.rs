//! This node's own part in the metadata: it registers with the active controller, is let in once its partitions are open, is heard of
//! every `broker.heartbeat.interval.ms`, and leaves before it stops.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, ControllerRegistrationRequest,
};
use barnabas_types::{Offset, Uuid};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::error::ControllerError;
use crate::node::Node;

/// How long registering may take, Kafka's `initial.broker.registration.timeout.ms`; and how long one heartbeat is tried.
const STEP: Duration = Duration::from_secs(60);
/// How long until a broker registers again whose id is still another process's, or asks again to be let in.
const RETRY: Duration = Duration::from_millis(100);
/// How long an answer is waited for that nobody needs any more.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The node may not take part.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationFailed {
    /// No controller gave an answer.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// The controller refused.
    #[error("the active controller refuses this node: {code} ({})", reason(*code))]
    Refused {
        /// Its reason.
        code: ErrorCode,
    },
    /// Another process has registered under the same id, or the broker was unregistered.
    #[error("the active controller knows another registration under the id of this broker")]
    Stale,
}

impl RegistrationFailed {
    /// True when the same question may be answered otherwise later.
    const fn passes(&self) -> bool {
        match self {
            Self::Controller(error) => matches!(error, ControllerError::TimedOut | ControllerError::NotController),
            Self::Refused { code } => is_passing(*code),
            Self::Stale => false,
        }
    }
}

/// True for what a controller answers that wanted to decide and could not: not in time, or for want of room.
const fn is_passing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::REQUEST_TIMED_OUT | ErrorCode::KAFKA_STORAGE_ERROR)
}

/// What can be done about a refusal; the controller's log says more.
const fn reason(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::DUPLICATE_BROKER_REGISTRATION => {
            "another process with the same node.id is alive, or was until a moment ago: give each node an id of its own"
        }
        ErrorCode::INCONSISTENT_CLUSTER_ID => {
            "it is of another cluster: check controller.quorum.bootstrap.servers, and meta.properties in log.dirs"
        }
        ErrorCode::UNSUPPORTED_VERSION => {
            "it runs a feature at a level that this release does not know: upgrade this node"
        }
        _ => "see the log of the active controller",
    }
}

/// The directories of this broker, as its heartbeats tell of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryNews {
    /// Those that have failed.
    pub offline: Vec<Uuid>,
    /// Those that take no new replicas.
    pub cordoned: Vec<Uuid>,
}

/// Says how the directories are now.
pub type Directories = Arc<dyn Fn() -> DirectoryNews + Send + Sync>;

/// Registers the controller of this node. A node that is nothing else goes on until some controller is active, which may hang on its own
/// vote; a broker beside it could not register either. Returns whether it is registered: at a low metadata.version no controller is.
///
/// # Errors
/// The controller refuses; or this node is a broker too, and none gives an answer.
pub async fn register_controller(
    node: &Arc<Node>,
    registration: &ControllerRegistrationRequest<'_>,
) -> Result<bool, RegistrationFailed> {
    let is_broker = node.config.roles.broker;
    let end = node.runtime.deadline(STEP);
    loop {
        let deadline = if is_broker { end } else { node.runtime.deadline(STEP) };
        let asked = node.ask_controller(deadline, registration, |response| response.error_code).await;
        let failed = match asked {
            Ok(response) if response.error_code == ErrorCode::NONE => return Ok(true),
            // The level of metadata.version has no such record: nobody misses it.
            Ok(response) if response.error_code == ErrorCode::UNSUPPORTED_VERSION => {
                tracing::info!(
                    message = response.error_message.as_deref(),
                    "the controller of this node is not registered"
                );
                return Ok(false);
            }
            Ok(response) => RegistrationFailed::Refused { code: response.error_code },
            Err(error) => error.into(),
        };
        let gives_up = is_broker && end <= node.runtime.deadline(RETRY);
        if gives_up || !failed.passes() {
            return Err(failed);
        }
        tracing::warn!(error = %failed, "the controller of this node could not register; it goes on trying");
        tokio::time::sleep(RETRY).await;
    }
}

/// This broker in the cluster.
#[derive(Clone)]
pub struct BrokerLife {
    node: Arc<Node>,
    directories: Directories,
    registration: Arc<BrokerRegistrationRequest<'static>>,
    epoch: Arc<AtomicI64>,
    /// True when no controller has answered what was asked last.
    pub(super) is_unanswered: Arc<AtomicBool>,
    /// The controller has to hear of this broker now, not when the next heartbeat is due: it has fenced it, or a directory has failed.
    hurried: Arc<Notify>,
}

impl BrokerLife {
    /// Registers the broker of this node. When it returns, this node has applied all metadata up to the registration, and the broker is
    /// still fenced: it leads nothing.
    ///
    /// # Errors
    /// The controller refuses the broker, or none gives an answer.
    pub async fn register(
        node: Arc<Node>,
        registration: BrokerRegistrationRequest<'static>,
        directories: Directories,
    ) -> Result<Self, RegistrationFailed> {
        let (registration, epoch) = (Arc::new(registration), Arc::new(AtomicI64::new(-1)));
        let life =
            Self { node, directories, registration, epoch, is_unanswered: Arc::default(), hurried: Arc::default() };
        life.register_by(life.node.runtime.deadline(STEP)).await?;
        // From here on there is no limit, as in Kafka: to begin anew would bring it no further.
        let registered = Offset(life.epoch() + 1);
        life.node.controller.applied().reached(registered).await.map_err(|_| ControllerError::Stopped)?;
        Ok(life)
    }

    pub(super) const fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The broker epoch.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The next heartbeat leaves at once.
    pub fn hurry(&self) {
        self.hurried.notify_one();
    }

    /// Asks to be let in, for as long as it takes, and lets the controller hear of this broker every `interval` until that is in force here:
    /// a controller that hears nothing meanwhile fences it again. When it returns, this broker leads its partitions.
    ///
    /// # Errors
    /// The controller refuses, or that of this node has stopped.
    pub async fn unfence(&self, interval: Duration) -> Result<(), RegistrationFailed> {
        let mut applied = self.node.controller.applied().watch();
        let mut told = self.node.runtime.deadline(STEP);
        loop {
            match self.heartbeat(false, self.node.runtime.deadline(STEP)).await {
                Ok(answer) if !answer.is_fenced => {
                    // The controller has decided it; here it is in force once it is applied.
                    let is_let_in = async { while !self.is_let_in() && applied.changed().await.is_ok() {} };
                    tokio::select! {
                        biased;
                        () = is_let_in => match self.is_let_in() {
                            true => return Ok(()),
                            false => return Err(ControllerError::Stopped.into()),
                        },
                        () = self.hurried.notified() => {}
                        () = tokio::time::sleep(interval) => {}
                    }
                }
                Ok(_) => tokio::time::sleep(RETRY).await,
                Err(error) if error.passes() => {
                    tracing::warn!(%error, "this broker could not ask to be let in; it asks again");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(error),
            }
            if told <= self.node.runtime.deadline(Duration::ZERO) {
                tracing::warn!("this broker is registered and still not let in; it goes on asking");
                told = self.node.runtime.deadline(STEP);
            }
        }
    }

    /// True when this very registration may lead, as far as this node has applied the metadata.
    fn is_let_in(&self) -> bool {
        let image = self.node.image();
        let registered = image.brokers.get(self.node.broker_id);
        registered.is_some_and(|broker| broker.epoch == self.epoch() && !broker.fenced)
    }

    /// Hands over what this broker leads and fences it. Returns when it may stop: when it leads nothing, is in no ISR that others could
    /// fill, and every broker that is up has applied so; or after 30 s, which is longer than the session of one that does not answer. A controller
    /// without room to write is asked again for a while.
    ///
    /// # Errors
    /// The controller gives no answer; stopping all the same is what a crash does, and loses nothing.
    pub async fn leave(&self) -> Result<(), RegistrationFailed> {
        /// Begin, finish: more rounds are needed only where others have to take over first.
        const ROUNDS: u32 = 100;
        const LEAVE: Duration = Duration::from_secs(30);
        /// Where no controller answers for so long, all nodes are stopping: nobody would take over.
        const NOBODY: Duration = Duration::from_secs(5);
        /// The same where none has answered before.
        const STILL_NOBODY: Duration = Duration::from_secs(1);
        /// A controller that has no room to write for so long may have none for long.
        const NO_ROOM: Duration = Duration::from_secs(10);
        let patience = if self.is_unanswered.load(Ordering::Relaxed) { STILL_NOBODY } else { NOBODY };
        let no_room = self.node.runtime.deadline(NO_ROOM);
        for round in 0..ROUNDS {
            match self.heartbeat(true, self.node.runtime.deadline(patience)).await {
                Ok(answer) if answer.should_shut_down => break,
                Ok(_) => {}
                Err(RegistrationFailed::Refused { code })
                    if is_passing(code) && no_room > self.node.runtime.deadline(Duration::ZERO) => {}
                Err(error) => return Err(error),
            }
            if round > 0 {
                tokio::time::sleep(LEAVE / ROUNDS).await;
            }
        }
        Ok(())
    }

    /// Lets the controller hear of this broker every `interval`, until `stop`. A broker that was unregistered registers again.
    pub async fn keep(self, interval: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(interval) => {}
                () = self.hurried.notified() => {}
            }
            let mut heartbeat = pin!(self.heartbeat(false, self.node.runtime.deadline(STEP)));
            let stopping = async { _ = stop.wait_for(|stop| *stop).await };
            let heard = tokio::select! {
                biased;
                () = stopping => {
                    // What is on its way must not arrive after the one that says that this broker leaves.
                    let _late = tokio::time::timeout(LAST_WORD, heartbeat).await;
                    return;
                }
                heard = &mut heartbeat => heard,
            };
            match heard {
                Ok(_) => {}
                Err(RegistrationFailed::Controller(ControllerError::Stopped)) => return,
                Err(RegistrationFailed::Stale) => {
                    tracing::warn!("this broker is not registered any more, and registers again");
                    if let Err(error) = self.register_by(self.node.runtime.deadline(STEP)).await {
                        tracing::error!(%error, "this broker could not register again; it tries again");
                    }
                }
                Err(error) => tracing::warn!(%error, "a heartbeat to the controller failed; the next one follows"),
            }
        }
    }

    /// Registers, as soon as a process that had the id before counts as gone.
    async fn register_by(&self, deadline: Instant) -> Result<(), RegistrationFailed> {
        let has_time = || deadline > self.node.runtime.deadline(RETRY);
        let mut told = false;
        loop {
            let asked = self.node.ask_controller(deadline, &*self.registration, |response| response.error_code);
            let response = asked.await?;
            match response.error_code {
                ErrorCode::NONE => {
                    self.epoch.store(response.broker_epoch, Ordering::Release);
                    self.node.replicas.surroundings().registered(self.epoch());
                    return Ok(());
                }
                code if is_passing(code) && has_time() => tokio::time::sleep(RETRY).await,
                ErrorCode::DUPLICATE_BROKER_REGISTRATION if has_time() => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::info!(
                            "the former session of broker {} has not ended, or another process has its node.id: waiting for up to \
                             broker.session.timeout.ms",
                            self.node.broker_id
                        );
                    }
                    tokio::time::sleep(RETRY).await;
                }
                code => return Err(RegistrationFailed::Refused { code }),
            }
        }
    }

    pub(super) async fn applied(&self, end: Offset, deadline: Instant) -> Result<(), ControllerError> {
        let reached = tokio::time::timeout_at(deadline, self.node.controller.applied().reached(end)).await;
        reached.map_err(|_| ControllerError::TimedOut)?.map_err(|_| ControllerError::Stopped)
    }

    /// One heartbeat. It does not wait until this node has applied what follows from it: while much is being applied the controller
    /// must go on hearing of this broker.
    async fn heartbeat(
        &self,
        want_shut_down: bool,
        deadline: Instant,
    ) -> Result<BrokerHeartbeatResponse<'static>, RegistrationFailed> {
        let DirectoryNews { offline, cordoned } = (self.directories)();
        let request = BrokerHeartbeatRequest {
            broker_id: self.node.broker_id.0,
            broker_epoch: self.epoch(),
            current_metadata_offset: self.node.controller.applied().end().0.saturating_sub(1),
            want_fence: false,
            want_shut_down,
            offline_log_dirs: offline,
            cordoned_log_dirs: Some(cordoned),
            ..BrokerHeartbeatRequest::default()
        };
        let response = self.node.ask_controller(deadline, &request, |response| response.error_code).await?;
        match response.error_code {
            ErrorCode::NONE => Ok(response),
            ErrorCode::STALE_BROKER_EPOCH | ErrorCode::BROKER_ID_NOT_REGISTERED => Err(RegistrationFailed::Stale),
            code => Err(RegistrationFailed::Refused { code }),
        }
    }
}

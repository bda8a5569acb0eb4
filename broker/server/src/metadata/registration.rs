//! This broker's own part in the metadata: it registers, is let in once its partitions are open, is heard of every
//! `broker.heartbeat.interval.ms`, and leaves before it stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use barnabas_metadata::{
    ControllerRegistration, Heartbeat, HeartbeatReply, Registered, Registration, RegistrationError, StaleBrokerEpoch,
};
use barnabas_types::{BrokerId, Offset, Uuid};
use tokio::sync::watch;

use super::controller::ControllerHandle;
use super::error::ControllerError;
use crate::runtime::Runtime;

/// How long one step may take.
const STEP: Duration = Duration::from_secs(30);

/// The broker may not take part.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationFailed {
    /// The controller gave no answer.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// The controller refused.
    #[error(transparent)]
    Refused(#[from] RegistrationError),
    /// Another process has registered under the same id.
    #[error(transparent)]
    Stale(#[from] StaleBrokerEpoch),
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

/// This broker in the cluster.
#[derive(Clone)]
pub struct BrokerLife {
    runtime: Runtime,
    controller: ControllerHandle,
    directories: Directories,
    registration: Arc<Registration>,
    id: BrokerId,
    epoch: Arc<AtomicI64>,
}

impl BrokerLife {
    /// Registers the controller and the broker of this node. When it returns, this node has applied both, and the broker is still
    /// fenced: it leads nothing.
    ///
    /// # Errors
    /// The controller refuses the broker, or gives no answer.
    pub async fn register(
        runtime: Runtime,
        controller: ControllerHandle,
        own_controller: ControllerRegistration,
        registration: Registration,
        directories: Directories,
    ) -> Result<Self, RegistrationFailed> {
        let registered = controller
            .try_decide(runtime.deadline(STEP), move |controller, _| controller.register_controller(&own_controller))
            .await?;
        if let Err(unsupported) = registered {
            tracing::info!("{unsupported}");
        }
        let Registered { broker_id: id, broker_epoch } = register(&runtime, &controller, &registration).await?;
        let (registration, epoch) = (Arc::new(registration), Arc::new(AtomicI64::new(broker_epoch)));
        Ok(Self { runtime, controller, directories, registration, id, epoch })
    }

    /// The broker epoch.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Asks to be let in. When it returns, this broker leads its partitions.
    ///
    /// # Errors
    /// The controller refuses or gives no answer.
    pub async fn unfence(&self) -> Result<(), RegistrationFailed> {
        let heartbeat = self.next_heartbeat(false);
        let decided = self.controller.try_decide(self.runtime.deadline(STEP), move |controller, context| {
            controller.heartbeat(context, &heartbeat)
        });
        decided.await??;
        Ok(())
    }

    /// Hands over what this broker leads and fences it. Returns when it may stop.
    ///
    /// # Errors
    /// The controller gives no answer; stopping all the same is what a crash does, and loses nothing.
    pub async fn leave(&self) -> Result<(), RegistrationFailed> {
        /// Begin, finish: more rounds are needed only where others have to take over first.
        const ROUNDS: u32 = 100;
        for round in 0..ROUNDS {
            if self.heartbeat(true).await?.should_shut_down {
                break;
            }
            if round > 0 {
                tokio::time::sleep(STEP / ROUNDS).await;
            }
        }
        Ok(())
    }

    /// Lets the controller hear of this broker every `interval`, until `stop`. A broker that was unregistered registers again.
    pub async fn keep(self, interval: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(interval) => {}
            }
            match self.heartbeat(false).await {
                Ok(_) => {}
                Err(RegistrationFailed::Controller(ControllerError::Stopped)) => return,
                Err(RegistrationFailed::Stale(stale)) => {
                    tracing::warn!(%stale, "this broker is not registered any more, and registers again");
                    match register(&self.runtime, &self.controller, &self.registration).await {
                        Ok(registered) => self.epoch.store(registered.broker_epoch, Ordering::Release),
                        Err(error) => tracing::error!(%error, "this broker could not register again; it tries again"),
                    }
                }
                Err(error) => tracing::warn!(%error, "a heartbeat to the controller failed; the next one follows"),
            }
        }
    }

    /// One heartbeat. It does not wait until this node has applied what follows from it: while much is being applied the controller
    /// must go on hearing of this broker.
    async fn heartbeat(&self, want_shut_down: bool) -> Result<HeartbeatReply, RegistrationFailed> {
        let heartbeat = self.next_heartbeat(want_shut_down);
        let decided = self.controller.try_decide_committed(self.runtime.deadline(STEP), move |controller, context| {
            controller.heartbeat(context, &heartbeat)
        });
        Ok(decided.await??)
    }

    fn next_heartbeat(&self, want_shut_down: bool) -> Heartbeat {
        let DirectoryNews { offline, cordoned } = (self.directories)();
        Heartbeat {
            broker_id: self.id,
            broker_epoch: self.epoch(),
            applied_offset: Offset(self.controller.applied().end().0.saturating_sub(1)),
            want_fence: false,
            want_shut_down,
            offline_log_dirs: offline,
            cordoned_log_dirs: Some(cordoned),
        }
    }
}

async fn register(
    runtime: &Runtime,
    controller: &ControllerHandle,
    registration: &Registration,
) -> Result<Registered, RegistrationFailed> {
    let registration = registration.clone();
    let decided = controller.try_decide(runtime.deadline(STEP), move |controller, context| {
        controller.register_broker(context, registration)
    });
    Ok(decided.await??)
}

//! This broker's own part in the metadata: it registers, is let in once its partitions are open, and leaves before it stops.

use std::time::Duration;

use barnabas_metadata::{ControllerRegistration, Heartbeat, Registration, RegistrationError, StaleBrokerEpoch};
use barnabas_types::{BrokerId, Offset};

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

/// This broker in the cluster.
#[derive(Clone)]
pub struct BrokerLife {
    runtime: Runtime,
    controller: ControllerHandle,
    id: BrokerId,
    epoch: i64,
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
    ) -> Result<Self, RegistrationFailed> {
        let id = registration.broker_id;
        controller
            .decide(runtime.deadline(STEP), move |controller, _| controller.register_controller(&own_controller))
            .await?;
        let epoch = controller
            .try_decide(runtime.deadline(STEP), move |controller, context| {
                controller.register_broker(context, registration)
            })
            .await??;
        Ok(Self { runtime, controller, id, epoch })
    }

    /// The broker epoch.
    #[must_use]
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Asks to be let in. When it returns, this broker leads its partitions.
    ///
    /// # Errors
    /// The controller refuses or gives no answer.
    pub async fn unfence(&self) -> Result<(), RegistrationFailed> {
        self.heartbeat(false).await.map(drop)
    }

    /// Hands over what this broker leads and fences it. Returns when it may stop.
    ///
    /// # Errors
    /// The controller gives no answer; stopping all the same is what a crash does, and loses nothing.
    pub async fn leave(&self) -> Result<(), RegistrationFailed> {
        /// Begin, finish: more rounds are needed only where others have to take over first.
        const ROUNDS: usize = 10;
        for _ in 0..ROUNDS {
            if self.heartbeat(true).await? {
                break;
            }
        }
        Ok(())
    }

    /// One heartbeat; true when the broker may stop.
    async fn heartbeat(&self, want_shut_down: bool) -> Result<bool, RegistrationFailed> {
        let heartbeat = Heartbeat {
            broker_id: self.id,
            broker_epoch: self.epoch,
            applied_offset: Offset(self.controller.applied().end().0.saturating_sub(1)),
            want_fence: false,
            want_shut_down,
            cordoned_log_dirs: Vec::new(),
        };
        let decided = self
            .controller
            .try_decide(self.runtime.deadline(STEP), move |controller, _| controller.heartbeat(&heartbeat));
        Ok(decided.await??.should_shut_down)
    }
}

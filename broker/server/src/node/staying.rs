//! A broker that is told to stop stays while partitions need it, for `barnabas.shutdown.grace.ms` at most. Whether they do the active
//! controller says; here it is asked again when the metadata has changed.

use std::time::Duration;

use barnabas_protocol::own_tags::StopQuestion;
use tokio::time::Instant;

use super::{Node, milliseconds};
use crate::metadata::{BrokerLife, ControllerError, RegistrationFailed, reason_to_stay};

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long until the controller is asked again although no metadata has changed: another broker's permit may be over.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Returns once the broker may stop, or its grace time is over. Then it may be stopped at any time.
pub async fn stay_while_needed(node: &Node, life: &BrokerLife) {
    let grace = milliseconds(node.config.metadata_log.shutdown_grace_ms);
    if grace.is_zero() {
        return;
    }
    let end = node.runtime.deadline(grace);
    let mut told = String::new();
    loop {
        let image = node.image().hash();
        let asked = life.ask(StopQuestion::MayIStop, end.min(node.runtime.deadline(PATIENCE))).await;
        let reason = match asked {
            Ok(asked) => reason_to_stay(&asked.answer),
            // Another one may answer in time.
            Err(RegistrationFailed::Controller(ControllerError::TimedOut | ControllerError::NotController)) => {
                Some("no active controller answers, so that nobody says whether others need this broker".to_owned())
            }
            // Waiting would not help.
            Err(error) => {
                tracing::info!(%error, "nobody says whether this broker is needed, and so it does not stay");
                return;
            }
        };
        let Some(reason) = reason else { return };
        let is_over = || node.runtime.deadline(Duration::ZERO) >= end;
        if told != reason && (told.is_empty() || !is_over()) {
            tracing::info!(
                "told to stop, and staying for up to {} ms (barnabas.shutdown.grace.ms), or until told again: {reason}",
                grace.as_millis()
            );
            told = reason;
        }
        wait(node, image, end).await;
        if is_over() {
            tracing::warn!("stopping, because barnabas.shutdown.grace.ms is over: {told}");
            return;
        }
    }
}

/// Returns when the metadata is no longer what had the hash `before`, after a while, or at `end`.
async fn wait(node: &Node, before: u64, end: Instant) {
    let mut applied = node.controller.applied().watch();
    let changed = async { while node.image().hash() == before && applied.changed().await.is_ok() {} };
    // Whichever comes first, it is asked again.
    let _ = tokio::time::timeout_at(end.min(node.runtime.deadline(LOOK_AGAIN)), changed).await;
}

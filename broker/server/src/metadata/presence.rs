//! Lets the active controller see that this broker is there: by a connection of its own, and a heartbeat on it each quarter of a second that
//! nobody decides on (a pulse). Apache Kafka's controllers say that they take none, and get none. Not what a broker says of itself, which
//! is `registration.rs`.

use std::time::Duration;

use barnabas_client::{ClientError, Connection, Settings};
use barnabas_metadata::PULSE_INTERVAL;
use barnabas_protocol::messages::BrokerHeartbeatRequest;
use barnabas_protocol::{ApiKey, ErrorCode, own_tags};
use tokio::sync::watch;

use super::publish::ActiveController;
use super::registration::BrokerLife;

/// How long an answer is awaited: after that another connection may do better.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long until a controller is tried again that cannot be reached.
const RETRY: Duration = Duration::from_millis(100);
/// How long until one is asked again that takes no pulses: it may be of another release by then.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// The largest answer.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// See the module.
pub struct Presence {
    life: BrokerLife,
}

impl Presence {
    /// That of a broker.
    #[must_use]
    pub fn of(life: &BrokerLife) -> Self {
        Self { life: life.clone() }
    }

    /// Goes on until `stop`, whichever controller is active.
    pub async fn keep(self, mut stop: watch::Receiver<bool>) {
        let mut active = self.life.node().controller.active();
        loop {
            let current = active.borrow_and_update().clone();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                changed = active.wait_for(|now| (now.id, now.epoch) != (current.id, current.epoch)) => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = self.show_to(&current) => {}
            }
        }
    }

    /// Does not return while this controller is the one.
    async fn show_to(&self, active: &ActiveController) {
        let node = self.life.node();
        if active.id == Some(node.broker_id) {
            return self.show_to_itself().await;
        }
        let Some(address) = active.id.and_then(|_| node.address(active)) else { return std::future::pending().await };
        let settings = Settings {
            max_response_bytes: MAX_ANSWER_BYTES,
            ..Settings::new(Vec::new(), &format!("broker-{}-presence", node.broker_id))
        };
        loop {
            let Err(error) = self.pulse(&address, &settings).await;
            tracing::debug!(%error, "the active controller takes no pulse; trying again");
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The controller of this process hears of its broker without a connection: with heartbeats alone, whose answers wait for the disk, a slow
    /// disk would have it fence its own broker.
    async fn show_to_itself(&self) {
        let node = self.life.node();
        loop {
            if node.hear_of(node.broker_id, self.life.epoch()) == Some(true) {
                self.life.hurry();
            }
            tokio::time::sleep(PULSE_INTERVAL).await;
        }
    }

    async fn pulse(&self, address: &str, settings: &Settings) -> Result<std::convert::Infallible, ClientError> {
        let mut connection =
            in_time((address, ApiKey::ApiVersions, PATIENCE), Connection::open(address, settings)).await?;
        if !own_tags::are_pulses_taken(connection.tags()) {
            drop(connection);
            tokio::time::sleep(ASK_AGAIN).await;
            return Err(ClientError::Closed { address: address.to_owned(), api: ApiKey::BrokerHeartbeat });
        }
        loop {
            let request = BrokerHeartbeatRequest {
                broker_id: self.life.node().broker_id.0,
                broker_epoch: self.life.epoch(),
                unknown_tags: own_tags::pulse(),
                ..BrokerHeartbeatRequest::default()
            };
            let versions = ApiKey::BrokerHeartbeat.answered_versions();
            let answered =
                in_time((address, ApiKey::BrokerHeartbeat, PATIENCE), connection.call(&request, versions)).await?;
            if answered.error_code == ErrorCode::NONE && answered.is_fenced {
                self.life.hurry();
            }
            tokio::time::sleep(PULSE_INTERVAL).await;
        }
    }
}

/// What comes of asking the controller at `address`; an error after `timeout`.
pub(super) async fn in_time<T>(
    (address, api, timeout): (&str, ApiKey, Duration),
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let late = |_| ClientError::Timeout { address: address.to_owned(), api, timeout };
    tokio::time::timeout(timeout, asked).await.map_err(late)?
}

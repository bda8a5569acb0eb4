//! Asks the leader of the quorum at its listener, as long as another node leads, and tells the quorum engine when it answers nothing
//! (`barnabas.failure.detection=fast`): a leader whose process stands still is replaced before `controller.quorum.fetch.timeout.ms` is over.
//! Decides nothing: when silence is told says the watch, what follows from it the engine.
//!
//! What answers is the control runtime of the leader, by a connection of its own: it waits for no disk, and any Kafka controller answers it.

use std::convert::Infallible;
use std::sync::Arc;

use barnabas_client::{ClientError, Connection, Settings};
use barnabas_metadata::{ASK_INTERVAL, PROBE_TIMEOUT, WATCH_INTERVAL};
use barnabas_protocol::messages::ApiVersionsRequest;
use barnabas_protocol::{ApiKey, VersionRange};
use barnabas_types::BrokerId;
use tokio::sync::watch;

use super::presence::in_time;
use crate::node::Node;

/// The largest answer.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Versions in which the client may say what it is.
const VERSIONS: VersionRange = VersionRange::new(3, 4);

/// Watches whoever leads, until `stop`.
pub async fn watch_leader(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    if !node.detection.is_fast() || !node.config.roles.controller {
        return;
    }
    let mut active = node.controller.active();
    loop {
        let current = active.borrow_and_update().clone();
        let other = current.id.filter(|id| *id != node.broker_id);
        let leader = other.and_then(|id| Some((id, node.address(&current)?)));
        if let Some((id, _)) = &leader {
            node.detection.follows(*id, current.epoch);
        }
        let watches = async {
            match &leader {
                Some((id, address)) => _ = tokio::join!(ask(&node, *id, address), look(&node)),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            changed = active.wait_for(|now| (now.id, now.epoch) != (current.id, current.epoch)) => {
                if changed.is_err() {
                    return;
                }
            }
            () = watches => {}
        }
    }
}

/// Does not return.
async fn ask(node: &Node, leader: BrokerId, address: &str) {
    let settings = Settings {
        max_response_bytes: MAX_ANSWER_BYTES,
        ..Settings::new(Vec::new(), &format!("controller-{}-watch", node.broker_id))
    };
    loop {
        let Err(error) = ask_by_one_connection(node, leader, address, &settings).await;
        tracing::debug!(%error, leader = leader.0, "the leader of the quorum does not answer; asking again");
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

async fn ask_by_one_connection(
    node: &Node,
    leader: BrokerId,
    address: &str,
    settings: &Settings,
) -> Result<Infallible, ClientError> {
    let asked = (address, ApiKey::ApiVersions, PROBE_TIMEOUT);
    let mut connection = in_time(asked, Connection::open(address, settings)).await?;
    loop {
        // To connect was to ask as well.
        node.detection.leader_answered(leader);
        tokio::time::sleep(ASK_INTERVAL).await;
        let request = ApiVersionsRequest {
            client_software_name: "barnabas".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..ApiVersionsRequest::default()
        };
        in_time(asked, connection.call(&request, VERSIONS)).await?;
    }
}

/// Does not return.
async fn look(node: &Node) {
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        if let Some(silence) = node.detection.look_at_leader() {
            node.controller.leader_silent(silence.leader, silence.epoch).await;
        }
    }
}

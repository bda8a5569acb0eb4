//! What the probes answer: how far the start has come, and that the node is stopping. A node that has just started is ready once it has
//! caught up: a controller with what was committed when it was started, a broker with its leaders. Whoever takes nodes away one at a time
//! goes by that. From then on it stays ready, whatever becomes of its log and its replicas.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use barnabas_metadata::{Image, LaggingReplica, lagging_replicas};

use super::Node;
use crate::admin::Health;
use crate::storage::{LogDirectories, Refusal};

/// 0, where it begins, is reading metadata.
const RECOVERING: u8 = 1;
const SERVING: u8 = 2;
const STOPPING: u8 = 3;

/// The stage of this node.
#[derive(Default)]
pub struct NodeHealth {
    stage: AtomicU8,
    directories: OnceLock<Arc<LogDirectories>>,
    /// The node, where it is a controller that has registered.
    controller: OnceLock<Arc<Node>>,
    /// The node, where it is a broker.
    broker: OnceLock<Arc<Node>>,
    caught_up: AtomicBool,
}

impl NodeHealth {
    /// From here on remarks tell of these directories.
    pub fn watch_directories(&self, directories: Arc<LogDirectories>) {
        _ = self.directories.set(directories);
    }

    /// From here on it is ready only once this controller, which has registered, has caught up.
    pub fn watch_controller(&self, node: Arc<Node>) {
        _ = self.controller.set(node);
    }

    /// From here on it is ready only once this broker has caught up.
    pub fn watch_broker(&self, node: Arc<Node>) {
        _ = self.broker.set(node);
    }

    /// The metadata is read; partitions are being opened.
    pub fn metadata_read(&self) {
        self.stage.store(RECOVERING, Ordering::Release);
    }

    /// Clients are served.
    pub fn serving(&self) {
        self.stage.store(SERVING, Ordering::Release);
    }

    /// Clients are sent away.
    pub fn stopping(&self) {
        self.stage.store(STOPPING, Ordering::Release);
    }

    fn describe(&self) -> Result<(), String> {
        match self.stage.load(Ordering::Acquire) {
            SERVING => Ok(()),
            STOPPING => Err("stopping".to_owned()),
            RECOVERING => Err("starting: opening partitions".to_owned()),
            _ => Err("starting: reading metadata".to_owned()),
        }
    }
}

/// Why a controller that has registered has not caught up since it was started. Its registration was committed behind everything that was
/// committed when it was started: once that is in its own log, it has what the leader had, and its vote counts in the next election.
fn lacks_metadata(image: &Image, node: &Node) -> Result<(), String> {
    let own = image.controllers.get(node.broker_id).filter(|own| own.incarnation_id == node.incarnation_id);
    match own {
        Some(_) => Ok(()),
        None => Err("catching up: this controller lacks metadata that were committed when it was started".to_owned()),
    }
}

/// Why a broker that serves has not caught up since it was started. Partitions that it cannot host (`hosts`) keep it from nothing: time
/// does not mend them.
fn behind(image: &Image, node: &Node) -> Result<(), String> {
    if image.brokers.get(node.broker_id).is_none_or(|registration| registration.fenced) {
        return Err("catching up: fenced by the active controller".to_owned());
    }
    let hosts = |lagging: &LaggingReplica| {
        let hosted = node.replicas.get(lagging.key);
        let directory = hosted.as_deref().and_then(|partition| node.directories.get(partition.directory));
        directory.is_some_and(|directory| !directory.condition.is_offline())
    };
    let mut lagging = lagging_replicas(image, node.broker_id).filter(hosts);
    let Some(first) = lagging.next() else { return Ok(()) };
    Err(format!(
        "catching up: not in sync with {} partitions, {}-{} of broker {} the first of them",
        lagging.count() + 1,
        first.topic,
        first.key.partition,
        first.leader.0
    ))
}

impl Health for NodeHealth {
    fn started(&self) -> Result<(), String> {
        match self.stage.load(Ordering::Acquire) {
            SERVING | STOPPING => Ok(()),
            _ => self.describe(),
        }
    }

    fn ready(&self) -> Result<(), String> {
        self.describe()?;
        if self.caught_up.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(node) = self.controller.get() {
            lacks_metadata(&node.image(), node)?;
        }
        if let Some(node) = self.broker.get() {
            behind(&node.image(), node)?;
        }
        self.caught_up.store(true, Ordering::Release);
        Ok(())
    }

    /// A node with a full or failed disk still serves what it can: it is ready, and says what it cannot.
    fn remarks(&self) -> Vec<String> {
        let Some(directories) = self.directories.get() else { return Vec::new() };
        let refused = directories.all().iter().filter_map(|directory| {
            let refusal = directory.condition.takes_clients().err()?;
            Some(format!("{}: {refusal}", directory.path.display()))
        });
        let not_taken = directories.not_taken().iter().map(|path| format!("{}: {}", path.display(), Refusal::Offline));
        refused.chain(not_taken).collect()
    }

    /// Recovery may take long and a restart would only begin it again; a node whose quorum stops ends by itself.
    fn live(&self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_only_while_it_serves_and_stays_started_while_it_stops() {
        let health = NodeHealth::default();
        assert!(health.started().is_err() && health.ready().is_err() && health.live().is_ok());
        health.metadata_read();
        assert_eq!(health.ready().unwrap_err(), "starting: opening partitions");
        health.serving();
        assert!(health.started().is_ok() && health.ready().is_ok());
        health.stopping();
        assert!(health.started().is_ok() && health.ready().is_err());
    }
}

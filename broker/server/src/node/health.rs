//! What the probes answer: how far the start has come, and that the node is stopping.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::admin::Health;

/// 0, where it begins, is reading metadata.
const RECOVERING: u8 = 1;
const SERVING: u8 = 2;
const STOPPING: u8 = 3;

/// The stage of this node.
#[derive(Debug, Default)]
pub struct NodeHealth {
    stage: AtomicU8,
}

impl NodeHealth {
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

impl Health for NodeHealth {
    fn started(&self) -> Result<(), String> {
        match self.stage.load(Ordering::Acquire) {
            SERVING | STOPPING => Ok(()),
            _ => self.describe(),
        }
    }

    fn ready(&self) -> Result<(), String> {
        self.describe()
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

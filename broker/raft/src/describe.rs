//! The quorum as its leader sees it. Reads only.

use barnabas_types::{BrokerId, Timestamp};

use crate::{Node, Progress, QuorumDescription, ReplicaDescription, ReplicaKey, Role, Voter};

impl Node {
    /// The state of the quorum; None on a node that does not lead it. `wall` is the calendar's time: the leader always has everything.
    #[must_use]
    pub fn describe(&self, wall: Timestamp) -> Option<QuorumDescription> {
        let Role::Leader(leader) = &self.role else { return None };
        let other = |key: ReplicaKey, progress: &Progress| ReplicaDescription {
            key,
            log_end: progress.log_end,
            last_fetch: progress.last_fetch,
            last_caught_up: progress.last_caught_up,
        };
        let voters = self.voters();
        let voter = |voter: &Voter| {
            if voter.key.matches(&self.config.key) {
                let (log_end, now) = (Some(self.log.end()), Some(wall));
                ReplicaDescription { key: voter.key, log_end, last_fetch: now, last_caught_up: now }
            } else {
                other(voter.key, leader.replicas.get(&voter.key).unwrap_or(&Progress::default()))
            }
        };
        let observers = leader.replicas.iter().filter(|(key, _)| !voters.holds(key));
        Some(QuorumDescription {
            leader: self.config.key.id,
            epoch: leader.epoch,
            high_watermark: leader.high_watermark,
            voters: voters.0.iter().map(voter).collect(),
            observers: observers.map(|(key, progress)| other(*key, progress)).collect(),
            nodes: voters.0.iter().map(|voter| -> (BrokerId, _) { (voter.key.id, voter.endpoints.clone()) }).collect(),
        })
    }
}

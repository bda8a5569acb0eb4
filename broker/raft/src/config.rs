//! What does not change while a replica runs. Decides nothing.

use serde::{Deserialize, Serialize};

use crate::{Endpoint, KRaftVersionRange, ReplicaKey, Voter, VoterSet};

/// See the module. Times are Kafka's `controller.quorum.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// This replica.
    pub key: ReplicaKey,
    /// The cluster that it was formatted for.
    pub cluster_id: Box<str>,
    /// False for a node that is only a broker: it never becomes a voter.
    pub is_controller: bool,
    /// The controller listeners as advertised; empty for a node that is only a broker.
    pub endpoints: Vec<Endpoint>,
    /// The listener by which replicas reach each other: the first of `controller.listener.names`.
    pub listener: Box<str>,
    /// The levels of `kraft.version` that this node can run at.
    pub kraft_versions: KRaftVersionRange,
    /// `controller.quorum.voters`: in force while no record names the voters. Directory ids are zero.
    pub configured_voters: VoterSet,
    /// Voters that listen elsewhere than the log says, as somebody knows who repairs a quorum whose names have changed.
    pub moved_voters: Vec<MovedVoter>,
    /// `controller.quorum.bootstrap.servers`: whom to ask while no voter is known.
    pub bootstrap_servers: Vec<(Box<str>, u16)>,
    /// Somebody has said, before this replica started, that the quorum has a leader.
    pub quorum_is_formed: bool,
    /// `controller.quorum.auto.join.enable`.
    pub auto_join: bool,
    /// `controller.quorum.election.timeout.ms`; up to twice as long, at random.
    pub election_timeout_ms: u64,
    /// `controller.quorum.fetch.timeout.ms`.
    pub fetch_timeout_ms: u64,
    /// The most that each follower adds to it, at random in every epoch: those whom the leader answered last at the same moment would
    /// otherwise stand for election at the same moment, and split the votes.
    pub fetch_timeout_spread_ms: u64,
    /// `controller.quorum.election.backoff.max.ms`.
    pub election_backoff_max_ms: u64,
    /// `controller.quorum.request.timeout.ms`.
    pub request_timeout_ms: u64,
    /// `controller.quorum.retry.backoff.ms`.
    pub retry_backoff_ms: u64,
    /// How long a leader may keep a Fetch waiting.
    pub fetch_max_wait_ms: i32,
    /// The most bytes of records to ask for.
    pub fetch_max_bytes: i32,
    /// `controller.quorum.fetch.snapshot.max.bytes`: the most bytes of a snapshot to ask for.
    pub fetch_snapshot_max_bytes: i32,
    /// Where the random timeouts start from. Differs per node and start.
    pub seed: u64,
    /// A bug on purpose.
    #[cfg(feature = "seeded-bugs")]
    #[serde(skip)]
    pub bug: Option<crate::Bug>,
}

/// Where to look for a voter in the place of where the log says it is. Never says who votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedVoter {
    /// Which voter.
    pub key: ReplicaKey,
    /// What the log may say. Whatever else it says is newer, and counts.
    pub from: Vec<Vec<Endpoint>>,
    /// Where it is.
    pub to: Vec<Endpoint>,
}

impl Config {
    /// Kafka's defaults for the replica `key` of the cluster `cluster_id`, a controller that listens on `endpoints`.
    #[must_use]
    pub fn new(key: ReplicaKey, cluster_id: &str, endpoints: Vec<Endpoint>, seed: u64) -> Self {
        Self {
            key,
            cluster_id: cluster_id.into(),
            is_controller: true,
            listener: endpoints.first().map_or_else(|| "CONTROLLER".into(), |endpoint| endpoint.name.clone()),
            endpoints,
            kraft_versions: KRaftVersionRange { min: 0, max: 1 },
            configured_voters: VoterSet::default(),
            moved_voters: Vec::new(),
            bootstrap_servers: Vec::new(),
            quorum_is_formed: false,
            auto_join: false,
            election_timeout_ms: 1000,
            fetch_timeout_ms: 2000,
            fetch_timeout_spread_ms: 200,
            election_backoff_max_ms: 1000,
            request_timeout_ms: 2000,
            retry_backoff_ms: 20,
            fetch_max_wait_ms: 500,
            fetch_max_bytes: 8 * 1024 * 1024,
            fetch_snapshot_max_bytes: 8 * 1024 * 1024,
            seed,
            #[cfg(feature = "seeded-bugs")]
            bug: None,
        }
    }

    /// How long a leader that has nothing new is asked to keep a Fetch waiting: never so long that this replica would give the leader up
    /// meanwhile. Kafka asks for 500 ms, whatever the timeout.
    #[must_use]
    pub fn fetch_wait_ms(&self) -> i32 {
        self.fetch_max_wait_ms.min(i32::try_from(self.fetch_timeout_ms / 2).unwrap_or(i32::MAX))
    }

    /// This replica as a voter.
    #[must_use]
    pub fn voter(&self) -> Voter {
        Voter { key: self.key, endpoints: self.endpoints.clone(), kraft_version: self.kraft_versions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_without_news_answers_before_its_follower_gives_it_up() {
        let key = ReplicaKey { id: barnabas_types::BrokerId(1), directory_id: barnabas_types::Uuid::ZERO };
        let mut config = Config::new(key, "c", Vec::new(), 1);
        assert_eq!(config.fetch_wait_ms(), 500);
        config.fetch_timeout_ms = 300;
        assert_eq!(config.fetch_wait_ms(), 150);
        config.fetch_timeout_ms = u64::MAX;
        assert_eq!(config.fetch_wait_ms(), 500);
    }
}

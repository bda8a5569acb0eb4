//! The quorum as the configuration describes it: this node's part in it, who else is in it, and its times. Opens nothing.

use barnabas_metadata::BrokerEndpoint;
use barnabas_raft::{Config, Endpoint, KRaftVersionRange, ReplicaKey, Voter, VoterSet};
use barnabas_types::{BrokerId, Uuid};

use crate::config::{BrokerConfig, Listener};
use crate::runtime::Runtime;

/// The part of the replica `key` in the quorum of `cluster_id`.
pub fn replica(config: &BrokerConfig, key: ReplicaKey, cluster_id: &str, runtime: &Runtime) -> Config {
    let seed = u64::from_be_bytes(runtime.random_bytes());
    let defaults = Config::new(key, cluster_id, endpoints(config), seed);
    let quorum = &config.quorum;
    let replica = Config {
        is_controller: config.roles.controller,
        listener: config.controller_listener_name.as_deref().map_or(defaults.listener, Into::into),
        bootstrap_servers: config
            .quorum_bootstrap_servers
            .iter()
            .map(|(host, port)| (host.as_str().into(), *port))
            .collect(),
        auto_join: quorum.auto_join,
        election_timeout_ms: quorum.election_timeout_ms,
        fetch_timeout_ms: quorum.fetch_timeout_ms,
        election_backoff_max_ms: quorum.election_backoff_max_ms,
        request_timeout_ms: quorum.request_timeout_ms,
        retry_backoff_ms: quorum.retry_backoff_ms,
        fetch_max_bytes: quorum.fetch_max_bytes,
        fetch_snapshot_max_bytes: quorum.fetch_snapshot_max_bytes,
        ..defaults
    };
    Config { configured_voters: configured_voters(config, &replica), ..replica }
}

/// True where nobody else is named: this node is the cluster.
pub fn is_alone(config: &BrokerConfig) -> bool {
    config.roles.controller && config.quorum_voters.len() <= 1 && config.quorum_bootstrap_servers.len() <= 1
}

/// `controller.quorum.voters`. A node that is told of nobody is the only voter.
fn configured_voters(config: &BrokerConfig, replica: &Config) -> VoterSet {
    if config.quorum_voters.is_empty() && replica.bootstrap_servers.is_empty() {
        return VoterSet(vec![replica.voter()]);
    }
    let voter = |voter: &crate::config::QuorumVoter| Voter {
        key: ReplicaKey { id: BrokerId(voter.id), directory_id: Uuid::ZERO },
        endpoints: vec![Endpoint {
            name: replica.listener.clone(),
            host: voter.host.as_str().into(),
            port: voter.port,
        }],
        kraft_version: KRaftVersionRange { min: 0, max: 0 },
    };
    VoterSet(config.quorum_voters.iter().map(voter).collect())
}

/// Where the other nodes reach this one.
fn endpoints(config: &BrokerConfig) -> Vec<Endpoint> {
    let endpoint = |listener: &Listener| Endpoint {
        name: listener.name.as_str().into(),
        host: listener.host.as_str().into(),
        port: listener.port,
    };
    config.advertised_controller_listeners.iter().map(endpoint).collect()
}

/// The controller's listeners as its registration names them.
pub fn controller_endpoints(config: &BrokerConfig) -> Vec<BrokerEndpoint> {
    let named = endpoints(config).into_iter().zip(&config.advertised_controller_listeners);
    named
        .map(|(endpoint, listener)| BrokerEndpoint {
            name: endpoint.name,
            host: endpoint.host,
            port: endpoint.port,
            security_protocol: listener.protocol.id(),
        })
        .collect()
}

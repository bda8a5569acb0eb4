//! Who leads a partition now, for a client that has asked a broker which does not (KIP-951): the leader, its epoch, and where it listens for
//! that client. Says no more than this node's metadata does, and asks nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use barnabas_metadata::Image;
use barnabas_protocol::ErrorCode;
use barnabas_types::{BrokerId, LeaderEpoch, TopicIdPartition, Uuid};

/// Kafka's code for what a partition's host refuses: what is not here and exists has only moved, and clients look where to.
#[must_use]
pub fn moved_or(image: &Image, key: TopicIdPartition, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION if image.topics.partition(key).is_some() => {
            ErrorCode::NOT_LEADER_OR_FOLLOWER
        }
        code => code,
    }
}

/// Where a leader listens.
pub struct LeaderNode {
    /// The broker.
    pub id: i32,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

/// The leaders that one response names.
pub struct CurrentLeaders<'l> {
    image: Arc<Image>,
    listener: &'l str,
    nodes: BTreeMap<BrokerId, LeaderNode>,
}

impl<'l> CurrentLeaders<'l> {
    /// None yet; as `image` says, for clients of `listener`.
    #[must_use]
    pub const fn new(image: Arc<Image>, listener: &'l str) -> Self {
        Self { image, listener, nodes: BTreeMap::new() }
    }

    /// The id of the topic that a client names.
    #[must_use]
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.image.topics.named(name).map(|topic| topic.id)
    }

    /// The partition's leader and its epoch, -1 for what is not known; where the leader listens is noted.
    pub fn of(&mut self, key: TopicIdPartition) -> (i32, i32) {
        let Some(partition) = self.image.topics.partition(key) else {
            return (BrokerId::NONE.0, LeaderEpoch::NONE.0);
        };
        let (leader, epoch) = (partition.leader, partition.leader_epoch);
        let alive = self.image.brokers.get(leader).filter(|broker| !broker.fenced);
        let endpoint = alive.and_then(|broker| Some((broker.endpoint(self.listener)?, &broker.rack)));
        if let Some((endpoint, rack)) = endpoint {
            self.nodes.entry(leader).or_insert_with(|| LeaderNode {
                id: leader.0,
                host: endpoint.host.to_string(),
                port: i32::from(endpoint.port),
                rack: rack.as_deref().map(str::to_owned),
            });
        }
        (leader.0, epoch.0)
    }

    /// Where those that were named listen, each once.
    pub fn nodes(self) -> impl Iterator<Item = LeaderNode> {
        self.nodes.into_values()
    }
}

#[cfg(test)]
mod tests;

//! The members of the quorum: who they are, how to reach them, what they support. Decides nothing.

use std::fmt;

use barnabas_types::{BrokerId, Uuid};

/// A replica: a node and the directory in which its metadata log lies. A node with a new disk is another replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    /// `node.id`.
    pub id: BrokerId,
    /// `directory.id` of its metadata log directory; zero where it is not known (`kraft.version` 0).
    pub directory_id: Uuid,
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.directory_id)
    }
}

/// A controller listener of a voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: Box<str>,
    /// The host as advertised.
    pub host: Box<str>,
    /// The port as advertised.
    pub port: u16,
}

/// The levels of `kraft.version` that a voter supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KRaftVersionRange {
    /// The lowest.
    pub min: u16,
    /// The highest.
    pub max: u16,
}

/// A member of the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Which replica.
    pub key: ReplicaKey,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub kraft_version: KRaftVersionRange,
}

/// All members, in the order of the record that named them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct VoterSet(pub Vec<Voter>);

impl VoterSet {
    /// The voter with `id`.
    #[must_use]
    pub fn get(&self, id: BrokerId) -> Option<&Voter> {
        self.0.iter().find(|voter| voter.key.id == id)
    }

    /// The replicas, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<ReplicaKey> {
        self.0.iter().map(|voter| voter.key).collect()
    }
}

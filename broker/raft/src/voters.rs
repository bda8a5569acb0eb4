//! The members of the quorum: who they are, how to reach them, what they support. Decides nothing.

use std::fmt;

use barnabas_types::{BrokerId, Uuid};
use serde::{Deserialize, Serialize};

/// A replica: a node and the directory in which its metadata log lies. A node with a new disk is another replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaKey {
    /// `node.id`.
    pub id: BrokerId,
    /// `directory.id` of its metadata log directory; zero where it is not known (`kraft.version` 0).
    pub directory_id: Uuid,
}

impl ReplicaKey {
    /// True when a replica that is known as this key may be `other`: a directory that is not known may be any.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.id == other.id && (self.directory_id == Uuid::ZERO || self.directory_id == other.directory_id)
    }
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.directory_id)
    }
}

/// A controller listener of a voter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The listener's name.
    pub name: Box<str>,
    /// The host as advertised.
    pub host: Box<str>,
    /// The port as advertised.
    pub port: u16,
}

/// The levels of `kraft.version` that a voter supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KRaftVersionRange {
    /// The lowest.
    pub min: u16,
    /// The highest.
    pub max: u16,
}

impl KRaftVersionRange {
    /// True when `version` is in it.
    #[must_use]
    pub const fn holds(&self, version: u16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// A member of the quorum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voter {
    /// Which replica.
    pub key: ReplicaKey,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub kraft_version: KRaftVersionRange,
}

/// All members, in the order of the record that named them.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VoterSet(pub Vec<Voter>);

impl VoterSet {
    /// The voter with `id`.
    #[must_use]
    pub fn get(&self, id: BrokerId) -> Option<&Voter> {
        self.0.iter().find(|voter| voter.key.id == id)
    }

    /// True when `replica` is a member.
    #[must_use]
    pub fn holds(&self, replica: &ReplicaKey) -> bool {
        self.0.iter().any(|voter| voter.key.matches(replica))
    }

    /// True when `replica` is the only member.
    #[must_use]
    pub fn is_only(&self, replica: &ReplicaKey) -> bool {
        self.0.len() == 1 && self.holds(replica)
    }

    /// How many members are more than half of them.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.0.len() / 2 + 1
    }

    /// The replicas, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<ReplicaKey> {
        self.0.iter().map(|voter| voter.key).collect()
    }

    /// Where voter `id` listens; empty when it is not a member.
    #[must_use]
    pub fn endpoints(&self, id: BrokerId) -> &[Endpoint] {
        self.get(id).map_or(&[], |voter| &voter.endpoints)
    }

    /// With one more member; None when its id is taken.
    #[must_use]
    pub fn with(&self, voter: Voter) -> Option<Self> {
        if self.get(voter.key.id).is_some() {
            return None;
        }
        let mut voters = self.0.clone();
        voters.push(voter);
        Some(Self(voters))
    }

    /// Without `replica`; None when it is no member, or the last.
    #[must_use]
    pub fn without(&self, replica: &ReplicaKey) -> Option<Self> {
        if !self.holds(replica) || self.0.len() == 1 {
            return None;
        }
        Some(Self(self.0.iter().filter(|voter| !voter.key.matches(replica)).cloned().collect()))
    }

    /// With what is new about a member; None when it is no member.
    #[must_use]
    pub fn updated(&self, voter: &Voter) -> Option<Self> {
        if !self.holds(&voter.key) {
            return None;
        }
        let replace = |old: &Voter| if old.key.matches(&voter.key) { voter.clone() } else { old.clone() };
        Some(Self(self.0.iter().map(replace).collect()))
    }

    /// True when a majority of one set always meets a majority of the other: they differ by one member at most (KIP-853).
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        // A directory that is not known on either side may be the same.
        let same = |left: &Voter, right: &Voter| left.key.matches(&right.key) || right.key.matches(&left.key);
        let missing =
            |from: &Self, of: &Self| of.0.iter().filter(|voter| !from.0.iter().any(|other| same(voter, other))).count();
        missing(self, other) + missing(other, self) <= 1
    }
}

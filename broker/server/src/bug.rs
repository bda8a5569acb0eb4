//! Bugs put into a node on purpose, so that a simulation can show that it would find them: the server's own, and which of another crate's
//! a node has. In what is released no node has one, and nothing is asked.

#[cfg(feature = "simulated")]
use strum::VariantArray as _;

/// A bug of the server itself: of what drives the pure cores, not of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "simulated", derive(strum::VariantArray))]
pub enum Bug {
    /// A Produce with acks=all is answered once the leader has it.
    AnswersBeforeReplication,
    /// A Produce that waits for replicas survives the loss of the leadership, and is answered for what another leader has put there.
    WaitsOnWhenDeposed,
    /// Consumers read up to the end of the log.
    ServesUncommitted,
    /// What a producer sends again is appended again.
    AppendsRepetitions,
    /// A follower takes what a leader of another epoch has sent.
    FollowsOlderEpochs,
    /// A leader notes its epoch with the first record of it: one that gets none does not know where the epochs before it ended.
    LeaderForgetsItsEpoch,
    /// A sync that began before the log was cut counts for what has come to the same offsets since.
    #[cfg(feature = "simulated")]
    CountsSyncsBeforeCuts,
}

/// A bug of any part of a node.
#[cfg(feature = "simulated")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeded {
    /// Of its replicas.
    Replica(barnabas_replica::Bug),
    /// Of its controller.
    Controller(barnabas_metadata::Bug),
    /// Of the server.
    Server(Bug),
}

#[cfg(feature = "simulated")]
impl Seeded {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let replica = barnabas_replica::Bug::VARIANTS.iter().copied().map(Self::Replica);
        let controller = barnabas_metadata::Bug::VARIANTS.iter().copied().map(Self::Controller);
        replica.chain(controller).chain(Bug::VARIANTS.iter().copied().map(Self::Server))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Replica(bug) => format!("{bug:?}"),
            Self::Controller(bug) => format!("{bug:?}"),
            Self::Server(bug) => format!("{bug:?}"),
        }
    }

    /// The replicas'.
    #[must_use]
    pub const fn of_replica(self) -> Option<barnabas_replica::Bug> {
        if let Self::Replica(bug) = self { Some(bug) } else { None }
    }
}

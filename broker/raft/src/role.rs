//! What a replica currently is. Each role is a type with the state that only it has.

mod candidate;
mod leader;
mod resigned;
mod unattached;

pub use candidate::Candidate;
pub use leader::Leader;
pub use resigned::Resigned;
pub use unattached::Unattached;

use barnabas_types::LeaderEpoch;

/// The roles of a single-voter quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Knows an epoch and no leader.
    Unattached(Unattached),
    /// Asks for votes.
    Candidate(Candidate),
    /// Appends.
    Leader(Leader),
    /// Led, and has given up for good.
    Resigned(Resigned),
}

impl Role {
    /// The epoch the role was taken in.
    #[must_use]
    pub const fn epoch(&self) -> LeaderEpoch {
        match self {
            Self::Unattached(role) => role.epoch,
            Self::Candidate(role) => role.epoch,
            Self::Leader(role) => role.epoch,
            Self::Resigned(role) => role.epoch,
        }
    }
}

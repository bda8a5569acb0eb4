//! What a replica currently is. Each role is a type with the state that only it has.

mod candidate;
mod follower;
mod leader;
mod prospective;
mod resigned;
mod unattached;

pub use candidate::Candidate;
pub use follower::{Download, Follower};
pub use leader::{ChangeKind, Leader, ParkedFetch, Progress, VoterChange};
pub use prospective::Prospective;
pub use resigned::Resigned;
pub use unattached::Unattached;

use std::collections::BTreeMap;

use barnabas_types::{BrokerId, LeaderEpoch};
use serde::{Deserialize, Serialize};

use crate::{ReplicaKey, VoterSet};

/// The roles of the quorum. Voters may take any; observers are unattached or followers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Knows an epoch and no leader.
    Unattached(Unattached),
    /// Fetches from the leader.
    Follower(Follower),
    /// Asks whether it could win.
    Prospective(Prospective),
    /// Asks for votes.
    Candidate(Candidate),
    /// Appends.
    Leader(Leader),
    /// Led, and has given up.
    Resigned(Resigned),
}

impl Role {
    /// The epoch the role was taken in.
    #[must_use]
    pub const fn epoch(&self) -> LeaderEpoch {
        match self {
            Self::Unattached(role) => role.epoch,
            Self::Follower(role) => role.epoch,
            Self::Prospective(role) => role.epoch,
            Self::Candidate(role) => role.epoch,
            Self::Leader(role) => role.epoch,
            Self::Resigned(role) => role.epoch,
        }
    }

    /// In one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unattached(_) => "unattached",
            Self::Follower(_) => "follower",
            Self::Prospective(_) => "prospective",
            Self::Candidate(_) => "candidate",
            Self::Leader(_) => "leader",
            Self::Resigned(_) => "resigned",
        }
    }
}

/// What becomes of a replica's vote in the epoch it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Vote {
    /// It may still be given.
    Free,
    /// It was given, and is given to nobody else.
    Given(ReplicaKey),
    /// It is given to nobody: the epoch has a leader, or may have one that this replica has forgotten.
    Withheld,
}

/// The answers to a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Votes {
    /// By voter; None where no answer has come.
    pub answers: BTreeMap<BrokerId, (ReplicaKey, Option<bool>)>,
}

impl Votes {
    /// Those of `voters`, `own` voting for itself.
    pub(crate) fn new(voters: &VoterSet, own: &ReplicaKey) -> Self {
        let answer = |key: ReplicaKey| (key.id, (key, key.matches(own).then_some(true)));
        Self { answers: voters.keys().into_iter().map(answer).collect() }
    }

    /// Notes an answer. A vote once granted stays, whatever a repeated question is answered.
    pub(crate) fn answered(&mut self, voter: BrokerId, granted: bool) {
        if let Some((_, answer)) = self.answers.get_mut(&voter) {
            *answer = Some(granted || *answer == Some(true));
        }
    }

    fn count(&self, granted: bool) -> usize {
        self.answers.values().filter(|(_, answer)| *answer == Some(granted)).count()
    }

    /// More than half have granted theirs.
    #[must_use]
    pub fn is_won(&self) -> bool {
        self.count(true) > self.answers.len() / 2
    }

    /// So many have refused that more than half can no longer grant theirs.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.answers.len() - self.count(false) <= self.answers.len() / 2
    }

    /// Who has granted its vote.
    #[must_use]
    pub fn granting(&self) -> Vec<ReplicaKey> {
        self.answers.values().filter(|(_, answer)| *answer == Some(true)).map(|&(key, _)| key).collect()
    }

    /// Who has not granted its vote: of a pre-vote, which promises nothing, it may be asked for again.
    pub(crate) fn withheld(&self) -> impl Iterator<Item = ReplicaKey> {
        self.answers.values().filter(|(_, answer)| *answer != Some(true)).map(|&(key, _)| key)
    }

    /// Who has not answered.
    pub(crate) fn open(&self) -> impl Iterator<Item = ReplicaKey> {
        self.answers.values().filter(|(_, answer)| answer.is_none()).map(|&(key, _)| key)
    }
}

//! What a core must offer to be recorded and replayed. Decides nothing about any of them.

use std::fmt::Debug;

use barnabas_types::Now;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Which core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The quorum engine of the metadata log.
    Raft,
    /// The replica of one partition.
    Replica,
    /// One shard of the group coordinator.
    Coordinator,
}

impl Kind {
    /// As files and requests name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raft => "raft",
            Self::Replica => "replica",
            Self::Coordinator => "coordinator",
        }
    }
}

/// What one input came to.
#[derive(Debug, Default)]
pub struct Played {
    /// The effects, a line each.
    pub effects: Vec<String>,
    /// Their digest.
    pub digest: u64,
    /// The invariant that does not hold any more.
    pub broken: Option<String>,
}

/// A core that can be made again.
pub trait Core: Sized {
    /// Which.
    const KIND: Kind;
    /// What it is made of.
    type Start: Clone + Serialize + DeserializeOwned;
    /// What happens to it.
    type Input: Clone + Serialize + DeserializeOwned + Debug;

    /// Makes it.
    fn begin(start: Self::Start) -> Self;

    /// An input as it is told.
    fn tell(input: &Self::Input) -> String {
        format!("{input:?}")
    }

    /// Lets an input happen.
    fn play(&mut self, input: Self::Input, now: Now) -> Played;

    /// How it stands, in a line.
    fn state(&self) -> String;
}

//! The KRaft quorum engine: what a replica of `__cluster_metadata-0` does next, as a pure function of its inputs.
//!
//! A [`Node`] takes an [`Input`] and returns [`Effect`]s, which a driver executes in order. It refuses to touch a file, a
//! socket, a clock or a random number, and it never sees the bytes of a record: a batch is a token and a count.
//!
//! A quorum of one voter is what it runs today. A voter set with others is refused by [`Node::new`] with an error that
//! names them, instead of an election that could never be won.

mod effect;
mod input;
mod log_view;
mod node;
mod on;
mod role;
mod state;
mod validate;
mod voters;

pub use effect::{AppendRefusal, ControlRecord, Effect, HaltReason};
pub use input::Input;
pub use log_view::{LogView, LogViewError, SnapshotId};
pub use node::{Config, Node, StartError};
pub use role::{Candidate, Leader, Resigned, Role, Unattached};
pub use state::ElectionState;
pub use validate::Broken;
pub use voters::{Endpoint, KRaftVersionRange, ReplicaKey, Voter, VoterSet};

#[cfg(test)]
mod testscripts;

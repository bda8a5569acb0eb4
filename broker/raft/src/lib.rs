//! The KRaft quorum engine: what a replica of `__cluster_metadata-0` does next, as a pure function of its inputs.
//!
//! A [`Node`] takes an [`Input`] and the time and returns [`Effect`]s, which a driver executes in order. It refuses to touch a file, a
//! socket, a clock or a random number, and it never sees the bytes of a record: a batch is a token and a count. Elections, replication,
//! snapshots and changes of the voters follow KIP-595, KIP-630, KIP-853, KIP-996 and KIP-1186.

mod bug;
mod change_role;
mod config;
mod control_history;
mod describe;
mod effect;
mod input;
mod log_view;
mod memory;
mod message;
#[cfg(test)]
mod moved_voter_tests;
mod node;
mod on;
mod requests;
mod role;
mod state;
mod timers;
mod validate;
mod voters;

#[cfg(feature = "seeded-bugs")]
pub use bug::Bug;
pub use config::{Config, MovedVoter};
pub use control_history::ControlHistory;
pub use effect::{AppendRefusal, ControlRecord, Destination, Effect, HaltReason};
pub use input::Input;
pub use log_view::{LogView, LogViewError, SnapshotId};
pub use message::{
    AddVoterRequest, BatchSummary, BeginQuorumEpochRequest, EndQuorumEpochRequest, EpochResponse, ErrorCode,
    FetchContent, FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, LeaderHint,
    QuorumDescription, RemoveVoterRequest, ReplicaDescription, Request, RequestFailure, RequestId, Response,
    SnapshotContent, UpdateVoterRequest, VoteRequest, VoteResponse, VoterResponse,
};
pub use node::{Node, Recovered, StartError};
pub use role::{
    Candidate, ChangeKind, Download, Follower, Leader, ParkedFetch, Progress, Prospective, Resigned, Role, Unattached,
    Vote, VoterChange, Votes,
};
pub use state::ElectionState;
pub use validate::Broken;
pub use voters::{Endpoint, KRaftVersionRange, ReplicaKey, Voter, VoterSet};

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod testscripts;

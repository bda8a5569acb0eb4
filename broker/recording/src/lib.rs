//! The flight recorder: the last inputs of a core, from a state that is known, as a file that makes the core again and plays them once more.
//!
//! A core is deterministic. So a recording needs no effects, only a digest of them, and what is replayed is what happened; where it is not, the
//! replay says so. Knows the cores and no clock, thread, socket or file: bytes go out and come in. A [`Ring`] keeps what is recorded beside
//! a core, bounded in inputs and bytes; [`write`] makes the file of it, [`read`] takes it back and trusts nothing in it, [`replay`] plays it.

mod coordinator;
mod core;
mod digest;
mod file;
mod lines;
mod raft;
mod replay;
mod replica;
mod ring;
#[cfg(test)]
mod tests;

pub use coordinator::{Seen, ShardRecorder};
pub use core::{Core, Kind};
pub use digest::digest_of_text;
pub use file::{Damaged, Head, MAX_FILE_BYTES, Recording, read, write};
pub use raft::{LIMITS as RAFT_LIMITS, Raft, RaftRing, weight as raft_weight};
pub use replay::{Replayed, replay};
pub use replica::{MAX_BYTES as REPLICA_MAX_BYTES, ReplicaRecorder};
pub use ring::{Entry, Limits, Ring};

//! Coordinators as pure state machines: a shard takes requests, the time and random bytes, and returns records to append and
//! replies to send. It knows no socket, file, clock or task, and it never decides while it replays.
//!
//! A shard is one partition of `__consumer_offsets`. It keeps one state, which runs ahead of the log: whatever drives it appends
//! the records in order, holds back every reply until the records before it are committed, and throws the shard away and replays
//! the partition when an append fails. That is why nothing here can be undone.

pub mod group;
pub mod offsets;
pub mod record;
mod route;
mod shard;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testscripts;
mod timer;

pub use record::Record;
pub use route::partition_for;
pub use shard::{Effects, Input, Outcome, Replayed, ReplyToken, Shard};
pub use timer::Timers;

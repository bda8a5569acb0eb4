//! One partition's log on disk, in Apache Kafka's formats: segments, indexes, producer state, leader epochs, checkpoints, recovery.
//! Decides nothing about replication and has no thread, no clock and no socket: time is an input, waiting is the caller's.

pub mod checkpoint;
mod files;
pub mod fs;
pub mod identity;
pub mod leader_epochs;
pub mod producer;
mod text;

pub use text::TextFileError;

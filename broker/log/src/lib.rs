//! One partition's log on disk, in Apache Kafka's formats: segments, indexes, producer state, leader epochs, checkpoints, recovery.
//! Decides nothing about replication and has no thread, no clock and no socket: time is an input, waiting is the caller's.
//!
//! A log has two ends that matter: `log_end`, below which everything was handed to the operating system, and `durable_end`,
//! below which everything survives a power cut. What may block for long (finding a read's bytes, syncing) is decided under the
//! caller's lock and run outside it: [`Log::prepare_read`], [`Log::prepare_flush`].

mod aborted;
mod append;
pub mod checkpoint;
mod compact;
mod config;
pub mod empty_logs;
mod error;
mod files;
mod flush;
pub mod fs;
pub mod identity;
pub mod leader_epochs;
mod leftovers;
mod log;
mod markers;
mod old_format;
pub mod producer;
mod read;
mod recover;
mod retention;
mod roll;
mod scrub;
mod segment;
mod text;
mod timestamps;
mod truncate;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use aborted::AbortedTicket;
pub use append::{AppendOrigin, Appended};
pub use compact::{Cleanable, Compacted, CompactionError, CompactionLimits, CompactionTicket, Compactor};
pub use config::LogConfig;
pub use error::{AppendError, ChangeError, OpenError, ReadError};
pub use flush::FlushTicket;
pub use log::Log;
pub use read::{Read, ReadLimits, ReadTicket, Region};
pub use recover::{OpenOptions, Recovery};
pub use retention::{Doomed, Reason};
pub use scrub::ScrubTicket;
pub use segment::AbortedTransaction;
pub use text::TextFileError;
pub use timestamps::{TimestampTicket, TimestampedOffset};

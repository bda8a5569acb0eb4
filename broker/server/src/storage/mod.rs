//! The disks of this broker: log directories, their checkpoints, grouped syncs, retention, scrub. Knows no request.

pub mod checkpoints;
pub mod compaction;
mod condition;
mod dirs;
mod flusher;
mod hosting;
mod kept_epoch;
mod names;
mod pace;
mod progress;
pub mod retention;
mod scrub;
pub mod space;
mod take;
mod unnamed;
mod upkeep;
pub mod watchdog;
pub mod writes;

pub use condition::{Condition, Refusal};
pub use dirs::{DoomedDirectory, LogDirectories, LogDirectory, OpenPartitionError, OpenedPartition};
pub use flusher::{Flusher, SyncAsked, UNHURRIED_MS};
pub use hosting::{Coming, HostError, Hosting};
pub use progress::OpeningProgress;
pub use scrub::Scrub;
pub use take::{DirectoryError, format, lock};
pub use unnamed::UnnamedDirectories;
pub use upkeep::Upkeep;

#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod tests;

//! The disks of this broker: log directories, their checkpoints, grouped syncs, retention. Knows no request.

pub mod checkpoints;
mod dirs;
mod flusher;
mod hosting;
mod names;
mod pace;
pub mod retention;
mod upkeep;

pub use dirs::{
    DirectoryError, DoomedDirectory, LogDirectories, LogDirectory, OpenPartitionError, OpenedPartition, format,
};
pub use flusher::{Flusher, SyncAsked};
pub use hosting::{HostError, Hosting};
pub use upkeep::Upkeep;

#[cfg(test)]
mod tests;

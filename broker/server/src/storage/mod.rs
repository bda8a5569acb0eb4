//! The disks of this broker: log directories, their checkpoints, grouped syncs, retention. Knows no request.

mod flusher;

pub use flusher::Flusher;

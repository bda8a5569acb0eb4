//! The quorum replica of this node: the engine's driver and the metadata log on disk.

mod batch;
mod check;
mod control;
mod driver;
mod format;
mod quorum_state;
mod recorder;
mod remote;
pub mod rpc;
#[cfg(test)]
mod snapshot_tests;
mod snapshots;
mod store;
#[cfg(test)]
mod tests;

pub use batch::EncodeBatchError;
pub use check::{UnservedMetadata, check};
pub use driver::{AppendRecordsError, QuorumDriver, QuorumError, QuorumSettings};
pub use format::{FormatError, format, format_voters, is_formatted, read_bootstrap};
pub use remote::{Answer, Outgoing};
pub use snapshots::{Frame, ReadSnapshotError, WriteSnapshotError, write as write_snapshot};
pub use store::{LoadError, METADATA_LOG};

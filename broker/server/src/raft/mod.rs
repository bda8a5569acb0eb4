//! The quorum replica of this node: the engine's driver and the metadata log on disk.

mod batch;
mod check;
mod control;
mod driver;
mod format;
mod inquiry;
mod moved_voters;
mod peers;
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
pub use check::{UnservedMetadata, check, voter_sets};
pub use driver::{AppendRecordsError, QuorumDriver, QuorumError, QuorumSettings};
pub use format::{
    FormatError, format, format_voters, has_bootstrap, holds_more_than_format, is_formatted, read_bootstrap,
    read_first_snapshot, write_bootstrap, write_first_snapshot,
};
pub use inquiry::{InquiryError, inquire, is_new};
pub use moved_voters::{MOVED_VOTERS, MovedVotersError, read as read_moved_voters, write as write_moved_voters};
pub use peers::Peers;
pub use remote::{Answer, Outgoing};
pub use snapshots::{Frame, ReadSnapshotError, WriteSnapshotError, write as write_snapshot};
pub use store::{LoadError, METADATA_LOG};

//! Records of `__share_group_state` (KIP-932). A key begins with the record type, a value with its version.

use super::keyed::keyed_records;

pub mod share_snapshot;
pub mod share_update;

pub use share_snapshot::{ShareSnapshotKey, ShareSnapshotValue};
pub use share_update::{ShareUpdateKey, ShareUpdateValue};

crate::every_share_record! {
    keyed_records
    /// A record of `__share_group_state`. Without a value the share partition has no state any more.
    ShareRecord, "share record type";
}

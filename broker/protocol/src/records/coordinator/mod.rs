//! Records of `__consumer_offsets` for offsets and classic groups. A key begins with the record type, a value with its version.

use super::keyed::keyed_records;

pub mod group_metadata;
pub mod legacy_offset_commit;
pub mod offset_commit;

pub use group_metadata::{GroupMetadataKey, GroupMetadataValue};
pub use legacy_offset_commit::{LegacyOffsetCommitKey, LegacyOffsetCommitValue};
pub use offset_commit::{OffsetCommitKey, OffsetCommitValue};

crate::every_group_record! {
    keyed_records
    /// A record of `__consumer_offsets`. Without a value it takes away what the key names.
    GroupRecord, "group record type";
}

//! Records of `__remote_log_metadata`, which says what is in remote storage (KIP-405). In the log each has a frame before it.

use super::framed::framed_records;

pub mod remote_log_segment_metadata;
pub mod remote_log_segment_metadata_snapshot;
pub mod remote_log_segment_metadata_update;
pub mod remote_partition_delete_metadata;

pub use remote_log_segment_metadata::RemoteLogSegmentMetadataRecord;
pub use remote_log_segment_metadata_snapshot::RemoteLogSegmentMetadataSnapshotRecord;
pub use remote_log_segment_metadata_update::RemoteLogSegmentMetadataUpdateRecord;
pub use remote_partition_delete_metadata::RemotePartitionDeleteMetadataRecord;

crate::every_remote_log_record! {
    framed_records
    /// A record of `__remote_log_metadata`.
    RemoteLogRecord, "remote log frame version", "remote log record type";
}

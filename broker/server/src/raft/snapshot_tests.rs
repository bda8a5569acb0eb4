//! A snapshot file with every kind of record. With `BARNABAS_KEEP_SNAPSHOTS` it is kept in that directory, for Apache Kafka's tools to read.

use std::path::PathBuf;

use barnabas_log::fs::RealFs;
use barnabas_metadata::testing::every_kind;
use barnabas_metadata::{Image, MAX_METADATA_VERSION, snapshot};
use barnabas_raft::SnapshotId;
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use super::batch::Content;
use super::snapshots::{self, Frame, ReadSnapshotError};

#[test]
fn every_kind_of_record_survives_a_snapshot_file() {
    let mut image = Image::default();
    for record in every_kind() {
        image.replay(&record).unwrap();
    }
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("BARNABAS_KEEP_SNAPSHOTS").map(PathBuf::from);
    let directory = kept.unwrap_or_else(|| temporary.path().to_path_buf());
    std::fs::create_dir_all(&directory).unwrap();
    let path = snapshots::path(&directory, SnapshotId { end_offset: Offset(100), epoch: LeaderEpoch(1) });
    let frame = Frame {
        epoch: LeaderEpoch(1),
        now: Timestamp(1_700_000_000_000),
        last_contained_log_timestamp: Timestamp(1_700_000_000_000),
        control: Vec::new(),
        metadata_version: MAX_METADATA_VERSION,
    };
    snapshots::write(&RealFs, &path, &frame, snapshot::records(&image)).unwrap();
    let mut read = Image::default();
    let visited = snapshots::read::<ReadSnapshotError>(&RealFs, &path, &mut |entry| {
        if let Content::Metadata(record) = entry.content {
            read.replay(&record).unwrap();
        }
        Ok(())
    });
    visited.unwrap();
    assert_eq!((&read, read.hash()), (&image, image.hash()));
}

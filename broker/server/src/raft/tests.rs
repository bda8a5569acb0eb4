//! The quorum replica on a real directory: formatted, started, stopped, killed, snapshotted.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::{Disk, Fault, FaultyFs, Fs, Operation, RealFs};
use barnabas_metadata::{ConfigResource, Image, first_batch, snapshot};
use barnabas_protocol::records::metadata::{ConfigRecord, MetadataRecord};
use barnabas_raft::{Config, Endpoint, ReplicaKey, SnapshotId, VoterSet};
use barnabas_records::control::ControlRecord;
use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp, Uuid};

use super::snapshots::{self, ReadSnapshotError};
use super::*;
use crate::config::{Layers, Rules, Settings};

mod quorum;
mod recordings;

const WALL: Timestamp = Timestamp(1_700_000_000_000);
const NOW: Now = Now { monotonic: Duration::from_secs(7), wall: WALL };

/// A metadata log directory and what it takes to start on it.
struct QuorumContext {
    directory: tempfile::TempDir,
    disk: Arc<Disk>,
}

impl QuorumContext {
    fn formatted() -> Self {
        Self::formatted_on(Arc::new(RealFs))
    }

    fn formatted_on(fs: Arc<dyn Fs>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::new(fs, 16));
        let settings = settings(directory.path(), 9093);
        let Config { key, endpoints, .. } = settings.replica;
        format(disk.fs(), directory.path(), key, endpoints, WALL).unwrap();
        Self { directory, disk }
    }

    fn start_on_port(&self, port: u16) -> (QuorumDriver, Image) {
        start(&self.disk, &settings(self.directory.path(), port)).unwrap()
    }

    fn start(&self) -> (QuorumDriver, Image) {
        self.start_on_port(9093)
    }

    fn log(&self) -> std::path::PathBuf {
        self.directory.path().join(METADATA_LOG)
    }
}

/// Starts the only voter, and returns it leading with the metadata of all that it has on disk.
fn start(disk: &Arc<Disk>, settings: &QuorumSettings) -> Result<(QuorumDriver, Image), QuorumError> {
    let (mut driver, mut history) = QuorumDriver::open(disk, settings, NOW)?;
    driver.begin(NOW)?;
    let end = driver.sync(NOW)?;
    driver.take_outgoing();
    driver.replay(driver.node().log().snapshot().end_offset, end, &mut history)?;
    let image = history.visible().clone();
    Ok((driver, image))
}

fn settings(directory: &Path, port: u16) -> QuorumSettings {
    let key = ReplicaKey { id: BrokerId(1), directory_id: Uuid::from_u128(7 << 100) };
    let endpoints = vec![Endpoint { name: "CONTROLLER".into(), host: "localhost".into(), port }];
    let alone = Config::new(key, "cluster", endpoints, 0);
    QuorumSettings {
        metadata_log_dir: directory.to_path_buf(),
        replica: Config { configured_voters: VoterSet(vec![alone.voter()]), ..alone },
        segment_bytes: 1 << 30,
        recordings_dir: directory.to_path_buf(),
    }
}

fn config(key: &str, value: &str) -> MetadataRecord<'static> {
    MetadataRecord::Config(ConfigRecord {
        resource_type: 4,
        resource_name: Cow::Borrowed(""),
        name: Cow::Owned(key.to_owned()),
        value: Some(Cow::Owned(value.to_owned())),
        ..ConfigRecord::default()
    })
}

/// Writes what is committed as the controller does.
fn take_snapshot(driver: &mut QuorumDriver, image: &Image) -> SnapshotId {
    let (id, path, frame) = driver.begin_snapshot(30, NOW).unwrap().unwrap();
    write_snapshot(driver.disk().fs(), &path, &frame, snapshot::records(image)).unwrap();
    driver.snapshot_written(id, NOW).unwrap();
    id
}

fn replayed(image: &Image, records: &[MetadataRecord<'_>]) -> Image {
    let mut image = image.clone();
    for record in records {
        image.replay(record).unwrap();
    }
    image
}

#[test]
fn a_formatted_directory_is_led_at_once_and_found_again_after_a_stop() {
    let context = QuorumContext::formatted();
    let (mut driver, image) = context.start();
    assert_eq!((driver.lead(), driver.high_watermark()), (Some(LeaderEpoch(1)), Offset(3)));
    assert_eq!(image, Image::default());
    let bootstrap = read_bootstrap(context.disk.fs(), context.directory.path()).unwrap();
    let (nothing, defaults) = (Image::default(), Settings::default());
    let rules = Rules { layers: Layers::of(&nothing, BrokerId(1), &defaults) };
    let records = first_batch(bootstrap, &rules);
    assert_eq!(driver.append(&records, 30, NOW).unwrap(), Offset(8));
    assert_eq!(driver.high_watermark(), Offset(3), "nothing is committed before it is synced");
    assert_eq!(driver.sync(NOW).unwrap(), Offset(8));
    driver.stop(NOW).unwrap();
    let (driver, image) = context.start();
    assert_eq!(image.features.metadata_version(), 30);
    assert_eq!(driver.lead(), Some(LeaderEpoch(2)));
    assert_eq!(image.configs.value(&ConfigResource::broker(""), "min.insync.replicas"), Some("1"));
    assert_eq!(driver.high_watermark(), Offset(9), "a second epoch begins with LeaderChange alone");
}

#[test]
fn a_killed_replica_keeps_what_was_synced_and_a_torn_tail_is_cut() {
    let context = QuorumContext::formatted();
    let (mut driver, _) = context.start();
    driver.append(&[config("a", "1")], 30, NOW).unwrap();
    driver.sync(NOW).unwrap();
    drop(driver);
    let path = context.log().join("00000000000000000000.log");
    let whole = std::fs::read(&path).unwrap();
    let torn = [whole.as_slice(), &whole[..whole.len() / 2]].concat();
    std::fs::write(&path, torn).unwrap();
    let (driver, image) = context.start();
    assert_eq!(image, replayed(&Image::default(), &[config("a", "1")]));
    assert_eq!(driver.high_watermark(), Offset(5));
}

#[test]
fn another_address_is_written_to_the_log() {
    let context = QuorumContext::formatted();
    context.start().0.stop(NOW).unwrap();
    let (driver, _) = context.start_on_port(9999);
    assert_eq!(driver.high_watermark(), Offset(6), "LeaderChange, KRaftVersion and Voters");
    driver.stop(NOW).unwrap();
    assert_eq!(context.start_on_port(9999).0.high_watermark(), Offset(7));
}

#[test]
fn a_snapshot_replaces_the_log_before_it_and_is_enough_to_start_from() {
    let context = QuorumContext::formatted();
    let (mut driver, mut image) = context.start();
    for round in 0..3 {
        let records: Vec<_> = (0..3000).map(|key| config(&format!("key-{key}"), &format!("{round}"))).collect();
        driver.append(&records, 30, NOW).unwrap();
        driver.sync(NOW).unwrap();
        image = replayed(&image, &records);
        let id = take_snapshot(&mut driver, &image);
        assert_eq!(id.end_offset, driver.high_watermark());
        assert_eq!(driver.bytes_since_snapshot(), 0);
        assert!(driver.begin_snapshot(30, NOW).unwrap().is_none(), "there is nothing new to hold");
    }
    driver.append(&[config("after", "1")], 30, NOW).unwrap();
    driver.sync(NOW).unwrap();
    image = replayed(&image, &[config("after", "1")]);
    drop(driver);
    let mut files: Vec<_> = std::fs::read_dir(context.log())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.retain(|name| name.ends_with(".log") || name.ends_with(".checkpoint"));
    files.sort();
    // The newest, and the one before it with the records in between: for replicas that are a little behind.
    let kept = ["00000000000000006003-0000000001.checkpoint", "00000000000000006003.log"];
    assert_eq!(files, [kept, ["00000000000000009003-0000000001.checkpoint", "00000000000000009003.log"]].concat());
    let (mut driver, again) = context.start();
    assert_eq!(again, image);
    assert_eq!(driver.lead(), Some(LeaderEpoch(2)));
    assert_eq!(driver.high_watermark(), Offset(9005));
    driver.append(&[config("after", "2")], 30, NOW).unwrap();
    driver.sync(NOW).unwrap();
}

#[test]
fn a_snapshot_that_is_cut_anywhere_is_refused() {
    let context = QuorumContext::formatted();
    let (mut driver, image) = context.start();
    driver.append(&[config("a", "1")], 30, NOW).unwrap();
    driver.sync(NOW).unwrap();
    let image = replayed(&image, &[config("a", "1")]);
    let id = take_snapshot(&mut driver, &image);
    drop(driver);
    let path = snapshots::path(&context.log(), id);
    let whole = std::fs::read(&path).unwrap();
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        let read = snapshots::read::<ReadSnapshotError>(&RealFs, &path, &mut |_| Ok(()));
        assert!(read.is_err(), "cut at {end} of {}", whole.len());
    }
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let mut same = Vec::new();
        let read = snapshots::read::<ReadSnapshotError>(&RealFs, &path, &mut |entry| {
            if let super::batch::Content::Metadata(MetadataRecord::Config(record)) = entry.content {
                same.push((record.name.into_owned(), record.value.map(Cow::into_owned)));
            }
            Ok(())
        });
        // Offset and epoch lie outside the checksum; a flip there leaves the records as they are.
        assert!(read.is_err() || same == [("a".to_owned(), Some("1".to_owned()))], "flipped at {position}");
    }
}

#[test]
fn an_unfinished_snapshot_is_removed_and_the_one_before_it_used() {
    let context = QuorumContext::formatted();
    let unfinished = context.log().join("00000000000000000010-0000000001.checkpoint.part");
    std::fs::write(&unfinished, b"half").unwrap();
    let (driver, _) = context.start();
    assert_eq!(driver.high_watermark(), Offset(3));
    assert!(!unfinished.exists());
}

#[test]
fn formatting_twice_is_refused() {
    let context = QuorumContext::formatted();
    let settings = settings(context.directory.path(), 9093);
    assert!(is_formatted(&RealFs, context.directory.path()).unwrap());
    let Config { key, endpoints, .. } = settings.replica;
    let again = format(&RealFs, context.directory.path(), key, endpoints, WALL);
    assert!(matches!(again, Err(FormatError::Formatted { .. })));
}

#[test]
fn a_failed_sync_ends_the_replica_for_good() {
    let fs = Arc::new(FaultyFs::default());
    let context = QuorumContext::formatted_on(fs.clone());
    let (mut driver, _) = context.start();
    driver.append(&[config("a", "1")], 30, NOW).unwrap();
    fs.inject(Fault::always(Operation::Sync, "", 5));
    assert!(matches!(driver.sync(NOW), Err(QuorumError::Io(_))));
    fs.heal();
    assert_eq!(driver.lead(), None);
    let after = driver.append(&[config("b", "1")], 30, NOW);
    assert!(matches!(after, Err(AppendRecordsError::Refused(_))), "{after:?}");
}

#[test]
fn a_replica_whose_only_voter_was_its_own_lost_disk_is_refused() {
    let context = QuorumContext::formatted();
    let mut other = settings(context.directory.path(), 9093);
    other.replica.key.directory_id = Uuid::from_u128(8 << 100);
    let refused = start(&context.disk, &other).err().unwrap();
    assert!(matches!(refused, QuorumError::Alone { .. }), "{refused}");
}

#[test]
fn a_leader_change_is_written_in_the_only_version_that_kafka_reads() {
    let context = QuorumContext::formatted();
    drop(context.start());
    let bytes = std::fs::read(context.log().join("00000000000000000000.log")).unwrap();
    let batch = barnabas_records::BatchView::parse(&bytes).unwrap();
    let mut records = Vec::new();
    super::batch::for_each::<super::batch::DecodeBatchError>(&batch, &mut |entry| {
        if let super::batch::Content::Control(record) = entry.content {
            records.push(record);
        }
        Ok(())
    })
    .unwrap();
    let ControlRecord::LeaderChange(change) = &records[0] else { panic!("{records:?}") };
    assert_eq!((change.version, change.leader_id), (0, BrokerId(1)));
    assert!(matches!(&records[1..], [ControlRecord::KRaftVersion { kraft_version: 1 }, ControlRecord::Voters(_)]));
}

#[test]
fn a_record_of_a_feature_that_is_not_served_stops_the_start_and_stays() {
    let context = QuorumContext::formatted();
    let (driver, _) = context.start();
    driver.stop(NOW).unwrap();
    // An access control entry (type 18), as Apache Kafka would have left it.
    let mut builder = barnabas_records::BatchBuilder::new(Offset(3), barnabas_records::Compression::None)
        .leader_epoch(LeaderEpoch(1));
    builder.append(WALL, None, Some(&[1, 18, 0, 0]), &[]).unwrap();
    let path = context.log().join("00000000000000000000.log");
    let with_acl = [std::fs::read(&path).unwrap(), builder.build().unwrap()].concat();
    std::fs::write(&path, &with_acl).unwrap();
    let settings = settings(context.directory.path(), 9093);
    let refused = start(&context.disk, &settings).err().unwrap().to_string();
    assert!(refused.contains("the record at offset 3 cannot be read"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), with_acl);
}

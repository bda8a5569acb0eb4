//! Log directories with real files: taken, filled, closed, killed and taken again.

mod compaction;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::{Disk, RealFs};
use barnabas_log::{LogConfig, identity};
use barnabas_protocol::ErrorCode;
use barnabas_records::{BatchBuilder, Compression};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Timestamp, TopicIdPartition, TopicPartition, Uuid};
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::replica::{Acks, Durability, Partition, PartitionConfig};
use crate::runtime::Runtime;

const NODE: BrokerId = BrokerId(1);
const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

/// A broker's storage in temporary directories.
struct StorageContext {
    root: TempDir,
    paths: Vec<PathBuf>,
}

/// One run of it, from taking the directories to stopping or being killed.
struct Run {
    hosting: Hosting,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl StorageContext {
    fn new(directories: usize) -> Self {
        let root = TempDir::new().unwrap();
        let paths: Vec<PathBuf> = (0..directories).map(|number| root.path().join(number.to_string())).collect();
        for (number, path) in paths.iter().enumerate() {
            format(&disk(), path, CLUSTER, Some(NODE), Uuid::from_u128(number as u128 + 1)).unwrap();
        }
        Self { root, paths }
    }

    fn open(&self) -> Result<LogDirectories, DirectoryError> {
        LogDirectories::open(Arc::new(disk()), &self.paths, NODE, || Uuid::from_u128(99))
    }

    fn start(&self) -> Run {
        let directories = Arc::new(self.open().unwrap());
        let threads = directories.all().iter().map(|directory| {
            let flusher = Arc::clone(&directory.flusher);
            std::thread::spawn(move || {
                let began = std::time::Instant::now();
                flusher.run(|| began.elapsed());
            })
        });
        let threads = threads.collect();
        let (replicas, progress) = (Arc::default(), Arc::default());
        Run { hosting: Hosting { runtime: Runtime::current(), directories, replicas, progress }, threads }
    }
}

impl Run {
    async fn host(&self, topic: &str, number: i32, topic_id: u128, config: PartitionConfig) -> Arc<Partition> {
        let key = TopicIdPartition { topic_id: Uuid::from_u128(topic_id), partition: number };
        let partition = self.hosting.host(key, TopicPartition::new(topic, number), coming(true), config).unwrap();
        self.hosting.sync(&[Arc::clone(&partition)]);
        partition.lead(LeaderEpoch(0));
        partition
    }

    /// Stops cleanly or, without closing anything, as a killed process does.
    fn stop(self, clean: bool) {
        let directories = &self.hosting.directories;
        directories.all().iter().for_each(|directory| directory.flusher.stop());
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        if clean {
            checkpoints::close(directories, &self.hosting.replicas.all(), 77, || Duration::ZERO).unwrap();
        }
    }
}

/// How a partition comes whose log lies anywhere.
pub(super) fn coming(is_new: bool) -> Coming {
    Coming { preferred: None, is_new, leader_epoch: LeaderEpoch::NONE }
}

fn disk() -> Disk {
    Disk::new(Arc::new(RealFs), 16)
}

fn config(log: LogConfig) -> PartitionConfig {
    PartitionConfig { log: Arc::new(log), file_delete_delay_ms: 0, ..PartitionConfig::default() }
}

async fn produce(partition: &Arc<Partition>, timestamp: i64, count: usize) -> Offset {
    let mut end = Offset(0);
    for _ in 0..count {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        builder.append(Timestamp(timestamp), None, Some(&[7; 100]), &[]).unwrap();
        end = partition.append(&builder.build().unwrap(), Acks::AllInSync, Timestamp(timestamp)).unwrap().end_offset;
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    Arc::clone(partition).replicated(end, partition.led_since(), deadline).await.unwrap();
    end
}

#[tokio::test]
async fn a_directory_serves_one_process_at_a_time() {
    let context = StorageContext::new(2);
    let taken = context.open().unwrap();
    assert!(matches!(context.open(), Err(DirectoryError::InUse { .. })));
    assert_eq!((taken.cluster_id(), taken.all().len()), (CLUSTER, 2));
    drop(taken);
    context.open().unwrap();
}

#[test]
fn directories_of_others_are_refused() {
    let context = StorageContext::new(1);
    let open = |paths: &[PathBuf], node| LogDirectories::open(Arc::new(disk()), paths, node, || Uuid::ZERO);
    assert!(matches!(open(&context.paths, BrokerId(2)), Err(DirectoryError::Foreign { .. })));
    assert!(matches!(open(&[], NODE), Err(DirectoryError::None)));
    let bare = context.root.path().join("bare");
    std::fs::create_dir(&bare).unwrap();
    assert!(matches!(open(&[bare], NODE), Err(DirectoryError::NotFormatted { .. })));
    let other = context.root.path().join("other");
    format(&disk(), &other, "another-cluster", Some(NODE), Uuid::from_u128(50)).unwrap();
    let both = [context.paths[0].clone(), other];
    assert!(matches!(open(&both, NODE), Err(DirectoryError::Foreign { .. })));
    let copy = context.root.path().join("copy");
    format(&disk(), &copy, CLUSTER, Some(NODE), Uuid::from_u128(1)).unwrap();
    let both = [context.paths[0].clone(), copy];
    assert!(matches!(open(&both, NODE), Err(DirectoryError::SameId { .. })));
}

#[test]
fn formatting_again_changes_nothing_and_a_directory_without_ids_gets_them() {
    let context = StorageContext::new(1);
    format(&disk(), &context.paths[0], "another", Some(BrokerId(9)), Uuid::from_u128(9)).unwrap();
    assert_eq!(context.open().unwrap().all()[0].id, Uuid::from_u128(1));
    std::fs::write(context.paths[0].join("meta.properties"), "version=1\nnode.id=1\ncluster.id=c\n").unwrap();
    assert_eq!(context.open().unwrap().all()[0].id, Uuid::from_u128(99));
    assert_eq!(context.open().unwrap().all()[0].id, Uuid::from_u128(99));
    let unnamed = context.root.path().join("unnamed");
    format(&disk(), &unnamed, CLUSTER, None, Uuid::from_u128(7)).unwrap();
    let open = |node| LogDirectories::open(Arc::new(disk()), std::slice::from_ref(&unnamed), node, || Uuid::ZERO);
    assert_eq!(open(NODE).unwrap().all()[0].id, Uuid::from_u128(7));
    assert!(matches!(open(BrokerId(2)), Err(DirectoryError::Foreign { .. })), "it is node {NODE}'s from then on");
}

#[tokio::test]
async fn everything_is_there_after_a_clean_stop_and_after_a_kill() {
    let context = StorageContext::new(2);
    let mut end = 0;
    for (round, clean) in [true, false, true, true, false, false].into_iter().enumerate() {
        let run = context.start();
        let partition = run.host("orders", 3, 5, config(LogConfig::default())).await;
        assert_eq!(partition.marks().log_end, Offset(end), "round {round}");
        assert_eq!(partition.marks().high_watermark, Offset(end));
        end = produce(&partition, 1000, 20).await.0;
        run.stop(clean);
        let marked = context.paths.iter().all(|path| path.join(".kafka_cleanshutdown").exists());
        assert_eq!(marked, clean);
    }
}

/// The only file of the empty log of partition 3 of `orders`.
fn empty_segment(context: &StorageContext) -> PathBuf {
    context.paths[0].join("orders-3").join("00000000000000000000.log")
}

#[tokio::test]
async fn a_log_to_which_nothing_was_ever_written_opens_after_a_clean_stop_without_a_look_at_its_files() {
    let context = StorageContext::new(1);
    let run = context.start();
    run.host("orders", 3, 5, config(LogConfig::default())).await;
    run.stop(true);
    // Its directory does not change with it, so that nobody sees it.
    std::fs::write(empty_segment(&context), [7; 100]).unwrap();
    let run = context.start();
    assert_eq!(run.hosting.directories.all()[0].empty_logs().len(), 1);
    run.host("orders", 3, 5, config(LogConfig::default())).await;
    assert!(run.hosting.directories.all()[0].empty_logs().is_empty());
    assert_eq!(std::fs::metadata(empty_segment(&context)).unwrap().len(), 100);
    run.stop(false);
    // After a kill everything is looked at.
    let run = context.start();
    run.host("orders", 3, 5, config(LogConfig::default())).await;
    assert_eq!(std::fs::metadata(empty_segment(&context)).unwrap().len(), 0);
    run.stop(true);
}

#[tokio::test]
async fn an_empty_log_takes_records_after_a_clean_stop_and_is_not_taken_for_empty_again() {
    let context = StorageContext::new(1);
    let run = context.start();
    run.host("orders", 3, 5, config(LogConfig::default())).await;
    run.stop(true);
    // A power cut may take the name of a file that was never synced, and the time of its directory with it.
    let directory = std::fs::File::open(context.paths[0].join("orders-3")).unwrap();
    let modified = directory.metadata().unwrap().modified().unwrap();
    std::fs::remove_file(empty_segment(&context)).unwrap();
    directory.set_modified(modified).unwrap();
    for (clean, listed, end) in [(true, 1, 20), (false, 0, 40), (true, 0, 60)] {
        let run = context.start();
        assert_eq!(run.hosting.directories.all()[0].empty_logs().len(), listed);
        let partition = run.host("orders", 3, 5, config(LogConfig::default())).await;
        assert_eq!(produce(&partition, 1000, 20).await, Offset(end));
        run.stop(clean);
    }
}

#[tokio::test]
async fn the_epoch_of_a_clean_stop_is_known_once() {
    let context = StorageContext::new(2);
    context.start().stop(true);
    assert_eq!(context.open().unwrap().clean_broker_epoch(), Some(77));
    assert_eq!(context.open().unwrap().clean_broker_epoch(), None);
}

#[tokio::test]
async fn new_partitions_are_spread_over_the_directories_and_found_where_they_are() {
    let context = StorageContext::new(3);
    let run = context.start();
    let mut found = Vec::new();
    for number in 0..9 {
        found.push(run.host("t", number, 5, config(LogConfig::default())).await.directory);
    }
    for directory in run.hosting.directories.all() {
        assert_eq!(found.iter().filter(|id| **id == directory.id).count(), 3);
    }
    run.stop(false);
    let run = context.start();
    for number in (0..9).rev() {
        let partition = run.host("t", number, 5, config(LogConfig::default())).await;
        assert_eq!(partition.directory, found[usize::try_from(number).unwrap()]);
    }
    run.stop(true);
}

#[tokio::test]
async fn a_deleted_partition_is_gone_and_one_made_again_under_its_name_is_empty() {
    let context = StorageContext::new(1);
    let run = context.start();
    let partition = run.host("t", 0, 5, config(LogConfig::default())).await;
    produce(&partition, 1000, 5).await;
    checkpoints::write(&run.hosting.directories, &run.hosting.replicas.all()).unwrap();
    run.hosting.delete(partition.key).await.unwrap();
    assert!(run.hosting.replicas.get(partition.key).is_none());
    let again = run.host("t", 0, 6, config(LogConfig::default())).await;
    assert_eq!(again.marks().log_end, Offset(0));
    run.stop(false);
    // Whatever of the deletion a crash had left behind goes at the next start.
    let run = context.start();
    let again = run.host("t", 0, 6, config(LogConfig::default())).await;
    assert_eq!(again.marks().log_end, Offset(0));
    for doomed in run.hosting.directories.leftovers() {
        doomed.remove().unwrap();
    }
    let names: Vec<String> = list(&context.paths[0]);
    assert!(!names.iter().any(|name| name.ends_with("-delete")), "{names:?}");
    run.stop(true);
}

fn list(path: &std::path::Path) -> Vec<String> {
    std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_directory_of_a_topic_since_deleted_is_set_aside_and_never_served() {
    let context = StorageContext::new(1);
    let run = context.start();
    let partition = run.host("t", 0, 5, config(LogConfig::default())).await;
    produce(&partition, 1000, 5).await;
    run.host("other", 0, 9, config(LogConfig::default())).await;
    run.stop(true);
    let run = context.start();
    let partition = run.host("t", 0, 6, config(LogConfig::default())).await;
    assert_eq!(partition.marks().log_end, Offset(0));
    let strays = run.hosting.directories.set_strays_aside(&HashSet::new(), |name, _| &*name.topic == "t").unwrap();
    assert_eq!(strays.len(), 1);
    let names = list(&context.paths[0]);
    assert_eq!(names.iter().filter(|name| name.ends_with("-stray")).count(), 2, "{names:?}");
    run.stop(true);
}

#[tokio::test]
async fn checkpoints_keep_partitions_that_are_not_open() {
    let context = StorageContext::new(1);
    let run = context.start();
    let first = run.host("a", 0, 5, config(LogConfig::default())).await;
    let second = run.host("b", 0, 6, config(LogConfig::default())).await;
    produce(&first, 1000, 4).await;
    produce(&second, 1000, 6).await;
    first.delete_records(Offset(2)).unwrap();
    run.stop(true);
    let run = context.start();
    run.host("b", 0, 6, config(LogConfig::default())).await;
    checkpoints::write(&run.hosting.directories, &run.hosting.replicas.all()).unwrap();
    let read = |name: &str| std::fs::read_to_string(context.paths[0].join(name)).unwrap();
    assert_eq!(read("recovery-point-offset-checkpoint"), "0\n2\na 0 4\nb 0 6\n");
    assert_eq!(read("log-start-offset-checkpoint"), "0\n1\na 0 2\n");
    assert_eq!(read("replication-offset-checkpoint"), "0\n2\na 0 4\nb 0 6\n");
    let first = run.host("a", 0, 5, config(LogConfig::default())).await;
    assert_eq!(first.marks().log_start, Offset(2));
    run.stop(true);
}

#[tokio::test]
async fn what_is_cut_off_no_checkpoint_knows_of_any_more() {
    let context = StorageContext::new(1);
    let run = context.start();
    let partition = run.host("t", 0, 5, config(LogConfig::default())).await;
    produce(&partition, 1000, 10).await;
    partition.delete_records(Offset(2)).unwrap();
    let (directories, all) = (Arc::clone(&run.hosting.directories), run.hosting.replicas.all());
    checkpoints::write(&directories, &all).unwrap();
    let read = |name: &str| std::fs::read_to_string(context.paths[0].join(name)).unwrap();
    assert_eq!(read("recovery-point-offset-checkpoint"), "0\n1\nt 0 10\n");
    let cut = |offset| {
        let lower = |limit| checkpoints::lower(&directories, &partition, limit);
        partition.with_log(|log| log.truncate_to(Offset(offset), Timestamp(1000), lower)).unwrap();
    };
    cut(4);
    assert_eq!(read("recovery-point-offset-checkpoint"), "0\n1\nt 0 4\n");
    assert_eq!(read("replication-offset-checkpoint"), "0\n1\nt 0 4\n");
    assert_eq!(read("log-start-offset-checkpoint"), "0\n1\nt 0 2\n");
    cut(1);
    assert_eq!(read("log-start-offset-checkpoint"), "0\n0\n");
    run.stop(false);
    drop((directories, all, partition));
    let run = context.start();
    let partition = run.host("t", 0, 5, config(LogConfig::default())).await;
    assert_eq!((partition.marks().log_start, partition.marks().log_end), (Offset(1), Offset(1)));
    run.stop(true);
}

#[tokio::test]
async fn a_partition_that_was_never_written_to_needs_no_line_in_a_checkpoint() {
    let context = StorageContext::new(1);
    let path = context.paths[0].join("recovery-point-offset-checkpoint");
    // As Kafka writes it.
    std::fs::write(&path, "0\n2\na 0 0\na 1 0\n").unwrap();
    let run = context.start();
    let empty = run.host("a", 0, 5, config(LogConfig::default())).await;
    let used = run.host("a", 1, 5, config(LogConfig::default())).await;
    produce(&used, 1000, 3).await;
    checkpoints::write(&run.hosting.directories, &run.hosting.replicas.all()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n1\na 1 3\n");
    assert_eq!(empty.marks().log_end, Offset(0));
    run.stop(true);
}

#[tokio::test]
async fn the_rounds_let_old_segments_go_and_write_checkpoints() {
    let context = StorageContext::new(1);
    let run = context.start();
    let log = LogConfig { segment_bytes: 400, retention_ms: 60_000, ..LogConfig::default() };
    let partition = run.host("t", 0, 5, config(log)).await;
    produce(&partition, 1000, 10).await;
    tokio::time::pause();
    let upkeep = Upkeep {
        runtime: run.hosting.runtime.clone(),
        directories: Arc::clone(&run.hosting.directories),
        replicas: Arc::clone(&run.hosting.replicas),
        retention_check_interval: Duration::from_secs(300),
        checkpoint_interval: Duration::from_secs(60),
    };
    let (stop, stopping) = watch::channel(false);
    let rounds = tokio::spawn(upkeep.run(stopping));
    // Records of the year 1970 are older than a minute; the clock is paused, so that the intervals pass at once.
    let path = context.paths[0].join("log-start-offset-checkpoint");
    while !std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with("0\n0\n")) || partition.size_bytes() > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(partition.marks().log_start, Offset(10));
    while list(&context.paths[0].join("t-0")).iter().any(|name| name.ends_with(".deleted")) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stop.send(true).unwrap();
    rounds.await.unwrap();
    tokio::time::resume();
    produce(&partition, 2000, 1).await;
    run.stop(true);
}

#[tokio::test]
async fn segments_left_to_replication_are_synced_once_they_are_sealed() {
    let context = StorageContext::new(1);
    let run = context.start();
    let log = LogConfig { segment_bytes: 400, ..LogConfig::default() };
    let partition = run.host("t", 0, 5, PartitionConfig { durability: Durability::Replicated, ..config(log) }).await;
    produce(&partition, 1000, 10).await;
    run.stop(false);
    let active = partition.with_log(|log| log.segment_base_offsets().last()).unwrap();
    assert!(active > Offset(0));
    assert!(partition.with_log(|log| log.durable_end()) >= active);
}

#[test]
fn a_partitions_directory_without_an_id_is_taken_for_what_it_is_called() {
    let context = StorageContext::new(1);
    let directories = context.open().unwrap();
    let path = context.paths[0].join("t-0");
    std::fs::create_dir(&path).unwrap();
    let name = TopicPartition::new("t", 0);
    let now = Timestamp(0);
    directories.open_partition(&name, Uuid::from_u128(8), None, true, (Arc::default(), now)).unwrap();
    assert_eq!(identity::read_topic_id(&RealFs, &path).unwrap(), Some(Uuid::from_u128(8)));
}

#[tokio::test]
async fn a_directory_with_a_log_that_does_not_open_is_never_called_clean() {
    let context = StorageContext::new(1);
    let run = context.start();
    let partition = run.host("t", 0, 5, config(LogConfig::default())).await;
    produce(&partition, 1000, 5).await;
    checkpoints::write(&run.hosting.directories, &run.hosting.replicas.all()).unwrap();
    run.stop(false);
    let path = context.paths[0].join("t-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    for _ in 0..2 {
        let run = context.start();
        let key = TopicIdPartition { topic_id: Uuid::from_u128(5), partition: 0 };
        let name = TopicPartition::new("t", 0);
        let refused = run.hosting.host(key, name, coming(false), config(LogConfig::default())).unwrap_err();
        assert!(refused.to_string().contains("is damaged at byte 0"), "{refused}");
        assert_eq!(run.hosting.replicas.hosted(key).unwrap_err(), ErrorCode::KAFKA_STORAGE_ERROR);
        assert_eq!(run.hosting.replicas.unopened(), 1);
        run.stop(true);
        assert!(!context.paths[0].join(".kafka_cleanshutdown").exists());
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // Its topic may be deleted all the same, and made again.
    let run = context.start();
    let key = TopicIdPartition { topic_id: Uuid::from_u128(5), partition: 0 };
    let name = TopicPartition::new("t", 0);
    run.hosting.host(key, name, coming(false), config(LogConfig::default())).unwrap_err();
    run.hosting.delete(key).await.unwrap();
    assert!(!path.exists());
    assert_eq!(run.hosting.replicas.hosted(key).unwrap_err(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let again = run.host("t", 0, 6, config(LogConfig::default())).await;
    assert_eq!(again.marks().log_end, Offset(0));
    run.stop(false);
}

#[tokio::test]
async fn checkpoints_that_say_the_same_are_not_written_again() {
    let context = StorageContext::new(1);
    let run = context.start();
    let partition = run.host("t", 0, 5, config(LogConfig::default())).await;
    produce(&partition, 1000, 1).await;
    let write = || checkpoints::write(&run.hosting.directories, &run.hosting.replicas.all()).unwrap();
    write();
    let path = context.paths[0].join("recovery-point-offset-checkpoint");
    std::fs::remove_file(&path).unwrap();
    write();
    assert!(!path.exists());
    produce(&partition, 1000, 1).await;
    write();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n1\nt 0 2\n");
    run.stop(true);
}

#[tokio::test]
async fn partitions_the_cluster_does_not_know_are_set_aside_and_hosted_ones_are_not() {
    let context = StorageContext::new(1);
    let run = context.start();
    run.host("unknown", 0, 5, config(LogConfig::default())).await;
    run.host("known", 0, 6, config(LogConfig::default())).await;
    run.stop(true);
    let run = context.start();
    run.host("hosted", 0, 7, config(LogConfig::default())).await;
    run.hosting.set_strays_aside(|key| key.topic_id == Uuid::from_u128(6)).await;
    let mut names = list(&context.paths[0]);
    names.retain(|name| ["known-0", "hosted-0", "unknown-0"].contains(&name.as_str()) || name.ends_with("-stray"));
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[2].starts_with("unknown-0.") && names[2].ends_with("-stray"));
    run.stop(true);
}

#[tokio::test]
async fn a_change_that_breaks_off_takes_its_partition_offline_and_leaves_the_others_alone() {
    let context = StorageContext::new(1);
    let run = context.start();
    let broken = run.host("t", 0, 5, config(LogConfig::default())).await;
    let sound = run.host("t", 1, 5, config(LogConfig::default())).await;
    let end = produce(&broken, 1000, 3).await;
    let broke_off = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        broken.with_log(|_| panic!("a change breaks off half way"));
    }));
    assert!(broke_off.is_err());
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(Timestamp(0), None, Some(b"x"), &[]).unwrap();
    broken.append(&builder.build().unwrap(), Acks::AllInSync, Timestamp(0)).unwrap_err();
    produce(&sound, 1000, 2).await;
    for directory in run.hosting.directories.all() {
        directory.flusher.stop();
    }
    checkpoints::close(&run.hosting.directories, &run.hosting.replicas.all(), 7, || Duration::ZERO).unwrap_err();
    assert!(!context.paths[0].join(".kafka_cleanshutdown").exists());
    drop((broken, sound));
    run.stop(false);
    // The next start recovers it, with all that was acknowledged.
    let run = context.start();
    let recovered = run.host("t", 0, 5, config(LogConfig::default())).await;
    assert_eq!(recovered.marks().log_end, end);
    run.stop(true);
}

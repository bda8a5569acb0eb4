//! What disks do to a broker: they get full, hang, fail while it runs and before it starts. Played by a file system that fails on
//! demand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::{Disk, Fault, FaultyFs, Operation, Space};
use barnabas_protocol::ErrorCode;
use barnabas_records::{BatchBuilder, Compression};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Timestamp, TopicIdPartition, TopicPartition, Uuid};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use super::space::{Reserve, SpaceWatch};
use super::tests::coming;
use super::*;
use crate::replica::{
    Acks, Again, AppendError, Appended, Durability, FetchFrom, Isolation, Partition, PartitionConfig,
};
use crate::runtime::Runtime;

const NODE: BrokerId = BrokerId(1);
const NOW: Timestamp = Timestamp(1_000_000);
/// How long a sync or a write may take.
const TIMEOUT: Duration = Duration::from_secs(10);
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
/// Of the directories that a context has; the parts of paths by which faults find them.
const NAMES: [&str; 2] = ["disk-a", "disk-b"];
const ROOMY: Space = Space { total_bytes: 1 << 40, usable_bytes: 1 << 39 };

/// Two disks that can be made to fail.
struct DiskContext {
    root: TempDir,
    fs: FaultyFs,
}

/// One run of the broker's storage on them.
struct Run {
    hosting: Hosting,
    threads: Vec<std::thread::JoinHandle<()>>,
    watches: tokio::task::JoinSet<()>,
    /// Looks only when it is told to, so that a machine that is slow is not taken for a disk that is.
    watchdog: watchdog::Watchdog,
    stopping: watch::Sender<bool>,
}

impl DiskContext {
    fn new() -> Self {
        let context = Self { root: TempDir::new().unwrap(), fs: FaultyFs::default() };
        for (number, path) in context.paths().iter().enumerate() {
            let id = Uuid::from_u128(number as u128 + 1);
            format(&context.disk(), path, "4L6g3nShT-eMCtK--X86sw", Some(NODE), id).unwrap();
        }
        context.fs.set_space(Some(ROOMY));
        context
    }

    fn paths(&self) -> Vec<PathBuf> {
        NAMES.iter().map(|name| self.root.path().join(name)).collect()
    }

    fn disk(&self) -> Disk {
        Disk::new(Arc::new(self.fs.clone()), 16)
    }

    fn open(&self) -> Result<LogDirectories, DirectoryError> {
        LogDirectories::open(Arc::new(self.disk()), &self.paths(), NODE, || Uuid::from_u128(99))
    }

    /// Everything that looks after the directories runs, but for the watchdog; 1 MiB is kept in reserve.
    async fn start(&self) -> Run {
        let directories = Arc::new(self.open().unwrap());
        let (runtime, replicas) = (Runtime::current(), Arc::default());
        let (stopping, stop) = watch::channel(false);
        let (mut threads, mut watches) = (Vec::new(), tokio::task::JoinSet::new());
        for directory in directories.all() {
            let (flusher, clock) = (Arc::clone(&directory.flusher), runtime.clone());
            threads.push(std::thread::spawn(move || flusher.run(|| clock.now().monotonic)));
            let disk = Arc::clone(directories.disk());
            let mut space = SpaceWatch::new(runtime.clone(), disk, Arc::clone(directory), Reserve::new(1 << 20));
            space.look().await;
            watches.spawn(space.run(stop.clone()));
            let (directory, hosted) = (Arc::clone(directory), Arc::clone(&replicas));
            watches.spawn(watchdog::await_failure(runtime.clone(), directory, hosted, stop.clone()));
        }
        let watchdog = watchdog::Watchdog::new(Arc::clone(&directories), Arc::clone(&replicas), TIMEOUT);
        Run {
            hosting: Hosting { runtime, directories, replicas, progress: Arc::default() },
            threads,
            watches,
            watchdog,
            stopping,
        }
    }
}

impl Run {
    async fn try_host(&self, number: i32, is_new: bool) -> Result<Arc<Partition>, HostError> {
        let key = TopicIdPartition { topic_id: Uuid::from_u128(5), partition: number };
        let name = TopicPartition::new("t", number);
        let partition = self.hosting.host(key, name, coming(is_new), config())?;
        partition.lead(LeaderEpoch(0));
        Ok(partition)
    }

    /// Partitions 0 and 2 lie on the first disk, 1 and 3 on the second.
    async fn host_four(&self) -> Vec<Arc<Partition>> {
        let mut partitions = Vec::new();
        for number in 0..4 {
            partitions.push(self.try_host(number, true).await.unwrap());
        }
        for (number, partition) in partitions.iter().enumerate() {
            assert_eq!(partition.directory, Uuid::from_u128(number as u128 % 2 + 1));
        }
        partitions
    }

    /// The watchdog looks when so much more time has passed.
    fn look_after(&mut self, time: Duration) {
        self.watchdog.look(self.hosting.runtime.now().monotonic + time);
    }

    /// Waits until the first directory's flusher syncs, or has stopped doing so.
    async fn until_it_syncs(&self, syncs: bool) {
        let flusher = &self.hosting.directories.all()[0].flusher;
        until("the flusher syncs or not", || flusher.syncing_since().is_some() == syncs).await;
    }

    async fn join(self) -> Hosting {
        self.hosting.directories.all().iter().for_each(|directory| directory.flusher.stop());
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.stopping.send_replace(true);
        self.watches.join_all().await;
        self.hosting
    }
}

fn config() -> PartitionConfig {
    PartitionConfig { durability: Durability::Fsync, ..PartitionConfig::default() }
}

fn batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    builder.append(NOW, None, Some(b"value"), &[]).unwrap();
    builder.build().unwrap()
}

fn append(partition: &Arc<Partition>) -> Result<Appended, AppendError> {
    partition.append(&batch(), Acks::AllInSync, NOW)
}

async fn kept(partition: &Arc<Partition>, end: Offset) -> Result<(), ErrorCode> {
    Arc::clone(partition).replicated(end, LeaderEpoch(0), Instant::now() + Duration::from_secs(30)).await
}

async fn produce(partition: &Arc<Partition>) {
    let end = append(partition).unwrap().end_offset;
    kept(partition, end).await.unwrap();
}

fn fetch(partition: &Arc<Partition>) -> Result<bool, ErrorCode> {
    let from = FetchFrom::batches(Offset(0), 1 << 20, Isolation::ReadUncommitted);
    Ok(partition.fetch(from)?.region.is_some())
}

/// What a watcher does between two turns of the runtime is not to be awaited otherwise.
async fn until(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn below_the_reserve_clients_are_refused_and_everything_else_goes_on_and_with_room_all_is_well_again() {
    let context = DiskContext::new();
    let run = context.start().await;
    let partition = run.try_host(0, true).await.unwrap();
    produce(&partition).await;
    context.fs.set_space(Some(Space { usable_bytes: (1 << 20) - 1, ..ROOMY }));
    until("the disk is full", || matches!(append(&partition), Err(AppendError::Refused(Refusal::Full)))).await;
    let end = partition.marks().log_end;
    append(&partition).unwrap_err();
    assert_eq!(partition.marks().log_end, end, "nothing was written");
    assert!(fetch(&partition).unwrap());
    let internal = partition.append_internal(&batch(), NOW).unwrap();
    kept(&partition, internal.end_offset).await.unwrap();
    partition.delete_records(Offset(1)).unwrap();
    retention::apply(&partition, NOW).unwrap();
    checkpoints::write(&run.hosting.directories, &run.hosting.replicas.all()).unwrap();
    context.fs.set_space(Some(ROOMY));
    until("there is room", || append(&partition).is_ok()).await;
    let (condition, times) = (partition.condition(), partition.condition().times());
    assert_eq!((times, condition.is_full(), condition.is_offline()), ((1, 0), false, false));
    run.join().await;
}

#[tokio::test]
async fn a_write_that_finds_no_room_leaves_nothing_behind_and_the_log_online() {
    let context = DiskContext::new();
    let run = context.start().await;
    let partition = run.try_host(0, true).await.unwrap();
    produce(&partition).await;
    let before = (partition.marks(), partition.size_bytes());
    // A part of the batch still finds room.
    let short = Fault { operation: Operation::Write, path_contains: "t-0", after: 0, error_number: None, times: 1 };
    context.fs.inject(short);
    context.fs.inject(Fault::always(Operation::Write, "t-0", ENOSPC));
    assert!(matches!(append(&partition), Err(AppendError::Log(_))));
    assert_eq!((partition.marks(), partition.size_bytes()), before);
    assert!(fetch(&partition).unwrap());
    until("it is looked at once", || partition.condition().is_full()).await;
    assert!(matches!(append(&partition), Err(AppendError::Refused(Refusal::Full))));
    assert!(partition.append_internal(&batch(), NOW).is_err(), "even the reserve is gone");
    context.fs.heal();
    until("there is room", || append(&partition).is_ok()).await;
    produce(&partition).await;
    let hosting = run.join().await;
    let path = context.root.path().join("disk-a/t-0/00000000000000000000.log");
    checkpoints::close(&hosting.directories, &hosting.replicas.all(), 7, || Duration::ZERO).unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().len(), partition.size_bytes());
}

#[tokio::test]
async fn a_failed_sync_takes_its_directory_offline_and_no_other() {
    let context = DiskContext::new();
    let run = context.start().await;
    let partitions = run.host_four().await;
    for partition in &partitions {
        produce(partition).await;
    }
    checkpoints::write(&run.hosting.directories, &run.hosting.replicas.all()).unwrap();
    let checkpoint = || std::fs::read(context.root.path().join("disk-a/recovery-point-offset-checkpoint")).unwrap();
    let written = checkpoint();
    context.fs.inject(Fault::always(Operation::Sync, "disk-a", EIO));
    let end = append(&partitions[0]).unwrap().end_offset;
    assert_eq!(kept(&partitions[0], end).await, Err(ErrorCode::KAFKA_STORAGE_ERROR));
    assert!(matches!(append(&partitions[2]), Err(AppendError::Refused(_) | AppendError::NotLeading(_))));
    until("the directory's other partition is offline", || {
        fetch(&partitions[2]) == Err(ErrorCode::KAFKA_STORAGE_ERROR)
    })
    .await;
    assert_eq!(partitions[2].marks_in(-1), Err(ErrorCode::KAFKA_STORAGE_ERROR));
    for sound in [&partitions[1], &partitions[3]] {
        produce(sound).await;
        assert!(fetch(sound).unwrap());
    }
    // Whatever the disk says from now on.
    context.fs.heal();
    assert_eq!(fetch(&partitions[0]), Err(ErrorCode::KAFKA_STORAGE_ERROR));
    let placed = run.try_host(4, true).await.unwrap();
    assert_eq!(placed.directory, Uuid::from_u128(2));
    let hosting = run.join().await;
    checkpoints::close(&hosting.directories, &hosting.replicas.all(), 7, || Duration::ZERO).unwrap_err();
    assert_eq!(checkpoint(), written);
    assert!(!context.root.path().join("disk-a/.kafka_cleanshutdown").exists());
    assert!(context.root.path().join("disk-b/.kafka_cleanshutdown").exists());
    drop((hosting, partitions, placed));
    let run = context.start().await;
    for number in 0..4 {
        let partition = run.try_host(number, false).await.unwrap();
        assert!(partition.marks().log_end >= Offset(1), "what was acknowledged is there");
        produce(&partition).await;
    }
    run.join().await;
}

#[tokio::test]
async fn a_write_that_fails_takes_the_directory_offline_and_a_read_that_fails_does_not() {
    let context = DiskContext::new();
    let run = context.start().await;
    let partitions = run.host_four().await;
    for partition in &partitions {
        produce(partition).await;
    }
    context.fs.inject(Fault::always(Operation::Read, "disk-b/t-1/", EIO));
    let sought = crate::replica::Sought::From(NOW);
    assert_eq!(
        partitions[1].offset_of(-1, sought, Isolation::ReadUncommitted).unwrap_err(),
        ErrorCode::KAFKA_STORAGE_ERROR
    );
    produce(&partitions[1]).await;
    produce(&partitions[3]).await;
    context.fs.inject(Fault::always(Operation::Write, "disk-b/t-1/", EIO));
    append(&partitions[1]).unwrap_err();
    until("all of it is offline", || fetch(&partitions[3]) == Err(ErrorCode::KAFKA_STORAGE_ERROR)).await;
    produce(&partitions[0]).await;
    run.join().await;
}

#[tokio::test]
async fn a_sync_that_hangs_gives_up_the_leaderships_and_they_come_back_with_it() {
    let context = DiskContext::new();
    let mut run = context.start().await;
    let partitions = run.host_four().await;
    for partition in &partitions {
        produce(partition).await;
    }
    context.fs.hold(Operation::Sync, "disk-a");
    let end = append(&partitions[0]).unwrap().end_offset;
    run.until_it_syncs(true).await;
    run.look_after(TIMEOUT / 2);
    produce(&partitions[1]).await;
    append(&partitions[2]).unwrap();
    run.look_after(TIMEOUT);
    assert_eq!(kept(&partitions[0], end).await, Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND));
    assert!(matches!(append(&partitions[2]), Err(AppendError::Refused(Refusal::Slow))));
    partitions[2].append_internal(&batch(), NOW).unwrap_err();
    assert!(fetch(&partitions[0]).unwrap(), "what is kept is still read");
    produce(&partitions[1]).await;
    context.fs.release();
    run.until_it_syncs(false).await;
    run.look_after(Duration::ZERO);
    append(&partitions[2]).unwrap();
    kept(&partitions[0], end).await.unwrap();
    assert_eq!(partitions[0].condition().times(), (0, 1));
    run.join().await;
}

#[tokio::test]
async fn who_waits_for_a_sync_that_hangs_is_answered() {
    let context = DiskContext::new();
    let mut run = context.start().await;
    let partition = run.try_host(0, true).await.unwrap();
    produce(&partition).await;
    context.fs.hold(Operation::Sync, "disk-a");
    let end = append(&partition).unwrap().end_offset;
    let mut waiting = std::pin::pin!(kept(&partition, end));
    assert!(futures::poll!(&mut waiting).is_pending());
    run.until_it_syncs(true).await;
    run.look_after(TIMEOUT);
    assert_eq!(waiting.await, Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND));
    context.fs.release();
    run.join().await;
}

#[tokio::test]
async fn a_sync_that_hangs_and_then_fails_is_final() {
    let context = DiskContext::new();
    let mut run = context.start().await;
    let partition = run.try_host(0, true).await.unwrap();
    produce(&partition).await;
    context.fs.inject(Fault::always(Operation::Sync, "disk-a", EIO));
    context.fs.hold(Operation::Sync, "disk-a");
    let end = append(&partition).unwrap().end_offset;
    run.until_it_syncs(true).await;
    run.look_after(TIMEOUT);
    assert_eq!(kept(&partition, end).await, Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND));
    context.fs.release();
    until("it is offline", || fetch(&partition) == Err(ErrorCode::KAFKA_STORAGE_ERROR)).await;
    run.join().await;
}

#[tokio::test]
async fn a_write_that_hangs_gives_up_the_leaderships_and_holds_up_nobody_but_who_writes() {
    let context = DiskContext::new();
    let mut run = context.start().await;
    let partitions = run.host_four().await;
    for partition in &partitions {
        produce(partition).await;
    }
    context.fs.hold(Operation::Write, "disk-a/t-0/");
    let written = Arc::clone(&partitions[0]);
    let writing = std::thread::spawn(move || append(&written));
    until("it writes", || partitions[0].condition().writes().are_under_way()).await;
    // The thread that looks at the disks carries metadata, too: it does not wait, even before anybody knows that the write hangs.
    let held = Arc::clone(&partitions[0]);
    let carrying = std::thread::spawn(move || {
        held.look_again(Again::BrokersChanged);
        held.look_again(Again::TimePassed);
        held.led_since()
    });
    until("a replica that cannot look is left alone", || carrying.is_finished()).await;
    assert_eq!(carrying.join().unwrap(), LeaderEpoch(0));
    let missed = run.hosting.replicas.surroundings().missed_looks().await;
    let key = partitions[0].key;
    assert_eq!(Vec::from_iter(missed), [(key, Again::BrokersChanged), (key, Again::TimePassed)], "it looks later");
    let (changed, changing) = (Arc::clone(&partitions[0]), run.hosting.clone());
    let changing = tokio::spawn(async move { changing.change(&changed, |partition| _ = partition.marks()).await });
    tokio::task::yield_now().await;
    assert!(!changing.is_finished());
    run.look_after(Duration::ZERO);
    run.look_after(TIMEOUT / 2);
    append(&partitions[2]).unwrap();
    assert_eq!(fetch(&partitions[0]), Err(ErrorCode::KAFKA_STORAGE_ERROR), "nobody waits until it has timed out");
    run.look_after(TIMEOUT);
    for partition in [&partitions[0], &partitions[2]] {
        assert!(matches!(append(partition), Err(AppendError::Refused(Refusal::Slow))));
    }
    // Its lock is held: whatever needs it is refused and does not wait.
    let hangs = Err(ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(fetch(&partitions[0]), hangs);
    assert_eq!(partitions[0].marks_in(-1).map(|_| ()), hangs.map(|_| ()));
    assert_eq!(partitions[0].delete_records(Offset(0)).map(|_| ()), hangs.map(|_| ()));
    assert!(partitions[0].figures().is_none());
    assert_eq!(kept(&partitions[0], Offset(2)).await, Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND));
    assert!(fetch(&partitions[2]).unwrap(), "what is kept elsewhere is still read");
    produce(&partitions[1]).await;
    context.fs.release();
    let appended = writing.join().unwrap().unwrap();
    changing.await.unwrap();
    run.look_after(Duration::ZERO);
    kept(&partitions[0], appended.end_offset).await.unwrap();
    produce(&partitions[2]).await;
    assert_eq!(partitions[0].condition().times(), (0, 1));
    run.join().await;
}

#[tokio::test]
async fn a_directory_whose_disk_fails_at_start_is_left_out_and_its_partitions_are_not_made_anew() {
    let context = DiskContext::new();
    let run = context.start().await;
    for partition in run.host_four().await {
        produce(&partition).await;
    }
    let hosting = run.join().await;
    checkpoints::close(&hosting.directories, &hosting.replicas.all(), 7, || Duration::ZERO).unwrap();
    drop(hosting);
    context.fs.inject(Fault::always(Operation::Open, "disk-b", EIO));
    let run = context.start().await;
    let directories = &run.hosting.directories;
    assert_eq!((directories.all().len(), directories.not_taken()), (1, &context.paths()[1..]));
    assert_eq!(directories.clean_broker_epoch(), None, "a part of the data is missing");
    assert_eq!(run.try_host(0, false).await.unwrap().marks().log_end, Offset(1));
    let refused = run.try_host(1, false).await.unwrap_err();
    assert!(refused.to_string().contains("disk-b is offline"), "{refused}");
    let key = |partition| TopicIdPartition { topic_id: Uuid::from_u128(5), partition };
    assert_eq!(run.hosting.replicas.hosted(key(1)).unwrap_err(), ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(run.hosting.replicas.hosted(key(9)).unwrap_err(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(run.try_host(9, true).await.unwrap().directory, Uuid::from_u128(1));
    run.hosting.delete(key(1)).await.unwrap();
    assert_eq!(run.hosting.replicas.hosted(key(1)).unwrap_err(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    drop(run.join().await);
    context.fs.heal();
    let run = context.start().await;
    assert_eq!(run.try_host(3, false).await.unwrap().marks().log_end, Offset(1), "it is back with its disk");
    run.join().await;
}

#[test]
fn without_any_directory_there_is_no_start() {
    let context = DiskContext::new();
    context.fs.inject(Fault::always(Operation::Open, "disk-", EIO));
    assert!(matches!(context.open(), Err(DirectoryError::Io(_))));
}

#[test]
fn new_partitions_go_where_records_are_taken_and_found_ones_are_opened_where_they_are() {
    let context = DiskContext::new();
    let directories = context.open().unwrap();
    let open = |number| {
        let name = TopicPartition::new("t", number);
        directories.open_partition(&name, Uuid::from_u128(5), None, true, (Arc::default(), NOW)).unwrap()
    };
    let [first, second] = [1, 2].map(Uuid::from_u128);
    let place = |number| open(number).directory.id;
    directories.all()[0].condition.set_full(true, 1);
    assert_eq!([place(0), place(1)], [second; 2]);
    directories.all()[0].condition.set_full(false, 1);
    assert_eq!([place(2), place(3), place(4), place(5)], [first, first, first, second]);
    assert_eq!(place(0), second);
    directories.cordon(&context.paths()[1..]);
    assert_eq!([place(6), place(7)], [first; 2]);
}

#[tokio::test]
async fn a_checkpoint_that_could_not_be_lowered_for_want_of_room_is_lowered_by_the_next_try() {
    let context = DiskContext::new();
    let run = context.start().await;
    let partition = run.host_four().await.remove(0);
    append(&partition).unwrap();
    run.hosting.sync(std::slice::from_ref(&partition));
    let directories = &run.hosting.directories;
    checkpoints::raise_recovery_point(directories, &partition).unwrap();
    let path = context.paths()[0].join("recovery-point-offset-checkpoint");
    let kept = || std::fs::read_to_string(&path).unwrap();
    assert!(kept().contains("t 0 1"), "{}", kept());
    context.fs.inject(Fault::always(Operation::Write, "recovery-point", ENOSPC));
    checkpoints::lower(directories, &partition, Offset(0)).unwrap_err();
    context.fs.heal();
    checkpoints::lower(directories, &partition, Offset(0)).unwrap();
    assert!(!kept().contains("t 0 1"), "{}", kept());
    run.join().await;
}

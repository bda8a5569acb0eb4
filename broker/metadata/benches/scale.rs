//! What a metadata image of very many partitions costs: heap, replay, a change while others hold the image, a snapshot made beside
//! changes, the hash; and what the controller's index of them does, and a broker's going. `SCALE_PARTITIONS` says how many (1,000,000 unless told). Measures no disk and no network. Fails when a limit is
//! exceeded.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot go on ends, nobody calls it, and its figures are its output"
)]
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; each method only counts and passes on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use barnabas_metadata::{
    ConfigResource, ConfigRules, Context, Controller, Delta, Image, InvalidConfig, MAX_METADATA_VERSION, ResourceType,
    record_version, snapshot,
};
use barnabas_protocol::records::metadata::{
    MetadataRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord,
};
use barnabas_types::{BrokerId, Offset, Uuid};

/// Heap of a partition at most, in bytes.
const HEAP_LIMIT_BYTES: f64 = 700.0;
/// What one change of a shared image may copy, in bytes: leaves and the way to them, whatever the size of the topic.
const COPY_LIMIT_BYTES: isize = 64 * 1024;
/// What the fencing of a broker without partitions may take, however many others have.
const IDLE_FENCING_LIMIT: Duration = Duration::from_millis(1);
/// What the fencing of a broker may take for each of its partitions.
const FENCING_LIMIT_NS: f64 = 20_000.0;
/// The longest pause of changes beside a snapshot that is being written.
const PAUSE_LIMIT: Duration = Duration::from_millis(50);
/// The processor time that this thread has used: what a busy machine takes from it is no pause of ours.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
}

/// Brokers of the cluster; each partition lies on three of them.
const BROKERS: i32 = 100;

struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// What glibc really takes for a request: 8 bytes of head, in steps of 16, at least 32.
fn footprint(layout: Layout) -> isize {
    (layout.size() + 8).next_multiple_of(16).max(32) as isize
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are atomics that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(footprint(layout), Ordering::Relaxed);
        TAKEN.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(footprint(layout), Ordering::Relaxed);
        // SAFETY: the pointer came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn held() -> isize {
    HELD.load(Ordering::Relaxed)
}

fn topic_id(topic: usize) -> Uuid {
    Uuid::from_u128((topic as u128 + 1) << 64 | 77)
}

/// The partition as the controller makes it: three replicas in turn over all brokers, each in its broker's directory.
fn partition(topic: usize, id: i32) -> MetadataRecord<'static> {
    let replicas: Vec<i32> = (0..3).map(|replica| 1 + (topic as i32 + id + replica * 7).rem_euclid(BROKERS)).collect();
    let directories = replicas.iter().map(|&broker| Uuid::from_u128(1000 + broker.unsigned_abs() as u128)).collect();
    MetadataRecord::Partition(PartitionRecord {
        partition_id: id,
        topic_id: topic_id(topic),
        leader: replicas.first().copied().unwrap_or(-1),
        isr: replicas.clone(),
        replicas,
        directories,
        leader_epoch: 0,
        partition_epoch: 0,
        ..PartitionRecord::default()
    })
}

/// An image of `topics` with `partitions` each, and the seconds that its replay took, from decoded records.
fn built(topics: usize, partitions: usize) -> (Image, f64) {
    let mut image = Image::default();
    // The last one has no partitions.
    for broker in 1..=BROKERS + 1 {
        let registered = RegisterBrokerRecord { broker_id: broker, fenced: false, ..RegisterBrokerRecord::default() };
        image.replay(&registered.into()).unwrap();
    }
    let mut took = Duration::ZERO;
    for topic in 0..topics {
        let name = format!("orders-of-region-{topic}");
        let mut records =
            vec![TopicRecord { name: name.into(), topic_id: topic_id(topic), ..TopicRecord::default() }.into()];
        records.extend((0..partitions).map(|id| partition(topic, id as i32)));
        let began = Instant::now();
        records.iter().for_each(|record| image.replay(record).unwrap());
        took += began.elapsed();
    }
    (image, took.as_secs_f64())
}

fn change(topic: usize, id: i32, leader: i32) -> MetadataRecord<'static> {
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        topic_id: topic_id(topic),
        partition_id: id,
        leader,
        ..PartitionChangeRecord::default()
    })
}

struct Report {
    passed: bool,
}

impl Report {
    fn figure(&mut self, good: bool, text: &str) {
        println!("  {} {text}", if good { "ok  " } else { "FAIL" });
        self.passed &= good;
    }
}

/// Heap and replay for one shape of the same number of partitions; the image, and its heap a partition.
fn shape(report: &mut Report, topics: usize, partitions: usize) -> (Image, f64) {
    let before = held();
    let (image, seconds) = built(topics, partitions);
    let count = (topics * partitions) as f64;
    let bytes = (held() - before) as f64 / count;
    // A partition that is a topic by itself pays for that topic's name, indexes and tree, too.
    let limit = if partitions == 1 { HEAP_LIMIT_BYTES * 1.5 } else { HEAP_LIMIT_BYTES };
    let text = format!(
        "{topics} topics of {partitions}: {bytes:.0} bytes of heap a partition (limit {limit:.0}), replayed in {seconds:.2} s ({:.0} ns each)",
        seconds * 1e9 / count
    );
    report.figure(bytes <= limit, &text);
    (image, bytes)
}

/// One change while somebody else holds the image: what it copies, and what finding it again costs.
fn one_change(report: &mut Report, mut image: Image, topic: usize, partitions: usize) {
    let shared = image.clone();
    let before = held();
    image.replay(&change(topic, (partitions / 2) as i32, 9)).unwrap();
    let copied = held() - before;
    let (taken, began) = (TAKEN.load(Ordering::Relaxed), Instant::now());
    let delta = Delta::between(&shared, &image);
    let took = began.elapsed();
    let found = delta.changed_topics.iter().map(|topic| topic.partitions.len()).sum::<usize>();
    let text = format!(
        "one change in a topic of {partitions}: {copied} bytes copied (limit {COPY_LIMIT_BYTES}), found again in {} us with {} allocations",
        took.as_micros(),
        TAKEN.load(Ordering::Relaxed) - taken
    );
    report.figure(copied <= COPY_LIMIT_BYTES && found == 1, &text);
}

/// Changes go on while a snapshot is made of the image as it was: how long each of them had to wait.
fn beside_a_snapshot(report: &mut Report, mut image: Image, topics: usize, partitions: usize) {
    let (copy, done) = (image.clone(), Arc::new(AtomicBool::new(false)));
    let finished = Arc::clone(&done);
    let writer = std::thread::spawn(move || {
        let (began, mut bytes) = (Instant::now(), 0);
        for record in snapshot::records(&copy) {
            bytes += record.encode(record_version(&record, MAX_METADATA_VERSION)).unwrap().len();
        }
        // What only the copy still held is given back here, too.
        drop(copy);
        finished.store(true, Ordering::Release);
        (bytes, began.elapsed())
    });
    let (mut longest, mut changes) = (Duration::ZERO, 0_usize);
    while !done.load(Ordering::Acquire) {
        let (topic, id) = (changes * 7919 % topics, changes * 104_729 % partitions);
        let began = used();
        image.replay(&change(topic, id as i32, 1 + (changes % 100) as i32)).unwrap();
        // As the controller does for each round: it publishes what is committed, and drops what was.
        drop(std::hint::black_box(image.clone()));
        longest = longest.max(used() - began);
        changes += 1;
    }
    let (bytes, took) = writer.join().unwrap();
    let text = format!(
        "a snapshot of {} MiB made in {:.2} s beside {changes} changes, of which the slowest took {:.2} ms (limit {} ms)",
        bytes >> 20,
        took.as_secs_f64(),
        longest.as_secs_f64() * 1e3,
        PAUSE_LIMIT.as_millis()
    );
    report.figure(longest <= PAUSE_LIMIT, &text);
}

/// The image read from its snapshot is the same, and says so by its hash.
fn read_again(report: &mut Report, image: &Image) {
    let (began, mut read) = (Instant::now(), Image::default());
    for record in snapshot::records(image) {
        let bytes = record.encode(record_version(&record, MAX_METADATA_VERSION)).unwrap();
        read.replay(&MetadataRecord::decode(&bytes).unwrap()).unwrap();
    }
    let took = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let hash = std::hint::black_box(read.hash());
    let asked = began.elapsed();
    let text =
        format!("encoded, decoded and replayed in {took:.2} s; its hash {hash:016x}, asked in {} ns", asked.as_nanos());
    report.figure(hash == image.hash() && read == *image, &text);
}

/// Nothing is set, and everything has its default.
struct Defaults;

impl ConfigRules for Defaults {
    fn validate(&self, _: &ConfigResource, _: &BTreeMap<Box<str>, Box<str>>) -> Result<(), InvalidConfig> {
        Ok(())
    }

    fn is_list(&self, _: ResourceType, _: &str) -> bool {
        false
    }

    fn inherited(&self, _: &ConfigResource, key: &str) -> Option<String> {
        Some(if key == "min.insync.replicas" { "1" } else { "false" }.to_owned())
    }
}

/// The records of a broker's fencing, applied, and what they took to decide and to apply.
fn fence(controller: &mut Controller, broker: i32) -> (usize, Duration, Duration) {
    let mut random = || 7;
    let context = Context {
        rules: &Defaults,
        random: &mut random,
        default_partitions: 1,
        default_replication_factor: 1,
        next_offset: Offset(0),
        now: Duration::ZERO,
        broker_session_timeout: Duration::from_secs(9),
        leader_imbalance_check_interval: None,
        unclean_leader_election_interval: Duration::from_secs(300),
    };
    let began = used();
    let records = controller.fence_broker(&context, BrokerId(broker)).records;
    let decided = used() - began;
    records.iter().for_each(|record| controller.replay(record).unwrap());
    (records.len(), decided, used() - began - decided)
}

/// The controller beside the image: its index, and brokers that go.
fn controller(report: &mut Report, image: &Image, partitions: usize, heap_of_image: f64) {
    let (before, began) = (held(), Instant::now());
    let mut controller = Controller::new(image.clone());
    let took = began.elapsed().as_secs_f64();
    let bytes = (held() - before) as f64 / partitions as f64;
    let text = format!(
        "the controller's index: {bytes:.0} bytes of heap a partition, with the image {:.0} (limit {HEAP_LIMIT_BYTES:.0}), made in {took:.2} s",
        bytes + heap_of_image
    );
    report.figure(bytes + heap_of_image <= HEAP_LIMIT_BYTES, &text);
    let (records, decided, _) = fence(&mut controller, BROKERS + 1);
    let text = format!(
        "a broker without partitions fenced in {} us with {records} record (limit {} us)",
        decided.as_micros(),
        IDLE_FENCING_LIMIT.as_micros()
    );
    report.figure(decided <= IDLE_FENCING_LIMIT && records == 1, &text);
    let (records, decided, applied) = fence(&mut controller, 7);
    let each = |took: Duration| took.as_secs_f64() * 1e9 / records as f64;
    let text = format!(
        "a broker with {} partitions fenced: decided in {:.3} s ({:.0} ns each), applied in {:.3} s ({:.0} ns each; limit of both {FENCING_LIMIT_NS:.0})",
        records - 1,
        decided.as_secs_f64(),
        each(decided),
        applied.as_secs_f64(),
        each(applied)
    );
    report.figure(each(decided + applied) <= FENCING_LIMIT_NS, &text);
}

fn main() {
    let partitions: usize =
        std::env::var("SCALE_PARTITIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut report = Report { passed: true };
    println!("{partitions} partitions on {BROKERS} brokers, three replicas each");
    drop(shape(&mut report, partitions, 1));
    let (image, heap) = shape(&mut report, partitions / 10, 10);
    controller(&mut report, &image, partitions, heap);
    drop(image);
    let large = partitions / 10;
    let (image, heap) = shape(&mut report, 10, large);
    controller(&mut report, &image, partitions, heap);
    one_change(&mut report, image, 3, large);
    let topics = partitions / 100;
    let (image, heap) = shape(&mut report, topics, 100);
    controller(&mut report, &image, partitions, heap);
    read_again(&mut report, &image);
    beside_a_snapshot(&mut report, image, topics, 100);
    println!("{} metadata-scale", if report.passed { "PASS" } else { "FAIL" });
    if !report.passed {
        std::process::exit(1);
    }
}

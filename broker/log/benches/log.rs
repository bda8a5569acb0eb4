//! What a log costs by itself: append and read by batch size, syncs of many logs together, look-up in small, large and huge logs,
//! recovery. `BENCH_LOG_MIB` is the size of the log that is looked up in and recovered (256 unless told). Measures no broker.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark that cannot go on ends, and nobody calls it"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barnabas_log::fs::{Disk, Fs, RealFs};
use barnabas_log::{AppendOrigin, FlushTicket, Log, LogConfig, OpenOptions, ReadLimits};
use barnabas_records::{BATCH_HEADER_BYTES, BatchBuilder, BatchHeader, BatchView, Compression};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const MIB: usize = 1024 * 1024;

/// A batch of records of 1 KiB, or one smaller record, of about `bytes` bytes.
fn batch(bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None);
    let mut left = bytes;
    while left > 0 {
        let record = left.min(1024);
        builder.append(NOW, None, Some(&vec![0x5a; record]), &[]).unwrap();
        left -= record;
    }
    builder.build().unwrap()
}

fn open(directory: &Path, clean: bool, end: Offset) -> Log {
    let disk = Arc::new(Disk::new(Arc::new(RealFs), 1024));
    let options = OpenOptions {
        directory: directory.to_path_buf(),
        config: LogConfig { retention_bytes: 64 * MIB as i64, segment_bytes: 64 * MIB as u32, ..LogConfig::default() }
            .into(),
        recovery_point: if clean { end } else { Offset(0) },
        log_start: Offset(0),
        clean,
        known_empty: None,
        now: NOW,
    };
    Log::open(&disk, &options).unwrap().0
}

fn append(log: &mut Log, bytes: &[u8]) -> Offset {
    let view = BatchView::parse(bytes).unwrap();
    let origin = AppendOrigin::Client;
    log.append_as_leader(view.header(), view.stored_records(), LeaderEpoch(0), origin, NOW).unwrap().last_offset
}

fn filled(directory: &Path, mebibytes: usize) -> Log {
    let mut log = open(directory, false, Offset(0));
    let bytes = batch(16 * 1024);
    for _ in 0..mebibytes * MIB / bytes.len() {
        append(&mut log, &bytes);
    }
    log.flush().unwrap();
    log
}

/// Tests run every benchmark once, to see that it works, with as little as shows that.
fn is_measured() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

fn log_mebibytes() -> usize {
    let usual = if is_measured() { 256 } else { 2 };
    std::env::var("BENCH_LOG_MIB").map_or(usual, |size| size.parse().unwrap())
}

fn appending(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for size in [100, 1024, 16 * 1024, 256 * 1024, MIB] {
        let (directory, bytes) = (TempDir::new().unwrap(), batch(size));
        let mut log = open(directory.path(), false, Offset(0));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &bytes, |bencher, bytes| {
            bencher.iter(|| {
                append(&mut log, black_box(bytes));
                // What was written goes again, so that the page cache's memory is used over and over.
                if log.segments() > 3 {
                    let end = log.log_end();
                    log.apply_retention(end, NOW).unwrap().iter().for_each(|doomed| doomed.remove().unwrap());
                }
            });
        });
    }
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for size in [100, 1024, 16 * 1024, 256 * 1024, MIB] {
        let (directory, bytes) = (TempDir::new().unwrap(), batch(size));
        let mut log = open(directory.path(), false, Offset(0));
        let mut offsets = Vec::new();
        for _ in 0..(32 * MIB / bytes.len()).min(20_000) {
            offsets.push(append(&mut log, &bytes));
        }
        let limits = ReadLimits { end: log.log_end(), max_bytes: bytes.len() as u32, at_least_one_batch: true };
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            let mut turn = 0;
            bencher.iter(|| {
                turn = (turn + 7919) % offsets.len();
                black_box(log.read(offsets[turn], limits).unwrap().unwrap().bytes().unwrap())
            });
        });
    }
}

/// One round of syncs of logs that have each got a small batch: what a flusher does for those who wait together.
fn syncing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sync");
    group.sample_size(10);
    let directory = TempDir::new().unwrap();
    let volume = RealFs.volume(directory.path()).unwrap().unwrap();
    let bytes = batch(100);
    for count in if is_measured() { [1, 100, 10_000] } else { [1, 2, 3] } {
        let disk = Arc::new(Disk::new(Arc::new(RealFs), 512));
        let mut logs: Vec<Log> = (0..count)
            .map(|number| {
                let directory = directory.path().join(format!("{count}-{number}"));
                let (config, recovery_point, log_start) = (Arc::default(), Offset(0), Offset(0));
                let options = OpenOptions {
                    directory,
                    config,
                    recovery_point,
                    log_start,
                    clean: false,
                    known_empty: None,
                    now: NOW,
                };
                Log::open(&disk, &options).unwrap().0
            })
            .collect();
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    logs.iter_mut().for_each(|log| _ = append(log, &bytes));
                    let tickets: Vec<FlushTicket> = logs.iter().filter_map(Log::prepare_flush).collect();
                    let began = Instant::now();
                    let tickets = match tickets.len() {
                        1 => tickets.into_iter().map(FlushTicket::run).collect(),
                        _ => FlushTicket::run_all(tickets, &*volume).0,
                    };
                    took += began.elapsed();
                    for (log, ticket) in logs.iter_mut().zip(tickets) {
                        log.flushed(ticket).unwrap();
                    }
                }
                took
            });
        });
    }
}

fn looking_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look-up");
    for (name, mebibytes) in [("1 MiB".to_owned(), 1), (format!("{} MiB", log_mebibytes()), log_mebibytes())] {
        let directory = TempDir::new().unwrap();
        let log = filled(directory.path(), mebibytes);
        group.bench_function(name, |bencher| look_up(&log, bencher));
    }
    let directory = TempDir::new().unwrap();
    let log = sparse(directory.path(), if is_measured() { 1024 } else { 4 });
    group.bench_function("1 TiB, sparse", |bencher| look_up(&log, bencher));
}

fn look_up(log: &Log, bencher: &mut criterion::Bencher<'_>) {
    let limits = ReadLimits { end: log.log_end(), max_bytes: 1, at_least_one_batch: true };
    let mut offset = 0;
    bencher.iter(|| {
        // A large prime: the offsets seem random and every part of the log gets its share.
        offset = (offset + 2_147_483_647) % log.log_end().0;
        black_box(log.read(Offset(offset), limits).unwrap().unwrap())
    });
}

/// Segments of 1 GiB that hold 16 batches of 64 MiB each, of which nothing but the headers is there.
fn sparse(directory: &Path, segments: i64) -> Log {
    const BATCHES: i64 = 16;
    const BATCH_BYTES: i64 = 64 * MIB as i64;
    const RECORDS: i64 = 65_536;
    let fs = RealFs;
    let template = *BatchView::parse(&batch(100)).unwrap().header();
    for segment in 0..=segments {
        let base = segment * BATCHES * RECORDS;
        let path = |suffix: &str| directory.join(format!("{base:020}{suffix}"));
        let open = |suffix| fs.open(&path(suffix), barnabas_log::fs::OpenMode::Truncate).unwrap();
        let (file, index, times) = (open(".log"), open(".index"), open(".timeindex"));
        if segment == segments {
            continue;
        }
        let (mut entries, mut time_entry) = (Vec::new(), NOW.0.to_be_bytes().to_vec());
        for number in 0..BATCHES {
            let header = BatchHeader {
                base_offset: Offset(base + number * RECORDS),
                batch_length: i32::try_from(BATCH_BYTES - 12).unwrap(),
                last_offset_delta: i32::try_from(RECORDS - 1).unwrap(),
                ..template
            };
            let position = (number * BATCH_BYTES) as u64;
            let bytes: [u8; BATCH_HEADER_BYTES] = header.encode();
            file.write_at(&[std::io::IoSlice::new(&bytes)], position).unwrap();
            entries.extend(i32::try_from((number + 1) * RECORDS - 1).unwrap().to_be_bytes());
            entries.extend(u32::try_from(position).unwrap().to_be_bytes());
        }
        time_entry.extend(i32::try_from(RECORDS - 1).unwrap().to_be_bytes());
        file.set_length((BATCHES * BATCH_BYTES) as u64).unwrap();
        index.write_at(&[std::io::IoSlice::new(&entries)], 0).unwrap();
        times.write_at(&[std::io::IoSlice::new(&time_entry)], 0).unwrap();
    }
    open(directory, true, Offset(segments * BATCHES * RECORDS))
}

fn recovering(criterion: &mut Criterion) {
    let directory = TempDir::new().unwrap();
    let log = filled(directory.path(), log_mebibytes());
    let (size, end) = (log.size(), log.log_end());
    drop(log);
    let mut group = criterion.benchmark_group("recover");
    group.sample_size(10).throughput(Throughput::Bytes(size));
    group.bench_function(format!("{} MiB", log_mebibytes()), |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                let log = open(directory.path(), false, Offset(0));
                assert_eq!(log.log_end(), end);
                log
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, appending, reading, syncing, looking_up, recovering);
criterion_main!(benches);

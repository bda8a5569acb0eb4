//! Segments that take all their room on the disk at once, and batches that ask for theirs before they come.

use barnabas_types::Timestamp;

use crate::LogConfig;
use crate::fs::{Fault, Operation};
use crate::testing::{LogContext, TestBatch, small_segments};

const ENOSPC: i32 = 28;

fn preallocated() -> LogContext {
    LogContext::new(LogConfig { preallocate: true, ..small_segments() })
}

fn lengths(context: &LogContext) -> Vec<u64> {
    let mut lengths = Vec::new();
    for entry in std::fs::read_dir(&context.options.directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().unwrap().ends_with(".log") {
            lengths.push((entry.file_name(), entry.metadata().unwrap().len()));
        }
    }
    lengths.sort();
    lengths.into_iter().map(|(_, length)| length).collect()
}

#[test]
fn a_segment_takes_all_its_room_with_its_first_batch_and_gives_the_rest_back_when_it_is_sealed_or_closed() {
    let mut context = preallocated();
    assert_eq!(lengths(&context), [0], "a partition that nobody writes to takes none");
    context.fill(30);
    let found = lengths(&context);
    let (active, sealed) = found.split_last().unwrap();
    assert_eq!(*active, 1000);
    assert_eq!(sealed.iter().sum::<u64>() + context.log().active.size, context.log().size());
    context.assert_holds(0, 30);
    context.close();
    assert!(*lengths(&context).last().unwrap() < 1000);
    assert_eq!(context.open().unwrap(), crate::Recovery::default());
    context.assert_holds(0, 30);
    context.fill(1);
    assert_eq!(*lengths(&context).last().unwrap(), 1000);
}

#[test]
fn recovery_cuts_off_the_room_that_was_not_used_and_calls_it_no_torn_tail() {
    for count in [0, 1, 4, 30] {
        let mut context = preallocated();
        context.fill(count);
        context.kill();
        let recovery = context.open().unwrap();
        assert_eq!(recovery.cut_bytes, 0, "{count}");
        context.assert_holds(0, count);
        assert_eq!(*lengths(&context).last().unwrap(), context.log().active.size);
        context.fill(30);
        context.assert_holds(0, count + 30);
    }
}

#[test]
fn a_large_segments_unused_room_is_cut_off_too() {
    let mut context = LogContext::new(LogConfig { preallocate: true, segment_bytes: 1 << 20, ..LogConfig::default() });
    context.fill(3);
    assert_eq!(lengths(&context), [1 << 20]);
    context.kill();
    assert_eq!(context.open().unwrap().cut_bytes, 0);
    context.assert_holds(0, 3);
    // A byte that is none of ours, far behind.
    context.fill(1);
    let path = context.log().active.path(crate::files::LOG);
    context.kill();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7], (1 << 20) - 5).unwrap();
    assert!(context.open().unwrap().cut_bytes > 1_000_000, "it is told of");
    context.assert_holds(0, 4);
}

#[test]
fn a_segment_that_finds_no_room_takes_no_batch_and_works_when_there_is() {
    let mut context = preallocated();
    context.fill(3);
    while context.log().segments() == 1 {
        context.fs.inject(Fault::always(Operation::SetLength, "0.log", ENOSPC));
        let end = context.log().log_end();
        if context.append(&TestBatch { timestamp: 5000, ..TestBatch::default() }).is_err() {
            assert_eq!(context.log().log_end(), end);
            context.fs.heal();
            context.fill(1);
        }
        context.fs.heal();
    }
    context.kill();
    context.open().unwrap();
    let end = context.log().log_end().0;
    context.assert_holds(0, end);
}

#[test]
fn preallocation_is_switched_while_the_log_is_in_use() {
    let mut context = LogContext::small();
    context.fill(2);
    assert!(lengths(&context)[0] < 1000);
    context.log().set_config(LogConfig { preallocate: true, ..small_segments() });
    context.fill(1);
    assert_eq!(lengths(&context), [1000]);
    context.log().set_config(small_segments());
    context.log().roll(Timestamp(9_000)).unwrap();
    context.fill(1);
    assert!(lengths(&context)[1] < 1000);
    context.assert_holds(0, 4);
}

#[test]
fn room_that_is_reserved_is_there_for_the_next_batches_and_none_is_an_error_that_changes_nothing() {
    let mut context = LogContext::small();
    context.fill(2);
    context.log().reserve(600, 100).unwrap();
    let size = context.log().size();
    assert_eq!(lengths(&context), [size + 600]);
    context.fs.inject(Fault::always(Operation::SetLength, ".log", ENOSPC));
    context.log().reserve(600, 100).unwrap();
    assert!(context.log().reserve(700, 700).unwrap_err().is_out_of_space());
    context.fs.heal();
    context.fill(3);
    context.close();
    context.open().unwrap();
    context.assert_holds(0, 5);
}

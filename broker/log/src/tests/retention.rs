//! What retention takes away, and what it leaves.

use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use crate::fs::{Fault, Operation};
use crate::testing::{LogContext, TestBatch, small_segments};
use crate::{LogConfig, ReadError, ReadLimits, Reason};

fn bases(context: &mut LogContext) -> Vec<i64> {
    context.log().segment_base_offsets().map(|offset| offset.0).collect()
}

#[test]
fn segments_older_than_allowed_leave_and_their_files_go_when_they_are_told() {
    let config = LogConfig { retention_ms: 30_000, ..small_segments() };
    let mut context = LogContext::new(config);
    context.fill(60);
    let before = bases(&mut context);
    let now = Timestamp(1000 * (before[3] - 1) + 30_000);
    let doomed = context.log().apply_retention(Offset(60), now).unwrap();
    // The third segment's newest record is exactly as old as allowed.
    assert_eq!(doomed.iter().map(|doomed| doomed.base_offset.0).collect::<Vec<_>>(), before[..2]);
    assert!(doomed.iter().all(|doomed| doomed.reason == Reason::Age));
    assert_eq!(context.log().log_start(), Offset(before[2]));
    let path = context.path("00000000000000000000.log.deleted");
    assert!(path.exists());
    doomed.iter().for_each(|doomed| doomed.remove().unwrap());
    assert!(!path.exists());
    context.assert_holds(before[2], 60);
    let limits = ReadLimits { end: Offset(60), max_bytes: 1, at_least_one_batch: true };
    assert!(matches!(context.log().read(Offset(0), limits), Err(ReadError::OutOfRange { .. })));
}

#[test]
fn when_all_is_too_old_the_log_is_empty_and_goes_on_at_the_same_offset() {
    let mut context = LogContext::new(LogConfig { retention_ms: 1, ..small_segments() });
    context.fill(60);
    _ = context.log().apply_retention(Offset(60), Timestamp(10_000_000)).unwrap();
    assert_eq!((context.log().log_start(), context.log().log_end()), (Offset(60), Offset(60)));
    context.fill(2);
    context.assert_holds(60, 62);
    context.close();
    context.open().unwrap();
    context.assert_holds(60, 62);
}

#[test]
fn nothing_at_or_past_the_high_watermark_leaves() {
    let mut context = LogContext::new(LogConfig { retention_ms: 1, ..small_segments() });
    context.fill(60);
    let before = bases(&mut context);
    _ = context.log().apply_retention(Offset(before[2] + 1), Timestamp(10_000_000)).unwrap();
    assert_eq!(context.log().log_start(), Offset(before[2]));
}

#[test]
fn the_oldest_segments_leave_while_the_rest_is_large_enough() {
    let mut context = LogContext::small();
    context.fill(100);
    let size = context.log().size();
    let first = std::fs::metadata(context.path("00000000000000000000.log")).unwrap().len();
    context.log().set_config(LogConfig { retention_bytes: (size - first) as i64 + 1, ..small_segments() });
    assert!(context.log().apply_retention(Offset(100), Timestamp(0)).unwrap().is_empty());
    context.log().set_config(LogConfig { retention_bytes: (size - first) as i64, ..small_segments() });
    let doomed = context.log().apply_retention(Offset(100), Timestamp(0)).unwrap();
    assert_eq!(doomed.iter().map(|doomed| (doomed.reason, doomed.size)).collect::<Vec<_>>(), [(Reason::Size, first)]);
    assert_eq!(context.log().size(), size - first);
}

#[test]
fn a_compacted_topic_loses_nothing_by_age_or_size() {
    let config = LogConfig { retention_ms: 1, retention_bytes: 1, delete: false, compact: true, ..small_segments() };
    let mut context = LogContext::new(config);
    context.fill(60);
    assert!(context.log().apply_retention(Offset(60), Timestamp(10_000_000)).unwrap().is_empty());
}

#[test]
fn deleted_records_are_gone_at_once_and_their_segments_with_the_next_round() {
    let mut context = LogContext::new(LogConfig { retention_ms: -1, ..small_segments() });
    context.fill(30);
    context.append(&TestBatch { epoch: 4, ..TestBatch::default() }).unwrap();
    let before = bases(&mut context);
    assert!(context.log().raise_log_start(Offset(before[1] + 2)));
    assert!(!context.log().raise_log_start(Offset(before[1])));
    assert_eq!(context.log().leader_epochs().epoch_of(Offset(before[1] + 2)), Some(LeaderEpoch(0)));
    assert_eq!(context.log().leader_epochs().epoch_of(Offset(before[1] + 1)), None);
    let doomed = context.log().apply_retention(Offset(31), Timestamp(0)).unwrap();
    assert_eq!(
        doomed.iter().map(|doomed| (doomed.base_offset.0, doomed.reason)).collect::<Vec<_>>(),
        [(0, Reason::LogStart)]
    );
    context.assert_holds(before[1] + 2, 31);
    // To the very end: an empty log that goes on where it was.
    assert!(context.log().raise_log_start(Offset(1000)));
    _ = context.log().apply_retention(Offset(31), Timestamp(0)).unwrap();
    assert_eq!((context.log().log_start(), context.log().log_end(), context.log().size()), (Offset(31), Offset(31), 0));
}

#[test]
fn a_region_outlives_the_segment_it_was_read_from() {
    let mut context = LogContext::new(LogConfig { retention_ms: 1, ..small_segments() });
    context.fill(60);
    let limits = ReadLimits { end: Offset(60), max_bytes: 1, at_least_one_batch: true };
    let region = context.log().read(Offset(0), limits).unwrap().unwrap();
    for doomed in context.log().apply_retention(Offset(60), Timestamp(10_000_000)).unwrap() {
        doomed.remove().unwrap();
    }
    assert_eq!(barnabas_records::batches(&region.bytes().unwrap()).count(), 1);
}

#[test]
fn on_a_full_disk_old_segments_go_all_the_same() {
    for operation in [Operation::Write, Operation::Open] {
        let mut context = LogContext::new(LogConfig { retention_ms: 1, ..small_segments() });
        context.fill(60);
        let before = bases(&mut context);
        context.fs.inject(Fault::always(operation, "topic-0/", 28));
        let doomed = context.log().apply_retention(Offset(60), Timestamp(10_000_000)).unwrap();
        assert_eq!(doomed.len(), before.len() - 1, "{operation}");
        doomed.iter().for_each(|doomed| doomed.remove().unwrap());
        context.fs.heal();
        _ = context.log().apply_retention(Offset(60), Timestamp(10_000_000)).unwrap();
        assert_eq!((context.log().log_start(), context.log().size()), (Offset(60), 0));
        context.fill(2);
        context.assert_holds(60, 62);
    }
}

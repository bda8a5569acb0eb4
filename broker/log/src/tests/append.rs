//! Appending: offsets, epochs, sequences, rolling.

use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use crate::producer::SequenceError;
use crate::testing::{LogContext, TestBatch, small_segments};
use crate::{AppendError, LogConfig, ReadError, ReadLimits};

#[test]
fn offsets_are_assigned_in_order_and_every_record_is_found_again() {
    let mut context = LogContext::small();
    context.fill(100);
    assert!(context.log().segments() > 5);
    context.assert_holds(0, 100);
}

#[test]
fn a_batch_of_many_records_takes_as_many_offsets_and_is_found_by_each() {
    let mut context = LogContext::small();
    let values: Vec<String> = (0..5).map(|number| number.to_string()).collect();
    let appended = context.append(&TestBatch { values: values.clone(), ..TestBatch::default() }).unwrap();
    assert_eq!((appended.base_offset, appended.last_offset), (Offset(0), Offset(4)));
    let appended = context.append(&TestBatch { values, epoch: 3, ..TestBatch::default() }).unwrap();
    assert_eq!((appended.base_offset, appended.last_offset), (Offset(5), Offset(9)));
    assert_eq!(context.offsets_from(7), [(5, 9)]);
    assert_eq!(context.log().leader_epochs().epoch_of(Offset(9)), Some(LeaderEpoch(3)));
    assert_eq!(context.log().leader_epochs().epoch_of(Offset(4)), Some(LeaderEpoch(0)));
}

#[test]
fn reading_stops_below_the_limit_whatever_the_size_allows() {
    let mut context = LogContext::small();
    context.fill(50);
    for end in 0..=50 {
        let limits = ReadLimits { end: Offset(end), max_bytes: u32::MAX, at_least_one_batch: true };
        for from in 0..=50 {
            let region = context.log().read(Offset(from), limits).unwrap();
            let bytes = region.map(|region| region.bytes().unwrap()).unwrap_or_default();
            let read: Vec<i64> =
                barnabas_records::batches(&bytes).map(|batch| batch.unwrap().header().base_offset.0).collect();
            assert_eq!(read.first().copied(), (from < end).then_some(from));
            assert!(read.iter().all(|offset| *offset < end), "{from} to {end}: {read:?}");
        }
    }
}

#[test]
fn a_batch_larger_than_asked_for_is_returned_only_when_one_batch_must_be() {
    let mut context = LogContext::small();
    context.fill(1);
    let limits = ReadLimits { end: Offset(1), max_bytes: 10, at_least_one_batch: false };
    assert!(context.log().read(Offset(0), limits).unwrap().is_none());
    let region = context.log().read(Offset(0), ReadLimits { at_least_one_batch: true, ..limits }).unwrap().unwrap();
    assert!(region.length > 10);
}

#[test]
fn offsets_outside_the_log_are_refused_and_its_end_is_not() {
    let mut context = LogContext::small();
    context.fill(3);
    let limits = ReadLimits { end: Offset(3), max_bytes: 1000, at_least_one_batch: true };
    assert!(context.log().read(Offset(3), limits).unwrap().is_none());
    for offset in [-1, 4] {
        assert!(matches!(context.log().read(Offset(offset), limits), Err(ReadError::OutOfRange { .. })));
    }
}

#[test]
fn a_repeated_batch_is_answered_with_its_old_offsets_and_written_once() {
    let mut context = LogContext::small();
    let batch = |sequence| TestBatch { producer: Some((7, 0, sequence)), ..TestBatch::default() };
    context.append(&batch(0)).unwrap();
    let first = context.append(&batch(1)).unwrap();
    context.append(&batch(2)).unwrap();
    let again = context.append(&batch(1)).unwrap();
    assert!(again.duplicate);
    assert_eq!((again.base_offset, again.last_offset), (first.base_offset, first.last_offset));
    assert_eq!(context.log().log_end(), Offset(3));
    match context.append(&batch(4)) {
        Err(AppendError::Sequence(SequenceError::OutOfOrder { incoming: 4, expected: 3, .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_of_age_rolls_with_the_first_batch_that_is_newer_by_more() {
    let mut context = LogContext::new(LogConfig { segment_ms: 100, ..LogConfig::default() });
    for timestamp in [1000, 1100, 1101, 1201, 1202] {
        context.append(&TestBatch { timestamp, ..TestBatch::default() }).unwrap();
    }
    let bases: Vec<i64> = context.log().segment_base_offsets().map(|offset| offset.0).collect();
    assert_eq!(bases, [0, 2, 4]);
}

#[test]
fn a_full_index_rolls() {
    let config = LogConfig { segment_index_bytes: 60, index_interval_bytes: 0, ..LogConfig::default() };
    let mut context = LogContext::new(config);
    context.fill(20);
    assert!(context.log().segments() >= 3);
    for entry in std::fs::read_dir(&context.options.directory).unwrap() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|extension| extension == "index" || extension == "timeindex") {
            assert!(entry.metadata().unwrap().len() <= 60);
        }
    }
    context.assert_holds(0, 20);
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    let mut context = LogContext::small();
    let batch = TestBatch { values: vec!["x".repeat(2000)], ..TestBatch::default() };
    assert!(matches!(context.append(&batch), Err(AppendError::TooLarge { .. })));
    assert_eq!(context.log().log_end(), Offset(0));
}

#[test]
fn a_follower_takes_batches_as_they_are_and_leaves_the_cut_one_out() {
    let mut context = LogContext::small();
    let batch = |base_offset, epoch| TestBatch { base_offset, epoch, ..TestBatch::default() }.build();
    let mut bytes = [batch(0, 1), batch(1, 1), batch(2, 4)].concat();
    let whole = bytes.len();
    bytes.extend(&batch(3, 4)[..70]);
    assert_eq!(context.log().append_as_follower(&bytes, Timestamp(0)).unwrap(), Offset(3));
    let written = std::fs::read(context.path("00000000000000000000.log")).unwrap();
    assert_eq!(written, bytes[..whole]);
    assert_eq!(context.log().leader_epochs().epoch_of(Offset(2)), Some(LeaderEpoch(4)));
    // A gap is what compaction left at the leader; going back is not allowed.
    assert_eq!(context.log().append_as_follower(&batch(10, 4), Timestamp(0)).unwrap(), Offset(11));
    let back = context.log().append_as_follower(&batch(10, 4), Timestamp(0));
    assert!(matches!(back, Err(AppendError::NotContinuing { .. })));
    let mut damaged = batch(11, 4);
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(context.log().append_as_follower(&damaged, Timestamp(0)), Err(AppendError::Batch(_))));
    assert_eq!(context.offsets_from(0), [(0, 0), (1, 1), (2, 2), (10, 10)]);
    assert_eq!(context.offsets_from(5), [(10, 10)]);
}

#[test]
fn a_follower_far_behind_begins_a_segment_that_can_index_what_it_gets() {
    let mut context = LogContext::new(LogConfig { segment_bytes: 1_000_000, ..small_segments() });
    let batch = |base_offset| TestBatch { base_offset, ..TestBatch::default() }.build();
    context.log().append_as_follower(&batch(0), Timestamp(0)).unwrap();
    context.log().append_as_follower(&batch(5_000_000_000), Timestamp(0)).unwrap();
    assert_eq!(context.log().segments(), 2);
    assert_eq!(context.offsets_from(1), [(5_000_000_000, 5_000_000_000)]);
}

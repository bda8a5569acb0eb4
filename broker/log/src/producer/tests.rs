//! Sequences, epochs, duplicates and snapshots of producers.

use super::*;
use crate::fs::RealFs;
use barnabas_records::Attributes;
use barnabas_types::LeaderEpoch;

fn header(producer: i64, epoch: i16, base_sequence: i32, base_offset: i64, count: i32) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(base_offset),
        batch_length: 49,
        partition_leader_epoch: LeaderEpoch(0),
        crc: 0,
        attributes: Attributes::default(),
        last_offset_delta: count - 1,
        base_timestamp: Timestamp(1000),
        max_timestamp: Timestamp(1000),
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence,
        record_count: count,
    }
}

fn state() -> ProducerState {
    ProducerState::new(Vec::new())
}

fn note(state: &mut ProducerState, header: &BatchHeader) {
    state.note(header, None, Timestamp(1000));
}

#[test]
fn batches_in_sequence_are_new_and_a_gap_is_refused() {
    let mut state = state();
    note(&mut state, &header(1, 0, 0, 0, 3));
    assert_eq!(state.check(&header(1, 0, 3, 3, 1)), Ok(SequenceCheck::New));
    let gap = SequenceError::OutOfOrder { producer_id: ProducerId(1), incoming: 4, expected: 3 };
    assert_eq!(state.check(&header(1, 0, 4, 3, 1)), Err(gap));
}

#[test]
fn each_of_the_last_five_batches_is_known_again_and_the_sixth_is_not() {
    let mut state = state();
    for number in 0..6 {
        note(&mut state, &header(1, 0, number * 2, 100 + i64::from(number) * 2, 2));
    }
    for number in 1..6 {
        let repeated = header(1, 0, number * 2, 999, 2);
        match state.check(&repeated) {
            Ok(SequenceCheck::Duplicate(batch)) => {
                assert_eq!(batch.first_offset(), Offset(100 + i64::from(number) * 2));
                assert_eq!(batch.last_offset, Offset(101 + i64::from(number) * 2));
            }
            other => panic!("{number}: {other:?}"),
        }
    }
    assert!(matches!(state.check(&header(1, 0, 0, 999, 2)), Err(SequenceError::OutOfOrder { .. })));
    // The same first sequence with another length is not the same batch.
    assert!(matches!(state.check(&header(1, 0, 10, 999, 1)), Err(SequenceError::OutOfOrder { .. })));
}

#[test]
fn sequences_wrap_from_the_largest_number_to_zero() {
    let mut state = state();
    note(&mut state, &header(1, 0, i32::MAX - 1, 0, 2));
    assert_eq!(state.check(&header(1, 0, 0, 2, 1)), Ok(SequenceCheck::New));
    // A batch that wraps in its middle: MAX, 0, 1.
    let mut state = self::state();
    note(&mut state, &header(1, 0, i32::MAX, 0, 3));
    assert_eq!(state.check(&header(1, 0, 2, 3, 1)), Ok(SequenceCheck::New));
    let repeated = state.check(&header(1, 0, i32::MAX, 3, 3));
    assert!(matches!(repeated, Ok(SequenceCheck::Duplicate(batch)) if batch.first_offset() == Offset(0)));
}

#[test]
fn an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero() {
    let mut state = state();
    note(&mut state, &header(1, 3, 0, 0, 1));
    let stale =
        SequenceError::StaleEpoch { producer_id: ProducerId(1), incoming: ProducerEpoch(2), current: ProducerEpoch(3) };
    assert_eq!(state.check(&header(1, 2, 1, 1, 1)), Err(stale));
    assert!(matches!(state.check(&header(1, 4, 1, 1, 1)), Err(SequenceError::OutOfOrder { expected: 0, .. })));
    assert_eq!(state.check(&header(1, 4, 0, 1, 1)), Ok(SequenceCheck::New));
    note(&mut state, &header(1, 4, 0, 1, 1));
    assert!(matches!(state.check(&header(1, 3, 0, 2, 1)), Err(SequenceError::StaleEpoch { .. })));
}

#[test]
fn an_unknown_producer_may_start_at_any_sequence() {
    assert_eq!(state().check(&header(9, 0, 77, 0, 1)), Ok(SequenceCheck::New));
}

#[test]
fn silent_producers_expire_unless_a_transaction_is_open() {
    let mut state = state();
    note(&mut state, &header(1, 0, 0, 0, 1));
    let mut open = header(2, 0, 0, 1, 1);
    open.attributes = Attributes::default().with_transactional(true);
    note(&mut state, &open);
    assert_eq!(state.first_open_transaction(), Some(Offset(1)));
    state.expire(Timestamp(1099), 100);
    assert_eq!(state.producers().count(), 2);
    state.expire(Timestamp(1100), 100);
    assert_eq!(state.producers().map(|(id, _)| id).collect::<Vec<_>>(), [ProducerId(2)]);
    assert!(matches!(state.check(&header(2, 0, 1, 2, 1)), Err(SequenceError::OutsideTransaction { .. })));
    let mut marker = header(2, 0, -1, 2, 1);
    marker.attributes = open.attributes.with_control(true);
    state.note(&marker, Some(EndMarker { aborted: true, coordinator_epoch: 5 }), Timestamp(1000));
    assert_eq!(state.first_open_transaction(), None);
    assert_eq!(state.producer(ProducerId(2)).map(|entry| entry.coordinator_epoch), Some(5));
    assert_eq!(state.check(&header(2, 0, 1, 3, 1)), Ok(SequenceCheck::New));
}

#[test]
fn a_producer_that_writes_old_timestamps_does_not_expire_while_it_writes() {
    let mut state = state();
    state.note(&header(1, 0, 0, 0, 1), None, Timestamp(1_000_000));
    state.expire(Timestamp(1_000_050), 100);
    assert_eq!(state.producers().count(), 1);
}

#[test]
fn beyond_the_limit_those_silent_the_longest_are_forgotten() {
    let mut state = state();
    state.limit = 16;
    for id in 0..100 {
        let mut batch = header(id, 0, 0, id, 1);
        batch.max_timestamp = Timestamp(id);
        state.note(&batch, None, Timestamp(id));
        assert!(state.producers().count() <= 16);
    }
    assert!(state.producer(ProducerId(99)).is_some());
    assert!(state.producer(ProducerId(0)).is_none());
}

#[test]
fn a_snapshot_restores_each_producers_last_batch_and_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = state();
    note(&mut written, &header(1, 2, 5, 10, 3));
    note(&mut written, &header(1, 2, 8, 13, 2));
    let mut open = header(7, 1, 0, 15, 1);
    open.attributes = Attributes::default().with_transactional(true);
    note(&mut written, &open);
    let path = written.write_snapshot(&RealFs, dir.path()).unwrap().unwrap();
    assert_eq!(path, dir.path().join("00000000000000000016.snapshot"));
    assert_eq!(written.write_snapshot(&RealFs, dir.path()).unwrap(), None);

    let mut read = ProducerState::new(vec![Offset(16)]);
    read.load(&RealFs, dir.path(), Offset(0), Offset(20)).unwrap();
    assert_eq!(read.end(), Offset(16));
    assert_eq!(read.first_open_transaction(), Some(Offset(15)));
    assert!(matches!(read.check(&header(1, 2, 8, 16, 2)), Ok(SequenceCheck::Duplicate(_))));
    assert_eq!(read.check(&header(1, 2, 10, 16, 1)), Ok(SequenceCheck::New));
}

#[test]
fn the_snapshot_format_is_kafkas_to_the_byte() {
    let mut state = state();
    note(&mut state, &header(1, 2, 5, 10, 3));
    let bytes = snapshot::encode(state.producers.iter().map(|(id, entry)| (*id, entry)));
    let body = [
        [0, 0, 0, 1].as_slice(),
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 7],
        &[0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0xe8],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ]
    .concat();
    assert_eq!(bytes, [[0, 1].as_slice(), &barnabas_records::crc32c(&body).to_be_bytes(), &body].concat());
}

#[test]
fn a_snapshot_with_any_byte_changed_or_cut_is_passed_over_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = state();
    note(&mut written, &header(1, 0, 0, 0, 1));
    written.write_snapshot(&RealFs, dir.path()).unwrap();
    note(&mut written, &header(1, 0, 1, 1, 1));
    let newest = written.write_snapshot(&RealFs, dir.path()).unwrap().unwrap();
    let sound = std::fs::read(&newest).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..sound.len()).map(|length| sound[..length].to_vec()).collect();
    for index in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[index] ^= 0x40;
        damaged.push(bytes);
    }
    for bytes in damaged {
        std::fs::write(&newest, &bytes).unwrap();
        let mut read = ProducerState::new(vec![Offset(1), Offset(2)]);
        read.load(&RealFs, dir.path(), Offset(0), Offset(2)).unwrap();
        assert_eq!(read.end(), Offset(1));
        assert!(!newest.exists());
    }
}

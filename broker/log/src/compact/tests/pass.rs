//! Single passes: what stays, what goes, and what is left alone.

use super::*;

#[test]
fn of_every_key_the_last_record_stays_at_its_offset() {
    let mut context = LogContext::new(config());
    let log = context.log();
    for (key, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("b", "2")] {
        append(log, &Batch::of(&[(key, Some(value))]).build(), AppendOrigin::Client).unwrap();
    }
    seal(log);
    append(log, &Batch::of(&[("a", Some("3"))]).build(), AppendOrigin::Client).unwrap();
    let (done, _) = compact(&mut context, 0, room_for(100)).unwrap().unwrap();
    assert_eq!(listing(context.log()), ["2 a=2", "3 c=1", "4 b=2", "5 a=3"], "the active segment is not compacted");
    assert_eq!((done.dirty, done.keys, done.records), ([Offset(0), Offset(5)], 3, [5, 3]));
    assert!(compact(&mut context, 0, room_for(100)).is_none(), "nothing is dirty any more");
    assert_eq!(context.log().first_dirty(), Offset(5));
}

#[test]
fn a_batch_keeps_its_offsets_sequence_times_epoch_and_codec_when_records_leave_it() {
    for compression in [
        Compression::None,
        Compression::Gzip { level: -1 },
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd { level: 3 },
    ] {
        let mut context = LogContext::new(config());
        let log = context.log();
        let records = [("x", Some("1")), ("a", Some("1")), ("y", Some("1")), ("z", Some("1"))];
        let batch = Batch { compression, timestamp: 70, producer: Some((9, 4, 100)), ..Batch::of(&records) };
        append(log, &batch.build(), AppendOrigin::Client).unwrap();
        let before = headers(log)[0];
        append(log, &Batch::of(&[("x", Some("2")), ("z", Some("2"))]).build(), AppendOrigin::Client).unwrap();
        seal(log);
        compact_all(&mut context, 0);
        let after = headers(context.log())[0];
        assert_eq!((after.base_offset, after.last_offset()), (before.base_offset, before.last_offset()));
        assert_eq!((after.base_sequence, after.last_sequence()), (100, 103));
        assert_eq!((after.producer_id, after.producer_epoch), (before.producer_id, before.producer_epoch));
        assert_eq!((after.attributes, after.record_count), (before.attributes, 2));
        let times: Vec<i64> = read(context.log(), false).iter().take(2).map(|record| record.timestamp).collect();
        assert_eq!(times, [71, 72]);
        assert_eq!(after.max_timestamp, Timestamp(72));
    }
}

#[test]
fn a_batch_from_which_nothing_goes_is_copied_byte_for_byte() {
    let mut context = LogContext::new(config());
    let log = context.log();
    // Levels differ from what compaction would compress with.
    let compression = Compression::Zstd { level: 19 };
    let batch = Batch { compression, ..Batch::of(&[("a", Some("1")), ("b", Some("1"))]) };
    append(log, &batch.build(), AppendOrigin::Client).unwrap();
    append(log, &Batch::of(&[("c", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    append(log, &Batch::of(&[("c", Some("2"))]).build(), AppendOrigin::Client).unwrap();
    seal(log);
    let before = batches(log, Offset(0), log.log_end());
    compact_all(&mut context, 0);
    let after = batches(context.log(), Offset(0), Offset(4));
    assert_eq!(listing(context.log()), ["0 a=1", "1 b=1", "3 c=2"]);
    assert_eq!((&after[0], &after[1]), (&before[0], &before[2]));
}

#[test]
fn a_tombstone_stays_for_its_time_and_then_goes() {
    let mut context = LogContext::new(config());
    let log = context.log();
    append(log, &Batch::of(&[("a", Some("1")), ("b", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    append(log, &Batch::of(&[("a", None)]).build(), AppendOrigin::Client).unwrap();
    append(log, &Batch::of(&[("c", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    seal(log);
    compact_all(&mut context, 5000);
    assert_eq!(listing(context.log()), ["1 b=1", "2 a=-", "3 c=1"]);
    let horizons: Vec<_> = headers(context.log()).iter().map(BatchHeader::delete_horizon).collect();
    assert_eq!(horizons, [None, Some(Timestamp(5000 + RETENTION_MS)), None]);
    for (now, expected) in [(5999, &["1 b=1", "2 a=-", "3 c=1"][..]), (6000, &["1 b=1", "3 c=1"])] {
        let log = context.log();
        append(log, &Batch::of(&[("d", Some("1"))]).build(), AppendOrigin::Client).unwrap();
        seal(log);
        compact_all(&mut context, now);
        let left = listing(context.log());
        assert_eq!(left[..expected.len()], *expected, "at {now}");
    }
}

#[test]
fn a_tombstones_time_begins_when_its_whole_batch_is_covered() {
    let mut context = LogContext::new(config());
    let log = context.log();
    append(log, &Batch::of(&[("b", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    append(log, &Batch::of(&[("a", None), ("c", Some("1")), ("b", None)]).build(), AppendOrigin::Client).unwrap();
    append(log, &Batch::of(&[("d", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    seal(log);
    // The map has room for b and a: the tombstone of b is not covered, and the record in front of it stays.
    let (done, _) = compact(&mut context, 1000, room_for(2)).unwrap().unwrap();
    assert_eq!(done.dirty[1], Offset(2));
    assert_eq!(headers(context.log())[1].delete_horizon(), None);
    compact_all(&mut context, 5000);
    assert_eq!(listing(context.log()), ["1 a=-", "2 c=1", "3 b=-", "4 d=1"]);
    assert_eq!(headers(context.log())[0].delete_horizon(), Some(Timestamp(5000 + RETENTION_MS)));
}

#[test]
fn keys_that_do_not_fit_into_the_map_take_several_passes() {
    let mut context = LogContext::new(config());
    let log = context.log();
    let keys: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
    for round in ["1", "2", "3"] {
        for pair in keys.chunks(2) {
            let records = [(pair[0].as_str(), Some(round)), (pair[1].as_str(), Some(round))];
            append(log, &Batch::of(&records).build(), AppendOrigin::Client).unwrap();
        }
    }
    seal(log);
    let mut passes = 0;
    while let Some(run) = compact(&mut context, 0, room_for(3)) {
        let (done, _) = run.unwrap();
        assert!(done.keys <= 3 && done.dirty[1] > done.dirty[0], "{done:?}");
        passes += 1;
    }
    assert!(passes >= 20, "{passes}");
    let expected: Vec<String> = (0..20).map(|number| format!("{} k{number}=3", 40 + number)).collect();
    assert_eq!(listing(context.log()), expected);
}

#[test]
fn records_without_a_key_go() {
    let mut context = LogContext::new(config());
    let log = context.log();
    let batch = Batch { records: vec![(None, Some("1")), (Some("a"), Some("1"))], ..Batch::of(&[]) };
    append(log, &batch.build(), AppendOrigin::Client).unwrap();
    append(log, &Batch::of(&[("b", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    seal(log);
    compact_all(&mut context, 0);
    assert_eq!(listing(context.log()), ["1 a=1", "2 b=1"]);
}

#[test]
fn aborted_records_go_at_once_and_markers_when_their_time_has_come() {
    let mut context = LogContext::new(config());
    let log = context.log();
    let transaction = |id, sequence, key| Batch {
        producer: Some((id, 0, sequence)),
        transactional: true,
        ..Batch::of(&[(key, Some("1"))])
    };
    append(log, &Batch::of(&[("a", Some("0"))]).build(), AppendOrigin::Client).unwrap();
    append(log, &transaction(1, 0, "a").build(), AppendOrigin::Client).unwrap();
    append(log, &transaction(2, 0, "b").build(), AppendOrigin::Client).unwrap();
    end_transaction(log, (1, 0), false).unwrap();
    end_transaction(log, (2, 0), true).unwrap();
    // Later batches of both, so that nothing hangs on the first ones.
    append(log, &transaction(1, 1, "c").build(), AppendOrigin::Client).unwrap();
    append(log, &transaction(2, 1, "b").build(), AppendOrigin::Client).unwrap();
    end_transaction(log, (1, 0), true).unwrap();
    end_transaction(log, (2, 0), true).unwrap();
    append(log, &Batch::of(&[("z", Some("0"))]).build(), AppendOrigin::Client).unwrap();
    seal(log);
    let offsets = |context: &mut LogContext| -> Vec<i64> {
        headers(context.log()).iter().map(|header| header.base_offset.0).collect()
    };
    compact_all(&mut context, 0);
    assert_eq!(listing(context.log()), ["0 a=0", "5 c=1", "6 b=1", "9 z=0"]);
    assert_eq!(offsets(&mut context), [0, 3, 4, 5, 6, 7, 8, 9], "the markers of transactions that were met stay");
    let again = |context: &mut LogContext, now| {
        append(context.log(), &Batch::of(&[("y", Some("0"))]).build(), AppendOrigin::Client).unwrap();
        seal(context.log());
        compact_all(context, now);
    };
    again(&mut context, 10_000);
    assert_eq!(offsets(&mut context)[..7], [0, 3, 4, 5, 6, 7, 8], "their time begins");
    again(&mut context, 10_000 + RETENTION_MS);
    assert_eq!(offsets(&mut context)[..5], [0, 5, 6, 7, 8], "those of nothing are gone");
}

#[test]
fn a_producers_last_batch_stays_as_a_header_so_that_its_sequence_is_known() {
    let mut context = LogContext::new(config());
    let log = context.log();
    let batch = |sequence| Batch { producer: Some((5, 2, sequence)), ..Batch::of(&[("a", Some("1"))]) };
    append(log, &batch(0).build(), AppendOrigin::Client).unwrap();
    append(log, &batch(1).build(), AppendOrigin::Client).unwrap();
    append(log, &Batch::of(&[("a", Some("2"))]).build(), AppendOrigin::Client).unwrap();
    seal(log);
    compact_all(&mut context, 0);
    let left: Vec<_> =
        headers(context.log()).iter().map(|header| (header.base_offset.0, header.record_count)).collect();
    assert_eq!(left, [(1, 0), (2, 1)]);
    context.kill();
    for entry in std::fs::read_dir(&context.options.directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "snapshot") {
            std::fs::remove_file(path).unwrap();
        }
    }
    context.open().unwrap();
    let log = context.log();
    append(log, &batch(2).build(), AppendOrigin::Client).unwrap();
    assert!(append(log, &batch(9).build(), AppendOrigin::Client).is_err(), "the sequence is still known");
}

#[test]
fn what_may_be_compacted_ends_where_it_did_though_its_last_records_go() {
    let mut context = LogContext::new(config());
    let log = context.log();
    append(log, &Batch::of(&[("a", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    let batch = |id| Batch { producer: Some((id, 0, 0)), transactional: true, ..Batch::of(&[("b", Some("1"))]) };
    append(log, &batch(1).build(), AppendOrigin::Client).unwrap();
    seal(log);
    end_transaction(log, (1, 0), false).unwrap();
    // A newer epoch, so that nothing but its place keeps the batch.
    let newer = Batch { producer: Some((1, 1, 0)), ..Batch::of(&[("c", Some("1"))]) };
    append(log, &newer.build(), AppendOrigin::Client).unwrap();
    log.flush().unwrap();
    compact_all(&mut context, 0);
    let left: Vec<_> =
        headers(context.log()).iter().map(|header| (header.base_offset.0, header.record_count)).collect();
    assert_eq!(left, [(0, 1), (1, 0), (2, 1), (3, 1)]);
}

#[test]
fn small_segments_become_one_and_what_they_replaced_is_handed_out() {
    let mut context = LogContext::new(config());
    let log = context.log();
    for number in 0..8 {
        let value = "x".repeat(40);
        append(log, &Batch::of(&[("a", Some(&value)), ("b", Some(&value))]).build(), AppendOrigin::Client).unwrap();
        if number % 2 == 1 {
            seal(log);
        }
    }
    let (before, start) = (log.segments(), log.log_start());
    let (done, doomed) = compact(&mut context, 0, room_for(100)).unwrap().unwrap();
    let log = context.log();
    assert_eq!((before, log.segments(), log.log_start()), (5, 3, start));
    assert_eq!((done.segments, doomed.len()), ([4, 2], 4));
    assert!(doomed.iter().all(|old| old.reason == crate::Reason::Compacted && old.size > 0));
    doomed.iter().for_each(|old| old.remove().unwrap());
    let left = std::fs::read_dir(&context.options.directory).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.ends_with(".deleted") && !name.ends_with(".swap")), "{left:?}");
}

#[test]
fn a_reader_that_holds_a_replaced_segment_looks_again() {
    let mut context = LogContext::new(config());
    let log = context.log();
    for number in 0..30 {
        let value = number.to_string();
        append(log, &Batch::of(&[("a", Some(&value)), ("b", Some(&value))]).build(), AppendOrigin::Client).unwrap();
    }
    seal(log);
    let limits = ReadLimits { end: log.log_end(), max_bytes: 1000, at_least_one_batch: true };
    let ticket = log.prepare_read(Offset(40), limits).unwrap();
    let by_time = log.prepare_offset_for_timestamp(Timestamp(0));
    let region = log.read(Offset(40), limits).unwrap().unwrap();
    let before = region.bytes().unwrap();
    compact_all(&mut context, 0);
    assert!(matches!(ticket.run().unwrap(), crate::Read::Continue(Offset(40))));
    assert!(matches!(by_time.unwrap().run(), Err(crate::ReadError::Replaced)));
    assert_eq!(region.bytes().unwrap(), before, "what was found before is still readable");
    let log = context.log();
    let aborted = log.prepare_aborted(Offset(40), log.log_end(), &region);
    assert!(matches!(aborted.run(), Err(crate::ReadError::Replaced)));
    let region = log.read(Offset(40), limits).unwrap().unwrap();
    let header = *BatchView::parse(&region.bytes().unwrap()).unwrap().header();
    assert_eq!(header.base_offset, Offset(58), "the batch after it");
}

#[test]
fn a_damaged_batch_stops_the_pass_and_is_named() {
    for (position, says) in [(65, "CRC"), (8, "needs")] {
        let mut context = LogContext::new(config());
        let log = context.log();
        for value in ["1", "2", "3"] {
            append(log, &Batch::of(&[("a", Some(value))]).build(), AppendOrigin::Client).unwrap();
        }
        seal(log);
        let path = context.path("00000000000000000000.log");
        let mut bytes = std::fs::read(&path).unwrap();
        let second = BatchView::parse(&bytes).unwrap().bytes().len();
        bytes[second + position] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        let error = compact(&mut context, 0, room_for(100)).unwrap().unwrap_err();
        let CompactionError::Damaged(_) = &error else { panic!("{error}") };
        let text = error.to_string();
        assert!(text.contains("00000000000000000000.log") && text.contains(&format!("byte {second}")), "{text}");
        assert!(text.contains(says), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing was changed");
        context.kill();
    }
}

#[test]
fn a_pass_that_is_stopped_leaves_nothing_behind() {
    let mut context = LogContext::new(config());
    for _ in 0..20 {
        append(context.log(), &Batch::of(&[("a", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    }
    seal(context.log());
    let names = |context: &LogContext| {
        let names = std::fs::read_dir(&context.options.directory).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.retain(|name| !name.to_string_lossy().ends_with(".deleted"));
        names.sort();
        names
    };
    let before = names(&context);
    let all = listing(context.log());
    for patience in 1.. {
        let log = context.log();
        let cleanable = log.cleanable(log.log_end(), Timestamp(0)).unwrap();
        let ticket = log.prepare_compaction(cleanable).unwrap();
        let mut compactor = TestCompactor { context: &mut context, doomed: Vec::new(), patience, bytes: 0 };
        match ticket.run(&room_for(100), &mut compactor) {
            Err(CompactionError::Stopped) => {}
            Ok(_) => break,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(names(&context), before, "after {patience} steps");
        let left = listing(context.log());
        assert!(left == all || left == all[14..], "a whole segment or nothing: {left:?}");
    }
    assert_eq!(listing(context.log()), ["19 a=1"]);
}

#[test]
fn a_pass_that_the_log_has_overtaken_changes_nothing() {
    let fill = || {
        let mut context = LogContext::new(LogConfig { retention_bytes: 1, ..config() });
        for _ in 0..40 {
            append(context.log(), &Batch::of(&[("a", Some("1"))]).build(), AppendOrigin::Client).unwrap();
        }
        seal(context.log());
        context
    };
    type Change = fn(&mut Log);
    let changes: [Change; 4] = [
        |log| _ = log.truncate_to(Offset(35), Timestamp(0), |_| Ok(())).unwrap(),
        |log| log.restart_at(Offset(50), Timestamp(0), |_| Ok(())).unwrap(),
        |log| {
            log.raise_log_start(Offset(20));
            _ = log.apply_retention(log.log_end(), Timestamp(0)).unwrap();
        },
        Log::take_offline,
    ];
    for change in changes {
        let mut context = fill();
        let log = context.log();
        let cleanable = log.cleanable(log.log_end(), Timestamp(0)).unwrap();
        let ticket = log.prepare_compaction(cleanable).unwrap();
        change(log);
        let (expected, segments) = (log.log_end(), log.segments());
        let mut compactor = TestCompactor { context: &mut context, doomed: Vec::new(), patience: u32::MAX, bytes: 0 };
        let error = ticket.run(&room_for(100), &mut compactor).unwrap_err();
        assert!(matches!(error, CompactionError::Overtaken | CompactionError::Io(_)), "{error}");
        assert_eq!((context.log().log_end(), context.log().segments()), (expected, segments));
        assert_eq!(context.log().first_dirty().max(Offset(0)), context.log().log_start());
    }
}

#[test]
fn a_log_is_due_when_enough_of_it_is_dirty_or_a_record_has_waited_too_long() {
    let ratio =
        |dirty_ratio, lag| LogConfig { min_cleanable_dirty_ratio: dirty_ratio, max_compaction_lag_ms: lag, ..config() };
    let mut context = LogContext::new(ratio(0.5, i64::MAX));
    let fill = |log: &mut Log, timestamp| {
        for key in ["a", "b", "c"] {
            append(log, &Batch { timestamp, ..Batch::of(&[(key, Some("1"))]) }.build(), AppendOrigin::Client).unwrap();
        }
        seal(log);
    };
    fill(context.log(), 1000);
    let due = |context: &mut LogContext, now| {
        let log = context.log();
        let cleanable = log.cleanable(log.log_end(), Timestamp(now));
        cleanable.is_some_and(|cleanable| cleanable.is_due(cleanable.overdue_ms().unwrap()))
    };
    assert!(due(&mut context, 0), "all of it is dirty");
    compact_all(&mut context, 0);
    fill(context.log(), 5000);
    assert!(!due(&mut context, 0), "half of it is not more than half");
    context.log().set_config(ratio(0.4, i64::MAX));
    assert!(due(&mut context, 0));
    context.log().set_config(ratio(1.0, 500));
    assert!(!due(&mut context, 5500));
    assert!(due(&mut context, 5501));
    context.log().set_config(LogConfig { compact: false, ..config() });
    assert!(!due(&mut context, 5501));
}

#[test]
fn what_was_cut_off_counts_as_dirty_again() {
    let mut context = LogContext::new(config());
    for _ in 0..40 {
        append(context.log(), &Batch::of(&[("a", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    }
    seal(context.log());
    compact_all(&mut context, 0);
    let log = context.log();
    assert_eq!(log.first_dirty(), Offset(40));
    log.truncate_to(Offset(10), Timestamp(0), |_| Ok(())).unwrap();
    assert!(log.first_dirty() <= Offset(10));
    log.set_cleaned_to(Offset(1000));
    assert_eq!(log.first_dirty(), log.log_start(), "a checkpoint past the end says nothing");
}

#[test]
fn unsynced_records_are_not_compacted() {
    let mut context = LogContext::new(config());
    let log = context.log();
    append(log, &Batch::of(&[("a", Some("1"))]).build(), AppendOrigin::Client).unwrap();
    log.roll(Timestamp(0)).unwrap();
    assert!(log.cleanable(log.log_end(), Timestamp(0)).is_none());
    log.flush().unwrap();
    assert!(log.cleanable(log.log_end(), Timestamp(0)).is_some());
}

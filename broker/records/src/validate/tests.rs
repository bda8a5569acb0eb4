//! Batches that a broker takes and batches that it refuses.

use barnabas_types::{ProducerEpoch, ProducerId};

use super::*;
use crate::{BatchBuilder, Records};

const EXAMPLES: [Compression; 5] = [
    Compression::None,
    Compression::Gzip { level: -1 },
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd { level: 3 },
];
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn batch_of(compression: Compression, records: &[(i64, Option<&str>)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset(0), compression);
    for (timestamp, key) in records {
        builder.append(Timestamp(*timestamp), key.map(str::as_bytes), Some(b"some value"), &[]).unwrap();
    }
    builder.build().unwrap()
}

fn plain() -> Vec<u8> {
    batch_of(Compression::None, &[(NOW.0, Some("a")), (NOW.0 + 2, Some("b")), (NOW.0 + 1, None)])
}

/// The batch with its header changed and a CRC that fits.
fn with_header(batch: &[u8], change: impl FnOnce(&mut BatchHeader)) -> Vec<u8> {
    let view = BatchView::parse(batch).unwrap();
    let mut header = *view.header();
    change(&mut header);
    header.refresh_crc(view.stored_records());
    [header.encode().as_slice(), view.stored_records()].concat()
}

/// The header of `plain` over other records.
fn with_records(records: &[u8], record_count: i32) -> Vec<u8> {
    let mut header = *BatchView::parse(&plain()).unwrap().header();
    header.batch_length = 49 + records.len() as i32;
    header.record_count = record_count;
    header.last_offset_delta = record_count - 1;
    header.refresh_crc(records);
    [header.encode().as_slice(), records].concat()
}

fn check(batch: &[u8], rules: &AppendRules) -> Result<(), InvalidBatch> {
    validate(&single_batch(batch)?, rules, NOW).map(|_| ())
}

fn refusal(batch: &[u8]) -> InvalidBatch {
    check(batch, &AppendRules::default()).unwrap_err()
}

#[test]
fn a_good_batch_is_passed_on_untouched() {
    let batch = plain();
    let view = single_batch(&batch).unwrap();
    let valid = validate(&view, &AppendRules::default(), NOW).unwrap();
    assert!(matches!(valid.records, Cow::Borrowed(records) if std::ptr::eq(records, view.stored_records())));
    assert_eq!((valid.max_timestamp, valid.offset_delta_of_max_timestamp), (Timestamp(NOW.0 + 2), 1));
    let stored = valid.to_bytes(Offset(40), LeaderEpoch(2));
    let stored = BatchView::parse(&stored).unwrap();
    stored.check_crc().unwrap();
    assert_eq!((stored.header().base_offset, stored.header().last_offset()), (Offset(40), Offset(42)));
    assert_eq!(stored.bytes()[16..], batch[16..]);
}

#[test]
fn a_partition_of_a_request_is_one_batch() {
    assert!(matches!(single_batch(&[]), Err(InvalidBatch::BatchCount { batch_count: 0 })));
    let two = [plain(), plain()].concat();
    assert!(matches!(single_batch(&two), Err(InvalidBatch::BatchCount { batch_count: 2 })));
    let trailing = [plain(), vec![0; 3]].concat();
    assert!(matches!(single_batch(&trailing), Err(InvalidBatch::Batch(BatchError::Truncated { .. }))));
}

#[test]
fn old_magics_are_refused() {
    let mut batch = plain();
    batch[16] = 1;
    assert!(matches!(refusal(&batch), InvalidBatch::Batch(BatchError::Magic { magic: 1, .. })));
}

#[test]
fn header_fields_that_a_producer_may_not_send_are_refused() {
    let batch = plain();
    let refuse = |change: fn(&mut BatchHeader)| refusal(&with_header(&batch, change));
    assert!(matches!(refuse(|header| header.base_offset = Offset(1)), InvalidBatch::BaseOffset { .. }));
    assert!(matches!(refuse(|header| header.record_count = 2), InvalidBatch::Count { .. }));
    assert!(matches!(refuse(|header| header.last_offset_delta = i32::MAX), InvalidBatch::Count { .. }));
    assert!(matches!(
        refuse(|header| (header.record_count, header.last_offset_delta) = (0, -1)),
        InvalidBatch::Count { .. }
    ));
    assert!(matches!(refuse(|header| header.attributes = header.attributes.with_control(true)), InvalidBatch::Control));
    assert!(matches!(refuse(|header| header.set_log_append_time(NOW)), InvalidBatch::LogAppendTime));
    assert!(matches!(
        refuse(|header| (header.producer_id, header.producer_epoch) = (ProducerId(5), ProducerEpoch(0))),
        InvalidBatch::Sequence { base_sequence: -1 }
    ));
    assert!(matches!(
        refuse(|header| header.attributes.0 |= 7),
        InvalidBatch::Batch(BatchError::Codec { codec: 7, .. })
    ));
}

#[test]
fn a_batch_with_a_wrong_crc_is_refused() {
    let mut batch = plain();
    let last = batch.len() - 1;
    batch[last] ^= 1;
    assert!(matches!(refusal(&batch), InvalidBatch::Batch(BatchError::Crc { .. })));
}

#[test]
fn the_size_limit_counts_the_whole_batch() {
    let batch = plain();
    let rules = AppendRules { max_batch_bytes: batch.len(), ..AppendRules::default() };
    check(&batch, &rules).unwrap();
    let rules = AppendRules { max_batch_bytes: batch.len() - 1, ..rules };
    assert!(matches!(check(&batch, &rules), Err(InvalidBatch::TooLarge { .. })));
}

#[test]
fn compacted_topics_need_keys() {
    let rules = AppendRules { key_required: true, ..AppendRules::default() };
    let error = check(&plain(), &rules).unwrap_err();
    assert!(matches!(error, InvalidBatch::KeyMissing { record_index: 2 }));
    assert_eq!(error.record_index(), Some(2));
}

#[test]
fn timestamps_outside_the_window_are_refused_and_none_is_allowed() {
    let rules = AppendRules { timestamp_before_max_ms: 10, timestamp_after_max_ms: 20, ..AppendRules::default() };
    for (timestamp, allowed) in [
        (NOW.0 - 10, true),
        (NOW.0 - 11, false),
        (NOW.0 + 20, true),
        (NOW.0 + 21, false),
        (-1, true),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        let batch = batch_of(Compression::Lz4, &[(NOW.0, None), (timestamp, None)]);
        match check(&batch, &rules) {
            Ok(()) => assert!(allowed, "{timestamp}"),
            Err(InvalidBatch::Timestamp { record_index: 1, .. }) => assert!(!allowed, "{timestamp}"),
            Err(error) => panic!("{timestamp}: {error}"),
        }
    }
    let by_the_broker = AppendRules { timestamp_type: TimestampType::LogAppendTime, ..rules };
    check(&batch_of(Compression::None, &[(1, None)]), &by_the_broker).unwrap();
}

#[test]
fn a_wrong_max_timestamp_in_the_header_is_put_right() {
    let batch = with_header(&plain(), |header| header.max_timestamp = Timestamp(7));
    let valid = validate(&single_batch(&batch).unwrap(), &AppendRules::default(), NOW).unwrap();
    assert_eq!(valid.header.max_timestamp, Timestamp(NOW.0 + 2));
    BatchView::parse(&valid.to_bytes(Offset(0), LeaderEpoch(0))).unwrap().check_crc().unwrap();
}

#[test]
fn log_append_time_is_set_by_the_broker() {
    let rules = AppendRules { timestamp_type: TimestampType::LogAppendTime, ..AppendRules::default() };
    let batch = plain();
    let valid = validate(&single_batch(&batch).unwrap(), &rules, NOW).unwrap();
    assert_eq!((valid.max_timestamp, valid.offset_delta_of_max_timestamp), (NOW, 0));
    let stored = valid.to_bytes(Offset(5), LeaderEpoch(1));
    let stored = BatchView::parse(&stored).unwrap();
    stored.check_crc().unwrap();
    let mut records = Records::new(&stored, DecompressLimits::default()).unwrap();
    while let Some(record) = records.next().unwrap() {
        assert_eq!(record.timestamp, NOW);
    }
}

#[test]
fn a_topics_own_codec_replaces_the_producers() {
    for from in EXAMPLES {
        let batch = batch_of(from, &[(NOW.0, Some("a")), (NOW.0 + 1, Some("b"))]);
        for to in EXAMPLES {
            let rules = AppendRules { compression: Some(to), ..AppendRules::default() };
            let valid = validate(&single_batch(&batch).unwrap(), &rules, NOW).unwrap();
            assert_eq!(matches!(valid.records, Cow::Borrowed(_)), from.codec() == to.codec());
            let stored = valid.to_bytes(Offset(0), LeaderEpoch(0));
            let again = single_batch(&stored).unwrap();
            assert_eq!(again.header().codec().unwrap(), to.codec());
            validate(&again, &AppendRules::default(), NOW).unwrap();
        }
    }
}

#[test]
fn the_size_limit_holds_after_recompression_too() {
    let records: Vec<(i64, Option<&str>)> = vec![(NOW.0, Some("the same key")); 500];
    let batch = batch_of(Compression::Zstd { level: 3 }, &records);
    let rules = AppendRules { max_batch_bytes: 2_000, compression: Some(Compression::None), ..AppendRules::default() };
    assert!(matches!(check(&batch, &rules), Err(InvalidBatch::TooLarge { max_bytes: 2_000, .. })));
}

#[test]
fn records_that_contradict_the_header_are_refused() {
    let batch = plain();
    let records = BatchView::parse(&batch).unwrap().stored_records().to_vec();
    assert!(matches!(
        refusal(&with_records(&records, 4)),
        InvalidBatch::Record(RecordError::Truncated { record_index: 3 })
    ));
    assert!(matches!(
        refusal(&with_records(&records, 2)),
        InvalidBatch::Record(RecordError::TrailingBytes { record_count: 2 })
    ));
    let twice_the_first = [&records[..18], &records[..18]].concat();
    assert_eq!(records[0], 17 << 1, "the first record takes 18 bytes");
    assert!(matches!(
        refusal(&with_records(&twice_the_first, 2)),
        InvalidBatch::OffsetDelta { record_index: 1, offset_delta: 0 }
    ));
    let mut padded = [&records[..18], &[0]].concat();
    padded[0] = 18 << 1;
    assert!(matches!(
        refusal(&with_records(&padded, 1)),
        InvalidBatch::Record(RecordError::RecordTooLong { record_index: 0, unused: 1 })
    ));
    let negative = with_records(&[1], 1);
    assert!(matches!(refusal(&negative), InvalidBatch::Record(RecordError::Length { record_index: 0, length: -1 })));
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let mut builder = BatchBuilder::new(Offset(0), Compression::Zstd { level: 3 });
    let zeros = vec![0; 8 << 20];
    builder.append(NOW, None, Some(&zeros), &[]).unwrap();
    let bomb = builder.build().unwrap();
    assert!(bomb.len() < 2_000, "{}", bomb.len());
    check(&bomb, &AppendRules::default()).unwrap();
    let limits = DecompressLimits { output_bytes: 1 << 20, ..DecompressLimits::default() };
    let rules = AppendRules { limits, ..AppendRules::default() };
    let error = check(&bomb, &rules).unwrap_err();
    assert!(error.to_string().contains("more than the allowed 1048576 bytes"), "{error}");
}

/// Reads whatever can be read of the bytes, with a CRC made to fit so that the records are reached.
fn exercise(mutant: &[u8]) -> bool {
    let rules = AppendRules { key_required: true, ..AppendRules::default() };
    let _ = check(mutant, &rules);
    let Ok(view) = BatchView::parse(mutant) else { return false };
    let crc_fits = with_header(mutant, |_| ());
    let accepted = check(&crc_fits, &AppendRules::default()).is_ok();
    if let Ok(mut records) = Records::new(&view, DecompressLimits::default()) {
        let mut count = 0;
        while let Ok(Some(record)) = records.next() {
            count += 1 + record.headers().count();
            assert!(count <= mutant.len() * 1_000, "more records than bytes");
        }
    }
    accepted
}

#[test]
fn every_truncation_and_every_bit_flip_is_an_error_or_a_batch_and_never_a_panic() {
    for compression in EXAMPLES {
        let good = batch_of(compression, &[(NOW.0, Some("a")), (NOW.0 + 2, Some("bb")), (NOW.0 + 1, Some("c"))]);
        assert!(exercise(&good));
        for cut in 0..good.len() {
            assert!(single_batch(&good[..cut]).is_err(), "{compression:?} cut at {cut}");
        }
        for bit in 0..good.len() * 8 {
            let mut mutant = good.clone();
            mutant[bit / 8] ^= 1 << (bit % 8);
            // Offset and leader epoch lie outside the CRC, and an epoch from a client is nobody's business.
            let unprotected = (12 * 8..16 * 8).contains(&bit);
            assert_eq!(check(&mutant, &AppendRules::default()).is_ok(), unprotected, "{compression:?} bit {bit}");
            exercise(&mutant);
        }
    }
}

#[test]
fn no_mutant_of_a_batch_behind_a_fitting_crc_panics() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let (seed, each) = (number("BARNABAS_SEED").unwrap_or(0), number("BARNABAS_MUTANTS").unwrap_or(4_000));
    let mut accepted = 0;
    for compression in EXAMPLES {
        let good = batch_of(compression, &[(NOW.0, Some("a")), (NOW.0 + 2, Some("bb")), (NOW.0 + 1, Some("c"))]);
        for seed in seed..seed + each {
            let mut state = seed;
            let mut random = move |below: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % below
            };
            let mut mutant = good.clone();
            for _ in 0..=random(4) {
                let at = 21 + random(mutant.len() - 21);
                mutant[at] = random(256) as u8;
            }
            // A panic is caught only to say which seed it was.
            let result = std::panic::catch_unwind(|| exercise(&mutant));
            accepted += usize::from(result.unwrap_or_else(|_| panic!("{compression:?}, seed {seed}")));
        }
    }
    let (pairs, mutants) = (EXAMPLES.len(), each * EXAMPLES.len() as u64);
    println!("batches: {pairs} pairs, {mutants} mutants, {accepted} still valid; seeds {:?}", seed..seed + each);
}

//! Record batches as a producer sends them: one byte chooses what the topic asks, the rest are batches. Appends none.

use barnabas_records::control::ControlRecord;
use barnabas_records::{
    AppendRules, BatchView, Compression, DecompressLimits, Records, batches, single_batch, validate,
};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// Little enough that a bomb costs no time.
const LIMITS: DecompressLimits = DecompressLimits { output_bytes: 1 << 20, zstd_window_log: 20 };

/// Reads and validates batches, as they are and with a CRC that fits. What is accepted is accepted again as it would stand in the log.
pub fn batch(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let rules = rules(choice);
    for batch in batches(bytes) {
        let Ok(batch) = batch else { return };
        read_records(&batch);
        let mut header = *batch.header();
        header.refresh_crc(batch.stored_records());
        let fitting = [header.encode().as_slice(), batch.stored_records()].concat();
        check(&fitting, &rules);
    }
}

fn rules(choice: u8) -> AppendRules {
    let codecs = [
        None,
        Some(Compression::None),
        Some(Compression::Gzip { level: 1 }),
        Some(Compression::Snappy),
        Some(Compression::Lz4),
        Some(Compression::Zstd { level: 1 }),
    ];
    let compression = codecs.get(usize::from(choice % 8)).copied().flatten();
    AppendRules { key_required: choice & 8 != 0, compression, limits: LIMITS, ..AppendRules::default() }
}

fn read_records(batch: &BatchView<'_>) {
    let _ = batch.check_crc();
    let Ok(mut records) = Records::new(batch, LIMITS) else { return };
    while let Ok(Some(record)) = records.next() {
        let _ = (record.headers().count(), ControlRecord::decode(&record));
    }
}

/// A valid batch stays valid when it has its place in the log, with the records that it had.
fn check(bytes: &[u8], rules: &AppendRules) {
    let Ok(batch) = single_batch(bytes) else { return };
    let Ok(valid) = validate(&batch, rules, NOW) else { return };
    let kept = valid.to_bytes(Offset(7), LeaderEpoch(3));
    let stored = BatchView::parse(&kept);
    assert!(stored.as_ref().is_ok_and(|stored| stored.check_crc().is_ok()), "{stored:?}");
    let Ok(stored) = stored else { return };
    assert_eq!(records_of(&stored), records_of(&batch));
    assert_eq!(stored.header().record_count, batch.header().record_count);
}

/// How many records the batch has, and how many bytes of keys and values.
fn records_of(batch: &BatchView<'_>) -> Option<(usize, usize)> {
    let mut records = Records::new(batch, LIMITS).ok()?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(record) = records.next().ok()? {
        count += 1;
        bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
    }
    Some((count, bytes))
}

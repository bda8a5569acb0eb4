//! Decompression bombs through validation: refused at the limit, with flat memory. In a process of its own, because it
//! measures the process.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step fails the test, and the lint's exception covers test functions only"
)]

use barnabas_records::compression::{Compression, DecompressError, DecompressLimits, compress};
use barnabas_records::{
    AppendRules, BatchBuilder, BatchHeader, BatchView, InvalidBatch, RecordError, single_batch, validate,
};
use barnabas_types::{Offset, Timestamp};

const LIMIT_BYTES: u64 = 48 << 20;
const PIECE_BYTES: usize = 1 << 20;

/// The most memory this process had resident since [`forget_peak_memory`], in KiB.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Making the bombs takes memory; only reading them counts.
fn forget_peak_memory() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// One record that declares a value of a gibibyte, and streams of zeros for all of it.
fn bomb(compression: Compression) -> Vec<u8> {
    // Record length, attributes, timestamp delta, offset delta, null key, value length.
    let record = [0x94, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 1, 0x80, 0x80, 0x80, 0x80, 0x08];
    let zeros = vec![0; PIECE_BYTES];
    let pieces = LIMIT_BYTES as usize / PIECE_BYTES + 1;
    let stored = match compression {
        // One LZ4 frame is all that a batch may hold.
        Compression::Lz4 => compress(compression, &[record.as_slice(), &zeros.repeat(pieces)].concat()).unwrap(),
        _ => {
            let piece = compress(compression, &zeros).unwrap();
            [compress(compression, &record).unwrap(), piece.repeat(pieces)].concat()
        }
    };
    let mut builder = BatchBuilder::new(Offset(0), compression);
    builder.append(Timestamp(0), None, None, &[]).unwrap();
    let batch = builder.build().unwrap();
    let header = *BatchView::parse(&batch).unwrap().header();
    let mut header = BatchHeader { batch_length: 49 + stored.len() as i32, ..header };
    header.refresh_crc(&stored);
    [header.encode().as_slice(), &stored].concat()
}

#[test]
fn bombs_are_refused_with_flat_memory() {
    let bombs = [Compression::Gzip { level: 6 }, Compression::Snappy, Compression::Lz4, Compression::Zstd { level: 3 }]
        .map(bomb);
    let limits = DecompressLimits { output_bytes: LIMIT_BYTES, ..DecompressLimits::default() };
    let rules = AppendRules { max_batch_bytes: usize::MAX, limits, ..AppendRules::default() };
    forget_peak_memory();
    let before = peak_memory_kib();
    for bomb in &bombs {
        let error = validate(&single_batch(bomb).unwrap(), &rules, Timestamp(0)).unwrap_err();
        let refused = matches!(error, InvalidBatch::Record(RecordError::Decompress(DecompressError::TooLarge { .. })));
        assert!(refused, "{error}");
    }
    let grown = peak_memory_kib() - before;
    println!("{LIMIT_BYTES} bytes came out of each of {} bombs, memory grew by {grown} KiB", bombs.len());
    assert!(grown < 4 << 10, "memory grew by {grown} KiB");
}

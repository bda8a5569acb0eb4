//! How fast a pass is and how much memory its map takes, on as many mebibytes as `COMPACTION_MIB` says. Prints figures and asserts only
//! what must hold on any machine.

use std::time::Instant;

use super::*;
use crate::compact::map::OffsetMap;

#[test]
fn the_speed_of_a_pass_by_codec() {
    let mebibytes: usize = std::env::var("COMPACTION_MIB").ok().and_then(|number| number.parse().ok()).unwrap_or(1);
    for (name, compression) in
        [("none", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd { level: 3 })]
    {
        let segment_bytes = 16 << 20;
        let mut context = LogContext::new(LogConfig { segment_bytes, index_interval_bytes: 4096, ..config() });
        let log = context.log();
        let mut written = 0;
        let mut number = 0_u64;
        // Batches of a hundred records of 100 bytes; nine of ten are overtaken.
        while written < mebibytes << 20 {
            let keys: Vec<String> = (0..100).map(|index| format!("key {}", (number + index) * 7919 % 10_007)).collect();
            let value = format!("{number:08}{}", "the value of a record ".repeat(4));
            let records: Vec<_> = keys.iter().map(|key| (key.as_str(), Some(value.as_str()))).collect();
            let batch = Batch { compression, ..Batch::of(&records) }.build();
            written += batch.len();
            append(log, &batch, AppendOrigin::Client).unwrap();
            number += 100;
        }
        seal(log);
        let began = Instant::now();
        let limits = CompactionLimits::default();
        let (done, _) = compact(&mut context, 0, limits).unwrap().unwrap();
        let seconds = began.elapsed().as_secs_f64();
        let [before, after] = done.bytes;
        println!(
            "compaction: {name}: {:.1} MiB to {:.1}, {} records to {}, {:.0} MB/s of what was there",
            before as f64 / 1_048_576.0,
            after as f64 / 1_048_576.0,
            done.records[0],
            done.records[1],
            before as f64 / 1e6 / seconds
        );
        assert_eq!(done.records[1], done.keys as u64);
        assert!(after <= before);
    }
    println!("compaction: {} bytes of memory a key", OffsetMap::BYTES_PER_KEY);
}

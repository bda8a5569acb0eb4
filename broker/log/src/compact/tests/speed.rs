//! How fast a pass is and how much memory its map takes, on as many mebibytes as `COMPACTION_MIB` says. Prints figures and asserts only
//! what must hold on any machine.

use std::time::Instant;

use super::*;
use crate::compact::map::OffsetMap;
use crate::testing::Random;

#[test]
fn the_speed_of_a_pass_by_codec() {
    let mebibytes: usize = std::env::var("COMPACTION_MIB").ok().and_then(|number| number.parse().ok()).unwrap_or(1);
    for (name, compression) in
        [("none", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd { level: 3 })]
    {
        let segment_bytes = 16 << 20;
        let mut context = LogContext::new(LogConfig { segment_bytes, index_interval_bytes: 4096, ..config() });
        let log = context.log();
        let mut random = Random::from_seed(7);
        let mut written = 0;
        let mut number = 0_u64;
        // Batches of a hundred records of 100 bytes; nine of ten are overtaken.
        while written < mebibytes << 20 {
            let keys: Vec<String> = (0..100).map(|index| format!("key {}", (number + index) * 7919 % 10_007)).collect();
            let values = (0..100).map(|_| (0..50).map(|_| format!("{:02x}", random.below(256))).collect());
            let values: Vec<String> = values.collect();
            let records = keys.iter().zip(&values).map(|(key, value)| (key.as_str(), Some(value.as_str())));
            let records: Vec<_> = records.collect();
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
        let [read, kept] = done.records;
        println!(
            "compaction: {name}: {:.1} MiB to {:.1}, {read} records to {kept}, {:.0} MB/s of what was there, {:.1} M records/s",
            before as f64 / 1_048_576.0,
            after as f64 / 1_048_576.0,
            before as f64 / 1e6 / seconds,
            read as f64 / 1e6 / seconds
        );
        assert_eq!(done.records[1], done.keys as u64);
        assert!(after <= before);
    }
    println!("compaction: {} bytes of memory a key", OffsetMap::BYTES_PER_KEY);
}

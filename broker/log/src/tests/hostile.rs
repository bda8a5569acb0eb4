//! Directories with any bytes changed: opening and reading them may fail, but never panics and never returns a damaged batch.

use std::collections::BTreeMap;

use barnabas_types::{Offset, Timestamp};

use crate::testing::{LogContext, Random, TestBatch, small_segments};
use crate::{LogConfig, ReadLimits};

/// How many damaged directories are tried; `LOG_MUTANTS` says another number.
const MUTANTS: u64 = 160;

fn filled() -> LogContext {
    let mut context = LogContext::new(LogConfig { index_interval_bytes: 100, ..small_segments() });
    for number in 0..40 {
        let producer = (number % 2 == 0).then_some((7, 0, number / 2));
        context
            .append(&TestBatch { producer, epoch: number / 10, timestamp: i64::from(number), ..TestBatch::default() })
            .unwrap();
    }
    context
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    match random.below(5) {
        _ if bytes.is_empty() => bytes.push(random.below(256) as u8),
        0 => bytes.truncate(random.below(bytes.len() as u64) as usize),
        1 => bytes.extend((0..random.below(100)).map(|number| (number * 37) as u8)),
        2 => {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        // The extremes, where sums overflow.
        kind => {
            let at = random.below(bytes.len() as u64) as usize;
            let filler = if kind == 3 { 0xff } else { 0x7f };
            bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = filler);
        }
    }
}

/// Uses all that a log offers; whatever it answers, every batch it returns is sound.
fn use_it(context: &mut LogContext) {
    let (start, end) = (context.log().log_start().0, context.log().log_end().0);
    for offset in [start, start + 1, (start + end) / 2, end - 1, end] {
        for limit in [end, (start + end) / 2] {
            let limits = ReadLimits { end: Offset(limit), max_bytes: 100_000, at_least_one_batch: true };
            if let Ok(Some(region)) = context.log().read(Offset(offset), limits) {
                let bytes = region.bytes().unwrap();
                let first = barnabas_records::batches(&bytes).next().unwrap().unwrap();
                assert!(first.header().last_offset() >= Offset(offset));
            }
        }
        _ = context.log().prepare_offset_for_timestamp(Timestamp(offset)).unwrap().run();
    }
    _ = context.log().prepare_offset_of_largest_timestamp().unwrap().run();
    _ = context.append(&TestBatch::default());
    _ = context.log().flush();
    _ = context.log().apply_retention(Offset(end), Timestamp(i64::MAX));
    _ = context.truncate_to((start + end) / 2);
    _ = context.append(&TestBatch::default());
    _ = context.log().close();
}

#[test]
fn no_damage_to_any_file_makes_a_log_panic() {
    let mutants = std::env::var("LOG_MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(MUTANTS);
    let mut random = Random::new();
    for clean in [false, true] {
        let mut context = filled();
        let end = context.log().log_end();
        if clean {
            context.close();
        } else {
            context.log().flush().unwrap();
            context.kill();
        }
        let directory = context.options.directory.clone();
        let files: BTreeMap<_, _> = std::fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        for _ in 0..mutants / 2 {
            std::fs::remove_dir_all(&directory).unwrap();
            std::fs::create_dir(&directory).unwrap();
            let mut mutant = files.clone();
            for _ in 0..=random.below(3) {
                let victim = random.below(mutant.len() as u64) as usize;
                if let Some(bytes) = mutant.values_mut().nth(victim) {
                    damage(&mut random, bytes);
                }
            }
            for (path, bytes) in &mutant {
                std::fs::write(path, bytes).unwrap();
            }
            context.options.clean = clean;
            context.options.recovery_point = Offset(random.below(end.0 as u64 + 2) as i64);
            if context.open().is_ok() {
                use_it(&mut context);
            }
        }
    }
}

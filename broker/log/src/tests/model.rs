//! Random operations, failures and crashes against a list of batches in memory, for as many seeds as `LOG_SEEDS` says.

use barnabas_types::{Offset, Timestamp};

use crate::fs::{Fault, Operation};
use crate::testing::{LogContext, Random, TestBatch, seed, small_segments};
use crate::{FlushTicket, LogConfig, ReadLimits};

/// A log and what it must hold.
struct Model {
    context: LogContext,
    random: Random,
    /// Base offset and last offset of each batch, oldest first.
    batches: Vec<(i64, i64)>,
    start: i64,
    end: i64,
    /// Everything below was reported durable.
    durable: i64,
    tickets: Vec<FlushTicket>,
    trace: Vec<String>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let config = LogConfig { index_interval_bytes: 100, retention_ms: -1, ..small_segments() };
        Self {
            context: LogContext::new(config),
            random: Random::from_seed(seed),
            batches: Vec::new(),
            start: 0,
            end: 0,
            durable: 0,
            tickets: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..50 => self.append(),
            50..60 => self.flush(),
            60..65 => self.hold_a_flush(),
            65..70 => self.truncate(),
            70..75 => self.raise_start(),
            75..80 => self.retention(),
            80..83 => self.restart(),
            83..88 => self.reopen("closed"),
            88..92 => self.reopen("killed"),
            92..96 => self.reopen("power cut"),
            _ => self.fault(),
        }
        self.checkpoint();
        self.check();
    }

    fn append(&mut self) {
        for _ in 0..=self.random.below(8) {
            let count = 1 + self.random.below(3) as usize;
            let values = vec!["x".repeat(self.random.below(150) as usize); count];
            let timestamp = self.random.below(1_000_000) as i64;
            let epoch = i32::try_from(self.trace.len()).unwrap() / 20;
            match self.context.append(&TestBatch { values, timestamp, epoch, ..TestBatch::default() }) {
                Ok(appended) => {
                    assert_eq!(appended.base_offset.0, self.end);
                    self.batches.push((appended.base_offset.0, appended.last_offset.0));
                    self.end = appended.last_offset.0 + 1;
                }
                Err(error) => self.trace.push(format!("append refused: {error}")),
            }
        }
        self.trace.push(format!("appended to {}", self.end));
    }

    fn flush(&mut self) {
        if let Ok(durable) = self.context.log().flush() {
            self.durable = durable.0;
            self.trace.push(format!("flushed to {durable}"));
        }
    }

    /// Takes a ticket now, runs and hands it back at some later step.
    fn hold_a_flush(&mut self) {
        if let Some(ticket) = self.context.log().prepare_flush() {
            self.tickets.push(ticket);
        }
        if self.random.below(2) == 0 && !self.tickets.is_empty() {
            let index = self.random.below(self.tickets.len() as u64) as usize;
            let ticket = self.tickets.swap_remove(index).run();
            if let Ok(durable) = self.context.log().flushed(ticket) {
                self.durable = durable.0;
                self.trace.push(format!("held flush to {durable}"));
            }
        }
    }

    /// Checkpoints are written now and then; what they say stays until they are written again, or the log is cut.
    fn checkpoint(&mut self) {
        if self.random.below(3) == 0 {
            self.context.options.recovery_point = Offset(self.durable);
        }
    }

    fn truncate(&mut self) {
        let offset = self.start + self.random.below((self.end - self.start + 1) as u64) as i64;
        if let Ok(end) = self.context.truncate_to(offset) {
            self.trace.push(format!("truncated to {offset}: {end}"));
            self.batches.retain(|(_, last)| *last < offset);
            assert!(end.0 <= offset);
            assert!(self.batches.last().is_none_or(|(_, last)| *last < end.0));
            self.end = end.0;
            self.durable = self.durable.min(self.end);
            self.start = self.start.min(self.end);
        } else {
            self.reopen("killed");
        }
    }

    fn raise_start(&mut self) {
        let offset = self.start + self.random.below((self.end - self.start + 1) as u64) as i64;
        self.context.log().raise_log_start(Offset(offset));
        self.trace.push(format!("start raised to {offset}"));
        self.start = self.start.max(offset);
    }

    fn retention(&mut self) {
        let config = *self.context.log().config();
        self.context.log().set_config(LogConfig { retention_bytes: self.random.below(5000) as i64, ..config });
        if let Ok(doomed) = self.context.log().apply_retention(Offset(self.end), Timestamp(0)) {
            doomed.iter().for_each(|doomed| doomed.remove().unwrap());
        }
        self.context.log().set_config(config);
        self.start = self.context.log().log_start().0;
        self.trace.push(format!("retention to {}", self.start));
    }

    fn restart(&mut self) {
        let offset = self.end + self.random.below(10) as i64;
        if self.context.restart_at(offset).is_ok() {
            self.trace.push(format!("restarted at {offset}"));
            self.batches.clear();
            (self.start, self.end, self.durable) = (offset, offset, offset);
        }
    }

    fn reopen(&mut self, how: &str) {
        self.tickets.clear();
        if how == "closed" && !self.context.log().is_offline() {
            self.context.close();
        } else {
            self.context.kill();
            self.context.options.log_start = Offset(self.start);
            if how == "power cut" {
                let random = &mut self.random;
                self.context.fs.cut_power_keeping(|unsynced| random.below(unsynced + 1)).unwrap();
            }
        }
        let recovery = self.context.open().unwrap();
        assert_eq!(recovery.missing_records, 0);
        let end = self.context.log().log_end().0;
        self.trace.push(format!("{how}: ends at {end}, was {} and durable to {}", self.end, self.durable));
        assert!(end >= self.durable, "synced records are gone");
        if how == "power cut" {
            self.batches.retain(|(_, last)| *last < end);
            self.end = end.max(self.start);
        }
        self.durable = self.end;
        self.start = self.start.max(self.context.log().log_start().0);
    }

    /// One step on a disk that fails in some way, then a healthy one again.
    fn fault(&mut self) {
        let (operation, number) = match self.random.below(6) {
            0 => (Operation::Write, 28),
            1 => (Operation::Open, 24),
            2 => (Operation::SetLength, 5),
            3 => (Operation::Sync, 5),
            4 => (Operation::Rename, 5),
            _ => (Operation::Write, 5),
        };
        let path_contains = ["", ".log", "index", "snapshot", "leader-epoch"][self.random.below(5) as usize];
        let after = self.random.below(6) as u32;
        self.trace.push(format!("{operation} fails on {path_contains:?} after {after}"));
        self.context.fs.inject(Fault { operation, path_contains, after, error_number: Some(number), times: u32::MAX });
        match self.random.below(4) {
            0 => self.flush(),
            1 => self.retention(),
            _ => self.append(),
        }
        self.context.fs.heal();
        if self.context.log().is_offline() {
            self.reopen("power cut");
        }
    }

    fn check(&mut self) {
        let log = self.context.log();
        assert_eq!((log.log_start(), log.log_end()), (Offset(self.start), Offset(self.end)));
        assert!(log.durable_end() <= log.log_end());
        for _ in 0..4 {
            let from = self.start + self.random.below((self.end - self.start + 1) as u64) as i64;
            let limit = self.start + self.random.below((self.end - self.start + 1) as u64) as i64;
            let limits = ReadLimits { end: Offset(limit), max_bytes: 600, at_least_one_batch: true };
            let region = self.context.log().read(Offset(from), limits).unwrap();
            let bytes = region.map(|region| region.bytes().unwrap()).unwrap_or_default();
            let read: Vec<(i64, i64)> = barnabas_records::batches(&bytes)
                .map_while(Result::ok)
                .map(|batch| {
                    batch.check_crc().unwrap();
                    (batch.header().base_offset.0, batch.header().last_offset().0)
                })
                .collect();
            let expected = self.batches.iter().filter(|(base, last)| *last >= from && *last < limit && *base < limit);
            let expected: Vec<(i64, i64)> = expected.copied().take(read.len().max(1)).collect();
            let straddles = self.batches.iter().any(|(base, last)| *base < limit && *last >= limit && *last >= from);
            if read.is_empty() && straddles {
                continue;
            }
            let read: Vec<(i64, i64)> = read.into_iter().filter(|(_, last)| *last < limit).collect();
            assert_eq!(
                read,
                expected.get(..read.len().max(expected.len().min(1))).unwrap_or_default(),
                "{from} to {limit}"
            );
        }
    }
}

#[test]
fn a_log_agrees_with_its_model_whatever_fails_and_whenever_it_stops() {
    let seeds: u64 = std::env::var("LOG_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(12);
    let first = seed();
    for seed in (0..seeds).map(|number| first.wrapping_add(number.wrapping_mul(2))) {
        let mut model = Model::new(seed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..60 {
                model.step();
            }
        }));
        if let Err(panic) = result {
            println!("SEED={seed} LOG_SEEDS=1 repeats this:\n{}", model.trace.join("\n"));
            std::panic::resume_unwind(panic);
        }
    }
}

//! What a run counts: records, bytes, requests, latencies, errors and its own CPU time, without those of the warm-up. Prints nothing.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::error::PerfError;
use super::host::CpuTime;

/// The longest latency that is told apart, in nanoseconds: an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Decimal digits to which latencies are kept.
const DIGITS: u8 = 3;
const SECOND_NS: u64 = 1_000_000_000;

/// What was counted in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records acknowledged, or read.
    pub records: u64,
    /// Bytes of their values; of whole batches where they are not looked into.
    pub bytes: u64,
    /// Requests answered, or sent where no answer comes.
    pub requests: u64,
}

/// Something that went wrong, or was tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Answers with an error, and connections that broke.
    pub errors: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Connections that had to be made again.
    pub reconnects: u64,
    /// Records that were given up.
    pub failed_records: u64,
}

/// The measurement of one run.
#[derive(Debug)]
pub struct Measure {
    warm_up_end_ns: u64,
    next_tick_ns: u64,
    warm: bool,
    /// Since the last tick.
    interval: Histogram<u64>,
    interval_counts: Counts,
    interval_began_ns: u64,
    /// Since the end of the warm-up, up to the last tick.
    total: Histogram<u64>,
    counts: Counts,
    last_completion_ns: u64,
    cpu_at_start: CpuTime,
    /// What went wrong, warm-up included.
    pub troubles: Troubles,
    /// Errors by Kafka's name, warm-up included.
    pub errors_by_code: BTreeMap<String, u64>,
}

/// One second of a run, for the progress line.
#[derive(Debug)]
pub struct Interval {
    /// How long it was.
    pub seconds: f64,
    /// What was counted.
    pub counts: Counts,
    /// Nanoseconds: mean, 99th percentile, longest.
    pub latency_ns: (f64, u64, u64),
    /// True for the warm-up.
    pub warm_up: bool,
}

/// What is known when a run is over.
#[derive(Debug)]
pub struct Outcome {
    /// Seconds from the end of the warm-up to the last completion.
    pub measured_seconds: f64,
    /// What was counted in them.
    pub counts: Counts,
    /// Latencies in nanoseconds.
    pub latency: Histogram<u64>,
    /// CPU time of this process from the end of the warm-up on.
    pub cpu: CpuTime,
    /// Seconds over which the CPU time was used.
    pub cpu_seconds_window: f64,
}

fn histogram() -> Result<Histogram<u64>, PerfError> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)
        .map_err(|error| PerfError::argument("latency histogram", LONGEST_NS, error.to_string()))
}

impl Measure {
    /// A measurement that begins after `warm_up_ns`.
    ///
    /// # Errors
    /// When the histogram refuses its bounds.
    pub fn new(start_ns: u64, warm_up_ns: u64) -> Result<Self, PerfError> {
        let warm_up_end_ns = start_ns + warm_up_ns;
        Ok(Self {
            warm_up_end_ns,
            next_tick_ns: if warm_up_ns == 0 { start_ns + SECOND_NS } else { warm_up_end_ns.min(start_ns + SECOND_NS) },
            warm: warm_up_ns == 0,
            interval: histogram()?,
            interval_counts: Counts::default(),
            interval_began_ns: start_ns,
            total: histogram()?,
            counts: Counts::default(),
            last_completion_ns: start_ns,
            cpu_at_start: CpuTime::used(),
            troubles: Troubles::default(),
            errors_by_code: BTreeMap::new(),
        })
    }

    /// When [`Measure::tick`] wants to be called.
    pub fn next_tick_ns(&self) -> u64 {
        self.next_tick_ns
    }

    /// A record that should have begun at `intended_ns` is done. Those that belong to the warm-up are left out, however late they are done.
    #[inline]
    pub fn latency(&mut self, intended_ns: u64, now_ns: u64) {
        if self.warm && intended_ns < self.warm_up_end_ns {
            return;
        }
        self.interval.saturating_record(now_ns.saturating_sub(intended_ns).max(1));
    }

    /// `records` with `bytes` are done.
    #[inline]
    pub fn done(&mut self, records: u64, bytes: u64, now_ns: u64) {
        self.interval_counts.records += records;
        self.interval_counts.bytes += bytes;
        self.last_completion_ns = now_ns;
    }

    /// A request is answered.
    #[inline]
    pub fn request(&mut self) {
        self.interval_counts.requests += 1;
    }

    /// Something went wrong.
    pub fn error(&mut self, name: &str) {
        self.troubles.errors += 1;
        // Names are Kafka's error codes and a few of ours, so that the map stays small.
        *self.errors_by_code.entry(name.to_owned()).or_default() += 1;
    }

    /// Ends an interval when its time has come, and the warm-up with it.
    pub fn tick(&mut self, now_ns: u64) -> Option<Interval> {
        if now_ns < self.next_tick_ns {
            return None;
        }
        let interval = Interval {
            seconds: now_ns.saturating_sub(self.interval_began_ns).max(1) as f64 / SECOND_NS as f64,
            counts: self.interval_counts,
            latency_ns: (self.interval.mean(), self.interval.value_at_quantile(0.99), self.interval.max()),
            warm_up: !self.warm,
        };
        self.close_interval(now_ns);
        if !self.warm && now_ns >= self.warm_up_end_ns {
            self.warm = true;
            // What is measured begins now, and not a little earlier when the tick should have come.
            self.warm_up_end_ns = now_ns;
            self.cpu_at_start = CpuTime::used();
        }
        self.next_tick_ns = now_ns + SECOND_NS;
        if !self.warm {
            self.next_tick_ns = self.next_tick_ns.min(self.warm_up_end_ns);
        }
        Some(interval)
    }

    fn close_interval(&mut self, now_ns: u64) {
        if self.warm {
            // Both have the same bounds, so that adding cannot fail.
            let _ = self.total.add(&self.interval);
            self.counts.records += self.interval_counts.records;
            self.counts.bytes += self.interval_counts.bytes;
            self.counts.requests += self.interval_counts.requests;
        }
        self.interval.reset();
        self.interval_counts = Counts::default();
        self.interval_began_ns = now_ns;
    }

    /// The result, at the end.
    pub fn finish(&mut self, now_ns: u64) -> Outcome {
        self.close_interval(now_ns);
        let since_start = |until_ns: u64| until_ns.saturating_sub(self.warm_up_end_ns) as f64 / SECOND_NS as f64;
        Outcome {
            measured_seconds: since_start(self.last_completion_ns),
            counts: self.counts,
            latency: self.total.clone(),
            cpu: CpuTime::used().since(self.cpu_at_start),
            cpu_seconds_window: since_start(now_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_warm_up_is_left_out_however_late_its_answers_come() {
        let mut measure = Measure::new(0, 500 * MS).unwrap();
        assert_eq!(measure.next_tick_ns(), 500 * MS);
        measure.latency(100 * MS, 110 * MS);
        measure.done(1, 10, 110 * MS);
        assert!(measure.tick(500 * MS).unwrap().warm_up);
        measure.latency(499 * MS, 900 * MS);
        measure.latency(600 * MS, 602 * MS);
        measure.done(2, 20, 900 * MS);
        measure.request();
        let outcome = measure.finish(1_000 * MS);
        assert_eq!(outcome.counts, Counts { records: 2, bytes: 20, requests: 1 });
        assert_eq!(outcome.latency.len(), 1);
        assert!((outcome.measured_seconds - 0.4).abs() < 1e-9);
    }

    #[test]
    fn intervals_add_up_to_the_whole() {
        let mut measure = Measure::new(0, 0).unwrap();
        for second in 1..=3_u64 {
            measure.latency(0, second * MS);
            measure.done(second, second, second * 1_000 * MS - 1);
            let interval = measure.tick(second * 1_000 * MS).unwrap();
            assert_eq!((interval.counts.records, interval.warm_up), (second, false));
        }
        let outcome = measure.finish(3_000 * MS);
        assert_eq!((outcome.counts.records, outcome.latency.len()), (6, 3));
        assert!(outcome.latency.max() >= 3 * MS);
    }

    #[test]
    fn a_stall_of_the_server_shows_in_every_record_that_was_due_meanwhile() {
        // 1,000 a second; the server answers at once, except that it stands still from 1 s to 2 s.
        let pace = crate::perf::pace::Pace {
            records_per_second: Some(1_000),
            start_ns: 0,
            end_ns: 3_000 * MS,
            record_limit: u64::MAX,
            connections: 1,
        };
        let mut measure = Measure::new(0, 0).unwrap();
        for ordinal in 0.. {
            let Some(due_ns) = pace.due_ns(0, ordinal) else { break };
            let answered_ns = if (1_000 * MS..2_000 * MS).contains(&due_ns) { 2_000 * MS } else { due_ns + MS };
            measure.latency(due_ns, answered_ns);
        }
        let latency = measure.finish(3_000 * MS).latency;
        assert_eq!(latency.len(), 3_000);
        // A third of the records was due in the stall; they waited half a second on average and a second at most.
        let stalled = latency.len() - latency.count_between(0, 2 * MS);
        assert!((990..=1_000).contains(&stalled), "{stalled}");
        assert!(latency.value_at_quantile(0.99) > 950 * MS);
        assert!(latency.value_at_quantile(0.5) < 2 * MS);
    }
}

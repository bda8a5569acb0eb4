//! How a run is told: a line a second while it goes on, and at its end text for people or one JSON object for programs. Decides nothing
//! about the figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::error::PerfError;
use super::measure::{Interval, Measure, Outcome};

/// A megabyte, as Kafka's tools count it.
const MB: f64 = 1_048_576.0;

/// Where results go.
#[derive(Args, Clone, Debug, Serialize)]
pub struct OutputArguments {
    /// `json` writes one JSON object to FILE, or to standard output for `-` or without FILE; `text` is for people.
    #[arg(long, value_names = ["text|json", "FILE"], num_args = 1..=2, default_value = "text", help_heading = "Output")]
    pub output: Vec<String>,

    /// No progress lines on standard error.
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}

impl OutputArguments {
    /// Writes `report`, as JSON or in the words of `text`, to where the arguments say.
    ///
    /// # Errors
    /// [`PerfError::File`].
    pub fn write(&self, report: &impl Serialize, text: &str) -> Result<(), PerfError> {
        let target = self.output.get(1).map_or("-", String::as_str);
        let json;
        let written = if self.output.first().is_some_and(|format| format == "json") {
            json = serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
            &json
        } else {
            text
        };
        let failed = |source| PerfError::File { doing: "write", path: target.to_owned(), source };
        if target == "-" {
            return std::io::stdout().write_all(written.as_bytes()).map_err(failed);
        }
        std::fs::write(PathBuf::from(target), written).map_err(failed)
    }

    /// Refuses a format that there is not, before the run rather than after it.
    ///
    /// # Errors
    /// [`PerfError::Argument`].
    pub fn check(&self) -> Result<(), PerfError> {
        match self.output.first().map(String::as_str) {
            Some("text" | "json") | None => Ok(()),
            Some(other) => Err(PerfError::argument("--output", other, "text or json")),
        }
    }
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// 90 % are.
    pub p90: f64,
    /// 99 % are.
    pub p99: f64,
    /// 99.9 % are.
    pub p99_9: f64,
    /// All are.
    pub max: f64,
}

impl Latency {
    /// The figures of `histogram`, which counts nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile: f64| microseconds(histogram.value_at_quantile(quantile) as f64);
        Self {
            count: histogram.len(),
            mean: microseconds(histogram.mean()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: microseconds(histogram.max() as f64),
        }
    }
}

/// To a tenth of a microsecond.
fn microseconds(nanoseconds: f64) -> f64 {
    (nanoseconds / 100.0).round() / 10.0
}

/// What `--check` found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Batches whose CRC was computed.
    pub batches: u64,
    /// Batches whose contents do not have the CRC they carry, or cannot be read.
    pub damaged_batches: u64,
    /// Records with a mark of `produce --sequence`.
    pub marked_records: u64,
    /// Marks that are missing between two others.
    pub missing_records: u64,
    /// Marks that came again, or too late.
    pub repeated_records: u64,
}

impl Checked {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damaged_batches == 0 && self.missing_records == 0 && self.repeated_records == 0
    }
}

/// All figures of a run. Field names are those of the JSON object.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// `produce`, `consume` …
    pub command: &'static str,
    /// Of this program.
    pub version: &'static str,
    /// Seconds at the beginning that no figure below counts, except errors, retries and reconnects.
    pub warm_up_seconds: f64,
    /// Seconds from there to the last completion.
    pub measured_seconds: f64,
    /// Records acknowledged, or read.
    pub records: u64,
    /// Bytes of their values; `consume` counts whole batches as they came.
    pub bytes: u64,
    /// Requests answered.
    pub requests: u64,
    /// Per measured second.
    pub records_per_second: f64,
    /// 1,048,576 bytes per measured second, as Kafka's tools count.
    pub mb_per_second: f64,
    /// Per measured second.
    pub requests_per_second: f64,
    /// From when a record was due to its acknowledgement or arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<Latency>,
    /// `latency`: from when a record was due to its acknowledgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produce_latency_us: Option<Latency>,
    /// Answers with an error and connections that broke.
    pub errors: u64,
    /// The same by Kafka's names.
    pub errors_by_code: BTreeMap<String, u64>,
    /// Requests that were sent again.
    pub retries: u64,
    /// Connections that were made again.
    pub reconnects: u64,
    /// Records that were given up.
    pub failed_records: u64,
    /// CPU time of this process while it measured.
    pub user_cpu_seconds: f64,
    /// As above, in the kernel.
    pub system_cpu_seconds: f64,
    /// The CPU time as a share of one core. Above 0.7 the load generator, not the broker, may be what limits.
    pub core_fraction: f64,
    /// What `consume --check` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Checked>,
    /// The arguments, defaults included.
    pub parameters: serde_json::Value,
}

impl Report {
    /// The figures that every command has.
    pub fn new(
        command: &'static str,
        warm_up_seconds: f64,
        measure: &Measure,
        outcome: &Outcome,
        parameters: &impl Serialize,
    ) -> Self {
        let per_second =
            |count: f64| if outcome.measured_seconds > 0.0 { count / outcome.measured_seconds } else { 0.0 };
        let (user, system) = (outcome.cpu.user.as_secs_f64(), outcome.cpu.system.as_secs_f64());
        Self {
            command,
            version: env!("CARGO_PKG_VERSION"),
            warm_up_seconds,
            measured_seconds: outcome.measured_seconds,
            records: outcome.counts.records,
            bytes: outcome.counts.bytes,
            requests: outcome.counts.requests,
            records_per_second: per_second(outcome.counts.records as f64),
            mb_per_second: per_second(outcome.counts.bytes as f64 / MB),
            requests_per_second: per_second(outcome.counts.requests as f64),
            errors: measure.troubles.errors,
            errors_by_code: measure.errors_by_code.clone(),
            retries: measure.troubles.retries,
            reconnects: measure.troubles.reconnects,
            failed_records: measure.troubles.failed_records,
            user_cpu_seconds: user,
            system_cpu_seconds: system,
            core_fraction: if outcome.cpu_seconds_window > 0.0 {
                (user + system) / outcome.cpu_seconds_window
            } else {
                0.0
            },
            parameters: serde_json::to_value(parameters).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Prints every figure as `name:value`, one a line.
    pub fn print_all(&self) {
        let mut lines = String::new();
        flatten("", &serde_json::to_value(self).unwrap_or_default(), &mut lines);
        print!("{lines}");
    }

    /// The figures in words.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} records in {:.1} s after {:.1} s of warm-up: {:.1} records/s, {:.2} MB/s, {:.1} requests/s",
            self.records,
            self.measured_seconds,
            self.warm_up_seconds,
            self.records_per_second,
            self.mb_per_second,
            self.requests_per_second
        );
        if self.warm_up_seconds > 0.0 && self.measured_seconds <= 0.0 {
            text += "nothing was measured: the run ended within its warm-up\n";
        }
        for (name, latency) in [("latency", &self.latency_us), ("until acknowledged", &self.produce_latency_us)] {
            if let Some(latency) = latency {
                let _ = writeln!(
                    text,
                    "{name}: p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
                    shown(latency.p50),
                    shown(latency.p90),
                    shown(latency.p99),
                    shown(latency.p99_9),
                    shown(latency.max)
                );
            }
        }
        let bound = if self.core_fraction > 0.7 { "; above 70 %: this generator may be the limit" } else { "" };
        let _ = writeln!(
            text,
            "own CPU: {:.2} s user, {:.2} s system, {:.0} % of a core{bound}",
            self.user_cpu_seconds,
            self.system_cpu_seconds,
            self.core_fraction * 100.0
        );
        if self.errors + self.retries + self.failed_records > 0 {
            let names: Vec<String> =
                self.errors_by_code.iter().map(|(name, count)| format!("{name} {count}")).collect();
            let _ = writeln!(
                text,
                "errors: {} ({}); {} requests sent again, {} connections made again, {} records given up",
                self.errors,
                names.join(", "),
                self.retries,
                self.reconnects,
                self.failed_records
            );
        }
        if let Some(check) = &self.check {
            let verdict = if check.is_clean() { "PASS" } else { "FAIL" };
            let _ = writeln!(
                text,
                "{verdict}: {} batches checked, {} damaged; {} marked records, {} missing, {} repeated",
                check.batches,
                check.damaged_batches,
                check.marked_records,
                check.missing_records,
                check.repeated_records
            );
        }
        text
    }
}

fn flatten(name: &str, value: &serde_json::Value, lines: &mut String) {
    match value {
        serde_json::Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, lines);
            }
        }
        value => {
            let _ = writeln!(lines, "{name}:{value}");
        }
    }
}

/// Microseconds in the unit that people read best.
fn shown(microseconds: f64) -> String {
    match microseconds {
        value if value < 1_000.0 => format!("{value:.0} µs"),
        value if value < 1_000_000.0 => format!("{:.2} ms", value / 1_000.0),
        value => format!("{:.2} s", value / 1_000_000.0),
    }
}

/// Prints the line of one second.
pub fn progress(arguments: &OutputArguments, interval: &Interval) {
    if arguments.quiet {
        return;
    }
    let per_second = |count: u64| count as f64 / interval.seconds;
    let (mean, p99, max) = interval.latency_ns;
    let mut line = format!(
        "{} records, {:.1} records/s ({:.2} MB/s), {:.1} requests/s",
        interval.counts.records,
        per_second(interval.counts.records),
        per_second(interval.counts.bytes) / MB,
        per_second(interval.counts.requests)
    );
    if max > 0 {
        let shown = |nanoseconds: f64| shown(nanoseconds / 1_000.0);
        let _ = write!(line, ", latency {} mean, {} p99, {} max", shown(mean), shown(p99 as f64), shown(max as f64));
    }
    let _ = writeln!(std::io::stderr(), "{line}{}", if interval.warm_up { " (warm-up)" } else { "" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_json_object_are_the_contract() {
        let mut measure = Measure::new(0, 0).unwrap();
        measure.latency(0, 1_500_000);
        measure.done(10, 2_097_152, 1_000_000_000);
        measure.request();
        measure.error("NOT_LEADER_OR_FOLLOWER");
        let outcome = measure.finish(1_000_000_000);
        let mut report = Report::new("produce", 0.0, &measure, &outcome, &"parameters");
        report.latency_us = Some(Latency::of(&outcome.latency));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["records_per_second"], 10.0);
        assert_eq!(json["mb_per_second"], 2.0);
        assert_eq!(json["requests_per_second"], 1.0);
        assert_eq!(json["errors_by_code"]["NOT_LEADER_OR_FOLLOWER"], 1);
        for name in ["p50", "p90", "p99", "p99_9", "max"] {
            let value = json["latency_us"][name].as_f64().unwrap();
            assert!((1_499.0..1_502.0).contains(&value), "{name} {value}");
        }
        for name in ["user_cpu_seconds", "system_cpu_seconds", "core_fraction", "warm_up_seconds", "measured_seconds"] {
            assert!(json[name].is_number(), "{name}");
        }
        assert_eq!((&json["errors"], &json["parameters"]), (&1.into(), &"parameters".into()));
    }

    #[test]
    fn text_says_when_the_generator_is_the_limit_and_what_a_check_found() {
        let report = Report {
            core_fraction: 0.9,
            check: Some(Checked { batches: 3, missing_records: 1, ..Checked::default() }),
            ..Report::default()
        };
        let text = report.text();
        assert!(text.contains("may be the limit") && text.contains("FAIL: 3 batches checked"), "{text}");
    }
}

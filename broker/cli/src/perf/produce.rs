//! `perf produce`: many producers, each with its own connection, at a fixed rate or as fast as the broker takes. Arguments and setup are
//! here; `lane` decides what is sent, `driver` moves the bytes.

pub mod driver;
pub mod lane;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::arguments::{ClusterArguments, ProducerArguments, ProducerSettings, RunArguments};
use super::batches::{Batches, MARK_BYTES, Recipe};
use super::cluster::Topic;
use super::error::PerfError;
use super::host::{self, Clock};
use super::measure::Measure;
use super::pace::Pace;
use super::payload::{Payload, mix};
use super::report::{Latency, OutputArguments, Report};
use driver::{Driver, Plan};
use lane::Rules;

/// What `perf produce` takes. Names are those of kafka-producer-perf-test where it has them.
#[derive(Args, Debug)]
pub struct ProduceArguments {
    /// The topic to write to; it must exist (perf topics --create makes one).
    #[arg(long)]
    topic: String,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Records a second over all connections, each due at its own time whatever the broker does; latency counts from that time. -1 or 0:
    /// as many as the broker takes.
    #[arg(long, visible_alias = "rate", value_name = "RECORDS", default_value_t = -1, allow_hyphen_values = true)]
    throughput: i64,

    /// Producers, each with a connection of its own.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    connections: usize,

    /// Write to the first so many partitions only.
    #[arg(long, value_name = "COUNT")]
    partitions: Option<usize>,

    #[command(flatten)]
    producer: ProducerArguments,

    #[command(flatten)]
    records: RecordArguments,

    #[command(flatten)]
    run: RunArguments,

    #[command(flatten)]
    output: OutputArguments,

    /// Print every figure, one a line, after the summary.
    #[arg(long, help_heading = "Output")]
    print_metrics: bool,
}

/// What records look like.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Records")]
struct RecordArguments {
    /// Bytes of a value.
    #[arg(long, value_name = "BYTES", default_value_t = 1024, conflicts_with = "payload_file")]
    record_size: usize,

    /// How random values are: 1 does not compress, 0 is one text over and over.
    #[arg(long, value_name = "0..1", default_value_t = 1.0)]
    entropy: f64,

    /// Take values from this file instead, in random order.
    #[arg(long, value_name = "FILE")]
    payload_file: Option<PathBuf>,

    /// What stands between the values in the file.
    #[arg(long, value_name = "TEXT", default_value = "\n")]
    payload_delimiter: String,

    /// Give records keys of 8 bytes and send each to its key's partition. A request then holds up to --batch-size bytes for all of them.
    #[arg(long)]
    keyed: bool,

    /// Number the records of each producer in each partition, for `perf consume --check`.
    #[arg(long)]
    sequence: bool,

    /// For values and keys: the same seed gives the same bytes.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

/// The arguments as a report repeats them.
#[derive(Serialize)]
struct Parameters<'a> {
    topic: &'a str,
    #[serde(flatten)]
    cluster: &'a ClusterArguments,
    throughput: i64,
    connections: usize,
    partitions: usize,
    #[serde(flatten)]
    producer: &'a ProducerSettings,
    #[serde(flatten)]
    records: &'a RecordArguments,
    #[serde(flatten)]
    run: &'a RunArguments,
}

/// The largest value, in bytes.
const MAX_RECORD_BYTES: usize = 128 << 20;
/// The largest `--batch-size`.
const MAX_BATCH_BYTES: usize = 256 << 20;
/// The most producers.
const MAX_CONNECTIONS: usize = 100_000;

impl RecordArguments {
    fn payload(&self) -> Result<Payload, PerfError> {
        if self.record_size > MAX_RECORD_BYTES {
            return Err(PerfError::argument("--record-size", self.record_size, format!("at most {MAX_RECORD_BYTES}")));
        }
        if !(0.0..=1.0).contains(&self.entropy) {
            return Err(PerfError::argument("--entropy", self.entropy, "from 0 to 1"));
        }
        let payload = match &self.payload_file {
            Some(path) => Payload::of_file(path, &self.payload_delimiter)?,
            None => Payload::Generated { size: self.record_size, entropy: self.entropy },
        };
        if self.sequence && payload.smallest() < MARK_BYTES {
            let reason = format!("with --sequence every value needs {MARK_BYTES} bytes for its mark");
            return Err(PerfError::argument("--record-size", payload.smallest(), reason));
        }
        Ok(payload)
    }
}

/// Runs it. True when every record was acknowledged.
///
/// # Errors
/// When the run cannot start, or breaks down.
pub fn run(arguments: &ProduceArguments) -> Result<bool, PerfError> {
    arguments.output.check()?;
    let settings = arguments.producer.settings()?;
    if settings.batch_size > MAX_BATCH_BYTES {
        return Err(PerfError::argument("--batch-size", settings.batch_size, format!("at most {MAX_BATCH_BYTES}")));
    }
    if !(1..=MAX_CONNECTIONS).contains(&arguments.connections) {
        return Err(PerfError::argument("--connections", arguments.connections, format!("1 to {MAX_CONNECTIONS}")));
    }
    let payload = arguments.records.payload()?;
    let (warm_up_ns, duration_ns) = (arguments.run.warm_up_ns()?, arguments.run.duration_ns()?);
    if let Some(cpu) = arguments.run.cpu {
        host::pin(cpu)?;
    }
    let cluster = arguments.cluster.cluster();
    let topic = cluster.topic(&arguments.topic, arguments.partitions)?;
    let connections = arguments.connections.max(topic.by_leader.len());
    host::allow_connections(connections)?;
    let batches = Batches::prepare(&Recipe {
        payload,
        batch_bytes: settings.batch_size,
        compression: settings.compression()?,
        keyed_partitions: arguments.records.keyed.then(|| highest_partition(&topic) + 1),
        seed: arguments.records.seed,
    })?;
    let clock = Clock::start();
    let plan = Plan {
        cluster,
        topic,
        settings: settings.clone(),
        connections,
        partitions: arguments.partitions,
        // Two runs into one topic must not look like one producer that repeats itself.
        mark: arguments
            .records
            .sequence
            .then(|| mix(clock.wall_ms(0).cast_unsigned() ^ u64::from(std::process::id()) << 44)),
    };
    let mut driver = Driver::connect(plan, batches, clock, &arguments.output)?;
    let start_ns = clock.now_ns();
    let rules = Rules {
        in_flight: settings.in_flight,
        linger_ns: settings.linger_ms.saturating_mul(1_000_000),
        keyed: arguments.records.keyed,
        pace: Pace {
            records_per_second: u64::try_from(arguments.throughput).ok().filter(|rate| *rate > 0),
            start_ns,
            end_ns: start_ns + duration_ns,
            record_limit: arguments.run.num_records.unwrap_or(u64::MAX),
            connections: connections as u64,
        },
    };
    let mut measure = Measure::new(start_ns, warm_up_ns)?;
    driver.run(&rules, &mut measure)?;
    let outcome = measure.finish(clock.now_ns());
    let parameters = Parameters {
        topic: &arguments.topic,
        cluster: &arguments.cluster,
        throughput: arguments.throughput,
        connections,
        partitions: driver.partition_count(),
        producer: &settings,
        records: &arguments.records,
        run: &arguments.run,
    };
    let mut report = Report::new("produce", arguments.run.warm_up_seconds, &measure, &outcome, &parameters);
    report.latency_us = Some(Latency::of(&outcome.latency));
    arguments.output.write(&report, &report.text())?;
    if arguments.print_metrics {
        report.print_all();
    }
    Ok(report.failed_records == 0)
}

fn highest_partition(topic: &Topic) -> usize {
    let highest = topic.by_leader.values().flatten().max().copied().unwrap_or(0);
    usize::try_from(highest).unwrap_or(0)
}

#[cfg(test)]
mod tests;

//! `perf consume`: reads a topic as fast as it comes, in fetch sessions and without a group. Records are counted by the headers of their
//! batches; only `--check` looks inside. Commits nothing.

mod check;
mod driver;
pub mod session;

use clap::Args;
use serde::Serialize;

use super::arguments::{ClusterArguments, RunArguments};
use super::error::PerfError;
use super::host::{self, Clock};
use super::measure::Measure;
use super::report::{OutputArguments, Report};
use check::Check;
use driver::{Driver, Limits, Plan};
use session::FetchSettings;

/// What `perf consume` takes. Names are those of kafka-consumer-perf-test where it has them.
#[derive(Args, Debug, Serialize)]
pub struct ConsumeArguments {
    /// The topic to read.
    #[arg(long)]
    topic: String,

    #[command(flatten)]
    #[serde(flatten)]
    cluster: ClusterArguments,

    /// Begin after the last record instead of at the first.
    #[arg(long)]
    from_latest: bool,

    /// Connections, among which the partitions are divided; more than partitions are not made.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    connections: usize,

    /// Read the first so many partitions only.
    #[arg(long, value_name = "COUNT")]
    partitions: Option<usize>,

    /// Bytes of one partition in a response at most.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, help_heading = "Fetch")]
    fetch_size: i32,

    /// Bytes of a response at most.
    #[arg(long, value_name = "BYTES", default_value_t = 50 << 20, help_heading = "Fetch")]
    fetch_max_bytes: i32,

    /// The broker answers as soon as this many bytes are there.
    #[arg(long, value_name = "BYTES", default_value_t = 1, help_heading = "Fetch")]
    fetch_min_bytes: i32,

    /// It answers with less after this time.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 500, help_heading = "Fetch")]
    fetch_max_wait_ms: i32,

    /// Compute the CRC of every batch and follow the marks of `perf produce --sequence`: each must come once and in order.
    #[arg(long)]
    check: bool,

    /// End after so long without a record.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10_000, help_heading = "Duration")]
    timeout: u64,

    #[command(flatten)]
    #[serde(flatten)]
    run: RunArguments,

    #[command(flatten)]
    #[serde(skip)]
    output: OutputArguments,
}

/// Runs it. True unless a check failed.
///
/// # Errors
/// When the run cannot start, or breaks down.
pub fn run(arguments: &ConsumeArguments) -> Result<bool, PerfError> {
    arguments.output.check()?;
    let (warm_up_ns, duration_ns) = (arguments.run.warm_up_ns()?, arguments.run.open_ended_ns()?);
    if arguments.connections == 0 {
        return Err(PerfError::argument("--connections", 0, "at least 1"));
    }
    host::allow_connections(arguments.connections)?;
    if let Some(cpu) = arguments.run.cpu {
        host::pin(cpu)?;
    }
    let cluster = arguments.cluster.cluster();
    let topic = cluster.topic(&arguments.topic, arguments.partitions)?;
    let fetch = FetchSettings {
        topic: topic.name.clone(),
        topic_id: topic.id,
        max_wait_ms: arguments.fetch_max_wait_ms,
        min_bytes: arguments.fetch_min_bytes,
        max_bytes: arguments.fetch_max_bytes,
        partition_max_bytes: arguments.fetch_size,
    };
    let clock = Clock::start();
    let plan = Plan {
        cluster,
        topic,
        fetch,
        partitions: arguments.partitions,
        connections: arguments.connections,
        from_latest: arguments.from_latest,
    };
    let check = arguments.check.then(|| Check::new(!arguments.from_latest));
    let mut driver = Driver::connect(plan, check, clock, &arguments.output)?;
    let start_ns = clock.now_ns();
    let mut measure = Measure::new(start_ns, warm_up_ns)?;
    let limits = Limits {
        end_ns: start_ns + duration_ns,
        records: arguments.run.num_records.unwrap_or(u64::MAX),
        idle_ns: arguments.timeout.saturating_mul(1_000_000),
    };
    driver.run(&limits, &mut measure)?;
    let outcome = measure.finish(clock.now_ns());
    let mut report = Report::new("consume", arguments.run.warm_up_seconds, &measure, &outcome, arguments);
    report.check = driver.checked();
    arguments.output.write(&report, &report.text())?;
    Ok(report.check.is_none_or(|check| check.is_clean()))
}

//! `perf connections`: many connections that do almost nothing, as idle clients do: each introduces itself, then asks for metadata once in a
//! while. Shows what a connection costs a broker; moves no records.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::arguments::{ClusterArguments, RunArguments};
use super::cluster::{Cluster, metadata, patiently};
use super::connection::Connection;
use super::error::PerfError;
use super::host::{self, Clock};
use super::measure::Measure;
use super::report::{Latency, OutputArguments, Report, progress};

/// The longest sleep, so that progress is shown meanwhile.
const NAP: Duration = Duration::from_millis(200);

/// What `perf connections` takes.
#[derive(Args, Debug, Serialize)]
pub struct ConnectionsArguments {
    /// How many connections to hold open.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    count: usize,

    /// How often each asks for metadata.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    interval_seconds: f64,

    #[command(flatten)]
    #[serde(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    #[serde(flatten)]
    run: RunArguments,

    #[command(flatten)]
    #[serde(skip)]
    output: OutputArguments,
}

#[derive(Serialize)]
struct ConnectionsReport {
    #[serde(flatten)]
    report: Report,
    /// From the first connection to the last.
    connect_seconds: f64,
    /// One connection made and introduced.
    connect_latency_us: Latency,
}

/// Runs it. True unless a connection broke.
///
/// # Errors
/// When the connections cannot be made.
pub fn run(arguments: &ConnectionsArguments) -> Result<bool, PerfError> {
    arguments.output.check()?;
    if arguments.count == 0 {
        return Err(PerfError::argument("--count", 0, "at least 1"));
    }
    if !(0.001..=86_400.0).contains(&arguments.interval_seconds) {
        return Err(PerfError::argument("--interval-seconds", arguments.interval_seconds, "from 0.001 to 86400"));
    }
    let (warm_up_ns, duration_ns) = (arguments.run.warm_up_ns()?, arguments.run.duration_ns()?);
    host::allow_connections(arguments.count)?;
    if let Some(cpu) = arguments.run.cpu {
        host::pin(cpu)?;
    }
    let cluster = arguments.cluster.cluster();
    let clock = Clock::start();
    let mut connecting = Measure::new(0, 0)?;
    let mut connections = Vec::with_capacity(arguments.count);
    let began = Instant::now();
    for _ in 0..arguments.count {
        let before_ns = clock.now_ns();
        connections.push(patiently(|| cluster.connect_any())?);
        connecting.latency(before_ns, clock.now_ns());
        connecting.done(1, 0, clock.now_ns());
        if let Some(interval) = connecting.tick(clock.now_ns()) {
            progress(&arguments.output, &interval);
        }
    }
    let connect_seconds = began.elapsed().as_secs_f64();
    if !arguments.output.quiet {
        eprintln!("{} connections are open after {connect_seconds:.3} s", arguments.count);
    }
    let start_ns = clock.now_ns();
    let mut measure = Measure::new(start_ns, warm_up_ns)?;
    let pause_ns = (arguments.interval_seconds * 1e9 / arguments.count as f64) as u64;
    hold(arguments, &cluster, &mut connections, &clock, start_ns + duration_ns, pause_ns, &mut measure)?;
    let outcome = measure.finish(clock.now_ns());
    let mut report = Report::new("connections", arguments.run.warm_up_seconds, &measure, &outcome, arguments);
    report.latency_us = Some(Latency::of(&outcome.latency));
    let connect_latency_us = Latency::of(&connecting.finish(clock.now_ns()).latency);
    let text = format!("{} connections made in {connect_seconds:.3} s; then\n{}", arguments.count, report.text());
    let is_clean = report.errors == 0;
    arguments.output.write(&ConnectionsReport { report, connect_seconds, connect_latency_us }, &text)?;
    Ok(is_clean)
}

/// Lets the connections ask in turn, evenly spread, until the time is up. One that broke is made again.
fn hold(
    arguments: &ConnectionsArguments,
    cluster: &Cluster,
    connections: &mut [Connection],
    clock: &Clock,
    end_ns: u64,
    pause_ns: u64,
    measure: &mut Measure,
) -> Result<(), PerfError> {
    let limit = arguments.run.num_records.unwrap_or(u64::MAX);
    let mut due_ns = clock.now_ns();
    for turn in 0..limit {
        due_ns = due_ns.saturating_add(pause_ns);
        loop {
            let now_ns = clock.now_ns();
            if let Some(interval) = measure.tick(now_ns) {
                progress(&arguments.output, &interval);
            }
            if now_ns >= end_ns {
                return Ok(());
            }
            if now_ns >= due_ns {
                break;
            }
            std::thread::sleep(NAP.min(Duration::from_nanos(due_ns.min(end_ns) - now_ns)));
        }
        let index = turn as usize % connections.len().max(1);
        let Some(connection) = connections.get_mut(index) else { return Ok(()) };
        let sent_ns = clock.now_ns();
        match metadata(connection, &[]) {
            Ok(_) => {
                measure.request();
                measure.latency(sent_ns, clock.now_ns());
                measure.done(0, 0, clock.now_ns());
            }
            Err(error) if error.is_retriable() => {
                measure.error("DISCONNECTED");
                *connection = patiently(|| cluster.connect_any())?;
                measure.troubles.reconnects += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! `barnabas perf`: load for brokers that speak Kafka's protocol, and what it measured. One thread, so that a run can say how much of a core it
//! used itself, and batches that are encoded before the run, so that the broker and not this program is what is measured. Starts no broker
//! and judges no figure; that is the business of whoever compares.

mod arguments;
mod batches;
mod cluster;
mod connection;
mod connections;
mod consume;
mod error;
mod host;
mod latency;
mod measure;
mod pace;
mod partitioner;
mod payload;
mod poller;
mod produce;
mod report;
mod topics;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Generate load and measure what comes of it.
#[derive(Args, Debug)]
#[command(
    after_help = "With --output json every command writes one JSON object; broker/cli/PERF.md explains its fields.\n\
                        Exit code: 0 when all went well, 1 when records were given up or a check failed, 2 for wrong arguments."
)]
pub struct PerfArguments {
    #[command(subcommand)]
    command: PerfCommand,
}

#[derive(Debug, Subcommand)]
enum PerfCommand {
    /// Send records, as fast as they are taken or at a fixed rate.
    Produce(Box<produce::ProduceArguments>),
    /// Read records as fast as they come, and check them if asked to.
    Consume(Box<consume::ConsumeArguments>),
    /// Measure how long records take from producer to consumer.
    Latency(Box<latency::LatencyArguments>),
    /// Hold many connections open that do almost nothing.
    Connections(Box<connections::ConnectionsArguments>),
    /// Make or delete many topics, and say how long it took.
    Topics(Box<topics::TopicsArguments>),
}

/// Runs the command and says how it ended.
#[must_use]
pub fn run(arguments: &PerfArguments) -> ExitCode {
    let result = match &arguments.command {
        PerfCommand::Produce(arguments) => produce::run(arguments),
        PerfCommand::Consume(arguments) => consume::run(arguments),
        PerfCommand::Latency(arguments) => latency::run(arguments),
        PerfCommand::Connections(arguments) => connections::run(arguments),
        PerfCommand::Topics(arguments) => topics::run(arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("barnabas perf: {error}");
            match error {
                error::PerfError::Argument { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

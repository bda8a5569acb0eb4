//! Holds our messages against Apache Kafka's: its schemas, and its own classes in a JVM. A tool for tests; nothing that is shipped uses it.

mod catalogue;
mod exceptions;
mod judge;
mod oracle;
mod schema;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Holds our messages against Apache Kafka's.
#[derive(Parser)]
enum Command {
    /// Compares every structure with Kafka's schemas
    Schema(schema::report::Options),
    /// Compares what Kafka's own classes read, refuse, write and say
    Oracle(oracle::Options),
}

fn main() -> Result<ExitCode> {
    let (name, passed) = match Command::parse() {
        Command::Schema(options) => ("schema", schema::report::run(&options)?),
        Command::Oracle(options) => ("oracle", oracle::run(&options)?),
    };
    println!("{} {name}", if passed { "PASS" } else { "FAIL" });
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

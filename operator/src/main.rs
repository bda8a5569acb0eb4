//! The operator's binary: reads flags, then runs the operator or prints the resource definitions. Decides nothing else.

mod crd;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Runs Kafka clusters of Barnabas nodes on Kubernetes.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the custom resource definitions.
    Crds {
        /// The directory to write to.
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Crds { out } => crd::write(&out),
    }
}

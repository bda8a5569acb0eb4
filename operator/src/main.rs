//! The operator's binary: reads flags, then runs the operator or writes the resource definitions. Decides nothing else.

mod admin;
mod broker_client;
mod cluster;
mod cluster_lookup;
mod consumer_group;
mod context;
mod crd;
mod k8s;
mod leader;
mod metrics;
mod run;
mod topic;

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
    /// Run the operator.
    Run(run::Options),
    /// Write the custom resource definitions.
    Crds {
        /// The directory to write to.
        #[arg(long)]
        out: PathBuf,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(options) => run::run(options).await,
        Command::Crds { out } => crd::write(&out),
    }
}

//! `barnabas storage`: the commands of Kafka's storage tool, under its names and flags. Reads arguments and configuration and prints; what
//! is written, and whether, the library decides.

use std::path::PathBuf;
use std::process::ExitCode;

use barnabas_server::config::Boot;
use barnabas_server::format::{self, FirstVoters, FormatRequest, NodeToFormat, RealFs, info, levels, set_voters};
use clap::{Args, Subcommand};

use crate::arguments::LayerArguments;
use crate::host;

#[derive(Args, Debug)]
pub struct StorageArguments {
    #[command(subcommand)]
    command: StorageCommand,
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Format the log directories of a node before its first start. Directories that hold anything are never touched.
    Format(FormatArguments),
    /// Tell what the log directories of a node are. Exits with 1 when something is wrong with them.
    Info(ConfigArguments),
    /// Repair a quorum that cannot elect because its voters have other addresses: write down, on a node that is stopped, where they
    /// are now. Never changes who votes.
    SetVoters(SetVotersArguments),
    /// Print a random id, for a cluster or a directory.
    RandomUuid,
    /// Show the feature levels that a cluster starts with when it is formatted for a release.
    VersionMapping {
        /// The release, such as 4.3 or 3.9-IV0; the newest that is served where it is left away.
        #[arg(short, long, value_name = "RELEASE")]
        release_version: Option<String>,
    },
    /// Show which levels of other features a level needs.
    FeatureDependencies {
        /// A feature and its level. May be repeated.
        #[arg(short, long = "feature", value_name = "NAME=LEVEL", required = true)]
        features: Vec<String>,
    },
}

#[derive(Args, Debug)]
struct ConfigArguments {
    /// The node's properties file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,

    #[command(flatten)]
    layers: LayerArguments,
}

#[derive(Args, Debug)]
struct SetVotersArguments {
    #[command(flatten)]
    config: ConfigArguments,

    /// All voters of the quorum, with the ids and directory ids that they have, and the addresses where they are now.
    #[arg(long, value_name = "ID@HOST:PORT:DIRECTORY-ID,…")]
    voters: String,

    /// Do it. Without it is only told what would be changed, and the exit code is 1.
    #[arg(long)]
    yes: bool,
}

#[derive(Args, Debug)]
struct FormatArguments {
    #[command(flatten)]
    config: ConfigArguments,

    /// The cluster's id, the same for all of its nodes. `barnabas storage random-uuid` makes one.
    #[arg(short = 't', long, value_name = "ID", allow_hyphen_values = true)]
    cluster_id: String,

    #[command(flatten)]
    first_voters: FirstVoterArguments,

    /// The release whose feature levels the cluster starts with, such as 3.9; the newest that is served where it is left away.
    #[arg(short, long, value_name = "RELEASE")]
    release_version: Option<String>,

    /// The level of one feature. May be repeated.
    #[arg(short, long = "feature", value_name = "NAME=LEVEL")]
    features: Vec<String>,

    /// Leave directories as they are that are formatted for this node and cluster, and format the others.
    #[arg(short = 'g', long)]
    ignore_formatted: bool,

    /// Do nothing unless this node is one of these: for a command line that several nodes share, some of which must not be formatted.
    #[arg(long, env = "BARNABAS_FORMAT_NODE_IDS", value_name = "ID,…", value_delimiter = ',')]
    only_node_ids: Option<Vec<i32>>,

    /// A user's credential that the cluster starts with:
    /// 'SCRAM-SHA-256=[name=alice,password=…]' or
    /// 'SCRAM-SHA-512=[name=alice,iterations=8192,salt="N3E=",saltedpassword="YCE="]'. May be repeated.
    #[arg(short = 'S', long = "add-scram", value_name = "CREDENTIAL")]
    scram: Vec<String>,
}

/// Who the first voters are. A controller whose configuration has no controller.quorum.voters needs one of them.
#[derive(Args, Debug)]
#[group(multiple = false)]
struct FirstVoterArguments {
    /// This controller is the only voter of a new quorum; more can join it later.
    #[arg(short, long)]
    standalone: bool,

    /// The first voters of a new quorum, the same list for every node of it.
    #[arg(short = 'I', long, value_name = "ID@HOST:PORT:DIRECTORY-ID,…")]
    initial_controllers: Option<String>,

    /// There is a quorum, or another node begins it; this one learns of the voters from controller.quorum.bootstrap.servers.
    #[arg(short = 'N', long)]
    no_initial_controllers: bool,
}

impl FirstVoterArguments {
    fn first_voters(&self) -> FirstVoters {
        match (&self.initial_controllers, self.standalone, self.no_initial_controllers) {
            (Some(voters), ..) => FirstVoters::Named(voters.clone()),
            (None, true, _) => FirstVoters::Standalone,
            (None, false, true) => FirstVoters::Elsewhere,
            (None, false, false) => FirstVoters::Unsaid,
        }
    }
}

/// Runs it and says how it ended: 0, or 1 when something is wrong.
pub fn run(arguments: &StorageArguments) -> ExitCode {
    match execute(&arguments.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("barnabas storage: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: &StorageCommand) -> anyhow::Result<bool> {
    match command {
        StorageCommand::Format(arguments) => format(arguments).map(|()| true),
        StorageCommand::Info(arguments) => {
            let node = NodeToFormat::of(&configure(arguments)?.config);
            let (text, is_well) = info::describe(&format::look(&RealFs, &node));
            print!("{text}");
            Ok(is_well)
        }
        StorageCommand::SetVoters(arguments) => {
            let node = NodeToFormat::of(&configure(&arguments.config)?.config);
            let mut tell = |line: &str| println!("{line}");
            set_voters::set_voters(&node, &arguments.voters, arguments.yes, &mut tell).map_err(in_full)
        }
        StorageCommand::RandomUuid => {
            println!("{}", barnabas_server::runtime::random_uuid());
            Ok(true)
        }
        StorageCommand::VersionMapping { release_version } => {
            print!("{}", levels::version_mapping(release_version.as_deref())?);
            Ok(true)
        }
        StorageCommand::FeatureDependencies { features } => {
            print!("{}", levels::feature_dependencies(features)?);
            Ok(true)
        }
    }
}

fn format(arguments: &FormatArguments) -> anyhow::Result<()> {
    let boot = configure(&arguments.config)?;
    let node = NodeToFormat::of(&boot.config);
    if let Some(only) = &arguments.only_node_ids
        && !node.id.is_some_and(|id| only.contains(&id.0))
    {
        println!(
            "This node is none of those that are to be formatted ({only:?}): its log directories are left as they are."
        );
        return Ok(());
    }
    let request = FormatRequest {
        cluster_id: arguments.cluster_id.clone(),
        first_voters: arguments.first_voters.first_voters(),
        release_version: arguments.release_version.clone(),
        features: arguments.features.clone(),
        scram: arguments.scram.clone(),
        ignore_formatted: arguments.ignore_formatted,
    };
    format::format(&RealFs, &node, &request, &mut |line| println!("{line}")).map_err(in_full)
}

/// An error that already says its cause.
fn in_full(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}

/// The node's configuration. Its warnings are the server's to give.
fn configure(arguments: &ConfigArguments) -> anyhow::Result<Boot> {
    host::configure(Some(&arguments.config), &arguments.layers, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        format: FormatArguments,
    }

    #[test]
    fn a_node_that_is_none_of_those_that_are_meant_is_left_as_it_is() {
        let directory = std::env::temp_dir().join(format!("barnabas-storage-{}", std::process::id()));
        let log = directory.join("log");
        std::fs::create_dir_all(&log).unwrap();
        let config = directory.join("server.properties");
        let text = format!(
            "process.roles=broker\nnode.id=1\nlog.dirs={}\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=h:1\n",
            log.display()
        );
        std::fs::write(&config, text).unwrap();
        let config = config.display().to_string();
        let run = |only: &[&str]| {
            let fixed = ["format", "--config", &config, "--cluster-id", "ASNFZ4mrze8BI0VniavN7w", "-N", "-g"];
            format(&Line::try_parse_from(fixed.iter().chain(only)).unwrap().format).unwrap();
            log.join("meta.properties").exists()
        };
        assert!(!run(&["--only-node-ids", "3,4"]));
        assert!(run(&["--only-node-ids", "4,1"]));
        std::fs::remove_dir_all(&log).unwrap();
        std::fs::create_dir(&log).unwrap();
        assert!(run(&[]), "without a list every node is meant");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

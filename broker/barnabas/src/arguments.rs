//! What the command line takes. Checks only what can be checked without the configuration.

use std::path::PathBuf;

use barnabas_cli::perf::PerfArguments;
use barnabas_cli::protocol::ProtocolArguments;
use barnabas_cli::replay::ReplayArguments;
use barnabas_cli::why::WhyArguments;
use barnabas_server::FormatPolicy;
use barnabas_server::config::LogFormatSetting;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::storage::StorageArguments;

/// Apache Kafka without the JVM.
#[derive(Debug, Parser)]
#[command(name = "barnabas", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a broker until it is told to stop (SIGTERM or Ctrl-C).
    Server(ServerArguments),
    /// Format the log directories of a node, or tell what they are.
    Storage(StorageArguments),
    /// Explain what is wrong with a partition, a broker or the quorum, and what would mend it.
    Why(WhyArguments),
    /// Play the recording of a core once more: its inputs, what came of them, and whether that is what came of them then.
    Replay(ReplayArguments),
    /// Generate load for a broker and measure what comes of it.
    Perf(PerfArguments),
    /// Show frames of Kafka's protocol as text, from hexadecimal, a stream, or a capture of tcpdump.
    Protocol(ProtocolArguments),
}

#[derive(Args, Debug)]
pub struct ServerArguments {
    /// A properties file with Kafka's configuration names.
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub layers: LayerArguments,

    /// Refuse unknown configuration keys instead of warning of them.
    #[arg(long)]
    pub strict: bool,

    /// Whether an empty data directory may be formatted.
    #[arg(long, value_enum, default_value_t = Format::IfEmpty)]
    pub format: Format,

    /// The cluster's id (22 characters of base64url). A directory of another cluster is refused; an empty one is formatted
    /// with it.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub cluster_id: Option<String>,

    /// How log lines look.
    #[arg(long, value_enum)]
    pub log_format: Option<LogFormat>,

    /// What is logged: trace, debug, info, warn, error, or a filter such as info,barnabas_server::api=debug.
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// What lies over the properties file.
#[derive(Args, Clone, Debug, Default)]
pub struct LayerArguments {
    /// Set one configuration; wins over environment and file. May be repeated.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    /// A further properties file, read after FILE and winning over it. `{node.id}` in its name stands for the node's id,
    /// and `${env:NAME}` in its values for an environment variable. May be repeated.
    #[arg(long = "include", value_name = "FILE")]
    pub includes: Vec<PathBuf>,

    /// Take node.id from the number at the end of the host's name, as a StatefulSet numbers its pods.
    #[arg(long)]
    pub node_id_from_hostname: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// Format the directories when all of them are empty.
    IfEmpty,
    /// Format every empty directory: a disk is added to a node that has data.
    NewDirectories,
    /// Refuse to start on an empty directory: its data is missing.
    Never,
}

impl From<Format> for FormatPolicy {
    fn from(format: Format) -> Self {
        match format {
            Format::IfEmpty => Self::IfEmpty,
            Format::NewDirectories => Self::NewDirectories,
            Format::Never => Self::Never,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl From<LogFormatSetting> for LogFormat {
    fn from(format: LogFormatSetting) -> Self {
        match format {
            LogFormatSetting::Text => Self::Text,
            LogFormatSetting::Json => Self::Json,
        }
    }
}

impl From<LogFormat> for barnabas_server::logging::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_may_begin_with_a_dash() {
        let line = ["barnabas", "server", "--cluster-id", "-S2vF0lEQ0mJ8Qn3hVb7pA", "--strict"];
        let Command::Server(arguments) = Arguments::try_parse_from(line).unwrap().command else { panic!("no server") };
        assert_eq!(arguments.cluster_id.as_deref(), Some("-S2vF0lEQ0mJ8Qn3hVb7pA"));
        assert!(arguments.strict);
    }
}

//! Formatting of a node's log directories before its first start, as Kafka's storage tool does it: look, plan, write. Never formats a
//! directory that is formatted or that holds anything; an error is an error before the first of them is touched.

pub mod info;
pub mod levels;
mod plan;
mod scram;
pub mod set_voters;
mod voters;

use std::path::{Path, PathBuf};

use barnabas_log::TextFileError;
use barnabas_log::fs::{Fs, IoError};
use barnabas_log::identity::{self, MetaProperties};
use barnabas_metadata::{level_records, metadata_version_name};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_raft::{ReplicaKey, Voter, VoterSet};
use barnabas_types::{BrokerId, Uuid};

use crate::config::BrokerConfig;
use crate::raft;
use crate::runtime;
pub use barnabas_log::fs::RealFs;
use levels::{LevelError, Levels};
pub use plan::{Found, Kind, PlanError};
use plan::{Plan, Wanted};
pub use scram::ScramError;
pub use voters::VoterError;

/// The lowest `metadata.version` that knows SCRAM credentials (3.5-IV2).
const SCRAM: i16 = 11;

/// Who the first voters of the quorum are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstVoters {
    /// Nothing is said: they stand in `controller.quorum.voters`, or this node is only a broker.
    Unsaid,
    /// `--standalone`: this node alone.
    Standalone,
    /// `--initial-controllers`: these.
    Named(String),
    /// `--no-initial-controllers`: there is a quorum, which this node joins.
    Elsewhere,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct FormatRequest {
    /// `--cluster-id`
    pub cluster_id: String,
    /// Who the first voters are.
    pub first_voters: FirstVoters,
    /// `--release-version`
    pub release_version: Option<String>,
    /// `--feature`, as `name=level`.
    pub features: Vec<String>,
    /// `--add-scram`
    pub scram: Vec<String>,
    /// `--ignore-formatted`
    pub ignore_formatted: bool,
}

/// Why nothing, or not everything, was formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A cluster id that cannot stand in `meta.properties`.
    #[error("--cluster-id '{id}': expected letters, digits, - and _; `barnabas storage random-uuid` makes one")]
    ClusterId {
        /// What was given.
        id: String,
    },
    /// Voters that cannot be.
    #[error("--initial-controllers: {0}")]
    Voters(#[from] VoterError),
    /// Levels that cannot be.
    #[error(transparent)]
    Levels(#[from] LevelError),
    /// A credential that cannot be made.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// A credential that the level does not know.
    #[error("--add-scram needs metadata.version 3.5-IV2 or later, and the cluster would start at {}", metadata_version_name(*level).unwrap_or_default())]
    ScramLevel {
        /// The level asked for.
        level: i16,
    },
    /// Voters in the configuration and for the log.
    #[error(
        "controller.quorum.voters keeps the voters in the configuration, and --standalone and --initial-controllers put them into the \
         log: remove controller.quorum.voters and set controller.quorum.bootstrap.servers, or leave the flag away"
    )]
    StaticVoters,
    /// Nobody says who votes.
    #[error(
        "controller.quorum.voters is not set, and this node is a controller: say who votes first with --standalone (this node alone), \
         --initial-controllers (these), or --no-initial-controllers (this node joins a quorum that there is)"
    )]
    NoVoters,
    /// `--standalone` on a broker.
    #[error("--standalone makes this node the first controller, and process.roles does not name it one")]
    NotAController,
    /// A controller without a listener for the quorum.
    #[error("--standalone needs the address of this controller: listeners has none of controller.listener.names")]
    NoListener,
    /// This node is named with another address or role.
    #[error(
        "--initial-controllers names node {node}, which is this one, and process.roles does not name it a controller"
    )]
    NamedBroker {
        /// This node.
        node: BrokerId,
    },
    /// What the directories are does not allow it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file could not be written.
    #[error("{}: {source}. What was not finished is formatted anew with --ignore-formatted", path.display())]
    Write {
        /// The directory.
        path: PathBuf,
        /// What the disk said.
        source: raft::FormatError,
    },
}

/// What of a node's configuration matters here.
#[derive(Clone, Debug)]
pub struct NodeToFormat {
    /// `node.id`; none of a broker that is to be given one.
    pub id: Option<BrokerId>,
    /// `process.roles` names it a controller.
    pub is_controller: bool,
    /// `log.dirs` and `metadata.log.dir`, sorted, each once.
    pub directories: Vec<PathBuf>,
    /// `metadata.log.dir`, or the first of `log.dirs`.
    pub metadata_log_dir: PathBuf,
    /// The first of `controller.listener.names`.
    pub listener: String,
    /// Where other nodes reach it by that listener.
    pub address: Option<(String, u16)>,
    /// `controller.quorum.voters` is set.
    pub has_static_voters: bool,
}

/// What is written, and where.
struct Made {
    plan: Plan,
    levels: Levels,
    records: Vec<MetadataRecord<'static>>,
    voters: Option<VoterSet>,
    directory_id: Option<Uuid>,
}

/// Looks at all log directories of `node`.
#[must_use]
pub fn look(fs: &dyn Fs, node: &NodeToFormat) -> Vec<(PathBuf, Found)> {
    node.directories.iter().map(|path| (path.clone(), look_at(fs, path))).collect()
}

/// Formats what is empty of `node`'s directories, and hands each line that is worth telling to `tell`.
///
/// # Errors
/// See [`FormatError`]. All but the last of them come before anything is changed.
pub fn format(
    fs: &dyn Fs,
    node: &NodeToFormat,
    request: &FormatRequest,
    tell: &mut dyn FnMut(&str),
) -> Result<(), FormatError> {
    let made = make(node, request, &look(fs, node))?;
    made.plan.notes.iter().for_each(|note| tell(note));
    if made.plan.format.is_empty() {
        tell("All of the log directories are already formatted.");
        return Ok(());
    }
    let level = |(name, level): &(&str, i16)| format!("{name}={level}");
    let levels =
        made.levels.finalized.iter().map(level).chain([format!("kraft.version={}", made.levels.kraft_version)]);
    tell(&format!("Feature levels: {}", levels.collect::<Vec<_>>().join(", ")));
    let version = metadata_version_name(made.levels.metadata_version).unwrap_or_default();
    for (path, kind) in &made.plan.format {
        tell(&format!("Formatting {} {} with metadata.version {version}.", kind.description(), path.display()));
        write(fs, node, request, &made, path, *kind)
            .map_err(|source| FormatError::Write { path: path.clone(), source })?;
    }
    if node.id.is_none() {
        tell("This broker has no node.id yet: the active controller gives it one when it first starts.");
    }
    Ok(())
}

/// Decides everything.
fn make(node: &NodeToFormat, request: &FormatRequest, found: &[(PathBuf, Found)]) -> Result<Made, FormatError> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if request.cluster_id.is_empty() || !request.cluster_id.chars().all(is_plain) {
        return Err(FormatError::ClusterId { id: request.cluster_id.clone() });
    }
    let voters = first_voters(node, &request.first_voters)?;
    let dynamic = !node.has_static_voters && request.first_voters != FirstVoters::Unsaid;
    let levels = levels::effective(request.release_version.as_deref(), &request.features, dynamic)?;
    let mut records = level_records(&levels.finalized);
    if !request.scram.is_empty() && levels.metadata_version < SCRAM {
        return Err(FormatError::ScramLevel { level: levels.metadata_version });
    }
    for credential in &request.scram {
        records.push(scram::parse(credential, runtime::random_bytes())?.into());
    }
    let voter = voters.as_ref().zip(node.id).and_then(|(voters, id)| voters.get(id));
    let directory_id = voter.map(|voter| voter.key.directory_id);
    let wanted = Wanted {
        cluster_id: &request.cluster_id,
        node_id: node.id,
        metadata_log_dir: &node.metadata_log_dir,
        names_voters: voters.is_some(),
        is_voter: directory_id.is_some(),
        // That of `--standalone` is made anew each time.
        named_directory_id: directory_id.filter(|_| request.first_voters != FirstVoters::Standalone),
        ignore_formatted: request.ignore_formatted,
    };
    let plan = plan::plan(&wanted, found)?;
    Ok(Made { plan, levels, records, voters, directory_id })
}

/// The voters that stand in the log from its beginning; None when it names none.
fn first_voters(node: &NodeToFormat, asked: &FirstVoters) -> Result<Option<VoterSet>, FormatError> {
    let names = matches!(asked, FirstVoters::Standalone | FirstVoters::Named(_));
    match asked {
        _ if names && node.has_static_voters => Err(FormatError::StaticVoters),
        FirstVoters::Unsaid if node.is_controller && !node.has_static_voters => Err(FormatError::NoVoters),
        FirstVoters::Unsaid | FirstVoters::Elsewhere => Ok(None),
        FirstVoters::Standalone => {
            let id = node.id.filter(|_| node.is_controller).ok_or(FormatError::NotAController)?;
            let (host, port) = node.address.as_ref().ok_or(FormatError::NoListener)?;
            let key = ReplicaKey { id, directory_id: runtime::random_uuid() };
            let voter: Voter = voters::voter(key, &node.listener, host, *port);
            Ok(Some(VoterSet(vec![voter])))
        }
        FirstVoters::Named(text) => {
            let voters = voters::parse(text, &node.listener)?;
            match node.id.filter(|id| !node.is_controller && voters.get(*id).is_some()) {
                Some(node) => Err(FormatError::NamedBroker { node }),
                None => Ok(Some(voters)),
            }
        }
    }
}

/// Formats one directory. `meta.properties` comes last: with it the directory counts as formatted.
fn write(
    fs: &dyn Fs,
    node: &NodeToFormat,
    request: &FormatRequest,
    made: &Made,
    path: &Path,
    kind: Kind,
) -> Result<(), raft::FormatError> {
    let now = runtime::wall();
    fs.create_directory(path)?;
    raft::write_bootstrap(fs, path, made.levels.metadata_version, made.records.clone(), now)?;
    if let Some(voters) = made.voters.as_ref().filter(|_| kind.names_voters()) {
        raft::write_first_snapshot(fs, path, made.levels.kraft_version, voters, now)?;
    }
    let directory_id = made.directory_id.filter(|_| kind == Kind::DynamicMetadataVoter);
    let properties = MetaProperties {
        cluster_id: request.cluster_id.clone(),
        node_id: node.id,
        directory_id: Some(directory_id.unwrap_or_else(runtime::random_uuid)),
    };
    Ok(properties.write(fs, path)?)
}

fn look_at(fs: &dyn Fs, path: &Path) -> Found {
    match identity::is_zookeeper_era(fs, path) {
        Ok(true) => return Found::ZooKeeper,
        Ok(false) => {}
        Err(error) => return unreadable(fs, path, &error),
    }
    match MetaProperties::read(fs, path) {
        Ok(Some(properties)) => Found::Formatted(properties),
        Ok(None) => look_inside(fs, path).unwrap_or_else(|error| Found::Unreadable(error.to_string())),
        Err(error) => unreadable(fs, path, &error),
    }
}

/// A file where the directory should be has a plain name for it.
fn unreadable(fs: &dyn Fs, path: &Path, error: &TextFileError) -> Found {
    match (error, fs.open(path, barnabas_log::fs::OpenMode::Read)) {
        (TextFileError::Io(_), Ok(_)) if !path.is_dir() => {
            Found::Unreadable(format!("{} is not a directory", path.display()))
        }
        _ => Found::Unreadable(error.to_string()),
    }
}

/// What a directory without `meta.properties` holds.
fn look_inside(fs: &dyn Fs, path: &Path) -> Result<Found, IoError> {
    let entries = match fs.list(path) {
        Err(error) if error.is_not_found() => return Ok(Found::Empty),
        entries => entries?,
    };
    for entry in entries.iter().filter(|entry| crate::node::is_partition_name(&entry.name)) {
        // A formatting that was cut short left no more than the first snapshot there.
        if entry.name != raft::METADATA_LOG || raft::holds_more_than_format(fs, path)? {
            return Ok(Found::Holds(entry.name.clone()));
        }
    }
    Ok(Found::Empty)
}

impl NodeToFormat {
    /// The node that `config` describes.
    #[must_use]
    pub fn of(config: &BrokerConfig) -> Self {
        let mut directories = config.log_dirs.clone();
        directories.push(config.metadata_log_dir.clone());
        directories.sort();
        directories.dedup();
        let advertised = config.advertised_controller_listeners.first();
        Self {
            id: config.node_id,
            is_controller: config.roles.controller,
            directories,
            metadata_log_dir: config.metadata_log_dir.clone(),
            listener: config.controller_listener_name.clone().unwrap_or_else(|| "CONTROLLER".to_owned()),
            address: advertised.map(|listener| (listener.host.clone(), listener.port)),
            has_static_voters: !config.quorum_voters.is_empty(),
        }
    }
}

/// The node that `directory` was formatted for; None where it was not, or does not say.
#[must_use]
pub fn formatted_node_id(directory: &Path) -> Option<i32> {
    Some(MetaProperties::read(&RealFs, directory).ok()??.node_id?.0)
}

#[cfg(test)]
mod tests;

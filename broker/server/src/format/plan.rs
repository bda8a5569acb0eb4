//! What formatting does to each directory, decided before any of them is touched. Reads and writes nothing.

use std::path::{Path, PathBuf};

use barnabas_log::identity::{self, MetaProperties};
use barnabas_types::{BrokerId, Uuid};

/// What a log directory is found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It has a `meta.properties`.
    Formatted(MetaProperties),
    /// There is nothing in it, or it is not there.
    Empty,
    /// It has no `meta.properties`, but this, which must come from somewhere.
    Holds(String),
    /// Its `meta.properties` is of a broker whose metadata was in ZooKeeper.
    ZooKeeper,
    /// The disk does not say.
    Unreadable(String),
}

/// What a directory is for, as Kafka's storage tool names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Partitions.
    Data,
    /// The metadata log of a replica that learns of the voters elsewhere, and partitions.
    Metadata,
    /// As `Metadata`; it is told of the first voters and is none of them.
    DynamicMetadata,
    /// As `DynamicMetadata`, of one of the first voters.
    DynamicMetadataVoter,
}

impl Kind {
    /// As Kafka's tool says it.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Data => "data directory",
            Self::Metadata => "metadata directory",
            Self::DynamicMetadata => "dynamic metadata directory",
            Self::DynamicMetadataVoter => "dynamic metadata voter directory",
        }
    }

    /// True when its metadata log begins with a snapshot that names the first voters.
    #[must_use]
    pub const fn names_voters(self) -> bool {
        matches!(self, Self::DynamicMetadata | Self::DynamicMetadataVoter)
    }
}

/// What is wanted of the directories.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The cluster's id.
    pub cluster_id: &'a str,
    /// The node's id; none where it is to be given one.
    pub node_id: Option<BrokerId>,
    /// One of the directories, which holds the metadata log.
    pub metadata_log_dir: &'a Path,
    /// True when the first voters are named.
    pub names_voters: bool,
    /// True when this node is one of them.
    pub is_voter: bool,
    /// The directory id that it is named with, if it is.
    pub named_directory_id: Option<Uuid>,
    /// Whether formatted directories are passed over.
    pub ignore_formatted: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to format, the metadata directory last.
    pub format: Vec<(PathBuf, Kind)>,
    /// What is left alone, and should be told.
    pub notes: Vec<String>,
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A directory was formatted before.
    #[error(
        "{} is already formatted: nothing was changed. With --ignore-formatted it is left as it is, and the others are formatted",
        path.display()
    )]
    Formatted {
        /// Which.
        path: PathBuf,
    },
    /// A directory was formatted for somebody else.
    #[error(
        "{} belongs to {found}, and this is {this}: nothing was changed. Check --cluster-id, node.id and log.dirs",
        path.display()
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// The node and cluster it names.
        found: String,
        /// This node and its cluster.
        this: String,
    },
    /// Formatting would hide something.
    #[error(
        "{} holds {name} but no meta.properties: it is no empty directory, and formatting would hide what is there. Restore \
         meta.properties, or choose another directory (log.dirs)",
        path.display()
    )]
    Holds {
        /// Which.
        path: PathBuf,
        /// What is in it.
        name: String,
    },
    /// Data of a ZooKeeper-based broker.
    #[error("{} is of a broker whose metadata is in ZooKeeper (meta.properties version 0): {}", path.display(), crate::node::MIGRATE)]
    ZooKeeper {
        /// Which.
        path: PathBuf,
    },
    /// The metadata directory cannot be looked at, or none can.
    #[error("{} cannot be formatted: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the disk said.
        reason: String,
    },
    /// The metadata directory is another voter's.
    #[error(
        "{} has directory.id {found}, and --initial-controllers names node {node} with {named}: nothing was changed. The same list must \
         be given to every node; a disk that came later joins with --no-initial-controllers",
        path.display()
    )]
    OtherVoter {
        /// Which.
        path: PathBuf,
        /// Its id.
        found: Uuid,
        /// This node.
        node: BrokerId,
        /// The id that was given.
        named: Uuid,
    },
}

/// Decides.
///
/// # Errors
/// Any directory that may not be formatted, and is not to be passed over.
pub fn plan(wanted: &Wanted<'_>, found: &[(PathBuf, Found)]) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let mut metadata = None;
    for (path, state) in found {
        let path = path.clone();
        let is_metadata = path == wanted.metadata_log_dir;
        match state {
            Found::Formatted(properties) => {
                check_formatted(wanted, &path, properties)?;
                plan.notes.push(format!("{} is already formatted and left as it is.", path.display()));
            }
            Found::Empty if is_metadata => metadata = Some(path),
            Found::Empty => plan.format.push((path, Kind::Data)),
            Found::Holds(name) => return Err(PlanError::Holds { path, name: name.clone() }),
            Found::ZooKeeper => return Err(PlanError::ZooKeeper { path }),
            Found::Unreadable(reason) if is_metadata || found.len() == 1 => {
                return Err(PlanError::Unreadable { path, reason: reason.clone() });
            }
            Found::Unreadable(reason) => {
                plan.notes.push(format!("{} cannot be read and is passed over: {reason}", path.display()));
            }
        }
    }
    let kind = match (wanted.names_voters, wanted.is_voter) {
        (false, _) => Kind::Metadata,
        (true, false) => Kind::DynamicMetadata,
        (true, true) => Kind::DynamicMetadataVoter,
    };
    plan.format.extend(metadata.map(|path| (path, kind)));
    Ok(plan)
}

fn check_formatted(wanted: &Wanted<'_>, path: &Path, properties: &MetaProperties) -> Result<(), PlanError> {
    let path = path.to_path_buf();
    // One that names no node becomes that of the node that takes it.
    let is_anothers = properties.node_id.is_some_and(|found| wanted.node_id != Some(found));
    if properties.cluster_id != wanted.cluster_id || is_anothers {
        return Err(PlanError::Foreign {
            path,
            found: identity::owner(properties.node_id, &properties.cluster_id),
            this: identity::owner(wanted.node_id, wanted.cluster_id),
        });
    }
    if !wanted.ignore_formatted {
        return Err(PlanError::Formatted { path });
    }
    match (properties.directory_id, wanted.named_directory_id, wanted.node_id) {
        (Some(found), Some(named), Some(node)) if path == wanted.metadata_log_dir && found != named => {
            Err(PlanError::OtherVoter { path, found, node, named })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(ignore_formatted: bool) -> Wanted<'static> {
        Wanted {
            cluster_id: "c",
            node_id: Some(BrokerId(2)),
            metadata_log_dir: Path::new("/a"),
            names_voters: true,
            is_voter: true,
            named_directory_id: Some(Uuid::from_u128(700)),
            ignore_formatted,
        }
    }

    fn formatted(cluster_id: &str, node_id: i32, directory_id: u128) -> Found {
        let directory_id = Some(Uuid::from_u128(directory_id));
        let node_id = Some(BrokerId(node_id));
        Found::Formatted(MetaProperties { cluster_id: cluster_id.into(), node_id, directory_id })
    }

    fn directories(a: Found, b: Found) -> [(PathBuf, Found); 2] {
        [("/a".into(), a), ("/b".into(), b)]
    }

    #[test]
    fn the_metadata_directory_is_formatted_last_and_is_what_the_voters_make_it() {
        let both = directories(Found::Empty, Found::Empty);
        let kinds = |wanted: &Wanted<'_>| plan(wanted, &both).unwrap().format;
        let voter = wanted(false);
        assert_eq!(kinds(&voter), [("/b".into(), Kind::Data), ("/a".into(), Kind::DynamicMetadataVoter)]);
        let told = Wanted { is_voter: false, named_directory_id: None, ..wanted(false) };
        assert_eq!(kinds(&told).last().unwrap().1, Kind::DynamicMetadata);
        let alone = Wanted { names_voters: false, is_voter: false, ..wanted(false) };
        assert_eq!(kinds(&alone).last().unwrap().1, Kind::Metadata);
    }

    #[test]
    fn a_formatted_directory_is_refused_or_passed_over_and_never_formatted() {
        let found = directories(formatted("c", 2, 700), Found::Empty);
        assert_eq!(plan(&wanted(false), &found), Err(PlanError::Formatted { path: "/a".into() }));
        let planned = plan(&wanted(true), &found).unwrap();
        assert_eq!(planned.format, [("/b".into(), Kind::Data)]);
        assert_eq!(planned.notes.len(), 1);
        let done = directories(formatted("c", 2, 700), formatted("c", 2, 701));
        assert!(plan(&wanted(true), &done).unwrap().format.is_empty());
    }

    #[test]
    fn somebody_elses_directory_is_refused_even_where_formatted_ones_are_passed_over() {
        for other in [formatted("d", 2, 700), formatted("c", 3, 700)] {
            let error = plan(&wanted(true), &directories(Found::Empty, other)).unwrap_err();
            assert!(matches!(error, PlanError::Foreign { .. }), "{error}");
        }
        let error = plan(&wanted(true), &directories(formatted("c", 2, 999), Found::Empty)).unwrap_err();
        assert!(matches!(error, PlanError::OtherVoter { .. }), "{error}");
        // The other directories' ids are their own.
        assert!(plan(&wanted(true), &directories(formatted("c", 2, 700), formatted("c", 2, 999))).is_ok());
    }

    #[test]
    fn a_directory_that_names_no_node_is_anybodys_of_the_cluster_and_one_that_does_is_not_a_nodes_without_an_id() {
        let unnamed = |cluster_id: &str| {
            let directory_id = Some(Uuid::from_u128(700));
            Found::Formatted(MetaProperties { cluster_id: cluster_id.into(), node_id: None, directory_id })
        };
        let without_id = Wanted { node_id: None, ..wanted(true) };
        for wanted in [&wanted(true), &without_id] {
            assert_eq!(plan(wanted, &directories(unnamed("c"), Found::Empty)).unwrap().format.len(), 1);
            assert!(plan(wanted, &directories(unnamed("d"), Found::Empty)).is_err());
        }
        let error = plan(&without_id, &directories(formatted("c", 3, 700), Found::Empty)).unwrap_err().to_string();
        assert!(error.contains("/a belongs to node 3 of cluster c, and this is a node without an id"), "{error}");
    }

    #[test]
    fn what_would_be_hidden_and_what_cannot_be_read_stops_everything() {
        let held = directories(Found::Empty, Found::Holds("orders-0".into()));
        assert!(matches!(plan(&wanted(true), &held), Err(PlanError::Holds { .. })));
        assert!(matches!(
            plan(&wanted(true), &directories(Found::Empty, Found::ZooKeeper)),
            Err(PlanError::ZooKeeper { .. })
        ));
        let broken = || Found::Unreadable("broken".into());
        assert!(matches!(plan(&wanted(true), &directories(broken(), Found::Empty)), Err(PlanError::Unreadable { .. })));
        let planned = plan(&wanted(true), &directories(Found::Empty, broken())).unwrap();
        assert_eq!((planned.format.len(), planned.notes.len()), (1, 1));
    }
}

//! `storage set-voters`: writes down, on a node that is stopped, where the voters of its quorum listen now. For a quorum that cannot elect
//! because its names have changed. Changes addresses only, never who votes: with other ids or directories it refuses, as two majorities that
//! know nothing of each other would lose what was acknowledged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_client::address;
use barnabas_log::fs::{Disk, IoError, RealFs};
use barnabas_raft::{Endpoint, MovedVoter, ReplicaKey, Voter, VoterSet};

use super::{NodeToFormat, VoterError, voters};
use crate::raft::{self, MovedVotersError, UnservedMetadata};
use crate::storage::{self, DirectoryError};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum SetVotersError {
    /// Voters that cannot be read.
    #[error("--voters: {0}")]
    Voters(#[from] VoterError),
    /// The node runs.
    #[error("stop the node first: {0}")]
    Running(#[from] DirectoryError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] UnservedMetadata),
    /// An earlier repair cannot be read.
    #[error(transparent)]
    Moved(#[from] MovedVotersError),
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The voters are not in the log.
    #[error(
        "the metadata log in {} names no voters: they stand in controller.quorum.voters, and are changed there; or the node was \
         formatted with --no-initial-controllers and never started, and learns of them from controller.quorum.bootstrap.servers",
        path.display()
    )]
    NotInLog {
        /// The metadata log directory.
        path: PathBuf,
    },
    /// Other voters than there are.
    #[error(
        "this changes where the voters are, never who votes. The log of this node has {}; given are {}: give each of the log's voters, \
         with its id and directory id, and nobody else",
        listed(in_log),
        listed(given)
    )]
    Others {
        /// The voters of the log.
        in_log: Vec<ReplicaKey>,
        /// What was given.
        given: Vec<ReplicaKey>,
    },
}

fn listed(keys: &[ReplicaKey]) -> String {
    keys.iter().map(ReplicaKey::to_string).collect::<Vec<_>>().join(", ")
}

/// A voter with where it is looked for now, and where it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    voter: Voter,
    before: Vec<Endpoint>,
    after: Vec<Endpoint>,
}

/// Writes where `text` says the voters are, if `does_it`; else only tells. Each line goes to `tell`. True when it is done, or was already.
///
/// # Errors
/// See [`SetVotersError`]; nothing is changed then.
pub fn set_voters(
    node: &NodeToFormat,
    text: &str,
    does_it: bool,
    tell: &mut dyn FnMut(&str),
) -> Result<bool, SetVotersError> {
    let path = &node.metadata_log_dir;
    let wanted = voters::parse(text, &node.listener)?;
    let disk = Disk::new(Arc::new(RealFs), 16);
    let _alone = storage::lock(&disk, path)?;
    let fs = disk.fs();
    let known = raft::voter_sets(fs, path)?;
    let before = raft::read_moved_voters(fs, path)?;
    let changes = changes(path, &known, &before, &wanted)?;
    let id = node.id.map_or_else(|| "without an id".to_owned(), |id| id.to_string());
    tell(&format!("Voters in the metadata log of node {id}, {}:", path.display()));
    changes.iter().for_each(|change| tell(&described(change)));
    if changes.iter().all(|change| change.before == change.after) {
        tell("Nothing is to be changed.");
        return Ok(true);
    }
    tell(
        "From its next start on this node looks for them there. Who votes stays as it is. Do the same on every voter while the quorum is \
         stopped, and correct listeners and advertised.listeners; once they run, each has its new address written into the log.",
    );
    if !does_it {
        tell("Nothing was changed. Give --yes to do it.");
        return Ok(false);
    }
    raft::write_moved_voters(fs, path, &moved(&known, &before, &changes))?;
    tell(&format!("Written to {}.", path.join(raft::METADATA_LOG).join(raft::MOVED_VOTERS).display()));
    Ok(true)
}

/// What changes for each voter of the newest set.
fn changes(
    path: &Path,
    known: &[VoterSet],
    before: &[MovedVoter],
    wanted: &VoterSet,
) -> Result<Vec<Change>, SetVotersError> {
    let newest = known.last().ok_or_else(|| SetVotersError::NotInLog { path: path.to_path_buf() })?;
    let (mut in_log, mut given) = (newest.keys(), wanted.keys());
    in_log.sort_unstable();
    given.sort_unstable();
    if in_log != given {
        return Err(SetVotersError::Others { in_log, given });
    }
    let change = |voter: &Voter| {
        let moved = before.iter().find(|moved| moved.key == voter.key && moved.from.contains(&voter.endpoints));
        let found = moved.map_or(&voter.endpoints, |moved| &moved.to);
        Change { voter: voter.clone(), before: found.clone(), after: with(found, wanted.endpoints(voter.key.id)) }
    };
    Ok(newest.0.iter().map(change).collect())
}

/// `endpoints` with those of `new` in the place of the ones of the same name.
fn with(endpoints: &[Endpoint], new: &[Endpoint]) -> Vec<Endpoint> {
    let mut endpoints = endpoints.to_vec();
    for endpoint in new {
        match endpoints.iter_mut().find(|old| old.name == endpoint.name) {
            Some(old) => *old = endpoint.clone(),
            None => endpoints.push(endpoint.clone()),
        }
    }
    endpoints
}

/// What is to be written: each address that the log, or an earlier repair, has for a voter leads to the new one.
fn moved(known: &[VoterSet], before: &[MovedVoter], changes: &[Change]) -> Vec<MovedVoter> {
    let one = |change: &Change| {
        let key = change.voter.key;
        let earlier = before.iter().filter(|moved| moved.key == key);
        let earlier = earlier.flat_map(|moved| moved.from.iter().chain([&moved.to]));
        let in_log = known.iter().flat_map(|set| &set.0).filter(|voter| voter.key == key).map(|voter| &voter.endpoints);
        let mut from: Vec<Vec<Endpoint>> = Vec::new();
        for endpoints in earlier.chain(in_log) {
            if *endpoints != change.after && !from.contains(endpoints) {
                from.push(endpoints.clone());
            }
        }
        MovedVoter { key, from, to: change.after.clone() }
    };
    changes.iter().map(one).filter(|moved| !moved.from.is_empty()).collect()
}

fn described(change: &Change) -> String {
    let told = |endpoints: &[Endpoint]| {
        let one = |endpoint: &Endpoint| format!("{}://{}", endpoint.name, address(&endpoint.host, endpoint.port));
        endpoints.iter().map(one).collect::<Vec<_>>().join(",")
    };
    match change.before == change.after {
        true => format!("  {}  {}  stays", change.voter.key, told(&change.before)),
        false => format!("  {}  {}  ->  {}", change.voter.key, told(&change.before), told(&change.after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 3] = ["JEXY6aqzQY-32P5TStzaFg", "MvDxzVmcRsaTz33bUuRU6A", "07R5amHmR32VDA6jHkGbTA"];

    /// Voters 0 to 2 on hosts whose names begin with `host`.
    fn text(host: &str) -> String {
        let voter = |(id, directory): (usize, &&str)| format!("{id}@{host}{id}:9093:{directory}");
        IDS.iter().enumerate().map(voter).collect::<Vec<_>>().join(",")
    }

    fn set(host: &str) -> VoterSet {
        voters::parse(&text(host), "CONTROLLER").unwrap()
    }

    fn planned(known: &[VoterSet], before: &[MovedVoter], wanted: &VoterSet) -> Vec<MovedVoter> {
        moved(known, before, &changes(Path::new("/a"), known, before, wanted).unwrap())
    }

    #[test]
    fn every_address_that_the_log_has_leads_to_the_new_one() {
        let known = [set("a"), set("b")];
        let moved = planned(&known, &[], &set("c"));
        assert_eq!(moved.len(), 3);
        let hosts = |endpoints: &[Endpoint]| endpoints[0].host.to_string();
        assert_eq!(moved[1].from.iter().map(|from| hosts(from)).collect::<Vec<_>>(), ["a1", "b1"]);
        assert_eq!(hosts(&moved[1].to), "c1");
    }

    #[test]
    fn a_second_repair_goes_on_from_the_first_and_the_way_back_leads_nowhere_else() {
        let known = [set("a")];
        let first = planned(&known, &[], &set("b"));
        let second = planned(&known, &first, &set("c"));
        assert_eq!(second[0].from.len(), 2, "the log's and that of the first repair");
        assert_eq!(planned(&known, &second, &set("c")), second, "once more is the same");
        let back = planned(&known, &second, &set("a"));
        assert!(back.iter().all(|moved| !moved.from.contains(&moved.to)));
    }

    #[test]
    fn other_voters_are_refused() {
        let known = [set("a")];
        let mut fewer = set("b");
        fewer.0.pop();
        let mut other_disk = set("b");
        other_disk.0[0].key.directory_id = "zfNLT3DQTsGNCWiV-RKsmw".parse().unwrap();
        for wanted in [fewer, other_disk] {
            let error = changes(Path::new("/a"), &known, &[], &wanted).unwrap_err().to_string();
            assert!(error.contains("never who votes"), "{error}");
        }
        let error = changes(Path::new("/a"), &[], &[], &set("b")).unwrap_err().to_string();
        assert!(error.contains("controller.quorum.voters"), "{error}");
    }

    #[test]
    fn it_is_told_first_done_with_yes_and_refused_beside_a_running_node() {
        let root = tempfile::tempdir().unwrap();
        let node = NodeToFormat {
            id: Some(barnabas_types::BrokerId(2)),
            is_controller: true,
            directories: vec![root.path().into()],
            metadata_log_dir: root.path().into(),
            listener: "CONTROLLER".into(),
            address: None,
            has_static_voters: false,
        };
        raft::format_voters(&RealFs, root.path(), &set("a"), barnabas_types::Timestamp(1)).unwrap();
        let mut told = Vec::new();
        let mut run = |does_it| set_voters(&node, &text("b"), does_it, &mut |line| told.push(line.to_owned()));
        assert!(!run(false).unwrap());
        assert_eq!(raft::read_moved_voters(&RealFs, root.path()).unwrap(), []);
        assert!(run(true).unwrap());
        assert_eq!(raft::read_moved_voters(&RealFs, root.path()).unwrap().len(), 3);
        assert!(run(true).unwrap());
        assert_eq!(told.last().unwrap(), "Nothing is to be changed.");
        assert!(told.iter().any(|line| line.ends_with("CONTROLLER://a0:9093  ->  CONTROLLER://b0:9093")), "{told:?}");
        let disk = Disk::new(Arc::new(RealFs), 16);
        let held = storage::lock(&disk, root.path()).unwrap();
        let refused = set_voters(&node, &text("c"), true, &mut |_| {}).unwrap_err();
        assert!(refused.to_string().starts_with("stop the node first"), "{refused}");
        drop(held);
    }
}

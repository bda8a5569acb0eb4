//! Formatting on a real directory: what lies there afterwards, and that an error leaves everything as it was.

use std::collections::BTreeMap;

use barnabas_log::fs::RealFs;
use barnabas_metadata::bootstrap_records;
use tempfile::TempDir;

use super::*;
use crate::raft::read_first_snapshot;

const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";
const THREE: &str =
    "0@b0:9093:JEXY6aqzQY-32P5TStzaFg,1@b1:9093:MvDxzVmcRsaTz33bUuRU6A,2@b2:9093:07R5amHmR32VDA6jHkGbTA";

/// A node with directories `a`, which has the metadata log, and `b`.
struct FormatContext {
    root: TempDir,
    node: NodeToFormat,
    request: FormatRequest,
    told: Vec<String>,
}

impl FormatContext {
    fn new(first_voters: FirstVoters) -> Self {
        let root = tempfile::tempdir().unwrap();
        let node = NodeToFormat {
            id: Some(BrokerId(2)),
            is_controller: true,
            directories: vec![root.path().join("a"), root.path().join("b")],
            metadata_log_dir: root.path().join("a"),
            listener: "CONTROLLER".into(),
            address: Some(("b2".into(), 9093)),
            has_static_voters: false,
        };
        let request = FormatRequest {
            cluster_id: CLUSTER.into(),
            first_voters,
            release_version: None,
            features: Vec::new(),
            scram: Vec::new(),
            ignore_formatted: false,
        };
        Self { root, node, request, told: Vec::new() }
    }

    fn named() -> Self {
        Self::new(FirstVoters::Named(THREE.into()))
    }

    fn format(&mut self) -> Result<(), FormatError> {
        let told = &mut self.told;
        format(&RealFs, &self.node, &self.request, &mut |line| told.push(line.to_owned()))
    }

    /// What a refusal says; it must leave everything as it is.
    fn refused(&mut self) -> String {
        let before = contents(self.root.path());
        let refusal = self.format().unwrap_err().to_string();
        assert_eq!(contents(self.root.path()), before, "{refusal}");
        refusal
    }

    fn files(&self) -> Vec<String> {
        let root = self.root.path();
        contents(root).into_keys().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    fn properties(&self, name: &str) -> MetaProperties {
        MetaProperties::read(&RealFs, &self.root.path().join(name)).unwrap().unwrap()
    }

    fn bootstrap(&self, name: &str) -> Vec<MetadataRecord<'static>> {
        raft::read_bootstrap(&RealFs, &self.root.path().join(name)).unwrap()
    }
}

/// Every file below `path` with its contents.
fn contents(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => _ = found.insert(path.clone(), std::fs::read(path).unwrap()),
        }
    }
    found
}

const FIRST_SNAPSHOT: &str = "a/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";

#[test]
fn a_first_voter_takes_the_directory_id_that_it_is_named_with() {
    let mut context = FormatContext::named();
    context.format().unwrap();
    let expected =
        [FIRST_SNAPSHOT, "a/bootstrap.checkpoint", "a/meta.properties", "b/bootstrap.checkpoint", "b/meta.properties"];
    assert_eq!(context.files(), expected);
    let (a, b) = (context.properties("a"), context.properties("b"));
    assert_eq!(a.directory_id.unwrap().to_string(), "07R5amHmR32VDA6jHkGbTA");
    assert_eq!((a.node_id, &*a.cluster_id), (Some(BrokerId(2)), CLUSTER));
    assert_ne!(a.directory_id, b.directory_id);
    let (kraft_version, voters) = read_first_snapshot(&RealFs, &context.root.path().join("a")).unwrap().unwrap();
    assert_eq!((kraft_version, voters), (1, voters::parse(THREE, "CONTROLLER").unwrap()));
    for name in ["a", "b"] {
        assert_eq!(context.bootstrap(name), bootstrap_records());
    }
    assert!(context.told.iter().any(|line| line.starts_with("Formatting dynamic metadata voter directory ")));
}

#[test]
fn standalone_is_a_quorum_of_this_node_alone() {
    let mut context = FormatContext::new(FirstVoters::Standalone);
    context.format().unwrap();
    let (_, voters) = read_first_snapshot(&RealFs, &context.root.path().join("a")).unwrap().unwrap();
    let key = ReplicaKey { id: BrokerId(2), directory_id: context.properties("a").directory_id.unwrap() };
    assert_eq!(voters, VoterSet(vec![voters::voter(key, "CONTROLLER", "b2", 9093)]));
    // Once more: a standalone quorum is not made a second time, and nothing changes.
    assert!(context.refused().contains("is already formatted"));
    context.request.ignore_formatted = true;
    context.format().unwrap();
    assert_eq!(context.told.last().unwrap(), "All of the log directories are already formatted.");
}

#[test]
fn who_joins_and_who_has_the_voters_in_its_configuration_gets_no_snapshot() {
    let without = ["a/bootstrap.checkpoint", "a/meta.properties", "b/bootstrap.checkpoint", "b/meta.properties"];
    let mut joining = FormatContext::new(FirstVoters::Elsewhere);
    joining.format().unwrap();
    assert_eq!(joining.files(), without);
    for asked in [FirstVoters::Unsaid, FirstVoters::Elsewhere] {
        let mut context = FormatContext::new(asked);
        context.node.has_static_voters = true;
        context.format().unwrap();
        assert_eq!(context.files(), without);
    }
    let mut broker = FormatContext::new(FirstVoters::Unsaid);
    (broker.node.is_controller, broker.node.address) = (false, None);
    broker.format().unwrap();
    assert_eq!(broker.files(), without);
    assert!(broker.told.iter().any(|line| line.starts_with("Formatting metadata directory ")));
}

#[test]
fn a_broker_that_is_told_of_the_first_voters_knows_them_and_is_none() {
    let mut context = FormatContext::named();
    (context.node.id, context.node.is_controller) = (Some(BrokerId(7)), false);
    context.format().unwrap();
    assert!(context.files().contains(&FIRST_SNAPSHOT.to_owned()));
    assert!(context.told.iter().any(|line| line.starts_with("Formatting dynamic metadata directory ")));
}

#[test]
fn a_broker_without_an_id_has_its_directories_formatted_without_one() {
    for first_voters in [FirstVoters::Unsaid, FirstVoters::Elsewhere, FirstVoters::Named(THREE.into())] {
        let mut context = FormatContext::new(first_voters);
        (context.node.id, context.node.is_controller) = (None, false);
        context.format().unwrap();
        let (a, b) = (context.properties("a"), context.properties("b"));
        assert_eq!((a.node_id, b.node_id, &*a.cluster_id), (None, None, CLUSTER));
        assert!(a.directory_id.is_some() && a.directory_id != b.directory_id);
        assert!(context.told.last().unwrap().contains("has no node.id yet"), "{:?}", context.told);
        assert_eq!(formatted_node_id(&context.node.metadata_log_dir), None);
    }
    let mut alone = FormatContext::new(FirstVoters::Standalone);
    alone.node.id = None;
    assert!(alone.refused().starts_with("--standalone"));
}

#[test]
fn levels_and_credentials_stand_in_the_bootstrap_records() {
    let mut context = FormatContext::named();
    context.request.release_version = Some("3.9".into());
    context.request.scram = vec!["SCRAM-SHA-512=[name=alice,password=a]".into()];
    context.format().unwrap();
    let records = context.bootstrap("a");
    assert_eq!(records.first(), level_records(&[("metadata.version", 21)]).first());
    assert!(matches!(records.as_slice(), [_, MetadataRecord::UserScramCredential(record)] if record.name == "alice"));
    assert!(context.told.iter().all(|line| !line.contains("alice")), "what is told may end in a log");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_touched() {
    type Change = fn(&mut FormatContext);
    let cases: [(Change, &str); 12] = [
        (|context| context.request.cluster_id = "a b".into(), "--cluster-id 'a b'"),
        (|context| context.request.first_voters = FirstVoters::Unsaid, "say who votes first"),
        (|context| context.request.first_voters = FirstVoters::Named("0@b0".into()), "no directory id"),
        (|context| context.node.has_static_voters = true, "remove controller.quorum.voters"),
        (|context| context.node.is_controller = false, "node 2, which is this one"),
        (
            |context| {
                context.request.first_voters = FirstVoters::Standalone;
                context.node.is_controller = false;
            },
            "process.roles does not name it",
        ),
        (
            |context| {
                context.request.first_voters = FirstVoters::Standalone;
                context.node.address = None;
            },
            "controller.listener.names",
        ),
        (|context| context.request.features = vec!["kraft.version=0".into()], "keeps no voters in the log"),
        (|context| context.request.release_version = Some("2.8".into()), "unknown release version '2.8'"),
        (|context| context.request.scram = vec!["SCRAM-SHA-256=[name=a]".into()], "saltedpassword is missing"),
        (
            |context| {
                context.request.release_version = Some("3.4".into());
                context.request.scram = vec!["SCRAM-SHA-256=[name=a,password=b]".into()];
            },
            "3.5-IV2 or later",
        ),
        (
            |context| {
                let partition = context.root.path().join("b/orders-0");
                std::fs::create_dir_all(&partition).unwrap();
                std::fs::write(partition.join("00000000000000000000.log"), "records").unwrap();
            },
            "holds orders-0 but no meta.properties",
        ),
    ];
    for (change, expected) in cases {
        let mut context = FormatContext::named();
        change(&mut context);
        let refusal = context.refused();
        assert!(refusal.contains(expected), "{expected}: {refusal}");
    }
}

#[test]
fn a_formatting_that_was_cut_short_is_done_again_and_a_log_is_never_taken_for_one() {
    let mut context = FormatContext::named();
    context.format().unwrap();
    let properties = context.root.path().join("a/meta.properties");
    std::fs::remove_file(&properties).unwrap();
    context.request.ignore_formatted = true;
    context.format().unwrap();
    std::fs::remove_file(&properties).unwrap();
    std::fs::write(context.root.path().join("a/__cluster_metadata-0/00000000000000000000.log"), "").unwrap();
    assert!(context.refused().contains("holds __cluster_metadata-0 but no meta.properties"));
}

#[test]
fn a_file_in_the_place_of_a_directory_is_named() {
    let mut context = FormatContext::named();
    std::fs::write(context.root.path().join("a"), "").unwrap();
    assert!(context.refused().contains("is not a directory"));
}

//! What the log directories hold before anything of them is touched: whether a cluster's data is there, of which age it is, and whether
//! what is not formatted may be. Reads only; refuses what would be lost or hidden by going on.

use std::path::Path;

use anyhow::{Context, bail};
use barnabas_log::TextFileError;
use barnabas_log::fs::Fs;
use barnabas_log::identity::{self, MetaProperties};

use super::FormatPolicy;
use crate::config::BrokerConfig;
use crate::raft;

/// How data gets here whose metadata is in ZooKeeper.
pub(crate) const MIGRATE: &str = "migrate the cluster to KRaft with Apache Kafka 3.9 first (its documentation: ZooKeeper to KRaft Migration), then \
     start Barnabas on the directory. Nothing in it was changed";

/// What a log directory is.
enum Found {
    /// It has a `meta.properties` that names this cluster.
    Formatted(String),
    Unformatted,
    /// Its disk fails.
    Unreadable,
}

/// Looks at all of `config`'s log directories and returns the cluster that they belong to, if one is formatted.
///
/// # Errors
/// Data of a ZooKeeper-based broker, data without what tells whose it is, or a directory that may not be formatted.
pub fn check(fs: &dyn Fs, config: &BrokerConfig, policy: FormatPolicy) -> anyhow::Result<Option<String>> {
    let mut found = Vec::new();
    for path in &config.log_dirs {
        found.push((path.as_path(), look(fs, path, config.roles.controller)?));
    }
    let cluster = found.iter().find_map(|(_, found)| match found {
        Found::Formatted(cluster_id) => Some(cluster_id.clone()),
        Found::Unformatted | Found::Unreadable => None,
    });
    let unformatted = || found.iter().filter(|(_, found)| matches!(found, Found::Unformatted)).map(|(path, _)| *path);
    for path in unformatted() {
        if let Some(partition) = partition_in(fs, path) {
            bail!(
                "{} holds {partition} but no meta.properties: it is no empty directory, and formatting would hide what is \
                 there. Restore meta.properties, or choose another directory (log.dirs). If it is from before Kafka 0.8.2, or \
                 the metadata was in ZooKeeper, {MIGRATE}",
                path.display()
            );
        }
    }
    if cluster.is_none() {
        return match policy {
            FormatPolicy::IfEmpty | FormatPolicy::NewDirectories => Ok(None),
            FormatPolicy::Never => bail!(
                "data is missing: {} holds no meta.properties, and this node has been formatted before. Restore the volume; \
                 or, if its data is given up, start once with --format if-empty",
                unformatted().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
            ),
        };
    }
    let has_metadata = raft::is_formatted(fs, &config.metadata_log_dir).unwrap_or(true);
    // An empty directory for it may be there: formatting was cut short.
    let orphan = |path: &Path| partition_in(fs, path).filter(|name| name != raft::METADATA_LOG);
    if !has_metadata
        && let Some((path, partition)) = config.log_dirs.iter().find_map(|path| Some((path, orphan(path)?)))
    {
        bail!(
            "{} has no metadata log (__cluster_metadata-0), but {} holds {partition}: without it nobody knows which topics there \
             are. Restore it; or, if the metadata of this data is in ZooKeeper, {MIGRATE}",
            config.metadata_log_dir.display(),
            path.display()
        );
    }
    // Without a metadata log the first formatting was cut short, and goes on.
    let may_format = policy == FormatPolicy::NewDirectories || policy == FormatPolicy::IfEmpty && !has_metadata;
    if let Some(path) = unformatted().next().filter(|_| !may_format) {
        bail!(
            "{} holds no meta.properties, though other log directories do: is its volume mounted? If it is a new disk, start once \
             with --format new-directories",
            path.display()
        );
    }
    Ok(cluster)
}

fn look(fs: &dyn Fs, path: &Path, is_controller: bool) -> anyhow::Result<Found> {
    let read = identity::is_zookeeper_era(fs, path)
        .and_then(|is_old| if is_old { Ok(None) } else { MetaProperties::read(fs, path).map(Some) });
    match read {
        Ok(None) => bail!(
            "{} is of a broker whose metadata is in ZooKeeper (meta.properties version 0): {MIGRATE}",
            path.display()
        ),
        Ok(Some(Some(properties))) if properties.node_id.is_none() && is_controller => bail!(
            "{} has a meta.properties without node.id, as only a broker has that waits to be given one, and this node is a controller: \
             restore the file, or correct log.dirs",
            path.display()
        ),
        Ok(Some(Some(properties))) => Ok(Found::Formatted(properties.cluster_id)),
        Ok(Some(None)) => Ok(Found::Unformatted),
        Err(TextFileError::Io(_)) => Ok(Found::Unreadable),
        Err(error) => Err(error).context("a log directory cannot be told"),
    }
}

/// A name in `path` that looks like a partition's: `topic-0`. The metadata log is one too.
fn partition_in(fs: &dyn Fs, path: &Path) -> Option<String> {
    let entries = fs.list(path).ok()?;
    entries.into_iter().map(|entry| entry.name).find(|name| is_partition_name(name))
}

/// True for a name that looks like a partition's: `topic-0`.
pub(crate) fn is_partition_name(name: &str) -> bool {
    let number = name.rsplit_once('-').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use barnabas_log::fs::{Disk, RealFs};
    use barnabas_protocol::records::metadata::{
        AccessControlEntryRecord, FeatureLevelRecord, MetadataRecord, UserScramCredentialRecord,
    };
    use barnabas_records::control::ControlRecord;
    use barnabas_types::{BrokerId, LeaderEpoch, Timestamp, Uuid};
    use tempfile::TempDir;

    use super::super::disks::{Wanted, open_when_free};
    use super::*;
    use crate::storage;
    use crate::testing::booted;

    /// A node's directories `a` and `b`.
    struct FormattingContext {
        root: TempDir,
        config: BrokerConfig,
    }

    impl FormattingContext {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let mut config = booted(root.path(), "").config;
            config.log_dirs = vec![root.path().join("a"), root.path().join("b")];
            config.metadata_log_dir = root.path().join("a");
            Self { root, config }
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn format(&self, name: &str, id: u128) {
            let disk = Disk::new(std::sync::Arc::new(RealFs), 1);
            let path = self.root.path().join(name);
            storage::format(&disk, &path, "4L6g3nShT-eMCtK--X86sw", Some(BrokerId(1)), Uuid::from_u128(id)).unwrap();
        }

        fn check(&self, policy: FormatPolicy) -> anyhow::Result<Option<String>> {
            check(&RealFs, &self.config, policy)
        }

        /// What a start that is refused says; it must leave everything as it is.
        async fn refused(&self, policy: FormatPolicy) -> String {
            let before = contents(self.root.path());
            let runtime = crate::runtime::Runtime::current();
            let wanted = Wanted { config: &self.config, policy, cluster_id: None, runtime: &runtime };
            let opened = open_when_free(wanted, BrokerId(1)).await;
            let refusal = format!("{:#}", opened.map(drop).unwrap_err());
            assert_eq!(contents(self.root.path()), before, "{refusal}");
            refusal
        }
    }

    /// Every name below `path`, with a file's contents.
    fn contents(path: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(contents(&path));
                found.insert(path, Vec::new());
            } else {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
        found
    }

    const ALL: [FormatPolicy; 3] = [FormatPolicy::IfEmpty, FormatPolicy::NewDirectories, FormatPolicy::Never];

    #[tokio::test]
    async fn a_zookeeper_based_brokers_directory_is_refused_untouched_with_the_way_to_go() {
        let context = FormattingContext::new();
        context
            .write("b/meta.properties", "#\n#Sat Nov 21 10:00:00 UTC 2020\nbroker.id=1\nversion=0\ncluster.id=abc\n");
        context.write("b/.kafka_cleanshutdown", "");
        context.write("b/orders-0/00000000000000000000.log", "records");
        for policy in ALL {
            let refusal = context.refused(policy).await;
            assert!(refusal.contains("/b is of a broker whose metadata is in ZooKeeper"), "{refusal}");
            assert!(refusal.contains("Apache Kafka 3.9 first"), "{refusal}");
        }
    }

    #[tokio::test]
    async fn a_controllers_directory_names_its_node() {
        let mut context = FormattingContext::new();
        context.format("a", 1);
        context.write("b/meta.properties", "version=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\n");
        for policy in ALL {
            let refusal = context.refused(policy).await;
            assert!(refusal.contains("/b has a meta.properties without node.id"), "{refusal}");
        }
        context.config.roles.controller = false;
        assert!(context.check(FormatPolicy::Never).unwrap().is_some(), "a broker takes it");
    }

    #[tokio::test]
    async fn data_without_a_metadata_log_or_without_meta_properties_is_refused_untouched() {
        let context = FormattingContext::new();
        context.format("a", 1);
        context.format("b", 2);
        context.write("b/.kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":7}");
        context.write("b/orders-0/00000000000000000000.log", "records");
        for policy in ALL {
            let refusal = context.refused(policy).await;
            assert!(refusal.contains("/a has no metadata log") && refusal.contains("/b holds orders-0"), "{refusal}");
            assert!(refusal.contains("Apache Kafka 3.9 first"), "{refusal}");
        }
        std::fs::remove_file(context.root.path().join("b/meta.properties")).unwrap();
        for policy in ALL {
            let refusal = context.refused(policy).await;
            assert!(refusal.contains("/b holds orders-0 but no meta.properties"), "{refusal}");
        }
    }

    /// A file of metadata, as a snapshot is.
    fn metadata_file(path: &Path, records: Vec<MetadataRecord<'static>>, control: Vec<ControlRecord>) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let frame = raft::Frame {
            epoch: LeaderEpoch(1),
            now: Timestamp(0),
            last_contained_log_timestamp: Timestamp(0),
            control,
            metadata_version: barnabas_metadata::MAX_METADATA_VERSION,
        };
        raft::write_snapshot(&RealFs, path, &frame, records.into_iter()).unwrap();
    }

    fn level(name: &'static str, feature_level: i16) -> MetadataRecord<'static> {
        FeatureLevelRecord { name: name.into(), feature_level, ..Default::default() }.into()
    }

    #[tokio::test]
    async fn metadata_of_features_that_are_not_served_is_refused_untouched() {
        let snapshot = "a/__cluster_metadata-0/00000000000000000005-0000000001.checkpoint";
        let segment = "a/__cluster_metadata-0/00000000000000000000.log";
        let later_segment = "a/__cluster_metadata-0/00000000000000000003.log";
        let bootstrap = "a/bootstrap.checkpoint";
        let version = || level("metadata.version", barnabas_metadata::MAX_METADATA_VERSION);
        let too_new = level("metadata.version", barnabas_metadata::MAX_METADATA_VERSION + 1);
        for (file, records, expected) in [
            (
                snapshot,
                vec![AccessControlEntryRecord::default().into()],
                "offset 1: AccessControlEntryRecord holds 0 in resourceType",
            ),
            (
                segment,
                vec![version(), UserScramCredentialRecord::default().into()],
                "UserScramCredentialRecord holds 0 in mechanism",
            ),
            (segment, vec![version(), level("transaction.version", 2)], "transaction.version at level 2"),
            (snapshot, vec![too_new], "metadata.version at level 31, and this release serves 7 to 30"),
            (bootstrap, vec![version(), level("share.version", 1)], "share.version at level 1"),
        ] {
            let context = FormattingContext::new();
            context.format("a", 1);
            context.format("b", 2);
            context.write("b/.kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":7}");
            context.write("a/__cluster_metadata-0/quorum-state", "{}");
            metadata_file(&context.root.path().join(file), records, Vec::new());
            let refusal = context.refused(FormatPolicy::IfEmpty).await;
            assert!(refusal.contains(expected) && refusal.ends_with("Nothing was changed"), "{refusal}");
        }
        let context = FormattingContext::new();
        context.format("a", 1);
        context.format("b", 2);
        let path = |name| context.root.path().join(name);
        // What a snapshot holds already, and levels that are 0, are no reason.
        metadata_file(&path(segment), vec![level("transaction.version", 2)], Vec::new());
        metadata_file(&path(snapshot), vec![version(), level("group.version", 0)], Vec::new());
        context.write(later_segment, "no batch");
        raft::check(&RealFs, &context.config.metadata_log_dir, &barnabas_metadata::served_features()).unwrap();
        let kraft = vec![ControlRecord::KRaftVersion { kraft_version: 2 }];
        metadata_file(&path(snapshot), vec![version()], kraft);
        assert!(context.refused(FormatPolicy::Never).await.contains("kraft.version at level 2"));
    }

    #[tokio::test]
    async fn a_directory_that_is_not_formatted_beside_others_may_be_a_missing_volume() {
        let context = FormattingContext::new();
        context.format("a", 1);
        context.write("a/__cluster_metadata-0/quorum-state", "{}");
        for policy in [FormatPolicy::IfEmpty, FormatPolicy::Never] {
            let refusal = context.refused(policy).await;
            assert!(
                refusal.contains("/b holds no meta.properties") && refusal.contains("new-directories"),
                "{refusal}"
            );
        }
        assert!(context.check(FormatPolicy::NewDirectories).unwrap().is_some());
    }

    #[test]
    fn empty_directories_are_a_new_cluster_unless_data_must_be_there_and_half_a_formatting_goes_on() {
        let context = FormattingContext::new();
        assert_eq!(context.check(FormatPolicy::IfEmpty).unwrap(), None);
        assert!(context.check(FormatPolicy::Never).unwrap_err().to_string().starts_with("data is missing"));
        context.format("a", 1);
        assert!(context.check(FormatPolicy::IfEmpty).unwrap().is_some());
        std::fs::create_dir(context.root.path().join("a/__cluster_metadata-0")).unwrap();
        assert!(context.check(FormatPolicy::IfEmpty).unwrap().is_some());
    }
}

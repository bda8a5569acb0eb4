//! The small files that say whose a directory is: `meta.properties` and `.kafka_cleanshutdown` of a log directory,
//! `partition.metadata` of a partition's. Checks their form; whether the ids are the right ones is the caller's question.

use std::collections::BTreeMap;
use std::path::Path;

use barnabas_types::{BrokerId, Uuid};

use crate::fs::{Fs, IoError, read_bounded, replace};
use crate::text::TextFileError;

/// The file that names cluster, node and directory.
pub const META_PROPERTIES: &str = "meta.properties";
/// The file that says that all was synced when the broker stopped; removed at start.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// The file of ours that says since which registration of the broker everything was kept that it was counted for, also through a kill.
/// Apache Kafka passes over it.
pub const KEPT_EPOCH: &str = ".barnabas_kept_epoch";
/// The file that names the topic of a partition's directory.
pub const PARTITION_METADATA: &str = "partition.metadata";

/// These files have a handful of lines.
const LIMIT_BYTES: u64 = 64 * 1024;

/// What `meta.properties` holds (version 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`; none where the node is still to be given one.
    pub node_id: Option<BrokerId>,
    /// `directory.id`; missing in directories formatted before Kafka 3.7.
    pub directory_id: Option<Uuid>,
}

fn read_text(fs: &dyn Fs, path: &Path) -> Result<Option<String>, TextFileError> {
    let Some(contents) = read_bounded(fs, path, LIMIT_BYTES)? else {
        return Ok(None);
    };
    String::from_utf8(contents).map(Some).map_err(|_| malformed(path, 1, "not UTF-8"))
}

fn malformed(path: &Path, line: usize, reason: &'static str) -> TextFileError {
    TextFileError::Malformed { path: path.to_path_buf(), line, reason }
}

/// Key, then where it stands and its value.
type Properties<'a> = BTreeMap<&'a str, (usize, &'a str)>;

fn properties<'a>(text: &'a str, separator: char, path: &Path) -> Result<Properties<'a>, TextFileError> {
    let mut properties = Properties::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) =
            line.split_once(separator).ok_or_else(|| malformed(path, index + 1, "expected key and value"))?;
        properties.insert(key.trim(), (index + 1, value.trim()));
    }
    Ok(properties)
}

/// True when the `meta.properties` in `directory` is of a broker that had its metadata in ZooKeeper (version 0). Reads nothing else of
/// it, and changes nothing.
pub fn is_zookeeper_era(fs: &dyn Fs, directory: &Path) -> Result<bool, TextFileError> {
    let path = directory.join(META_PROPERTIES);
    let Some(text) = read_text(fs, &path)? else {
        return Ok(false);
    };
    Ok(properties(&text, '=', &path)?.get("version").is_some_and(|(_, version)| *version == "0"))
}

impl MetaProperties {
    /// Reads the file in `directory`; none when the directory was never formatted.
    pub fn read(fs: &dyn Fs, directory: &Path) -> Result<Option<Self>, TextFileError> {
        let path = directory.join(META_PROPERTIES);
        let Some(text) = read_text(fs, &path)? else {
            return Ok(None);
        };
        let found = properties(&text, '=', &path)?;
        // The last value may be the beginning of a longer one.
        if !text.ends_with('\n') {
            return Err(malformed(
                &path,
                text.lines().count().max(1),
                "the file is cut short: its last line has no end",
            ));
        }
        let get = |key: &str, missing| found.get(key).copied().ok_or_else(|| malformed(&path, 1, missing));
        match get("version", "version is missing")? {
            (_, "1") => {}
            (line, _) => return Err(malformed(&path, line, "unknown version, expected 1")),
        }
        let node_id = match found.get("node.id") {
            None => None,
            Some((line, id)) => {
                let id = id.parse::<i32>().ok().filter(|id| *id >= 0);
                Some(BrokerId(id.ok_or_else(|| malformed(&path, *line, "node.id is not a number from 0"))?))
            }
        };
        let cluster_id = get("cluster.id", "cluster.id is missing")?.1.to_owned();
        let directory_id = match found.get("directory.id") {
            None => None,
            Some((line, id)) => Some(
                id.parse().map_err(|_| malformed(&path, *line, "directory.id is not 22 characters of base64url"))?,
            ),
        };
        Ok(Some(Self { cluster_id, node_id, directory_id }))
    }

    /// Writes the file in `directory`, durably.
    pub fn write(&self, fs: &dyn Fs, directory: &Path) -> Result<(), IoError> {
        let node_id = self.node_id.map(|id| format!("node.id={id}\n")).unwrap_or_default();
        let mut text = format!("version=1\n{node_id}cluster.id={}\n", self.cluster_id);
        if let Some(id) = self.directory_id {
            text.push_str(&format!("directory.id={id}\n"));
        }
        replace(fs, &directory.join(META_PROPERTIES), text.as_bytes())
    }
}

/// Whose a directory is, as messages say it.
#[must_use]
pub fn owner(node_id: Option<BrokerId>, cluster_id: &str) -> String {
    match node_id {
        Some(node) => format!("node {node} of cluster {cluster_id}"),
        None => format!("a node without an id of cluster {cluster_id}"),
    }
}

/// The id of the topic whose partition lies in `directory`; none when the file is missing.
pub fn read_topic_id(fs: &dyn Fs, directory: &Path) -> Result<Option<Uuid>, TextFileError> {
    let path = directory.join(PARTITION_METADATA);
    let Some(text) = read_text(fs, &path)? else {
        return Ok(None);
    };
    let found = properties(&text, ':', &path)?;
    match found.get("version") {
        Some((_, "0")) => {}
        Some((line, _)) => return Err(malformed(&path, *line, "unknown version, expected 0")),
        None => return Err(malformed(&path, 1, "version is missing")),
    }
    let (line, id) = found.get("topic_id").ok_or_else(|| malformed(&path, 2, "topic_id is missing"))?;
    let id = id.parse().map_err(|_| malformed(&path, *line, "topic_id is not 22 characters of base64url"))?;
    Ok(Some(id))
}

/// Writes the id of the topic whose partition lies in `directory`, durably.
pub fn write_topic_id(fs: &dyn Fs, directory: &Path, topic_id: Uuid) -> Result<(), IoError> {
    replace(fs, &directory.join(PARTITION_METADATA), format!("version: 0\ntopic_id: {topic_id}").as_bytes())
}

/// What `.kafka_cleanshutdown` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct CleanShutdown {
    version: i32,
    #[serde(rename = "brokerEpoch", default = "unknown_epoch")]
    broker_epoch: i64,
}

const fn unknown_epoch() -> i64 {
    -1
}

/// Says that `directory` was left clean by the broker that had `broker_epoch` (-1: none); durable.
pub fn write_clean_shutdown(fs: &dyn Fs, directory: &Path, broker_epoch: i64) -> Result<(), IoError> {
    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
    replace(fs, &directory.join(CLEAN_SHUTDOWN), text.as_bytes())
}

/// Takes the sign of a clean shutdown away and returns the broker epoch it carries; none when the shutdown was not clean.
/// A sign that cannot be read counts as clean without an epoch, as older versions left an empty file.
pub fn take_clean_shutdown(fs: &dyn Fs, directory: &Path) -> Result<Option<i64>, IoError> {
    let path = directory.join(CLEAN_SHUTDOWN);
    let Some(contents) = read_bounded(fs, &path, LIMIT_BYTES)? else {
        return Ok(None);
    };
    fs.remove_file(&path)?;
    fs.sync_directory(directory)?;
    let parsed = serde_json::from_slice::<CleanShutdown>(&contents);
    Ok(Some(parsed.map_or(unknown_epoch(), |parsed| parsed.broker_epoch)))
}

/// What `.barnabas_kept_epoch` holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeptEpoch {
    version: i32,
    /// The epoch of the broker since whose beginning everything was kept that it was counted for.
    #[serde(rename = "brokerEpoch")]
    pub broker_epoch: i64,
    /// The release that says so: another may have kept things differently.
    pub release: String,
    /// The ids of all directories that the broker had, in order.
    pub directories: Vec<String>,
}

impl KeptEpoch {
    /// That of `release`, which has `directories`.
    #[must_use]
    pub fn new(broker_epoch: i64, release: &str, directories: impl IntoIterator<Item = Uuid>) -> Self {
        let mut directories: Vec<String> = directories.into_iter().map(|id| id.to_string()).collect();
        directories.sort_unstable();
        Self { version: 0, broker_epoch, release: release.to_owned(), directories }
    }

    /// Writes it into `directory`, durably.
    ///
    /// # Errors
    /// The disk failed.
    pub fn write(&self, fs: &dyn Fs, directory: &Path) -> Result<(), IoError> {
        replace(fs, &directory.join(KEPT_EPOCH), &serde_json::to_vec(self).unwrap_or_default())
    }

    /// What `directory` says; None where it says nothing, or nothing that is understood.
    ///
    /// # Errors
    /// The disk failed.
    pub fn read(fs: &dyn Fs, directory: &Path) -> Result<Option<Self>, IoError> {
        let contents = read_bounded(fs, &directory.join(KEPT_EPOCH), LIMIT_BYTES)?;
        let parsed = contents.and_then(|contents| serde_json::from_slice::<Self>(&contents).ok());
        Ok(parsed.filter(|parsed| parsed.version == 0 && parsed.broker_epoch >= 0))
    }

    /// Has `directory` say nothing from here on, durably.
    ///
    /// # Errors
    /// The disk failed.
    pub fn remove(fs: &dyn Fs, directory: &Path) -> Result<(), IoError> {
        fs.remove_file(&directory.join(KEPT_EPOCH))?;
        fs.sync_directory(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealFs;

    #[test]
    fn meta_properties_are_read_as_written_and_as_kafka_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(MetaProperties::read(&RealFs, dir.path()).unwrap(), None);
        let properties = MetaProperties {
            cluster_id: "4L6g3nShT-eMCtK--X86sw".into(),
            node_id: Some(BrokerId(3)),
            directory_id: Some(Uuid::from_u128(77)),
        };
        for properties in [MetaProperties { node_id: None, ..properties.clone() }, properties] {
            properties.write(&RealFs, dir.path()).unwrap();
            assert_eq!(MetaProperties::read(&RealFs, dir.path()).unwrap(), Some(properties));
        }
        let kafkas = "#\n#Fri Nov 20 10:00:00 UTC 2026\ncluster.id=abc\nnode.id=1\nversion=1\n";
        std::fs::write(dir.path().join(META_PROPERTIES), kafkas).unwrap();
        let read = MetaProperties::read(&RealFs, dir.path()).unwrap().unwrap();
        assert_eq!(read, MetaProperties { cluster_id: "abc".into(), node_id: Some(BrokerId(1)), directory_id: None });
    }

    #[test]
    fn other_meta_properties_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "",
            "version=2\nnode.id=1\ncluster.id=a\n",
            "version=1\nnode.id=-1\ncluster.id=a\n",
            "version=1\nnode.id=1\n",
            "version=1\nnode.id=1\ncluster.id=a\ndirectory.id=short\n",
            "version 1",
        ] {
            std::fs::write(dir.path().join(META_PROPERTIES), text).unwrap();
            assert!(MetaProperties::read(&RealFs, dir.path()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_topic_id_is_read_as_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_topic_id(&RealFs, dir.path()).unwrap(), None);
        write_topic_id(&RealFs, dir.path(), Uuid::METADATA_TOPIC).unwrap();
        let text = std::fs::read_to_string(dir.path().join(PARTITION_METADATA)).unwrap();
        assert_eq!(text, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(read_topic_id(&RealFs, dir.path()).unwrap(), Some(Uuid::METADATA_TOPIC));
        std::fs::write(dir.path().join(PARTITION_METADATA), "version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ").unwrap();
        assert!(read_topic_id(&RealFs, dir.path()).is_err());
    }

    #[test]
    fn the_sign_of_a_clean_shutdown_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(take_clean_shutdown(&RealFs, dir.path()).unwrap(), None);
        write_clean_shutdown(&RealFs, dir.path(), 42).unwrap();
        assert_eq!(take_clean_shutdown(&RealFs, dir.path()).unwrap(), Some(42));
        assert_eq!(take_clean_shutdown(&RealFs, dir.path()).unwrap(), None);
        std::fs::write(dir.path().join(CLEAN_SHUTDOWN), "").unwrap();
        assert_eq!(take_clean_shutdown(&RealFs, dir.path()).unwrap(), Some(-1));
    }
}

//! Recordings of cores: the files that are left when one breaks, and the way of those who ask for one on the admin port. What is in a recording,
//! and what a replay makes of it, is the recording crate's matter.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use barnabas_log::fs::{Disk, IoError, replace};
use barnabas_recording::{Head, Kind};
use barnabas_types::{BrokerId, Timestamp, TopicIdPartition};
use hyper::StatusCode;

use crate::coordinator::GROUP_METADATA_TOPIC;
use crate::node::Node;
use crate::runtime::Runtime;

/// So many files are kept, the newest.
const MAX_FILES: usize = 16;
/// How long a coordinator may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
const PREFIX: &str = "recording-";
const SUFFIX: &str = ".barnabas";

/// Where recordings go. Plain files, which Kafka leaves alone in a log directory.
#[derive(Clone, Debug)]
pub struct RecordingFiles {
    disk: Arc<Disk>,
    directory: PathBuf,
    node: BrokerId,
}

impl RecordingFiles {
    /// Those of `node`, in `directory`.
    #[must_use]
    pub fn new(disk: &Arc<Disk>, directory: &Path, node: BrokerId) -> Self {
        Self { disk: Arc::clone(disk), directory: directory.to_path_buf(), node }
    }

    /// Says whose recording it is.
    #[must_use]
    pub fn head(&self, core: Kind, name: &str, reason: &str, wall: Timestamp) -> Head {
        Head {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            core,
            node: self.node.0,
            name: name.to_owned(),
            reason: reason.to_owned(),
            wall_ms: wall.0,
        }
    }

    /// Writes a recording and removes the oldest of too many. Blocks on the disk.
    pub fn keep(&self, head: &Head, file: &[u8]) {
        let (core, name) = (head.core.name(), &head.name);
        match self.try_keep(head, file) {
            Ok(path) => tracing::error!(
                core,
                name,
                reason = head.reason,
                "what led to this is recorded: barnabas replay {}",
                path.display()
            ),
            Err(error) => {
                tracing::error!(core, name, reason = head.reason, %error, "what led to this could not be recorded");
            }
        }
    }

    fn try_keep(&self, head: &Head, file: &[u8]) -> Result<PathBuf, IoError> {
        let fs = self.disk.fs();
        let kept = match fs.list(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.is_not_found() => {
                fs.create_directory(&self.directory)?;
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        // Thirteen digits of milliseconds: until the year 2286 names are in the order of time.
        let wall_ms = head.wall_ms.max(0);
        let path = self.directory.join(format!("{PREFIX}{wall_ms:013}-{}-{}{SUFFIX}", head.core.name(), head.name));
        let is_recording = |name: &String| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        let mut kept: Vec<String> = kept.into_iter().map(|entry| entry.name).filter(is_recording).collect();
        kept.sort_unstable();
        let too_many = (kept.len() + 1).saturating_sub(MAX_FILES);
        for oldest in kept.iter().take(too_many) {
            fs.remove_file(&self.directory.join(oldest))?;
        }
        replace(fs, &path, file)?;
        Ok(path)
    }
}

/// The way of recordings from where nobody may wait for a disk.
#[derive(Clone, Debug)]
pub struct LeftRecordings {
    files: RecordingFiles,
    runtime: Runtime,
}

impl LeftRecordings {
    /// Into `files`.
    #[must_use]
    pub const fn new(files: RecordingFiles, runtime: Runtime) -> Self {
        Self { files, runtime }
    }

    /// Says whose recording it is.
    #[must_use]
    pub fn head(&self, core: Kind, name: &str, reason: &str) -> Head {
        self.files.head(core, name, reason, self.runtime.wall())
    }

    /// Leaves a recording, which is written on a thread for that.
    pub fn leave(&self, head: Head, file: Vec<u8>) {
        let files = self.files.clone();
        // Nobody waits for it; the log says what came of it.
        let _written = self.runtime.spawn_blocking(move || files.keep(&head, &file));
    }
}

/// Why there is no recording to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The request does not say of what.
    #[error(
        "{0}: expected /recordings?core=raft, ?core=replica&partition=TOPIC-NUMBER or ?core=coordinator&partition=NUMBER"
    )]
    Malformed(String),
    /// There is nothing recorded under that name.
    #[error("{0}")]
    NotFound(String),
    /// The node does not run yet, or not any more.
    #[error("{0}")]
    NotRunning(String),
}

impl AskError {
    /// What HTTP calls it.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NotRunning(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The way to the cores of a node, which the admin port has before there is one.
#[derive(Default)]
pub struct AskedRecordings(OnceLock<Weak<Node>>);

impl AskedRecordings {
    /// From now on the cores of `node` are asked.
    pub(crate) fn ask(&self, node: &Arc<Node>) {
        _ = self.0.set(Arc::downgrade(node));
    }

    /// The recording that `query` asks for, as a file.
    ///
    /// # Errors
    /// The query is none, or there is no such core here.
    pub async fn take(&self, query: &str) -> Result<Vec<u8>, AskError> {
        let wanted = Wanted::parse(query)?;
        let node = self.0.get().and_then(Weak::upgrade);
        let node = node.ok_or_else(|| AskError::NotRunning("the node does not run yet".to_owned()))?;
        let nothing = || AskError::NotFound("nothing is recorded yet".to_owned());
        match wanted {
            Wanted::Raft => {
                let recording = node.controller.recording().await;
                recording.map_err(|error| AskError::NotRunning(error.to_string()))?.ok_or_else(nothing)
            }
            Wanted::Coordinator { partition } => {
                let recording = tokio::time::timeout(PATIENCE, node.groups.recording(partition)).await;
                recording.ok().flatten().ok_or_else(|| {
                    let what = format!("no group coordinator of {GROUP_METADATA_TOPIC}-{partition} answers here that has anything to tell");
                    AskError::NotFound(what)
                })
            }
            Wanted::Replica { topic, partition } => {
                let image = node.image();
                let topic_id = image.topics.named(topic).map(|topic| topic.id);
                let hosted = topic_id.and_then(|topic_id| node.replicas.get(TopicIdPartition { topic_id, partition }));
                let hosted = hosted.ok_or_else(|| AskError::NotFound(format!("{topic}-{partition} is not here")))?;
                hosted.recording().ok_or_else(|| {
                    AskError::NotFound("nothing is recorded of a partition without other replicas".to_owned())
                })
            }
        }
    }
}

/// Which core somebody asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Raft,
    Replica { topic: &'a str, partition: i32 },
    Coordinator { partition: i32 },
}

impl<'a> Wanted<'a> {
    fn parse(query: &'a str) -> Result<Self, AskError> {
        let (mut core, mut partition) = (None, None);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("core", name)) => core = Some(name),
                Some(("partition", name)) => partition = Some(name),
                _ => return Err(AskError::Malformed(format!("'{parameter}' is no parameter"))),
            }
        }
        let named = |name: &'a str| {
            let (topic, number) = name.rsplit_once('-').filter(|(topic, _)| !topic.is_empty())?;
            number.parse().ok().filter(|number: &i32| *number >= 0).map(|number| (topic, number))
        };
        match (core, partition) {
            (Some("raft"), None) => Ok(Self::Raft),
            (Some("replica"), Some(name)) => match named(name) {
                Some((topic, partition)) => Ok(Self::Replica { topic, partition }),
                None => Err(AskError::Malformed(format!("'{name}' is no partition"))),
            },
            (Some("coordinator"), Some(name)) => {
                let number = name.strip_prefix(GROUP_METADATA_TOPIC).and_then(|number| number.strip_prefix('-'));
                match number.unwrap_or(name).parse().ok().filter(|number: &i32| *number >= 0) {
                    Some(partition) => Ok(Self::Coordinator { partition }),
                    None => Err(AskError::Malformed(format!("'{name}' is no partition of {GROUP_METADATA_TOPIC}"))),
                }
            }
            (Some("replica" | "coordinator"), None) => {
                Err(AskError::Malformed("it is not said of which partition".to_owned()))
            }
            (Some("raft"), Some(_)) => Err(AskError::Malformed("the quorum has no partitions".to_owned())),
            (Some(other), _) => Err(AskError::Malformed(format!("'{other}' is no core"))),
            (None, _) => Err(AskError::Malformed("it is not said of which core".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use barnabas_log::fs::RealFs;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_files_are_kept_and_what_is_not_a_recording_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let recordings = directory.path().join("recordings");
        let files = RecordingFiles::new(&Arc::new(Disk::new(Arc::new(RealFs), 4)), &recordings, BrokerId(3));
        let keep = |wall_ms| {
            files.keep(&files.head(Kind::Raft, "__cluster_metadata-0", "broken", Timestamp(wall_ms)), b"x");
        };
        keep(1);
        std::fs::write(recordings.join("meta.properties"), "").unwrap();
        (2..=40).for_each(keep);
        let names = names(&recordings);
        assert_eq!(names.len(), MAX_FILES + 1, "{names:?}");
        assert_eq!(names[0], "meta.properties");
        assert_eq!(names[1], "recording-0000000000025-raft-__cluster_metadata-0.barnabas");
        assert_eq!(names[16], "recording-0000000000040-raft-__cluster_metadata-0.barnabas");
    }

    #[test]
    fn a_query_names_a_core() {
        assert_eq!(Wanted::parse("core=raft"), Ok(Wanted::Raft));
        let orders = Wanted::Replica { topic: "my-orders", partition: 12 };
        assert_eq!(Wanted::parse("partition=my-orders-12&core=replica"), Ok(orders));
        for query in ["core=coordinator&partition=7", "core=coordinator&partition=__consumer_offsets-7"] {
            assert_eq!(Wanted::parse(query), Ok(Wanted::Coordinator { partition: 7 }));
        }
        for query in ["", "core=", "core=disk", "raft", "core=raft&x", "core=replica", "core=replica&partition=-1"] {
            assert!(matches!(Wanted::parse(query), Err(AskError::Malformed(_))), "{query}");
        }
    }

    #[tokio::test]
    async fn before_the_node_runs_there_is_nobody_to_ask() {
        let error = AskedRecordings::default().take("core=raft").await.unwrap_err();
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE, "{error}");
    }
}

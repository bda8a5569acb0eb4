//! Taking the log directories at start: each for this process alone, each checked to be this node's. One whose disk has failed is left
//! out; one that is somebody else's, or nobody's, stops the start.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use barnabas_log::empty_logs::{self, EMPTY_LOGS};
use barnabas_log::fs::{Disk, File, IoError, OpenMode};
use barnabas_log::identity::{self, KeptEpoch, MetaProperties};
use barnabas_log::{TextFileError, checkpoint};
use barnabas_types::{BrokerId, Uuid};
use rustix::fs::FlockOperation;

use super::dirs::{Checkpoint, Checkpoints};
use super::kept_epoch::Promise;
use super::{Condition, Flusher, LogDirectories, LogDirectory};

/// The file that a process locks to have a directory to itself.
const LOCK: &str = ".lock";

/// A log directory that this broker cannot use.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A file of the directory is malformed.
    #[error(transparent)]
    Text(#[from] TextFileError),
    /// Another process has it.
    #[error("{} is in use by another process; give each broker log directories of its own (log.dirs)", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory was never formatted.
    #[error("{} is not formatted (it has no meta.properties); format it first", path.display())]
    NotFormatted {
        /// The directory.
        path: PathBuf,
    },
    /// It was formatted for another node or cluster.
    #[error("{} belongs to {found}, this is {this}; check node.id and log.dirs", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// The node and cluster it names.
        found: String,
        /// This node, and the cluster that the other directories name.
        this: String,
    },
    /// Two directories have the same id: one is a copy of the other.
    #[error("{} has the same directory.id as another log directory ({id}); one is a copy of the other", path.display())]
    SameId {
        /// The directory.
        path: PathBuf,
        /// The id.
        id: Uuid,
    },
    /// No directory was named.
    #[error("no log directory is configured; set log.dirs")]
    None,
}

/// Makes `path` a log directory of `node_id` in `cluster_id`; one that is formatted already is left as it is.
///
/// # Errors
/// The disk failed, or there is a `meta.properties` that cannot be read.
pub fn format(
    disk: &Disk,
    path: &Path,
    cluster_id: &str,
    node_id: Option<BrokerId>,
    directory_id: Uuid,
) -> Result<(), DirectoryError> {
    disk.fs().create_directory(path)?;
    if MetaProperties::read(disk.fs(), path)?.is_some() {
        return Ok(());
    }
    let properties = MetaProperties { cluster_id: cluster_id.to_owned(), node_id, directory_id: Some(directory_id) };
    Ok(properties.write(disk.fs(), path)?)
}

/// Locks the directory against every other process, Apache Kafka's (which locks the POSIX way) included, as long as the file is held.
///
/// # Errors
/// Another process has it, or the disk failed.
pub fn lock(disk: &Disk, path: &Path) -> Result<Arc<dyn File>, DirectoryError> {
    let file = disk.fs().open(&path.join(LOCK), OpenMode::Create)?;
    let exclusive = FlockOperation::NonBlockingLockExclusive;
    let locked = rustix::fs::flock(&**file.handle(), exclusive)
        .and_then(|()| rustix::fs::fcntl_lock(&**file.handle(), exclusive));
    match locked {
        Ok(()) => Ok(file),
        Err(_) => Err(DirectoryError::InUse { path: path.to_path_buf() }),
    }
}

/// Sets apart the errors that cost one directory from those that stop the start.
pub(super) fn unless_failed<T>(result: Result<T, DirectoryError>) -> Result<Result<T, IoError>, DirectoryError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(DirectoryError::Io(error) | DirectoryError::Text(TextFileError::Io(error))) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

impl LogDirectories {
    /// Takes the formatted directories `paths` for `node`. The signs of a clean shutdown are read and removed: from here on a
    /// crash is a crash. `new_id` gives ids to directories formatted before they had one. One that names no node is this one's from now on.
    ///
    /// One whose disk fails is left out as long as there is another, as Kafka does: the broker serves what it can.
    ///
    /// # Errors
    /// A directory is in use, not formatted, or another node's, or all of their disks failed.
    pub fn open(
        disk: Arc<Disk>,
        paths: &[PathBuf],
        node: BrokerId,
        mut new_id: impl FnMut() -> Uuid,
    ) -> Result<Self, DirectoryError> {
        // All of them first: one that is in use must not cost the others the sign of their clean shutdown.
        let locks = paths.iter().map(|path| unless_failed(lock(&disk, path))).collect::<Result<Vec<_>, _>>()?;
        let mut opened = Self {
            disk,
            directories: Vec::new(),
            not_taken: Vec::new(),
            placing: Mutex::default(),
            promise: Promise::default(),
            cluster_id: String::new(),
        };
        let mut failure = None;
        for (path, lock) in paths.iter().zip(locks) {
            let taken = match lock {
                Ok(lock) => unless_failed(opened.open_one(path, lock, node, &mut new_id))?,
                Err(error) => Err(error),
            };
            match taken {
                Ok(directory) => opened.directories.push(Arc::new(directory)),
                Err(error) => {
                    tracing::error!(directory = %path.display(), %error, "the log directory cannot be used; what it holds is offline");
                    opened.not_taken.push(path.clone());
                    failure.get_or_insert(error);
                }
            }
        }
        match failure {
            Some(error) if opened.directories.is_empty() => Err(error.into()),
            None if opened.directories.is_empty() => Err(DirectoryError::None),
            _ => Ok(opened),
        }
    }

    fn open_one(
        &mut self,
        path: &Path,
        lock: Arc<dyn File>,
        node: BrokerId,
        new_id: &mut impl FnMut() -> Uuid,
    ) -> Result<LogDirectory, DirectoryError> {
        let fs = self.disk.fs();
        let mut properties =
            MetaProperties::read(fs, path)?.ok_or_else(|| DirectoryError::NotFormatted { path: path.to_path_buf() })?;
        if self.cluster_id.is_empty() {
            self.cluster_id.clone_from(&properties.cluster_id);
        }
        let is_anothers = properties.node_id.is_some_and(|found| found != node);
        if is_anothers || properties.cluster_id != self.cluster_id {
            return Err(DirectoryError::Foreign {
                path: path.to_path_buf(),
                found: identity::owner(properties.node_id, &properties.cluster_id),
                this: identity::owner(Some(node), &self.cluster_id),
            });
        }
        let is_whole = properties.node_id.is_some() && properties.directory_id.is_some();
        let id = *properties.directory_id.get_or_insert_with(new_id);
        if !is_whole {
            properties.node_id = Some(node);
            properties.write(fs, path)?;
        }
        if self.directories.iter().any(|other| other.id == id) {
            return Err(DirectoryError::SameId { path: path.to_path_buf(), id });
        }
        let checkpoints = Checkpoints {
            recovery_points: Checkpoint::read(checkpoint::read(fs, &path.join(checkpoint::RECOVERY_POINT))?),
            log_starts: Checkpoint::read(checkpoint::read(fs, &path.join(checkpoint::LOG_START_OFFSET))?),
            high_watermarks: Checkpoint::read(checkpoint::read(fs, &path.join(checkpoint::REPLICATION_OFFSET))?),
            cleaned: Checkpoint::read(checkpoint::read(fs, &path.join(checkpoint::CLEANER_OFFSET))?),
            cuts: 0,
        };
        // Last: whatever fails above leaves the sign of a clean shutdown for the next attempt.
        let empty_logs = empty_logs::read(fs, path);
        let kept_epoch = KeptEpoch::read(fs, path)?;
        let clean_shutdown = identity::take_clean_shutdown(fs, path)?;
        fs.remove_file(&path.join(EMPTY_LOGS))?;
        let condition = Arc::new(Condition::new(path.to_path_buf()));
        Ok(LogDirectory {
            path: path.to_path_buf(),
            id,
            flusher: Arc::new(Flusher::new(fs.volume(path)?, Arc::clone(&condition))),
            condition,
            clean_shutdown,
            kept_epoch,
            checkpoints: Mutex::new(checkpoints),
            empty_logs: Mutex::new(empty_logs),
            partitions: AtomicUsize::new(0),
            cordoned: AtomicBool::new(false),
            has_unopened: AtomicBool::new(false),
            has_lost: AtomicBool::new(false),
            _lock: lock,
        })
    }
}

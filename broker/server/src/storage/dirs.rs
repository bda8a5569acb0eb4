//! The log directories: taken by this process alone, theirs checked to be this node's, partitions found, made and deleted in
//! them. Decides nothing about which partitions there should be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barnabas_log::checkpoint::{self, Offsets};
use barnabas_log::fs::{Disk, File, IoError, OpenMode};
use barnabas_log::identity::{self, MetaProperties};
use barnabas_log::{Log, LogConfig, OpenError, OpenOptions, Recovery, TextFileError};
use barnabas_types::{BrokerId, Offset, Timestamp, TopicPartition, Uuid};
use rustix::fs::FlockOperation;

use super::Flusher;
use super::names::{self, DELETE, STRAY};

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
    #[error(
        "{} belongs to node {found_node} of cluster {found_cluster}, this is node {node} of cluster {cluster}; \
         check node.id and log.dirs",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// The node it names.
        found_node: BrokerId,
        /// The cluster it names.
        found_cluster: String,
        /// This node.
        node: BrokerId,
        /// The cluster that the other directories name.
        cluster: String,
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

/// A partition whose log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenPartitionError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Its `partition.metadata` is malformed.
    #[error(transparent)]
    Text(#[from] TextFileError),
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] OpenError),
}

/// Offsets of a directory's partitions, as they are or will be in its checkpoint files.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    pub(super) recovery_points: Checkpoint,
    pub(super) log_starts: Checkpoint,
    pub(super) high_watermarks: Checkpoint,
}

/// One checkpoint file's offsets, and whether the file holds others.
#[derive(Debug)]
pub(super) struct Checkpoint {
    offsets: Offsets,
    changed: bool,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self::read(Offsets::new())
    }
}

impl Checkpoint {
    /// Counts as changed, so that the file is there after the first write.
    fn read(offsets: Offsets) -> Self {
        Self { offsets, changed: true }
    }

    fn get(&self, partition: &TopicPartition) -> Offset {
        self.offsets.get(partition).copied().unwrap_or(Offset(0))
    }

    /// Puts `offset` in the partition's line, or takes the line out.
    pub(super) fn set(&mut self, partition: &TopicPartition, offset: Option<Offset>) {
        let before = match offset {
            Some(offset) => self.offsets.insert(partition.clone(), offset),
            None => self.offsets.remove(partition),
        };
        self.changed |= before != offset;
    }

    /// Writes the file unless it holds these offsets already.
    pub(super) fn write(&mut self, disk: &Disk, path: &Path) -> Result<(), IoError> {
        if self.changed {
            checkpoint::write(disk.fs(), path, &self.offsets)?;
            self.changed = false;
        }
        Ok(())
    }
}

/// One log directory, held by this process.
#[derive(Debug)]
pub struct LogDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// Its `directory.id`.
    pub id: Uuid,
    /// Syncs its partitions.
    pub flusher: Arc<Flusher>,
    /// The broker epoch (-1: none) if the broker that had it last stopped cleanly.
    clean_shutdown: Option<i64>,
    pub(super) checkpoints: Mutex<Checkpoints>,
    /// How many partitions lie here, to spread new ones.
    partitions: AtomicUsize,
    /// A log here does not open: calling the directory clean would let the next start believe it unseen.
    pub(super) has_unopened: AtomicBool,
    _lock: Arc<dyn File>,
}

/// All log directories of this broker.
#[derive(Debug)]
pub struct LogDirectories {
    disk: Arc<Disk>,
    directories: Vec<Arc<LogDirectory>>,
    cluster_id: String,
}

/// A partition's log, open.
#[derive(Debug)]
pub struct OpenedPartition {
    /// The directory it lies in.
    pub directory: Arc<LogDirectory>,
    /// The log.
    pub log: Log,
    /// What opening it took.
    pub recovery: Recovery,
    /// The high watermark when it was last written down; 0 for a new partition.
    pub high_watermark: Offset,
}

/// A partition's directory under its last name, to be removed when `file.delete.delay.ms` has passed.
#[derive(Debug)]
#[must_use = "the directory stays on disk until it is removed"]
pub struct DoomedDirectory {
    disk: Arc<Disk>,
    path: PathBuf,
}

impl DoomedDirectory {
    /// Removes it.
    ///
    /// # Errors
    /// The disk failed.
    pub fn remove(&self) -> Result<(), IoError> {
        self.disk.fs().remove_directory(&self.path)
    }
}

/// Makes `path` a log directory of `node` in `cluster_id`; one that is formatted already is left as it is.
///
/// # Errors
/// The disk failed, or there is a `meta.properties` that cannot be read.
pub fn format(
    disk: &Disk,
    path: &Path,
    cluster_id: &str,
    node: BrokerId,
    directory_id: Uuid,
) -> Result<(), DirectoryError> {
    disk.fs().create_directory(path)?;
    if MetaProperties::read(disk.fs(), path)?.is_some() {
        return Ok(());
    }
    let properties =
        MetaProperties { cluster_id: cluster_id.to_owned(), node_id: node, directory_id: Some(directory_id) };
    Ok(properties.write(disk.fs(), path)?)
}

/// Locks the directory against every other process, Apache Kafka's (which locks the POSIX way) included.
fn lock(disk: &Disk, path: &Path) -> Result<Arc<dyn File>, DirectoryError> {
    let file = disk.fs().open(&path.join(LOCK), OpenMode::Create)?;
    let exclusive = FlockOperation::NonBlockingLockExclusive;
    let locked = rustix::fs::flock(&**file.handle(), exclusive)
        .and_then(|()| rustix::fs::fcntl_lock(&**file.handle(), exclusive));
    match locked {
        Ok(()) => Ok(file),
        Err(_) => Err(DirectoryError::InUse { path: path.to_path_buf() }),
    }
}

impl LogDirectories {
    /// Takes the formatted directories `paths` for `node`. The signs of a clean shutdown are read and removed: from here on a
    /// crash is a crash. `new_id` gives ids to directories formatted before they had one.
    ///
    /// # Errors
    /// A directory is in use, not formatted, another node's, or its disk failed.
    pub fn open(
        disk: Arc<Disk>,
        paths: &[PathBuf],
        node: BrokerId,
        mut new_id: impl FnMut() -> Uuid,
    ) -> Result<Self, DirectoryError> {
        // All of them first: one that is in use must not cost the others the sign of their clean shutdown.
        let locks = paths.iter().map(|path| lock(&disk, path)).collect::<Result<Vec<_>, _>>()?;
        let mut opened = Self { disk, directories: Vec::new(), cluster_id: String::new() };
        for (path, lock) in paths.iter().zip(locks) {
            let directory = opened.open_one(path, lock, node, &mut new_id)?;
            opened.directories.push(Arc::new(directory));
        }
        if opened.directories.is_empty() { Err(DirectoryError::None) } else { Ok(opened) }
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
        if properties.node_id != node || properties.cluster_id != self.cluster_id {
            return Err(DirectoryError::Foreign {
                path: path.to_path_buf(),
                found_node: properties.node_id,
                found_cluster: properties.cluster_id,
                node,
                cluster: self.cluster_id.clone(),
            });
        }
        let id = match properties.directory_id {
            Some(id) => id,
            None => {
                let id = new_id();
                properties.directory_id = Some(id);
                properties.write(fs, path)?;
                id
            }
        };
        if self.directories.iter().any(|other| other.id == id) {
            return Err(DirectoryError::SameId { path: path.to_path_buf(), id });
        }
        let checkpoints = Checkpoints {
            recovery_points: Checkpoint::read(checkpoint::read(fs, &path.join(checkpoint::RECOVERY_POINT))?),
            log_starts: Checkpoint::read(checkpoint::read(fs, &path.join(checkpoint::LOG_START_OFFSET))?),
            high_watermarks: Checkpoint::read(checkpoint::read(fs, &path.join(checkpoint::REPLICATION_OFFSET))?),
        };
        // Last: whatever fails above leaves the sign of a clean shutdown for the next attempt.
        let clean_shutdown = identity::take_clean_shutdown(fs, path)?;
        Ok(LogDirectory {
            path: path.to_path_buf(),
            id,
            flusher: Arc::new(Flusher::new(fs.volume(path)?)),
            clean_shutdown,
            checkpoints: Mutex::new(checkpoints),
            partitions: AtomicUsize::new(0),
            has_unopened: AtomicBool::new(false),
            _lock: lock,
        })
    }

    /// The disk below all of them.
    #[must_use]
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// All directories, in the order of `log.dirs`.
    #[must_use]
    pub fn all(&self) -> &[Arc<LogDirectory>] {
        &self.directories
    }

    /// The directory of that id.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<&Arc<LogDirectory>> {
        self.directories.iter().find(|directory| directory.id == id)
    }

    /// The `cluster.id` that all of them name.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The broker's last epoch, if every directory was left cleanly by the same run.
    #[must_use]
    pub fn clean_broker_epoch(&self) -> Option<i64> {
        let epochs: BTreeSet<Option<i64>> = self.directories.iter().map(|directory| directory.clean_shutdown).collect();
        match epochs.first() {
            Some(Some(epoch)) if epochs.len() == 1 && *epoch >= 0 => Some(*epoch),
            _ => None,
        }
    }

    /// Opens the log of a partition where it lies, else makes it: in `preferred`, or in the directory with the fewest
    /// partitions. A directory of the same name that belongs to a topic since deleted is set aside. May block for long.
    ///
    /// # Errors
    /// The disk failed, or the log is damaged.
    pub fn open_partition(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        preferred: Option<Uuid>,
        config: LogConfig,
        now: Timestamp,
    ) -> Result<OpenedPartition, OpenPartitionError> {
        let name = names::directory_of(partition);
        for directory in &self.directories {
            if self.holds(&directory.path.join(&name), partition, topic_id)? {
                return self.open_in(directory, partition, config, now);
            }
        }
        let fewest = || self.directories.iter().min_by_key(|directory| directory.partitions.load(Ordering::Relaxed));
        let chosen = preferred.and_then(|id| self.get(id)).or_else(fewest);
        let directory = chosen.ok_or_else(|| {
            IoError::new(barnabas_log::fs::Operation::Open, name.clone(), std::io::ErrorKind::NotFound.into())
        })?;
        directory.forget(partition);
        let path = directory.path.join(&name);
        self.disk.fs().create_directory(&path)?;
        identity::write_topic_id(self.disk.fs(), &path, topic_id)?;
        self.disk.fs().sync_directory(&directory.path)?;
        self.open_in(directory, partition, config, now)
    }

    /// True when `path` is the partition's directory; one of another topic of that name is set aside.
    fn holds(&self, path: &Path, partition: &TopicPartition, topic_id: Uuid) -> Result<bool, OpenPartitionError> {
        let fs = self.disk.fs();
        let entries = match fs.list(path) {
            Ok(entries) => entries,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        match identity::read_topic_id(fs, path)? {
            Some(found) if found == topic_id => Ok(true),
            Some(found) => {
                self.rename(path, &names::set_aside(partition, found, STRAY))?;
                Ok(false)
            }
            // Made by a version that wrote no ids, or by a process that died before it had written one.
            None => {
                identity::write_topic_id(fs, path, topic_id)?;
                tracing::info!(%partition, files = entries.len(), "a partition's directory had no topic id; it has one now");
                Ok(true)
            }
        }
    }

    fn open_in(
        &self,
        directory: &Arc<LogDirectory>,
        partition: &TopicPartition,
        config: LogConfig,
        now: Timestamp,
    ) -> Result<OpenedPartition, OpenPartitionError> {
        let (recovery_point, log_start, high_watermark) = {
            let checkpoints = directory.checkpoints();
            let Checkpoints { recovery_points, log_starts, high_watermarks } = &*checkpoints;
            (recovery_points.get(partition), log_starts.get(partition), high_watermarks.get(partition))
        };
        let options = OpenOptions {
            directory: directory.path.join(names::directory_of(partition)),
            config,
            recovery_point,
            log_start,
            clean: directory.clean_shutdown.is_some(),
            now,
        };
        let (log, recovery) = Log::open(&self.disk, &options).inspect_err(|_| {
            directory.has_unopened.store(true, Ordering::Relaxed);
        })?;
        tell(partition, &log, &recovery);
        directory.partitions.fetch_add(1, Ordering::Relaxed);
        Ok(OpenedPartition { directory: Arc::clone(directory), log, recovery, high_watermark })
    }

    /// Takes the directory of a partition that is deleted out of the way at once; its files go when they are told. No log of it
    /// may be appended to any more.
    ///
    /// # Errors
    /// The disk failed.
    pub fn delete_partition(
        &self,
        directory: &LogDirectory,
        partition: &TopicPartition,
        unique: Uuid,
    ) -> Result<DoomedDirectory, IoError> {
        let path = directory.path.join(names::directory_of(partition));
        let doomed = self.rename(&path, &names::set_aside(partition, unique, DELETE))?;
        directory.forget(partition);
        directory.partitions.fetch_sub(1, Ordering::Relaxed);
        Ok(DoomedDirectory { disk: Arc::clone(&self.disk), path: doomed })
    }

    fn rename(&self, path: &Path, name: &str) -> Result<PathBuf, IoError> {
        let to = path.with_file_name(name);
        self.disk.fs().rename(path, &to)?;
        if let Some(parent) = path.parent() {
            self.disk.fs().sync_directory(parent)?;
        }
        Ok(to)
    }

    /// Directories whose deletion a crash cut short. They are to be removed at once.
    ///
    /// # Errors
    /// The disk failed.
    pub fn leftovers(&self) -> Result<Vec<DoomedDirectory>, IoError> {
        let mut doomed = Vec::new();
        for directory in &self.directories {
            for entry in self.disk.fs().list(&directory.path)? {
                if entry.is_directory && entry.name.ends_with(DELETE) {
                    let path = directory.path.join(&entry.name);
                    doomed.push(DoomedDirectory { disk: Arc::clone(&self.disk), path });
                }
            }
        }
        Ok(doomed)
    }

    /// Renames the directories of partitions that `known` does not know, so that they are never mistaken for a topic's, and
    /// returns their new paths. Nothing of them is removed: that is for a person to decide.
    ///
    /// # Errors
    /// The disk failed, or a `partition.metadata` is malformed.
    pub fn set_strays_aside(
        &self,
        known: impl Fn(&TopicPartition, Option<Uuid>) -> bool,
    ) -> Result<Vec<PathBuf>, OpenPartitionError> {
        let mut strays = Vec::new();
        for directory in &self.directories {
            for entry in self.disk.fs().list(&directory.path)? {
                let Some(partition) = names::partition_of(&entry.name).filter(|_| entry.is_directory) else {
                    continue;
                };
                let path = directory.path.join(&entry.name);
                let topic_id = identity::read_topic_id(self.disk.fs(), &path)?;
                if !known(&partition, topic_id) {
                    let unique = topic_id.unwrap_or(Uuid::ZERO);
                    strays.push(self.rename(&path, &names::set_aside(&partition, unique, STRAY))?);
                    directory.forget(&partition);
                }
            }
        }
        Ok(strays)
    }
}

impl LogDirectory {
    pub(super) fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A partition of that name is gone; another one of that name starts from nothing.
    fn forget(&self, partition: &TopicPartition) {
        let mut checkpoints = self.checkpoints();
        let Checkpoints { recovery_points, log_starts, high_watermarks } = &mut *checkpoints;
        [recovery_points, log_starts, high_watermarks].into_iter().for_each(|file| file.set(partition, None));
    }
}

/// One line for what was found, louder the worse it is.
fn tell(partition: &TopicPartition, log: &Log, recovery: &Recovery) {
    let (start, end) = (log.log_start(), log.log_end());
    if recovery.missing_records > 0 {
        tracing::error!(
            %partition, %start, %end, missing_records = recovery.missing_records,
            "records that were synced are missing; restore the partition from a replica or a backup if they matter"
        );
    } else if recovery.cut_bytes > 0 {
        tracing::warn!(%partition, %start, %end, ?recovery, "cut a torn tail off the log");
    } else if recovery.scanned_bytes > 0 {
        tracing::info!(%partition, %start, %end, ?recovery, "recovered the log");
    } else {
        tracing::debug!(%partition, %start, %end, "opened the log");
    }
}

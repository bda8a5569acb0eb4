//! The log directories: partitions found, made and deleted in them. Decides nothing about which partitions there should be; how the
//! directories are taken at start is in `take`.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barnabas_log::checkpoint::{self, Offsets};
use barnabas_log::empty_logs::EmptyLogs;
use barnabas_log::fs::{Disk, File, IoError};
use barnabas_log::identity::{self, KeptEpoch};
use barnabas_log::{Log, LogConfig, OpenError, OpenOptions, Recovery, TextFileError};
use barnabas_types::{Offset, Timestamp, TopicPartition, Uuid};

use super::kept_epoch::Promise;
use super::names::{self, DELETE, STRAY};
use super::{Condition, Flusher};

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
    /// It is in none of the directories that are there, and one is not.
    #[error(
        "it is not found, and {} is offline: it would be there. It is not made anew, which would hide its records; repair or replace \
         the disk, or take the directory out of log.dirs to give up what it held",
        path.display()
    )]
    DirectoryOffline {
        /// A directory that is offline.
        path: PathBuf,
    },
}

impl OpenPartitionError {
    /// True when the volume was full: it may open once there is room.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Io(error) | Self::Text(TextFileError::Io(error)) | Self::Log(OpenError::Io(error)) => {
                error.is_out_of_space()
            }
            Self::Text(_) | Self::Log(_) | Self::DirectoryOffline { .. } => false,
        }
    }
}

/// Offsets of a directory's partitions, as they are or will be in its checkpoint files.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    pub(super) recovery_points: Checkpoint,
    pub(super) log_starts: Checkpoint,
    pub(super) high_watermarks: Checkpoint,
    pub(super) cleaned: Checkpoint,
    /// How often a log was cut: what was noted of logs before that may name offsets that they no longer have.
    pub(super) cuts: u64,
}

/// One checkpoint file's offsets, and whether the file holds others. Offset 0 is what a partition without a line has: that of one that
/// was never written to needs no place.
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
    pub(super) fn read(offsets: Offsets) -> Self {
        Self { offsets: offsets.into_iter().filter(|(_, offset)| offset.0 > 0).collect(), changed: true }
    }

    pub(super) fn get(&self, partition: &TopicPartition) -> Offset {
        self.offsets.get(partition).copied().unwrap_or(Offset(0))
    }

    /// Puts `offset` in the partition's line, or takes the line out.
    pub(super) fn set(&mut self, partition: &TopicPartition, offset: Option<Offset>) {
        let offset = offset.filter(|offset| offset.0 > 0);
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
    /// Whether records are taken here, and whether anything is.
    pub condition: Arc<Condition>,
    /// The broker epoch (-1: none) if the broker that had it last stopped cleanly.
    pub(super) clean_shutdown: Option<i64>,
    /// What the broker that had it last has promised, found at start.
    pub(super) kept_epoch: Option<KeptEpoch>,
    pub(super) checkpoints: Mutex<Checkpoints>,
    /// What the last clean stop said of logs to which nothing was ever written, until they are opened.
    pub(super) empty_logs: Mutex<EmptyLogs>,
    /// How many partitions lie here, to spread new ones.
    pub(super) partitions: AtomicUsize,
    /// No new partition is placed here while there is another directory (`cordoned.log.dirs`).
    pub(super) cordoned: AtomicBool,
    /// A log here does not open: calling the directory clean would let the next start believe it unseen.
    pub(super) has_unopened: AtomicBool,
    /// A log here has lost records that were synced.
    pub(super) has_lost: AtomicBool,
    pub(super) _lock: Arc<dyn File>,
}

/// All log directories of this broker.
#[derive(Debug)]
pub struct LogDirectories {
    pub(super) disk: Arc<Disk>,
    pub(super) directories: Vec<Arc<LogDirectory>>,
    /// Those that could not be taken at start.
    pub(super) not_taken: Vec<PathBuf>,
    /// Held while a new partition is given its place.
    pub(super) placing: Mutex<()>,
    pub(super) promise: Promise,
    pub(super) cluster_id: String,
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

impl LogDirectories {
    /// The disk below all of them.
    #[must_use]
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// All directories that were taken at start, in the order of `log.dirs`. They may have failed since.
    #[must_use]
    pub fn all(&self) -> &[Arc<LogDirectory>] {
        &self.directories
    }

    /// Cordons the directories named in `cordoned.log.dirs` (KIP-1066), and no others.
    pub fn cordon(&self, paths: &[PathBuf]) {
        for directory in &self.directories {
            directory.cordoned.store(paths.contains(&directory.path), Ordering::Relaxed);
        }
    }

    /// The directories of `log.dirs` that could not be taken at start, because their disks failed.
    #[must_use]
    pub fn not_taken(&self) -> &[PathBuf] {
        &self.not_taken
    }

    /// A directory that is offline now, if there is one.
    fn offline(&self) -> Option<&Path> {
        let failed = self.directories.iter().find(|directory| directory.condition.is_offline());
        self.not_taken.first().map(PathBuf::as_path).or_else(|| failed.map(|directory| directory.path.as_path()))
    }

    /// True when one of `log.dirs` is offline now.
    #[must_use]
    pub fn has_offline(&self) -> bool {
        self.offline().is_some()
    }

    /// Those that have not failed.
    fn online(&self) -> impl Iterator<Item = &Arc<LogDirectory>> {
        self.directories.iter().filter(|directory| !directory.condition.is_offline())
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
            Some(Some(epoch)) if epochs.len() == 1 && *epoch >= 0 && self.not_taken.is_empty() => Some(*epoch),
            _ => None,
        }
    }

    /// Opens the log of a partition where it lies, else makes it: in `preferred`, or in the directory with the fewest
    /// partitions. A directory of the same name that belongs to a topic since deleted is set aside. May block for long.
    ///
    /// One that is not `new` and is found nowhere may lie in a directory that is offline: then it is not made (nor does Kafka).
    ///
    /// # Errors
    /// The disk failed, or the log is damaged.
    pub fn open_partition(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        preferred: Option<Uuid>,
        is_new: bool,
        (config, now): (Arc<LogConfig>, Timestamp),
    ) -> Result<OpenedPartition, OpenPartitionError> {
        let name = names::directory_of(partition);
        let mut failure = None;
        for directory in self.online() {
            let path = directory.path.join(&name);
            let listed = directory.empty_logs().take(partition, topic_id);
            let unchanged = listed.and_then(|listed| listed.unchanged_since(self.disk.fs(), &path));
            if unchanged.is_some() {
                return self.open_in(directory, partition, unchanged, (config, now));
            }
            match self.holds(&path, partition, topic_id) {
                Ok(true) => return self.open_in(directory, partition, None, (config, now)),
                Ok(false) => {}
                Err(error) => {
                    directory.noticed(&error);
                    failure.get_or_insert(error);
                }
            }
        }
        if let Some(error) = failure {
            // It may be where nobody could look.
            return Err(error);
        }
        if let Some(path) = self.offline().filter(|_| !is_new) {
            return Err(OpenPartitionError::DirectoryOffline { path: path.to_path_buf() });
        }
        let directory = self.place(preferred).ok_or_else(|| {
            IoError::new(barnabas_log::fs::Operation::Open, name.clone(), std::io::ErrorKind::NotFound.into())
        })?;
        directory.forget(partition);
        let made = self.make(&directory.path, &name, topic_id).map_err(OpenPartitionError::from);
        let opened = made.and_then(|()| self.open_in(directory, partition, None, (config, now)));
        // It counted from the moment when it was given its place, so that those made beside it go elsewhere.
        directory.partitions.fetch_sub(1, Ordering::Relaxed);
        opened
    }

    /// The directory for a new partition, which counts there at once.
    fn place(&self, preferred: Option<Uuid>) -> Option<&Arc<LogDirectory>> {
        let _one_at_a_time = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        // The fewest partitions, as Kafka does; but where clients' records are taken, if they are anywhere.
        let fewest = || {
            self.online().min_by_key(|directory| {
                let refuses = directory.condition.takes_clients().is_err();
                (directory.is_cordoned(), refuses, directory.partitions.load(Ordering::Relaxed))
            })
        };
        let chosen = preferred.and_then(|id| self.online().find(|directory| directory.id == id)).or_else(fewest);
        chosen.inspect(|directory| _ = directory.partitions.fetch_add(1, Ordering::Relaxed))
    }

    fn make(&self, directory: &Path, name: &str, topic_id: Uuid) -> Result<(), IoError> {
        let path = directory.join(name);
        self.disk.fs().create_directory(&path)?;
        identity::write_topic_id(self.disk.fs(), &path, topic_id)?;
        self.disk.fs().sync_directory(directory)
    }

    /// True when `path` is the partition's directory; one of another topic of that name is set aside.
    fn holds(&self, path: &Path, partition: &TopicPartition, topic_id: Uuid) -> Result<bool, OpenPartitionError> {
        let fs = self.disk.fs();
        match identity::read_topic_id(fs, path)? {
            Some(found) if found == topic_id => return Ok(true),
            Some(found) => {
                self.rename(path, &names::set_aside(partition, found, STRAY))?;
                return Ok(false);
            }
            None => {}
        }
        match fs.list(path) {
            // Made by a version that wrote no ids, or by a process that died before it had written one.
            Ok(entries) => {
                identity::write_topic_id(fs, path, topic_id)?;
                tracing::info!(%partition, files = entries.len(), "a partition's directory had no topic id; it has one now");
                Ok(true)
            }
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn open_in(
        &self,
        directory: &Arc<LogDirectory>,
        partition: &TopicPartition,
        known_empty: Option<Timestamp>,
        (config, now): (Arc<LogConfig>, Timestamp),
    ) -> Result<OpenedPartition, OpenPartitionError> {
        let (recovery_point, log_start, high_watermark, cleaned_to) = {
            let checkpoints = directory.checkpoints();
            let Checkpoints { recovery_points, log_starts, high_watermarks, cleaned, .. } = &*checkpoints;
            let offset = |checkpoint: &Checkpoint| checkpoint.get(partition);
            (offset(recovery_points), offset(log_starts), offset(high_watermarks), offset(cleaned))
        };
        let options = OpenOptions {
            directory: directory.path.join(names::directory_of(partition)),
            config,
            recovery_point,
            log_start,
            clean: directory.clean_shutdown.is_some(),
            known_empty,
            now,
        };
        let opened = Log::open_unsynced(&self.disk, &options).map_err(OpenPartitionError::from);
        let (mut log, recovery) = opened.inspect_err(|error| {
            directory.has_unopened.store(true, Ordering::Relaxed);
            directory.noticed(error);
        })?;
        log.set_cleaned_to(cleaned_to);
        if recovery.missing_records > 0 {
            directory.has_lost.store(true, Ordering::Relaxed);
        }
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

    /// As [`LogDirectories::delete_partition`], of a partition whose log could not be opened; none where there is no directory of it.
    ///
    /// # Errors
    /// The disk failed.
    pub fn delete_unopened(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        unique: Uuid,
    ) -> Result<Option<DoomedDirectory>, IoError> {
        for directory in self.online() {
            let path = directory.path.join(names::directory_of(partition));
            // What does not say whose it is stays for a person to look at.
            if identity::read_topic_id(self.disk.fs(), &path).ok().flatten() == Some(topic_id) {
                let path = self.rename(&path, &names::set_aside(partition, unique, DELETE))?;
                directory.forget(partition);
                return Ok(Some(DoomedDirectory { disk: Arc::clone(&self.disk), path }));
            }
        }
        Ok(None)
    }

    fn rename(&self, path: &Path, name: &str) -> Result<PathBuf, IoError> {
        let to = path.with_file_name(name);
        self.disk.fs().rename(path, &to)?;
        if let Some(parent) = path.parent() {
            self.disk.fs().sync_directory(parent)?;
        }
        Ok(to)
    }

    /// Directories whose deletion a crash cut short. They are to be removed at once; those on a disk that fails stay.
    #[must_use]
    pub fn leftovers(&self) -> Vec<DoomedDirectory> {
        let mut doomed = Vec::new();
        for directory in self.online() {
            let listed = self.disk.fs().list(&directory.path).inspect_err(|error| {
                directory.condition.noticed(error);
                tracing::warn!(%error, "what deleted partitions have left behind cannot be looked for");
            });
            for entry in listed.unwrap_or_default() {
                if entry.is_directory && entry.name.ends_with(DELETE) {
                    let path = directory.path.join(&entry.name);
                    doomed.push(DoomedDirectory { disk: Arc::clone(&self.disk), path });
                }
            }
        }
        doomed
    }

    /// Renames the directories of partitions that are neither among `hosted`, by directory and name, nor known to `known`, so that they are never mistaken for a topic's, and
    /// returns their new paths. Nothing of them is removed: that is for a person to decide.
    ///
    /// # Errors
    /// The disk failed, or a `partition.metadata` is malformed.
    pub fn set_strays_aside(
        &self,
        hosted: &HashSet<(Uuid, TopicPartition)>,
        known: impl Fn(&TopicPartition, Option<Uuid>) -> bool,
    ) -> Result<Vec<PathBuf>, OpenPartitionError> {
        let mut strays = Vec::new();
        for directory in self.online() {
            // All that belongs here is open: what is still listed is a stray, or lies in another directory now.
            *directory.empty_logs() = EmptyLogs::default();
            for entry in self.disk.fs().list(&directory.path)? {
                let Some(partition) = names::partition_of(&entry.name).filter(|_| entry.is_directory) else {
                    continue;
                };
                if hosted.contains(&(directory.id, partition.clone())) {
                    continue;
                }
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
    /// A partition could not be opened here.
    fn noticed(&self, error: &OpenPartitionError) {
        match error {
            OpenPartitionError::Io(error)
            | OpenPartitionError::Text(TextFileError::Io(error))
            | OpenPartitionError::Log(OpenError::Io(error)) => self.condition.noticed(error),
            OpenPartitionError::Text(_) | OpenPartitionError::Log(_) | OpenPartitionError::DirectoryOffline { .. } => {}
        }
    }

    /// True when it is named in `cordoned.log.dirs`.
    #[must_use]
    pub fn is_cordoned(&self) -> bool {
        self.cordoned.load(Ordering::Relaxed)
    }

    /// How many partitions lie here.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions.load(Ordering::Relaxed)
    }

    pub(super) fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn empty_logs(&self) -> MutexGuard<'_, EmptyLogs> {
        self.empty_logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A partition of that name is gone; another one of that name starts from nothing.
    fn forget(&self, partition: &TopicPartition) {
        let mut checkpoints = self.checkpoints();
        let Checkpoints { recovery_points, log_starts, high_watermarks, cleaned, .. } = &mut *checkpoints;
        [recovery_points, log_starts, high_watermarks, cleaned].into_iter().for_each(|file| file.set(partition, None));
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

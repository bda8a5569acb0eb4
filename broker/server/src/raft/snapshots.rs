//! Snapshot files of the metadata log: `<20 digits>-<10 digits>.checkpoint`, and `bootstrap.checkpoint`. A header, control
//! records, records in batches, a footer; written aside, synced, then given their name. Decides nothing about when.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_log::fs::{File, Fs, IoError, OpenMode, read_exact_at, write_all_at};
use barnabas_metadata::{History, ReplayError};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_raft::{SnapshotId, VoterSet};
use barnabas_records::control::{ControlRecord, control_batch};
use barnabas_records::{BATCH_HEADER_BYTES, BatchHeader, BatchView};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use super::batch::{self, Content, DecodeBatchError, EncodeBatchError, Entry, MAX_BATCH_BYTES};
use super::control;

/// What a new cluster starts from, in the metadata log directory itself.
pub const BOOTSTRAP: &str = "bootstrap.checkpoint";

const SUFFIX: &str = ".checkpoint";
const UNFINISHED_SUFFIX: &str = ".checkpoint.part";

/// Records per batch.
const BATCH_RECORDS: usize = 1024;

/// A snapshot could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteSnapshotError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Records that do not become a batch.
    #[error("{}: {source}", path.display())]
    Batch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: EncodeBatchError,
    },
}

/// A snapshot could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadSnapshotError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A batch is damaged or cannot be understood.
    #[error("{} at byte {position}: {source}", path.display())]
    Batch {
        /// The file.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// What is wrong.
        source: DecodeBatchError,
    },
    /// A record contradicts those before it.
    #[error("{}, record {offset}: {source}", path.display())]
    Replay {
        /// The file.
        path: PathBuf,
        /// Which record.
        offset: Offset,
        /// What is wrong.
        source: ReplayError,
    },
    /// It has no footer.
    #[error("{} has no footer, so that it may lack records: restore it from a copy", path.display())]
    NoFooter {
        /// The file.
        path: PathBuf,
    },
}

impl ReadSnapshotError {
    /// True when another copy of the file may be whole; false for the disk, and for records that this release does not serve.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Io(_) | Self::Replay { .. } | Self::Batch { source: DecodeBatchError::Metadata { .. }, .. } => false,
            Self::Batch { .. } | Self::NoFooter { .. } => true,
        }
    }
}

/// The file of snapshot `id` in `directory`.
pub fn path(directory: &Path, id: SnapshotId) -> PathBuf {
    directory.join(format!("{id}{SUFFIX}"))
}

/// The file of snapshot `id` while it is being downloaded.
pub fn unfinished_path(directory: &Path, id: SnapshotId) -> PathBuf {
    directory.join(format!("{id}{UNFINISHED_SUFFIX}"))
}

/// The snapshots in `directory`, oldest first. Removes what was left unfinished.
pub fn list(fs: &dyn Fs, directory: &Path) -> Result<Vec<SnapshotId>, IoError> {
    let mut ids = Vec::new();
    for entry in fs.list(directory)? {
        if entry.name.ends_with(UNFINISHED_SUFFIX) {
            fs.remove_file(&directory.join(&entry.name))?;
        } else {
            ids.extend(parse_name(&entry.name));
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// The snapshot that a file of that name is.
pub(super) fn parse_name(name: &str) -> Option<SnapshotId> {
    let (offset, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(offset, 20) || !digits(epoch, 10) {
        return None;
    }
    Some(SnapshotId { end_offset: Offset(offset.parse().ok()?), epoch: LeaderEpoch(epoch.parse().ok()?) })
}

/// Everything in a snapshot but its records.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The epoch of its last record; 0 in a bootstrap.
    pub epoch: LeaderEpoch,
    /// When it is written.
    pub now: Timestamp,
    /// When the last record that it holds was appended; 0 when it holds none.
    pub last_contained_log_timestamp: Timestamp,
    /// The records of the quorum that follow the header.
    pub control: Vec<ControlRecord>,
    /// The finalised `metadata.version`.
    pub metadata_version: i16,
}

/// Writes a snapshot at `path`: whole and durable when this returns, not under its name when it fails.
pub fn write<'a>(
    fs: &dyn Fs,
    path: &Path,
    frame: &Frame,
    records: impl Iterator<Item = MetadataRecord<'a>>,
) -> Result<(), WriteSnapshotError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let file = fs.open(&unfinished, OpenMode::Truncate)?;
    let mut writer = Writer { path, frame, file, position: 0, next: Offset(0) };
    let last_contained_log_timestamp = frame.last_contained_log_timestamp;
    let mut first = vec![ControlRecord::SnapshotHeader { last_contained_log_timestamp }];
    first.extend(frame.control.iter().cloned());
    writer.control(&first)?;
    let mut records = records.peekable();
    while records.peek().is_some() {
        writer.metadata(records.by_ref().take(BATCH_RECORDS))?;
    }
    writer.control(&[ControlRecord::SnapshotFooter])?;
    writer.file.sync()?;
    fs.rename(&unfinished, path)?;
    match path.parent() {
        Some(directory) => Ok(fs.sync_directory(directory)?),
        None => Ok(()),
    }
}

struct Writer<'a> {
    path: &'a Path,
    frame: &'a Frame,
    file: Arc<dyn File>,
    position: u64,
    next: Offset,
}

impl Writer<'_> {
    fn control(&mut self, records: &[ControlRecord]) -> Result<(), WriteSnapshotError> {
        let batch = control_batch(self.next, self.frame.epoch, self.frame.now, records);
        let bytes = batch.map_err(|source| self.failed(source.into()))?;
        self.put(&bytes, records.len())
    }

    fn metadata<'a>(&mut self, records: impl Iterator<Item = MetadataRecord<'a>>) -> Result<(), WriteSnapshotError> {
        let frame = self.frame;
        let batch = batch::encode(self.next, frame.epoch, frame.now, frame.metadata_version, records);
        let (bytes, count) = batch.map_err(|source| self.failed(source))?;
        self.put(&bytes, count as usize)
    }

    fn failed(&self, source: EncodeBatchError) -> WriteSnapshotError {
        WriteSnapshotError::Batch { path: self.path.to_path_buf(), source }
    }

    fn put(&mut self, bytes: &[u8], records: usize) -> Result<(), WriteSnapshotError> {
        write_all_at(&*self.file, &mut [IoSlice::new(bytes)], self.position)?;
        self.position += bytes.len() as u64;
        self.next = self.next.plus(i64::try_from(records).unwrap_or(i64::MAX));
        Ok(())
    }
}

/// Hands every record of the snapshot at `path` to `visit`, in order, control records included. Batch by batch: a large snapshot
/// is never whole in memory.
///
/// # Errors
/// Damage, a missing footer, or the first error of `visit`.
pub fn read<E: From<ReadSnapshotError>>(
    fs: &dyn Fs,
    path: &Path,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let file = fs.open(path, OpenMode::Read).map_err(ReadSnapshotError::from)?;
    let length = file.length().map_err(ReadSnapshotError::from)?;
    let (mut position, mut footer) = (0, false);
    while position < length {
        let damaged = |source| ReadSnapshotError::Batch { path: path.to_path_buf(), position, source };
        let bytes = read_batch(&*file, position, length - position).map_err(|error| match error {
            BatchFileError::Io(error) => ReadSnapshotError::Io(error),
            BatchFileError::Decode(source) => damaged(source),
        })?;
        let batch = BatchView::parse(&bytes).map_err(|source| damaged(source.into()))?;
        let visited = batch::for_each(&batch, &mut |entry| {
            footer = matches!(entry.content, Content::Control(ControlRecord::SnapshotFooter));
            visit(entry).map_err(VisitError::Visit)
        });
        visited.map_err(|error| match error {
            VisitError::Visit(error) => error,
            VisitError::Decode(source) => damaged(source).into(),
        })?;
        position += bytes.len() as u64;
    }
    if footer { Ok(()) } else { Err(ReadSnapshotError::NoFooter { path: path.to_path_buf() }.into()) }
}

/// All that a snapshot holds.
#[derive(Debug, Default)]
pub struct Held {
    /// The metadata.
    pub history: History,
    /// The level of `kraft.version`; 0 when it names none.
    pub kraft_version: u16,
    /// The voters, when it names them.
    pub voters: Option<VoterSet>,
    /// When the last record that it holds was appended.
    pub last_timestamp: Timestamp,
}

/// Reads the snapshot at `path` whole.
///
/// # Errors
/// Damage, a missing footer, or a record that contradicts those before it.
pub fn read_held(fs: &dyn Fs, path: &Path) -> Result<Held, ReadSnapshotError> {
    let mut held = Held::default();
    read::<ReadSnapshotError>(fs, path, &mut |entry| {
        match control::from_log(&entry.content) {
            Some(barnabas_raft::ControlRecord::KRaftVersion { version }) => held.kraft_version = version,
            Some(barnabas_raft::ControlRecord::Voters(voters)) => held.voters = Some(voters),
            Some(barnabas_raft::ControlRecord::LeaderChange { .. }) | None => {}
        }
        match entry.content {
            Content::Metadata(record) => held.history.replay(&record).map_err(|source| {
                let (path, offset) = (path.to_path_buf(), entry.offset);
                ReadSnapshotError::Replay { path, offset, source }
            }),
            Content::Control(ControlRecord::SnapshotHeader { last_contained_log_timestamp }) => {
                held.last_timestamp = last_contained_log_timestamp;
                Ok(())
            }
            Content::Control(_) => Ok(()),
        }
    })?;
    Ok(held)
}

enum VisitError<E> {
    Decode(DecodeBatchError),
    Visit(E),
}

impl<E> From<DecodeBatchError> for VisitError<E> {
    fn from(error: DecodeBatchError) -> Self {
        Self::Decode(error)
    }
}

/// A batch that cannot be read out of a file.
pub(super) enum BatchFileError {
    Io(IoError),
    Decode(DecodeBatchError),
}

/// The batch at `position`, of which `left` bytes are in the file.
pub(super) fn read_batch(file: &dyn File, position: u64, left: u64) -> Result<Vec<u8>, BatchFileError> {
    let mut header = [0; BATCH_HEADER_BYTES];
    let available = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH_HEADER_BYTES);
    let head = header.get_mut(..available).unwrap_or_default();
    read_exact_at(file, head, position).map_err(BatchFileError::Io)?;
    let size = BatchHeader::parse(head).map_err(|error| BatchFileError::Decode(error.into()))?.size_bytes();
    if size > MAX_BATCH_BYTES.saturating_add(MAX_BATCH_BYTES) || size as u64 > left {
        return Err(BatchFileError::Decode(DecodeBatchError::Size { size, left }));
    }
    let mut bytes = vec![0; size];
    read_exact_at(file, &mut bytes, position).map_err(BatchFileError::Io)?;
    Ok(bytes)
}

//! Formats the metadata log of a new cluster: `bootstrap.checkpoint` with the feature levels, and the first snapshot, which
//! names the first voters. Never touches a directory that holds a metadata log.

use std::path::{Path, PathBuf};

use barnabas_log::fs::{Fs, IoError, OpenMode};
use barnabas_metadata::{MAX_METADATA_VERSION, bootstrap_records};
use barnabas_protocol::IntoOwned;
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_raft::{Endpoint, KRaftVersionRange, ReplicaKey, SnapshotId, Voter, VoterSet};
use barnabas_records::control::ControlRecord;
use barnabas_types::{LeaderEpoch, Timestamp};

use super::batch::Content;
use super::control;
use super::snapshots::{self, BOOTSTRAP, Frame, ReadSnapshotError, WriteSnapshotError};
use super::store::METADATA_LOG;

/// The level of `kraft.version` that keeps the voters in the log.
const KRAFT_VERSION: u16 = 1;

/// A directory could not be formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// There is a metadata log.
    #[error("{} already holds a metadata log: it was formatted before, and formatting it again would lose the cluster", path.display())]
    Formatted {
        /// Where.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteSnapshotError),
}

/// True when `metadata_log_dir` holds a metadata log.
///
/// # Errors
/// The directory cannot be read.
pub fn is_formatted(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<bool, IoError> {
    match fs.list(&metadata_log_dir.join(METADATA_LOG)) {
        Ok(entries) => Ok(!entries.is_empty()),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// True when `metadata_log_dir` holds what a new cluster starts from.
#[must_use]
pub fn has_bootstrap(fs: &dyn Fs, metadata_log_dir: &Path) -> bool {
    fs.open(&metadata_log_dir.join(BOOTSTRAP), OpenMode::Read).is_ok()
}

/// True when the metadata log in `metadata_log_dir` holds more than formatting puts there: somebody has lived in it.
///
/// # Errors
/// The directory cannot be read.
pub fn holds_more_than_format(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<bool, IoError> {
    let first = format!("{}.checkpoint", SnapshotId::default());
    let is_first = |name: &str| name.strip_suffix(".part").unwrap_or(name) == first;
    match fs.list(&metadata_log_dir.join(METADATA_LOG)) {
        Ok(entries) => Ok(entries.iter().any(|entry| !is_first(&entry.name))),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Formats `metadata_log_dir` for a quorum whose only voter is `key`. The directory exists and has its `meta.properties`.
///
/// # Errors
/// There is a metadata log already, or a file cannot be written. Safe to repeat after a failure: the snapshot that counts as
/// formatted is written last.
pub fn format(
    fs: &dyn Fs,
    metadata_log_dir: &Path,
    key: ReplicaKey,
    endpoints: Vec<Endpoint>,
    now: Timestamp,
) -> Result<(), FormatError> {
    let voter = Voter { key, endpoints, kraft_version: KRaftVersionRange { min: 0, max: 1 } };
    format_voters(fs, metadata_log_dir, &VoterSet(vec![voter]), now)
}

/// As [`format`], for a replica of a quorum with these first voters; without any, for one that learns of them: from a quorum that
/// there is, or from its configuration.
///
/// # Errors
/// As [`format`].
pub fn format_voters(
    fs: &dyn Fs,
    metadata_log_dir: &Path,
    voters: &VoterSet,
    now: Timestamp,
) -> Result<(), FormatError> {
    if is_formatted(fs, metadata_log_dir)? {
        return Err(FormatError::Formatted { path: metadata_log_dir.to_path_buf() });
    }
    write_bootstrap(fs, metadata_log_dir, MAX_METADATA_VERSION, bootstrap_records(), now)?;
    if voters.0.is_empty() {
        return Ok(());
    }
    write_first_snapshot(fs, metadata_log_dir, KRAFT_VERSION, voters, now)
}

/// Writes what a new cluster starts from at `metadata_version`. What was there is replaced.
///
/// # Errors
/// The disk failed, or a record cannot be said at that level.
pub fn write_bootstrap(
    fs: &dyn Fs,
    directory: &Path,
    metadata_version: i16,
    records: Vec<MetadataRecord<'_>>,
    now: Timestamp,
) -> Result<(), FormatError> {
    let frame = Frame {
        epoch: LeaderEpoch(0),
        now,
        last_contained_log_timestamp: Timestamp(0),
        control: Vec::new(),
        metadata_version,
    };
    Ok(snapshots::write(fs, &directory.join(BOOTSTRAP), &frame, records.into_iter())?)
}

/// Writes the snapshot that a metadata log begins with where its first voters stand in it. What was there is replaced.
///
/// # Errors
/// The disk failed.
pub fn write_first_snapshot(
    fs: &dyn Fs,
    metadata_log_dir: &Path,
    kraft_version: u16,
    voters: &VoterSet,
    now: Timestamp,
) -> Result<(), FormatError> {
    let directory = metadata_log_dir.join(METADATA_LOG);
    fs.create_directory(&directory)?;
    fs.sync_directory(metadata_log_dir)?;
    let kraft_version = i16::try_from(kraft_version).unwrap_or(i16::MAX);
    let frame = Frame {
        epoch: LeaderEpoch(0),
        now,
        // Kafka's time of formatting, as it says.
        last_contained_log_timestamp: now,
        control: vec![ControlRecord::KRaftVersion { kraft_version }, control::voters_to_log(voters)],
        metadata_version: MAX_METADATA_VERSION,
    };
    let path = snapshots::path(&directory, SnapshotId::default());
    Ok(snapshots::write(fs, &path, &frame, std::iter::empty())?)
}

/// The level of `kraft.version` and the voters that the metadata log begins with; None where formatting named none, or where the log has
/// left its beginning behind.
///
/// # Errors
/// The snapshot is damaged.
pub fn read_first_snapshot(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<Option<(u16, VoterSet)>, ReadSnapshotError> {
    let path = snapshots::path(&metadata_log_dir.join(METADATA_LOG), SnapshotId::default());
    match snapshots::read_held(fs, &path) {
        Err(ReadSnapshotError::Io(error)) if error.is_not_found() => Ok(None),
        held => held.map(|held| held.voters.map(|voters| (held.kraft_version, voters))),
    }
}

/// The records that a new cluster starts from.
///
/// # Errors
/// The file is missing or damaged.
pub fn read_bootstrap(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<Vec<MetadataRecord<'static>>, ReadSnapshotError> {
    let mut records = Vec::new();
    snapshots::read::<ReadSnapshotError>(fs, &metadata_log_dir.join(BOOTSTRAP), &mut |entry| {
        if let Content::Metadata(record) = entry.content {
            records.push(record.into_owned());
        }
        Ok(())
    })?;
    Ok(records)
}

//! Formats the metadata log of a new cluster: `bootstrap.checkpoint` with the feature levels, and the first snapshot, which
//! names the first voters. Never touches a directory that holds a metadata log.

use std::path::{Path, PathBuf};

use barnabas_log::fs::{Fs, IoError};
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
const KRAFT_VERSION: i16 = 1;

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

/// As [`format`], for a replica of a quorum with these first voters; without any, for one that joins a quorum that there is.
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
    let bare = Frame {
        epoch: LeaderEpoch(0),
        now,
        last_contained_log_timestamp: Timestamp(0),
        control: Vec::new(),
        metadata_version: MAX_METADATA_VERSION,
    };
    snapshots::write(fs, &metadata_log_dir.join(BOOTSTRAP), &bare, bootstrap_records().into_iter())?;
    let directory = metadata_log_dir.join(METADATA_LOG);
    fs.create_directory(&directory)?;
    fs.sync_directory(metadata_log_dir)?;
    let mut control = vec![ControlRecord::KRaftVersion { kraft_version: KRAFT_VERSION }];
    if !voters.0.is_empty() {
        control.push(control::voters_to_log(voters));
    }
    let path = snapshots::path(&directory, SnapshotId::default());
    Ok(snapshots::write(fs, &path, &Frame { control, ..bare }, std::iter::empty())?)
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

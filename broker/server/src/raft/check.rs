//! Looks at a metadata log before anything of it is touched: whether this release serves all that it holds. Reads only, so that what
//! is refused stays as it was for the release that wrote it. Damage is not judged here but where the log is opened.

use std::path::{Path, PathBuf};

use barnabas_log::fs::{Fs, IoError, OpenMode};
use barnabas_metadata::{FeatureRange, Image, KRAFT_VERSION, ReplayError};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_raft::VoterSet;
use barnabas_records::BatchView;
use barnabas_records::control::ControlRecord;
use barnabas_types::Offset;

use super::batch::{self, Content, DecodeBatchError, Entry};
use super::control;
use super::snapshots::{self, BOOTSTRAP, ReadSnapshotError};
use super::store::METADATA_LOG;

const SEGMENT_SUFFIX: &str = ".log";

/// A metadata log that this release must not open.
#[derive(Debug, thiserror::Error)]
pub enum UnservedMetadata {
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A record that would not be understood.
    #[error("{}, record at offset {offset}: {reason}. Nothing was changed", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: Offset,
        /// Why.
        reason: ReplayError,
    },
    /// A record that cannot be read.
    #[error("{}: {reason}. Nothing was changed", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: DecodeBatchError,
    },
    /// A level that this release cannot run at.
    #[error(
        "{} has {feature} at level {level}, and this release serves {min} to {max} (0: not at all): set another level with the release \
         that wrote it (kafka-features), or start that release. Nothing was changed",
        path.display()
    )]
    Feature {
        /// The directory.
        path: PathBuf,
        /// The feature.
        feature: String,
        /// Its finalised level.
        level: i16,
        /// The lowest level served.
        min: i16,
        /// The highest level served.
        max: i16,
    },
}

/// Checks the metadata log in `metadata_log_dir`, if there is one, against what is `served`.
///
/// # Errors
/// It holds something that is not, or the disk failed.
pub fn check(fs: &dyn Fs, metadata_log_dir: &Path, served: &[FeatureRange]) -> Result<(), UnservedMetadata> {
    let directory = metadata_log_dir.join(METADATA_LOG);
    let mut look = Look::new(&directory);
    if !look.at_log(fs, &directory)? {
        return Ok(());
    }
    let bootstrap = metadata_log_dir.join(BOOTSTRAP);
    if look.image.features.metadata_version() == 0 {
        look.from = Offset(0);
        look.snapshot(fs, &bootstrap)?;
    }
    look.features(served)
}

/// Every set of voters that the metadata log in `metadata_log_dir` names, from the newest snapshot on: the last is in force.
///
/// # Errors
/// The disk failed, or a record cannot be understood.
pub fn voter_sets(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<Vec<VoterSet>, UnservedMetadata> {
    let directory = metadata_log_dir.join(METADATA_LOG);
    let mut look = Look::new(&directory);
    look.at_log(fs, &directory)?;
    Ok(look.voters)
}

fn base_offset(name: &str) -> Option<(Offset, String)> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX).filter(|digits| digits.len() == 20)?;
    Some((Offset(digits.parse().ok()?), name.to_owned()))
}

/// What was seen so far.
struct Look {
    path: PathBuf,
    /// Only what does not hang on topics.
    image: Image,
    kraft_version: i16,
    /// In the order of their records.
    voters: Vec<VoterSet>,
    /// Records before it are in a snapshot.
    from: Offset,
}

impl Look {
    fn new(directory: &Path) -> Self {
        Self {
            path: directory.to_path_buf(),
            image: Image::default(),
            kraft_version: 0,
            voters: Vec::new(),
            from: Offset(0),
        }
    }

    /// Looks at the newest snapshot and the log after it. False when there is no log.
    fn at_log(&mut self, fs: &dyn Fs, directory: &Path) -> Result<bool, UnservedMetadata> {
        let (snapshots, segments) = match fs.list(directory) {
            Ok(entries) => {
                let names = || entries.iter().map(|entry| entry.name.as_str());
                let mut snapshots: Vec<_> = names().filter_map(snapshots::parse_name).collect();
                let mut segments: Vec<_> = names().filter_map(base_offset).collect();
                snapshots.sort_unstable();
                segments.sort_unstable();
                (snapshots, segments)
            }
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if let Some(newest) = snapshots.last() {
            self.snapshot(fs, &snapshots::path(directory, *newest))?;
            self.from = newest.end_offset;
        }
        for (index, (_, name)) in segments.iter().enumerate() {
            let end = segments.get(index + 1).map(|(base_offset, _)| *base_offset);
            if end.is_none_or(|end| end > self.from) {
                self.segment(fs, &directory.join(name))?;
            }
        }
        Ok(true)
    }

    fn take(&mut self, path: &Path, entry: Entry<'_>) -> Result<(), UnservedMetadata> {
        match entry.content {
            // Most of a log, and nothing in them is of a feature.
            Content::Metadata(
                MetadataRecord::Topic(_)
                | MetadataRecord::Partition(_)
                | MetadataRecord::PartitionChange(_)
                | MetadataRecord::RemoveTopic(_),
            ) => Ok(()),
            Content::Metadata(record) => match self.image.replay(&record) {
                Err(reason @ ReplayError::UnknownValue { .. }) => {
                    Err(UnservedMetadata::Record { path: path.to_path_buf(), offset: entry.offset, reason })
                }
                _ => Ok(()),
            },
            Content::Control(ControlRecord::KRaftVersion { kraft_version }) => {
                self.kraft_version = kraft_version;
                Ok(())
            }
            Content::Control(ControlRecord::Voters(voters)) => {
                self.voters.push(control::voter_set(&voters));
                Ok(())
            }
            Content::Control(_) => Ok(()),
        }
    }

    fn snapshot(&mut self, fs: &dyn Fs, path: &Path) -> Result<(), UnservedMetadata> {
        match snapshots::read(fs, path, &mut |entry| self.take(path, entry).map_err(Stop::Unserved)) {
            Err(Stop::Unserved(error)) => Err(error),
            Err(Stop::Damaged(ReadSnapshotError::Batch {
                source: reason @ DecodeBatchError::Metadata { .. }, ..
            })) => Err(UnservedMetadata::Unreadable { path: path.to_path_buf(), reason }),
            Ok(()) | Err(Stop::Damaged(_) | Stop::Batch(_)) => Ok(()),
        }
    }

    /// Looks at a segment up to the first bytes that are no batch.
    fn segment(&mut self, fs: &dyn Fs, path: &Path) -> Result<(), UnservedMetadata> {
        let file = fs.open(path, OpenMode::Read)?;
        let (mut position, length) = (0, file.length()?);
        let from = self.from;
        while position < length {
            let Ok(bytes) = snapshots::read_batch(&*file, position, length - position) else { return Ok(()) };
            let Ok(batch) = BatchView::parse(&bytes) else { return Ok(()) };
            let visited = batch::for_each(&batch, &mut |entry| match entry.offset < from {
                true => Ok(()),
                false => self.take(path, entry).map_err(Stop::Unserved),
            });
            match visited {
                Ok(()) => position += bytes.len() as u64,
                Err(Stop::Unserved(error)) => return Err(error),
                Err(Stop::Batch(reason @ DecodeBatchError::Metadata { .. })) => {
                    return Err(UnservedMetadata::Unreadable { path: path.to_path_buf(), reason });
                }
                Err(Stop::Batch(_) | Stop::Damaged(_)) => return Ok(()),
            }
        }
        Ok(())
    }

    fn features(&self, served: &[FeatureRange]) -> Result<(), UnservedMetadata> {
        for (feature, level) in self.image.features.iter().chain([(KRAFT_VERSION, self.kraft_version)]) {
            let range = served.iter().find(|range| *range.name == *feature);
            let (min, max) = range.map_or((0, 0), |range| (range.min, range.max));
            if level < min || level > max {
                let (path, feature) = (self.path.clone(), feature.to_owned());
                return Err(UnservedMetadata::Feature { path, feature, level, min, max });
            }
        }
        Ok(())
    }
}

/// Why a walk ends early.
enum Stop {
    Unserved(UnservedMetadata),
    Damaged(ReadSnapshotError),
    Batch(DecodeBatchError),
}

impl From<ReadSnapshotError> for Stop {
    fn from(error: ReadSnapshotError) -> Self {
        Self::Damaged(error)
    }
}

impl From<DecodeBatchError> for Stop {
    fn from(error: DecodeBatchError) -> Self {
        Self::Batch(error)
    }
}

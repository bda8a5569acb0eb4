//! The one way to the disk: traits for files and directories, so that every failure a disk can show can be played in a test.
//! Knows nothing of logs, keeps no cache of contents, and never maps a file into memory.

mod atomic;
mod disk;
#[cfg(any(test, feature = "faulty"))]
mod faulty;
mod real;
mod volume;

use std::fmt;
use std::io;
use std::io::IoSlice;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_types::Timestamp;

pub(crate) use atomic::TEMPORARY_SUFFIX;
pub use atomic::{read_bounded, replace};
pub use disk::Disk;
#[cfg(any(test, feature = "faulty"))]
pub use faulty::{Failure, Fault, FaultyFs};
pub use real::RealFs;

/// What was being done when the disk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Opening or creating a file.
    Open,
    /// Reading a file's bytes.
    Read,
    /// Writing a file's bytes.
    Write,
    /// Cutting or extending a file.
    SetLength,
    /// Making a file's bytes, or a directory's names, survive a power cut.
    Sync,
    /// Asking for a file's length or age.
    Stat,
    /// Giving a file or directory another name.
    Rename,
    /// Removing a file or directory.
    Remove,
    /// Making a directory.
    CreateDirectory,
    /// Listing a directory.
    List,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::SetLength => "set the length of",
            Self::Sync => "sync",
            Self::Stat => "stat",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::CreateDirectory => "create directory",
            Self::List => "list directory",
        })
    }
}

/// A failure of the disk: what was done, to which path, and what the operating system said.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}{}", path.display(), advice(source))]
pub struct IoError {
    /// What was being done.
    pub operation: Operation,
    /// To which file or directory.
    pub path: PathBuf,
    /// What the operating system answered.
    pub source: io::Error,
}

impl IoError {
    /// Puts operation and path to an error of the operating system.
    pub fn new(operation: Operation, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { operation, path: path.into(), source }
    }

    /// True when the file or directory does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// True when the volume or the quota is full: it may work again once space is freed.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free space on this volume or enlarge it",
        io::ErrorKind::PermissionDenied => "; the broker's user must own the log directory",
        io::ErrorKind::ReadOnlyFilesystem => "; mount the volume writable",
        _ => "",
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// A file to read and write, created when it is missing.
    Create,
    /// An empty file to read and write: what it held before is gone.
    Truncate,
}

/// An open file. Positions and lengths are bytes from its start; nothing here moves a cursor, so calls may run side by side.
pub trait File: fmt::Debug + Send + Sync {
    /// The path it was opened under.
    fn path(&self) -> &Path;
    /// Its length in bytes.
    fn length(&self) -> Result<u64, IoError>;
    /// Reads up to `buffer.len()` bytes at `position`; 0 means the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, IoError>;
    /// Writes some of `pieces`, in order, at `position`, and returns how many bytes; may be fewer than given.
    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> Result<usize, IoError>;
    /// Cuts or extends (with zeros) to `length` bytes.
    fn set_length(&self, length: u64) -> Result<(), IoError>;
    /// Extends with zeros to `length` bytes that have their place on the disk, so that writing them cannot fail for want of it. Where
    /// the file system cannot promise that, it extends all the same. On an error some of it may have been done.
    fn allocate(&self, length: u64) -> Result<(), IoError>;
    /// Returns once the bytes and the length survive a power cut.
    fn sync(&self) -> Result<(), IoError>;
    /// Lets go of what memory holds of `length` bytes (none: all) from `position` on, except what is still to be written: what is
    /// read next comes from the disk. A hint.
    fn forget_cached(&self, position: u64, length: Option<NonZeroU64>);
    /// The file itself, for whoever sends regions of it to a socket without reading them.
    fn handle(&self) -> &Arc<std::fs::File>;
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The name, without the directory. Names that are not UTF-8 are not Kafka's and are left out of listings.
    pub name: String,
    /// True for a directory.
    pub is_directory: bool,
    /// Bytes of a file; 0 for a directory.
    pub length: u64,
    /// When a file was last written; none for a directory.
    pub modified: Timestamp,
}

/// How large the file system of a directory is, and how much of that may still be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All bytes.
    pub total_bytes: u64,
    /// Bytes that this process may still write, which leaves out what is kept for the super-user.
    pub usable_bytes: u64,
}

/// A mounted file system.
pub trait Volume: fmt::Debug + Send + Sync {
    /// Returns once all that was written to any of its files, and all names given in it, survive a power cut.
    ///
    /// # Errors
    /// Any write since the last call has failed; which file's is not said, and not said again.
    fn sync(&self) -> Result<(), IoError>;
    /// True when `file` is on it. A directory of a log may be a link to elsewhere.
    fn holds(&self, file: &dyn File) -> bool;
}

/// Directories and the files in them.
pub trait Fs: fmt::Debug + Send + Sync {
    /// Opens the file at `path`.
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>, IoError>;
    /// The entries of directory `path`, sorted by name.
    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, IoError>;
    /// Makes directory `path` and those above it; succeeds when it exists.
    fn create_directory(&self, path: &Path) -> Result<(), IoError>;
    /// Gives `from` the name `to`, replacing a file of that name. Survives a power cut only after [`Fs::sync_directory`].
    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError>;
    /// Removes a file; succeeds when it is not there.
    fn remove_file(&self, path: &Path) -> Result<(), IoError>;
    /// Removes a directory and all in it; succeeds when it is not there.
    fn remove_directory(&self, path: &Path) -> Result<(), IoError>;
    /// Returns once creations, renames and removals in directory `path` survive a power cut.
    fn sync_directory(&self, path: &Path) -> Result<(), IoError>;
    /// The volume that directory `path` is on; none where the system does not tell of every write that failed.
    fn volume(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>, IoError>;
    /// When the file or directory `path` was last changed, in nanoseconds since 1970; none where there is none, or the system does not tell.
    fn modified_ns(&self, path: &Path) -> Result<Option<i64>, IoError>;
    /// The room on the file system that directory `path` is on. Quotas do not show in it.
    fn space(&self, path: &Path) -> Result<Space, IoError>;
}

/// Fills `buffer` from `position`, or fails with `UnexpectedEof` when the file ends first.
pub fn read_exact_at(file: &dyn File, buffer: &mut [u8], position: u64) -> Result<(), IoError> {
    let wanted = buffer.len();
    if read_up_to(file, buffer, position)? == wanted {
        return Ok(());
    }
    Err(IoError::new(Operation::Read, file.path(), io::ErrorKind::UnexpectedEof.into()))
}

/// Reads until `buffer` is full or the file ends; returns how many bytes were read.
pub fn read_up_to(file: &dyn File, buffer: &mut [u8], position: u64) -> Result<usize, IoError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Writes all of `pieces` at `position`, however often the system takes only a part. Leaves `pieces` advanced.
pub fn write_all_at(file: &dyn File, mut pieces: &mut [IoSlice<'_>], mut position: u64) -> Result<(), IoError> {
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        let written = file.write_at(pieces, position)?;
        if written == 0 {
            return Err(IoError::new(Operation::Write, file.path(), io::ErrorKind::WriteZero.into()));
        }
        position += written as u64;
        IoSlice::advance_slices(&mut pieces, written);
    }
    Ok(())
}

#[cfg(test)]
mod tests;

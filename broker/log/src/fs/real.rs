//! The operating system's files. Adds nothing but the path to each error; retries interrupted calls, and only those.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_types::Timestamp;
use rustix::fs::{Advice, AtFlags, FallocateFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::volume::volume_of;
use super::{DirectoryEntry, File, Fs, IoError, OpenMode, Operation, Space, Volume};

/// At most this many pieces go into one system call (Linux allows 1024).
const PIECES_PER_CALL: usize = 1024;
/// How much of a directory's list is read at a time, in bytes.
const LISTED_BYTES: usize = 16 * 1024;

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

#[derive(Debug)]
struct RealFile {
    path: PathBuf,
    file: Arc<fs::File>,
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// As `std::fs::read_dir`, with fewer system calls for each of very many small directories.
fn list(path: &Path) -> io::Result<Vec<DirectoryEntry>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
    let mut buffer = [MaybeUninit::uninit(); LISTED_BYTES];
    let mut listing = RawDir::new(&directory, &mut buffer);
    let mut entries = Vec::new();
    while let Some(entry) = listing.next() {
        let entry = entry?;
        match entry.file_name().to_str() {
            Ok(name) if name != "." && name != ".." => entries.extend(look_at(&directory, name, entry.file_type())?),
            _ => {}
        }
    }
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(entries)
}

/// The entry called `name`, whose kind the listing says; none when it was removed meanwhile.
fn look_at(directory: &OwnedFd, name: &str, kind: FileType) -> io::Result<Option<DirectoryEntry>> {
    let entry =
        |is_directory, length, modified| DirectoryEntry { name: name.to_owned(), is_directory, length, modified };
    if kind == FileType::Directory {
        // A hundred thousand of them need not be asked.
        return Ok(Some(entry(true, 0, Timestamp::NONE)));
    }
    let found = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Not every file system says of what kind its entries are.
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Ok(Some(entry(true, 0, Timestamp::NONE)));
    }
    let milliseconds = i64::try_from(found.st_mtime_nsec / 1_000_000).unwrap_or(0);
    let modified = found.st_mtime.saturating_mul(1000).saturating_add(milliseconds);
    Ok(Some(entry(false, u64::try_from(found.st_size).unwrap_or(0), Timestamp(modified.max(Timestamp::NONE.0)))))
}

impl RealFile {
    fn context<T>(&self, operation: Operation, result: io::Result<T>) -> Result<T, IoError> {
        result.map_err(|source| IoError::new(operation, &self.path, source))
    }
}

impl File for RealFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn length(&self) -> Result<u64, IoError> {
        self.context(Operation::Stat, self.file.metadata().map(|metadata| metadata.len()))
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, IoError> {
        self.context(Operation::Read, retry(|| self.file.read_at(buffer, position)))
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> Result<usize, IoError> {
        let pieces = pieces.get(..PIECES_PER_CALL).unwrap_or(pieces);
        let written = retry(|| rustix::io::pwritev(&*self.file, pieces, position).map_err(io::Error::from));
        self.context(Operation::Write, written)
    }

    fn set_length(&self, length: u64) -> Result<(), IoError> {
        self.context(Operation::SetLength, retry(|| self.file.set_len(length)))
    }

    fn allocate(&self, length: u64) -> Result<(), IoError> {
        let allocate = || rustix::fs::fallocate(&*self.file, FallocateFlags::empty(), 0, length);
        let allocated = match rustix::io::retry_on_intr(allocate) {
            // Not every file system can; a file with holes is what Kafka makes anywhere.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.file.metadata().and_then(|metadata| {
                if metadata.len() < length { retry(|| self.file.set_len(length)) } else { Ok(()) }
            }),
            allocated => allocated.map_err(io::Error::from),
        };
        self.context(Operation::SetLength, allocated)
    }

    fn sync(&self) -> Result<(), IoError> {
        self.context(Operation::Sync, retry(|| self.file.sync_data()))
    }

    fn forget_cached(&self, position: u64, length: Option<NonZeroU64>) {
        // Best effort: where the system does not, recovery believes its memory as it did before.
        _ = rustix::fs::fadvise(&*self.file, position, length, Advice::DontNeed);
    }

    fn handle(&self) -> &Arc<fs::File> {
        &self.file
    }
}

impl Fs for RealFs {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>, IoError> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => _ = options.write(true),
            OpenMode::Create => _ = options.write(true).create(true).truncate(false),
            OpenMode::Truncate => _ = options.write(true).create(true).truncate(true),
        }
        let file =
            retry(|| options.open(path)).map_err(|source| IoError::new(Operation::Open, path.to_path_buf(), source))?;
        Ok(Arc::new(RealFile { path: path.to_path_buf(), file: Arc::new(file) }))
    }

    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, IoError> {
        list(path).map_err(|source| IoError::new(Operation::List, path, source))
    }

    fn create_directory(&self, path: &Path) -> Result<(), IoError> {
        fs::create_dir_all(path).map_err(|source| IoError::new(Operation::CreateDirectory, path, source))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        fs::rename(from, to).map_err(|source| IoError::new(Operation::Rename, from, source))
    }

    fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        absent_is_fine(fs::remove_file(path)).map_err(|source| IoError::new(Operation::Remove, path, source))
    }

    fn remove_directory(&self, path: &Path) -> Result<(), IoError> {
        absent_is_fine(fs::remove_dir_all(path)).map_err(|source| IoError::new(Operation::Remove, path, source))
    }

    fn sync_directory(&self, path: &Path) -> Result<(), IoError> {
        fs::File::open(path)
            .and_then(|directory| retry(|| directory.sync_all()))
            .map_err(|source| IoError::new(Operation::Sync, path, source))
    }

    fn volume(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>, IoError> {
        volume_of(path)
    }

    fn modified_ns(&self, path: &Path) -> Result<Option<i64>, IoError> {
        let found = rustix::io::retry_on_intr(|| rustix::fs::stat(path));
        let found = match found {
            Err(Errno::NOENT) => return Ok(None),
            found => found.map_err(|error| IoError::new(Operation::Stat, path, error.into()))?,
        };
        let seconds_ns = found.st_mtime.checked_mul(1_000_000_000);
        Ok(seconds_ns.and_then(|seconds| seconds.checked_add(i64::try_from(found.st_mtime_nsec).ok()?)))
    }

    fn space(&self, path: &Path) -> Result<Space, IoError> {
        let found = rustix::io::retry_on_intr(|| rustix::fs::statvfs(path));
        let found = found.map_err(|error| IoError::new(Operation::Stat, path, error.into()))?;
        Ok(Space {
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            usable_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }
}

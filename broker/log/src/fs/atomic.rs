//! Small files read and replaced whole, so that a power cut leaves the old contents or the new, never a mixture.
//! Not for files that grow.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::{Fs, IoError, OpenMode, Operation, read_exact_at, write_all_at};

/// What the half-written successor of a file is called. A leftover is of no use to anybody.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Replaces the contents of `path` by `contents`; they survive a power cut when this returns.
pub fn replace(fs: &dyn Fs, path: &Path, contents: &[u8]) -> Result<(), IoError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY_SUFFIX);
    let temporary = PathBuf::from(temporary);
    let file = fs.open(&temporary, OpenMode::Truncate)?;
    write_all_at(&*file, &mut [IoSlice::new(contents)], 0)?;
    file.sync()?;
    fs.rename(&temporary, path)?;
    match path.parent() {
        Some(directory) => fs.sync_directory(directory),
        None => Ok(()),
    }
}

/// The contents of `path`, or none when there is no such file. A file of more than `limit` bytes is refused unread.
pub fn read_bounded(fs: &dyn Fs, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, IoError> {
    let file = match fs.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.length()?;
    let Some(length) = usize::try_from(length).ok().filter(|_| length <= limit) else {
        return Err(IoError::new(Operation::Read, path, io::ErrorKind::FileTooLarge.into()));
    };
    let mut contents = vec![0; length];
    read_exact_at(&*file, &mut contents, 0)?;
    Ok(Some(contents))
}

//! The batches' file of a segment that is appended to. It is open as long as the disk has room for open files: a broker has more
//! partitions than a process may have files open, and most of them rest. Keeps no contents.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use crate::files;
use crate::fs::{Disk, File, IoError, OpenMode};

/// A file that is opened again when it is needed.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    /// Under which the disk keeps the segment's files open.
    pub(crate) owner: u64,
    open: Option<Weak<dyn File>>,
    /// A file that may never become a log's: the disk must not keep it open when it is given up.
    own: Option<Arc<dyn File>>,
}

impl SegmentFile {
    /// A file that is there, opened when somebody needs it.
    pub(crate) fn at_rest(disk: &Disk) -> Self {
        Self { owner: disk.new_owner(), open: None, own: None }
    }

    /// An empty file at `path`; what it held before is gone.
    pub(crate) fn create(disk: &Disk, path: &Path) -> Result<Self, IoError> {
        let owner = disk.new_owner();
        let file = disk.create(owner, files::LOG, path)?;
        Ok(Self { owner, open: Some(Arc::downgrade(&file)), own: None })
    }

    /// As [`SegmentFile::create`], but open for as long as this is there and no longer.
    pub(crate) fn create_apart(disk: &Disk, path: &Path) -> Result<Self, IoError> {
        let file = disk.fs().open(path, OpenMode::Truncate)?;
        Ok(Self { owner: disk.new_owner(), open: None, own: Some(file) })
    }

    /// The file, open; `path` is where it lies, `size` what was written to it. A power cut may have taken the name of one to which nothing was.
    pub(crate) fn open(
        &self,
        disk: &Disk,
        size: u64,
        path: impl FnOnce() -> PathBuf,
    ) -> Result<Arc<dyn File>, IoError> {
        let mode = if size == 0 { OpenMode::Create } else { OpenMode::Write };
        match self.opened() {
            Some(file) => Ok(file),
            None => disk.writer(self.owner, files::LOG, &path(), mode),
        }
    }

    /// As [`SegmentFile::open`], and remembers it, so that the next append need not look for it.
    pub(crate) fn keep_open(
        &mut self,
        disk: &Disk,
        size: u64,
        path: impl FnOnce() -> PathBuf,
    ) -> Result<Arc<dyn File>, IoError> {
        if let Some(file) = self.opened() {
            return Ok(file);
        }
        let file = self.open(disk, size, path)?;
        self.open = Some(Arc::downgrade(&file));
        Ok(file)
    }

    /// The file, if it is open.
    pub(crate) fn opened(&self) -> Option<Arc<dyn File>> {
        self.own.clone().or_else(|| self.open.as_ref().and_then(Weak::upgrade))
    }
}

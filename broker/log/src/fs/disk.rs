//! A file system together with the files kept open, so that a broker with more segments than the process may have files open still
//! serves all of them. Holds no contents; a file handed out stays open for as long as its holder wants it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, Fs, IoError, OpenMode};
use crate::files;

/// Shared by all the logs of a broker.
#[derive(Debug)]
pub struct Disk {
    fs: Arc<dyn Fs>,
    capacity: usize,
    open: Mutex<OpenFiles>,
    owners: AtomicU64,
}

/// Whose file it is, and which of theirs. Not its path: under one path different files may lie one after the other.
type Key = (u64, &'static str);

#[derive(Debug, Default)]
struct OpenFiles {
    by_key: HashMap<Key, (Arc<dyn File>, u64)>,
    uses: u64,
}

impl Disk {
    /// `capacity` is how many files stay open while nobody uses them; at least 1.
    #[must_use]
    pub fn new(fs: Arc<dyn Fs>, capacity: usize) -> Self {
        Self { fs, capacity: capacity.max(1), open: Mutex::default(), owners: AtomicU64::new(0) }
    }

    /// The file system below.
    #[must_use]
    pub fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    fn lock(&self) -> MutexGuard<'_, OpenFiles> {
        // The map is consistent between any two statements, so that a panic elsewhere leaves nothing half done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for somebody who will use files, never given twice.
    #[must_use]
    pub fn new_owner(&self) -> u64 {
        self.owners.fetch_add(1, Ordering::Relaxed)
    }

    /// The file called `name` of `owner`, open for reading; opened at `path` unless it was used lately.
    pub fn reader(&self, owner: u64, name: &'static str, path: &Path) -> Result<Arc<dyn File>, IoError> {
        self.file((owner, name), path, OpenMode::Read)
    }

    /// As [`Disk::reader`], but for whoever writes, too: the only one that opens this file as long as it writes. One that is missing is made
    /// where `mode` says so.
    pub fn writer(
        &self,
        owner: u64,
        name: &'static str,
        path: &Path,
        mode: OpenMode,
    ) -> Result<Arc<dyn File>, IoError> {
        self.file((owner, name), path, mode)
    }

    fn file(&self, key: Key, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>, IoError> {
        {
            let mut open = self.lock();
            open.uses += 1;
            let now = open.uses;
            if let Some((file, used)) = open.by_key.get_mut(&key) {
                *used = now;
                return Ok(Arc::clone(file));
            }
        }
        let file = self.fs.open(path, mode)?;
        self.remember(key, &file);
        Ok(file)
    }

    /// Makes the empty file called `name` of `owner` at `path`.
    pub fn create(&self, owner: u64, name: &'static str, path: &Path) -> Result<Arc<dyn File>, IoError> {
        let file = self.fs.open(path, OpenMode::Truncate)?;
        self.remember((owner, name), &file);
        Ok(file)
    }

    fn remember(&self, key: Key, file: &Arc<dyn File>) {
        let mut open = self.lock();
        if open.by_key.len() >= self.capacity {
            // An eighth at a time: finding the oldest costs one pass, which this many insertions then share.
            let mut ages: Vec<u64> = open.by_key.values().map(|(_, used)| *used).collect();
            let victims = self.capacity.div_ceil(8).min(ages.len());
            let (_, &mut youngest_victim, _) = ages.select_nth_unstable(victims.saturating_sub(1));
            open.by_key.retain(|_, (_, used)| *used > youngest_victim);
        }
        let now = open.uses;
        open.by_key.insert(key, (Arc::clone(file), now));
    }

    /// Forgets the files of `owner`, which nobody needs any more.
    pub fn forget(&self, owner: u64) {
        let mut open = self.lock();
        for name in [files::LOG, files::INDEX, files::TIME_INDEX, files::TRANSACTION_INDEX] {
            open.by_key.remove(&(owner, name));
        }
    }

    /// How many files are kept open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.lock().by_key.len()
    }
}

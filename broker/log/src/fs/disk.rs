//! A file system together with the files kept open for reading, so that a broker with more segments than the process may have
//! files open still serves all of them. Holds no contents; a file handed out stays open for as long as its holder wants it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, Fs, IoError, OpenMode};

/// Shared by all the logs of a broker.
#[derive(Debug)]
pub struct Disk {
    fs: Arc<dyn Fs>,
    capacity: usize,
    open: Mutex<OpenFiles>,
}

#[derive(Debug, Default)]
struct OpenFiles {
    by_path: HashMap<PathBuf, (Arc<dyn File>, u64)>,
    uses: u64,
}

impl Disk {
    /// `capacity` is how many files stay open for reading while nobody reads them; at least 1.
    #[must_use]
    pub fn new(fs: Arc<dyn Fs>, capacity: usize) -> Self {
        Self { fs, capacity: capacity.max(1), open: Mutex::default() }
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

    /// The file at `path`, open for reading; from memory when it was used lately.
    pub fn reader(&self, path: &Path) -> Result<Arc<dyn File>, IoError> {
        {
            let mut open = self.lock();
            open.uses += 1;
            let now = open.uses;
            if let Some((file, used)) = open.by_path.get_mut(path) {
                *used = now;
                return Ok(Arc::clone(file));
            }
        }
        let file = self.fs.open(path, OpenMode::Read)?;
        self.remember(path, &file);
        Ok(file)
    }

    fn remember(&self, path: &Path, file: &Arc<dyn File>) {
        let mut open = self.lock();
        if open.by_path.len() >= self.capacity {
            // An eighth at a time: finding the oldest costs one pass, which this many insertions then share.
            let mut ages: Vec<u64> = open.by_path.values().map(|(_, used)| *used).collect();
            let victims = self.capacity.div_ceil(8).min(ages.len());
            let (_, &mut youngest_victim, _) = ages.select_nth_unstable(victims.saturating_sub(1));
            open.by_path.retain(|_, (_, used)| *used > youngest_victim);
        }
        let now = open.uses;
        open.by_path.insert(path.to_path_buf(), (Arc::clone(file), now));
    }

    /// Forgets the file at `path`, which is about to be renamed, replaced or removed.
    pub fn forget(&self, path: &Path) {
        self.lock().by_path.remove(path);
    }

    /// How many files are kept open for reading.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.lock().by_path.len()
    }
}

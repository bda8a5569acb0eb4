//! The real file system with failures on demand: an error or a short write at a chosen call, and a power cut that takes away
//! what was never synced. For tests only; it models appended bytes and lengths, not the order of a directory's renames.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{DirectoryEntry, File, Fs, IoError, OpenMode, Operation, RealFs, Space, Volume};

/// One failure to come.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation that fails.
    pub operation: Operation,
    /// It fails only on paths that contain this.
    pub path_contains: &'static str,
    /// How many matching calls succeed first.
    pub after: u32,
    /// The error number the calls then give; none makes a write short: it writes one byte only, with no error.
    pub error_number: Option<i32>,
    /// How many calls fail (`u32::MAX`: all that follow).
    pub times: u32,
}

impl Fault {
    /// `operation` fails with `error_number` from now on, on every path that contains `path_contains`.
    #[must_use]
    pub const fn always(operation: Operation, path_contains: &'static str, error_number: i32) -> Self {
        Self { operation, path_contains, after: 0, error_number: Some(error_number), times: u32::MAX }
    }
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    /// How many leading bytes of each file written here have been synced.
    synced: HashMap<PathBuf, u64>,
    counts: HashMap<Operation, u64>,
    /// The room to tell of, where it is not the real one.
    space: Option<Space>,
    /// Operations that do not return, on paths that contain this.
    held: Vec<(Operation, &'static str)>,
}

/// [`RealFs`] with [`Fault`]s.
#[derive(Debug, Clone, Default)]
pub struct FaultyFs {
    state: Arc<Mutex<State>>,
    released: Arc<Condvar>,
}

#[derive(Debug)]
struct FaultyVolume {
    path: PathBuf,
    fs: FaultyFs,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn File>,
    fs: FaultyFs,
}

impl FaultyFs {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a failure to come.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// `operation` does not return on paths that contain `path_contains`, until [`FaultyFs::release`].
    pub fn hold(&self, operation: Operation, path_contains: &'static str) {
        self.lock().held.push((operation, path_contains));
    }

    /// Lets go of all that hangs. What was to fail then fails.
    pub fn release(&self) {
        self.lock().held.clear();
        self.released.notify_all();
    }

    /// Takes all failures back: the disk is healthy again.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Tells of `space` from now on, whatever room there is; `None` is the truth again. Writes fail only by a [`Fault`].
    pub fn set_space(&self, space: Option<Space>) {
        self.lock().space = space;
    }

    /// How often `operation` was called.
    #[must_use]
    pub fn count(&self, operation: Operation) -> u64 {
        self.lock().counts.get(&operation).copied().unwrap_or(0)
    }

    /// Takes from every file written through this file system the bytes past its last sync.
    pub fn cut_power(&self) -> io::Result<()> {
        self.cut_power_keeping(|_| 0)
    }

    /// As [`FaultyFs::cut_power`], but of each file's unsynced bytes the first ones survive, as many as `kept` says of how many
    /// there are: a disk may well have written some.
    pub fn cut_power_keeping(&self, mut kept: impl FnMut(u64) -> u64) -> io::Result<()> {
        for (path, synced) in std::mem::take(&mut self.lock().synced) {
            match std::fs::OpenOptions::new().write(true).open(&path) {
                Ok(file) => {
                    let length = file.metadata()?.len();
                    if length > synced {
                        file.set_len((synced + kept(length - synced)).min(length))?;
                    }
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// `Ok(true)` asks for a short write.
    fn check(&self, operation: Operation, path: &Path) -> Result<bool, IoError> {
        let mut state = self.lock();
        *state.counts.entry(operation).or_default() += 1;
        let name = path.to_string_lossy();
        let is_held = |state: &State| state.held.iter().any(|(held, part)| *held == operation && name.contains(part));
        while is_held(&state) {
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        for fault in &mut state.faults {
            if fault.operation != operation || !name.contains(fault.path_contains) || fault.times == 0 {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            fault.times = if fault.times == u32::MAX { u32::MAX } else { fault.times - 1 };
            return match fault.error_number {
                Some(number) => Err(IoError::new(operation, path, io::Error::from_raw_os_error(number))),
                None => Ok(true),
            };
        }
        Ok(false)
    }
}

impl File for FaultyFile {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn length(&self) -> Result<u64, IoError> {
        self.fs.check(Operation::Stat, self.path())?;
        self.inner.length()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, IoError> {
        self.fs.check(Operation::Read, self.path())?;
        self.inner.read_at(buffer, position)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> Result<usize, IoError> {
        let short = self.fs.check(Operation::Write, self.path())?;
        {
            let mut state = self.fs.lock();
            let synced = state.synced.entry(self.path().to_path_buf()).or_insert(position);
            *synced = (*synced).min(position);
        }
        match pieces.iter().find_map(|piece| piece.get(..1)).filter(|_| short) {
            Some(first_byte) => self.inner.write_at(&[IoSlice::new(first_byte)], position),
            None => self.inner.write_at(pieces, position),
        }
    }

    fn set_length(&self, length: u64) -> Result<(), IoError> {
        self.fs.check(Operation::SetLength, self.path())?;
        self.inner.set_length(length)?;
        if let Some(synced) = self.fs.lock().synced.get_mut(self.path()) {
            *synced = (*synced).min(length);
        }
        Ok(())
    }

    fn allocate(&self, length: u64) -> Result<(), IoError> {
        self.fs.check(Operation::SetLength, self.path())?;
        let before = self.inner.length()?;
        self.inner.allocate(length)?;
        self.fs.lock().synced.entry(self.path().to_path_buf()).or_insert(before);
        Ok(())
    }

    fn sync(&self) -> Result<(), IoError> {
        self.fs.check(Operation::Sync, self.path())?;
        let length = self.inner.length()?;
        self.inner.sync()?;
        self.fs.lock().synced.insert(self.path().to_path_buf(), length);
        Ok(())
    }

    fn forget_cached(&self) {
        self.inner.forget_cached();
    }

    fn handle(&self) -> &Arc<std::fs::File> {
        self.inner.handle()
    }
}

impl Fs for FaultyFs {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>, IoError> {
        self.check(Operation::Open, path)?;
        let inner = RealFs.open(path, mode)?;
        if mode == OpenMode::Truncate {
            self.lock().synced.insert(path.to_path_buf(), 0);
        }
        Ok(Arc::new(FaultyFile { inner, fs: self.clone() }))
    }

    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, IoError> {
        self.check(Operation::List, path)?;
        RealFs.list(path)
    }

    fn create_directory(&self, path: &Path) -> Result<(), IoError> {
        self.check(Operation::CreateDirectory, path)?;
        RealFs.create_directory(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        self.check(Operation::Rename, from)?;
        RealFs.rename(from, to)?;
        let mut state = self.lock();
        match state.synced.remove(from) {
            Some(synced) => _ = state.synced.insert(to.to_path_buf(), synced),
            None => _ = state.synced.remove(to),
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        self.check(Operation::Remove, path)?;
        self.lock().synced.remove(path);
        RealFs.remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> Result<(), IoError> {
        self.check(Operation::Remove, path)?;
        self.lock().synced.retain(|file, _| !file.starts_with(path));
        RealFs.remove_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> Result<(), IoError> {
        self.check(Operation::Sync, path)?;
        RealFs.sync_directory(path)
    }

    fn volume(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>, IoError> {
        self.check(Operation::Open, path)?;
        Ok(Some(Arc::new(FaultyVolume { path: path.to_path_buf(), fs: self.clone() })))
    }

    fn space(&self, path: &Path) -> Result<Space, IoError> {
        self.check(Operation::Stat, path)?;
        let told = self.lock().space;
        told.map_or_else(|| RealFs.space(path), Ok)
    }
}

impl Volume for FaultyVolume {
    fn sync(&self) -> Result<(), IoError> {
        self.fs.check(Operation::Sync, &self.path)?;
        for (path, synced) in &mut self.fs.lock().synced {
            match std::fs::metadata(path) {
                Ok(metadata) => *synced = metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(IoError::new(Operation::Stat, path, error)),
            }
        }
        Ok(())
    }

    fn holds(&self, _file: &dyn File) -> bool {
        true
    }
}

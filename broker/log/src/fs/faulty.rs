//! The real file system with failures on demand: an error or a short write at a chosen call, and a power cut that takes away
//! the bytes and the names that were never synced. For tests only; it syncs nothing, since the cuts it plays are its own. Not played: a
//! disk that writes pages of one file out of their order, whole directories that come or go.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
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

/// How a call fails that was chosen by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is done, and this error number is the answer.
    Error(i32),
    /// A read or write moves one byte only, without an error; any other call succeeds.
    Short,
    /// A write leaves its first half and gives this error number; any other call fails as with [`Failure::Error`].
    Torn(i32),
    /// This call and all that follow fail, as nothing is done any more by a process that died.
    Dead,
}

/// A name given or taken, for a power cut to undo as long as the directory was not synced.
#[derive(Debug)]
enum NameChange {
    Made(PathBuf),
    Renamed {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<Vec<u8>>,
    },
    /// With the bytes that were synced.
    Removed {
        path: PathBuf,
        contents: Vec<u8>,
    },
}

impl NameChange {
    fn is_in(&self, directory: &Path) -> bool {
        let (Self::Made(path) | Self::Renamed { to: path, .. } | Self::Removed { path, .. }) = self;
        path.parent() == Some(directory)
    }

    fn undo(self) -> io::Result<()> {
        let undone = match self {
            Self::Made(path) => std::fs::remove_file(path),
            Self::Removed { path, contents } => std::fs::write(path, contents),
            Self::Renamed { from, to, replaced } => std::fs::rename(&to, from)
                .and_then(|()| replaced.map_or(Ok(()), |contents| std::fs::write(to, contents))),
        };
        // The directory itself has gone or has another name now: there is nothing to undo in it.
        undone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
    }
}

/// How much of a file a power cut leaves.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    /// Its leading bytes that were synced.
    bytes: u64,
    /// A sync of it failed: the system may have dropped what was not synced. No later sync brings it back, though it can still be read.
    dropped: bool,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    /// Of the files written here. In the order of their names, so that a power cut is the same in every run.
    kept: BTreeMap<PathBuf, Kept>,
    names: Vec<NameChange>,
    counts: HashMap<Operation, u64>,
    calls: u64,
    chosen: Option<(u64, Failure)>,
    spared: bool,
    failed: Option<(Operation, PathBuf)>,
    /// The room to tell of, where it is not the real one.
    space: Option<Space>,
    /// Operations that do not return, on paths that contain this.
    held: Vec<(Operation, &'static str)>,
}

impl State {
    fn synced(&mut self, path: &Path, length: u64) {
        let kept = self.kept.entry(path.to_path_buf()).or_default();
        if !kept.dropped {
            kept.bytes = length;
        }
        // The usual file systems make a new file's name durable together with its bytes.
        self.names.retain(|change| !matches!(change, NameChange::Made(made) if made == path));
    }

    /// What a power cut would leave of `path`, none when there is no such file.
    fn contents_kept(&self, path: &Path) -> Option<Vec<u8>> {
        let mut contents = std::fs::read(path).ok()?;
        if let Some(kept) = self.kept.get(path) {
            contents.truncate(usize::try_from(kept.bytes).unwrap_or(usize::MAX));
        }
        Some(contents)
    }

    /// The failure that was chosen for this call, if it is its turn.
    fn chosen_failure(&mut self, operation: Operation, path: &Path) -> Option<Failure> {
        let (number, failure) = self.chosen?;
        let due = self.calls == number || (failure == Failure::Dead && self.calls > number);
        if due && self.failed.is_none() {
            self.failed = Some((operation, path.to_path_buf()));
        }
        due.then_some(failure)
    }

    fn injected_failure(&mut self, operation: Operation, path: &Path) -> Option<Failure> {
        let name = path.to_string_lossy();
        for fault in &mut self.faults {
            if fault.operation != operation || !name.contains(fault.path_contains) || fault.times == 0 {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            fault.times = if fault.times == u32::MAX { u32::MAX } else { fault.times - 1 };
            return Some(fault.error_number.map_or(Failure::Short, Failure::Error));
        }
        None
    }
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

const EIO: i32 = 5;

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

    /// Tells of `space` from now on, whatever room there is; `None` is the truth again. Writes fail only by a [`Fault`].
    pub fn set_space(&self, space: Option<Space>) {
        self.lock().space = space;
    }

    /// Lets the call with this number, of all calls from now on and the first being 0, fail.
    pub fn fail_call(&self, number: u64, failure: Failure) {
        let mut state = self.lock();
        (state.calls, state.chosen, state.failed) = (0, Some((number, failure)), None);
    }

    /// The call that failed because [`FaultyFs::fail_call`] chose it.
    #[must_use]
    pub fn failed(&self) -> Option<(Operation, PathBuf)> {
        self.lock().failed.clone()
    }

    /// While `spared`, calls are not counted and none fails: a test looks at what it has done.
    pub fn spare(&self, spared: bool) {
        self.lock().spared = spared;
    }

    /// Takes all failures back: the disk is healthy again.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.chosen = None;
    }

    /// How often `operation` was called.
    #[must_use]
    pub fn count(&self, operation: Operation) -> u64 {
        self.lock().counts.get(&operation).copied().unwrap_or(0)
    }

    /// Takes from every file written through this file system the bytes past its last sync, and undoes what was done to names
    /// since their directory's.
    pub fn cut_power(&self) -> io::Result<()> {
        self.cut_power_keeping(|_| 0)
    }

    /// As [`FaultyFs::cut_power`], but of each file's unsynced bytes, and of the changes to names, the first ones survive, as many as
    /// `kept` says of how many there are: a disk may well have written some.
    pub fn cut_power_keeping(&self, mut kept: impl FnMut(u64) -> u64) -> io::Result<()> {
        let mut state = self.lock();
        for (path, synced) in std::mem::take(&mut state.kept) {
            match std::fs::OpenOptions::new().write(true).open(&path) {
                Ok(file) => {
                    let length = file.metadata()?.len();
                    if length > synced.bytes {
                        file.set_len((synced.bytes + kept(length - synced.bytes)).min(length))?;
                    }
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
        }
        let names = std::mem::take(&mut state.names);
        let survive = if names.is_empty() { 0 } else { kept(names.len() as u64) };
        let undone = names.into_iter().skip(usize::try_from(survive).unwrap_or(usize::MAX));
        undone.rev().try_for_each(NameChange::undo)
    }

    /// Counts the call, and says whether it is to come short or torn.
    fn check(&self, operation: Operation, path: &Path) -> Result<Option<Failure>, IoError> {
        let mut state = self.lock();
        if state.spared {
            return Ok(None);
        }
        *state.counts.entry(operation).or_default() += 1;
        let name = path.to_string_lossy();
        let is_held = |state: &State| state.held.iter().any(|(held, part)| *held == operation && name.contains(part));
        while is_held(&state) {
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let failure = state.chosen_failure(operation, path).or_else(|| state.injected_failure(operation, path));
        state.calls += 1;
        let number = match failure {
            None | Some(Failure::Short) => return Ok(failure),
            Some(Failure::Torn(_)) if operation == Operation::Write => return Ok(failure),
            Some(Failure::Error(number) | Failure::Torn(number)) => number,
            Some(Failure::Dead) => EIO,
        };
        if operation == Operation::Sync {
            state.kept.entry(path.to_path_buf()).and_modify(|kept| kept.dropped = true);
        }
        Err(IoError::new(operation, path, io::Error::from_raw_os_error(number)))
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
        let short = self.fs.check(Operation::Read, self.path())?.is_some();
        match buffer.get_mut(..1).filter(|_| short) {
            Some(first_byte) => self.inner.read_at(first_byte, position),
            None => self.inner.read_at(buffer, position),
        }
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> Result<usize, IoError> {
        let failure = self.fs.check(Operation::Write, self.path())?;
        {
            let mut state = self.fs.lock();
            let kept = state.kept.entry(self.path().to_path_buf()).or_insert(Kept { bytes: position, dropped: false });
            kept.bytes = kept.bytes.min(position);
        }
        let wanted = match failure {
            None => return self.inner.write_at(pieces, position),
            Some(Failure::Torn(_)) => pieces.iter().map(|piece| piece.len()).sum::<usize>() / 2,
            Some(_) => 1,
        };
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).take(wanted).collect();
        let written = self.inner.write_at(&[IoSlice::new(&bytes)], position)?;
        match failure {
            Some(Failure::Torn(number)) => {
                Err(IoError::new(Operation::Write, self.path(), io::Error::from_raw_os_error(number)))
            }
            _ => Ok(written),
        }
    }

    fn set_length(&self, length: u64) -> Result<(), IoError> {
        self.fs.check(Operation::SetLength, self.path())?;
        self.inner.set_length(length)?;
        if let Some(kept) = self.fs.lock().kept.get_mut(self.path()) {
            kept.dropped &= length > kept.bytes;
            kept.bytes = kept.bytes.min(length);
        }
        Ok(())
    }

    fn allocate(&self, length: u64) -> Result<(), IoError> {
        self.fs.check(Operation::SetLength, self.path())?;
        let before = self.inner.length()?;
        self.inner.allocate(length)?;
        let kept = Kept { bytes: before, dropped: false };
        self.fs.lock().kept.entry(self.path().to_path_buf()).or_insert(kept);
        Ok(())
    }

    fn sync(&self) -> Result<(), IoError> {
        self.fs.check(Operation::Sync, self.path())?;
        let length = self.inner.length()?;
        self.fs.lock().synced(self.path(), length);
        Ok(())
    }

    fn forget_cached(&self, _position: u64, _length: Option<NonZeroU64>) {
        let mut state = self.fs.lock();
        if let Some(kept) = state.kept.get_mut(self.path()).filter(|kept| kept.dropped)
            && RealFs.open(self.path(), OpenMode::Write).and_then(|file| file.set_length(kept.bytes)).is_ok()
        {
            kept.dropped = false;
        }
    }

    fn handle(&self) -> &Arc<std::fs::File> {
        self.inner.handle()
    }
}

impl Fs for FaultyFs {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>, IoError> {
        self.check(Operation::Open, path)?;
        let existed = path.exists();
        let inner = RealFs.open(path, mode)?;
        let mut state = self.lock();
        if !existed {
            state.names.push(NameChange::Made(path.to_path_buf()));
        }
        if mode == OpenMode::Truncate {
            state.kept.insert(path.to_path_buf(), Kept::default());
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
        let mut state = self.lock();
        let replaced = state.contents_kept(to).filter(|_| from.is_file());
        RealFs.rename(from, to)?;
        state.names.push(NameChange::Renamed { from: from.to_path_buf(), to: to.to_path_buf(), replaced });
        match state.kept.remove(from) {
            Some(kept) => _ = state.kept.insert(to.to_path_buf(), kept),
            None => _ = state.kept.remove(to),
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        self.check(Operation::Remove, path)?;
        let mut state = self.lock();
        let contents = state.contents_kept(path);
        RealFs.remove_file(path)?;
        state.kept.remove(path);
        if let Some(contents) = contents {
            state.names.push(NameChange::Removed { path: path.to_path_buf(), contents });
        }
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> Result<(), IoError> {
        self.check(Operation::Remove, path)?;
        let mut state = self.lock();
        state.kept.retain(|file, _| !file.starts_with(path));
        state.names.retain(|change| !change.is_in(path));
        RealFs.remove_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> Result<(), IoError> {
        self.check(Operation::Sync, path)?;
        std::fs::metadata(path).map_err(|error| IoError::new(Operation::Sync, path, error))?;
        self.lock().names.retain(|change| !change.is_in(path));
        Ok(())
    }

    fn volume(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>, IoError> {
        self.check(Operation::Open, path)?;
        Ok(Some(Arc::new(FaultyVolume { path: path.to_path_buf(), fs: self.clone() })))
    }

    fn modified_ns(&self, path: &Path) -> Result<Option<i64>, IoError> {
        self.check(Operation::Stat, path)?;
        RealFs.modified_ns(path)
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
        let mut state = self.fs.lock();
        let lengths: Vec<(PathBuf, u64)> =
            state.kept.keys().filter_map(|path| Some((path.clone(), std::fs::metadata(path).ok()?.len()))).collect();
        lengths.iter().for_each(|(path, length)| state.synced(path, *length));
        state.names.clear();
        Ok(())
    }

    fn holds(&self, _file: &dyn File) -> bool {
        true
    }
}

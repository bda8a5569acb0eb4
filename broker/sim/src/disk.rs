//! The virtual disk: files in memory with a page cache in front of them, so that a power cut takes what was never synced, in
//! part or whole, bytes as well as names. Fails, hangs and dies when told to. Touches no real disk; files that somebody sends
//! regions of are mirrored into anonymous memory files.
//!
//! Played: unsynced writes kept in any subset and torn, changes to names kept up to any one of them, a failed sync whose data the system
//! forgets, a full disk, a process that dies between two calls or within a write, a flipped bit. Not played: directories that come or go.

mod inode;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barnabas_log::fs::{DirectoryEntry, File, Fs, IoError, OpenMode, Operation, Space, Volume};
use barnabas_types::Timestamp;

use crate::random::Random;
use inode::Inode;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// A change to names that a power cut may undo.
#[derive(Debug)]
enum Change {
    Made(PathBuf, Arc<Inode>),
    Renamed { from: PathBuf, to: PathBuf, inode: Arc<Inode> },
    Removed(PathBuf, Arc<Inode>),
}

impl Change {
    fn directory(&self) -> Option<&Path> {
        let (Self::Made(path, _) | Self::Renamed { to: path, .. } | Self::Removed(path, _)) = self;
        path.parent()
    }

    fn apply(self, names: &mut Names) {
        match self {
            Self::Made(path, inode) => _ = names.insert(path, inode),
            Self::Renamed { from, to, inode } => {
                forget(names, &from, &inode);
                names.insert(to, inode);
            }
            Self::Removed(path, inode) => forget(names, &path, &inode),
        }
    }
}

type Names = BTreeMap<PathBuf, Arc<Inode>>;

/// Takes `path` away, unless another file has that name by now.
fn forget(names: &mut Names, path: &Path, inode: &Arc<Inode>) {
    if names.get(path).is_some_and(|current| Arc::ptr_eq(current, inode)) {
        names.remove(path);
    }
}

#[derive(Debug, Default)]
struct State {
    directories: BTreeMap<PathBuf, ()>,
    /// What the process sees.
    names: Names,
    /// What a power cut leaves, beside some of `changes`.
    durable: Names,
    changes: Vec<Change>,
    calls: u64,
    /// The call at which the process dies.
    dies_at: Option<u64>,
    dead: bool,
    /// How many syncs to come fail.
    failing_syncs: u32,
    full: bool,
    /// The directories whose disk fails every write and sync below them.
    failing: BTreeSet<PathBuf>,
    sync_micros: u64,
    busy_micros: u64,
    /// A failure was played since somebody last asked.
    played: bool,
}

impl State {
    fn is_failing(&self, path: &Path) -> bool {
        self.failing.iter().any(|directory| path.starts_with(directory))
    }
}

/// A disk, shared by whoever has it open.
#[derive(Clone, Debug, Default)]
pub struct VirtualDisk {
    state: Arc<Mutex<State>>,
}

impl VirtualDisk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process dies at the `calls`-th call from now on (0: the next); that call and all later ones fail.
    pub fn die_after(&self, calls: u64) {
        let mut state = self.lock();
        state.dies_at = Some(state.calls + calls);
    }

    /// True once the process has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Another process uses the disk from now on.
    pub fn revive(&self) {
        let mut state = self.lock();
        (state.dead, state.dies_at, state.busy_micros) = (false, None, 0);
    }

    /// The next `count` syncs fail.
    pub fn fail_syncs(&self, count: u32) {
        self.lock().failing_syncs = count;
    }

    /// Every write and sync below `directory` fails.
    pub fn set_failing(&self, directory: &Path) {
        self.lock().failing.insert(directory.to_path_buf());
    }

    /// What was below `directory` is not there any more: there is an empty disk. Nobody has it open.
    pub fn lose(&self, directory: &Path) {
        let mut state = self.lock();
        let State { names, durable, changes, directories, .. } = &mut *state;
        names.retain(|file, _| !file.starts_with(directory));
        durable.retain(|file, _| !file.starts_with(directory));
        changes.retain(|change| change.directory().is_none_or(|changed| !changed.starts_with(directory)));
        directories.retain(|known, ()| !known.starts_with(directory) || known == directory);
    }

    /// There is no room any more, or there is again.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// What a sync takes.
    pub fn set_sync_micros(&self, micros: u64) {
        self.lock().sync_micros = micros;
    }

    /// How long the disk was busy since this was last asked.
    pub fn take_busy_micros(&self) -> u64 {
        std::mem::take(&mut self.lock().busy_micros)
    }

    /// True when a failure was played since this was last asked.
    #[must_use]
    pub fn take_played(&self) -> bool {
        std::mem::take(&mut self.lock().played)
    }

    /// Flips a bit of a file.
    pub fn flip(&self, path: &Path, position: usize, bit: u8) {
        if let Some(inode) = self.lock().names.get(path) {
            inode.flip(position, bit);
        }
    }

    /// Nothing is wrong with the disk any more.
    pub fn heal(&self) {
        let mut state = self.lock();
        (state.failing_syncs, state.full, state.sync_micros) = (0, false, 0);
        state.failing.clear();
    }

    /// The power fails: what was synced stays, and of the rest what `random` says. Who had the disk open must not use it again.
    pub fn cut_power(&self, random: &mut Random) {
        let mut state = self.lock();
        let changes = std::mem::take(&mut state.changes);
        let kept = match random.below(3) {
            0 => 0,
            1 => changes.len(),
            _ => usize::try_from(random.below(changes.len() as u64 + 1)).unwrap_or(0),
        };
        let mut left = std::mem::take(&mut state.durable);
        changes.into_iter().take(kept).for_each(|change| change.apply(&mut left));
        state.names = left.iter().map(|(path, inode)| (path.clone(), Inode::after_power_cut(inode, random))).collect();
        state.durable = state.names.clone();
    }

    /// What a file holds, for who looks at the disk from outside: no call of the process.
    pub fn peek<R>(&self, path: &Path, look: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let state = self.lock();
        let inode = state.names.get(path)?;
        let mut found = None;
        inode.with_bytes(|bytes| found = Some(look(bytes)));
        found
    }

    /// As [`VirtualDisk::peek`], what a power cut surely leaves of it: what was synced, under a name that was.
    pub fn peek_durable<R>(&self, path: &Path, look: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let state = self.lock();
        let inode = state.durable.get(path)?;
        let mut found = None;
        inode.with_durable(|bytes| found = Some(look(bytes)));
        found
    }

    /// As [`VirtualDisk::names`], those that a power cut surely leaves.
    #[must_use]
    pub fn durable_names(&self, directory: &Path) -> Vec<String> {
        names_in(&self.lock().durable, directory)
    }

    /// The names in a directory, for who looks at the disk from outside.
    #[must_use]
    pub fn names(&self, directory: &Path) -> Vec<String> {
        names_in(&self.lock().names, directory)
    }

    /// Hands over all files by name, for a hash of all that is there.
    pub fn visit(&self, mut file: impl FnMut(&Path, &[u8])) {
        let state = self.lock();
        for (path, inode) in &state.names {
            inode.with_bytes(|bytes| file(path, bytes));
        }
    }

    /// Counts a call.
    fn call(&self, operation: Operation, path: &Path) -> Result<(), IoError> {
        let mut state = self.lock();
        let number = state.calls;
        state.calls += 1;
        if state.dead || state.dies_at.is_some_and(|at| number >= at) {
            (state.dead, state.played) = (true, true);
            return Err(failure(operation, path, EIO));
        }
        Ok(())
    }

    fn check_works(&self, operation: Operation, path: &Path) -> Result<(), IoError> {
        match self.lock().is_failing(path) {
            true => Err(failure(operation, path, EIO)),
            false => Ok(()),
        }
    }

    fn check_room(&self, operation: Operation, path: &Path, grows: bool) -> Result<(), IoError> {
        let mut state = self.lock();
        if !grows || !state.full {
            return Ok(());
        }
        state.played = true;
        Err(failure(operation, path, ENOSPC))
    }

    /// Counts a sync, and says whether it works.
    fn begin_sync(&self, path: &Path) -> Result<bool, IoError> {
        self.call(Operation::Sync, path)?;
        let mut state = self.lock();
        state.busy_micros += state.sync_micros;
        let fails = state.failing_syncs > 0 || state.is_failing(path);
        state.failing_syncs = state.failing_syncs.saturating_sub(1);
        state.played |= fails;
        Ok(!fails)
    }
}

fn names_in(names: &Names, directory: &Path) -> Vec<String> {
    let below = (std::ops::Bound::Excluded(directory.to_path_buf()), std::ops::Bound::Unbounded);
    let inside = names.range(below).map(|(path, _)| path).take_while(|path| path.starts_with(directory));
    let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    inside.filter(|path| path.parent() == Some(directory)).filter_map(name).collect()
}

fn failure(operation: Operation, path: &Path, error_number: i32) -> IoError {
    IoError::new(operation, path, io::Error::from_raw_os_error(error_number))
}

fn missing(operation: Operation, path: &Path) -> IoError {
    IoError::new(operation, path, io::ErrorKind::NotFound.into())
}

#[derive(Debug)]
struct VirtualFile {
    path: PathBuf,
    inode: Arc<Inode>,
    disk: VirtualDisk,
}

impl File for VirtualFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn length(&self) -> Result<u64, IoError> {
        self.disk.call(Operation::Stat, &self.path)?;
        Ok(self.inode.length())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, IoError> {
        self.disk.call(Operation::Read, &self.path)?;
        Ok(self.inode.read_at(buffer, position))
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> Result<usize, IoError> {
        let called = self.disk.call(Operation::Write, &self.path);
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        if let Err(error) = called {
            // The call in which a process dies leaves a part of what it was to write; the calls after it leave nothing.
            if self.disk.lock().dies_at.take().is_some() {
                self.inode.write_at(bytes.get(..bytes.len() / 2).unwrap_or_default(), position);
            }
            return Err(error);
        }
        self.disk.check_works(Operation::Write, &self.path)?;
        let end = position + bytes.len() as u64;
        self.disk.check_room(Operation::Write, &self.path, end > self.inode.length())?;
        self.inode.write_at(&bytes, position);
        Ok(bytes.len())
    }

    fn set_length(&self, length: u64) -> Result<(), IoError> {
        self.disk.call(Operation::SetLength, &self.path)?;
        self.inode.set_length(length);
        Ok(())
    }

    fn allocate(&self, length: u64) -> Result<(), IoError> {
        self.disk.call(Operation::SetLength, &self.path)?;
        let before = self.inode.length();
        self.disk.check_room(Operation::SetLength, &self.path, length > before)?;
        self.inode.set_length(length.max(before));
        Ok(())
    }

    fn sync(&self) -> Result<(), IoError> {
        if !self.disk.begin_sync(&self.path)? {
            self.inode.sync_failed();
            return Err(failure(Operation::Sync, &self.path, EIO));
        }
        self.inode.sync();
        // The usual file systems make a new file's name durable together with its bytes.
        let mut state = self.disk.lock();
        let made = |change: &Change| matches!(change, Change::Made(_, inode) if Arc::ptr_eq(inode, &self.inode));
        if let Some(index) = state.changes.iter().position(made) {
            let change = state.changes.remove(index);
            change.apply(&mut state.durable);
        }
        Ok(())
    }

    fn forget_cached(&self, _position: u64, _length: Option<NonZeroU64>) {
        self.inode.forget_cached();
    }

    fn handle(&self) -> &Arc<std::fs::File> {
        self.inode.handle()
    }
}

impl Fs for VirtualDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>, IoError> {
        self.call(Operation::Open, path)?;
        let mut state = self.lock();
        let inode = match state.names.get(path) {
            Some(inode) => Arc::clone(inode),
            None => {
                let creates = matches!(mode, OpenMode::Create | OpenMode::Truncate);
                if !creates || path.parent().is_none_or(|parent| !state.directories.contains_key(parent)) {
                    return Err(missing(Operation::Open, path));
                }
                if state.is_failing(path) {
                    return Err(failure(Operation::Open, path, EIO));
                }
                let inode = Arc::new(Inode::default());
                state.names.insert(path.to_path_buf(), Arc::clone(&inode));
                state.changes.push(Change::Made(path.to_path_buf(), Arc::clone(&inode)));
                inode
            }
        };
        if mode == OpenMode::Truncate {
            inode.set_length(0);
        }
        Ok(Arc::new(VirtualFile { path: path.to_path_buf(), inode, disk: self.clone() }))
    }

    fn list(&self, path: &Path) -> Result<Vec<DirectoryEntry>, IoError> {
        self.call(Operation::List, path)?;
        let state = self.lock();
        if !state.directories.contains_key(path) {
            return Err(missing(Operation::List, path));
        }
        let name_in = |entry: &Path| {
            (entry.parent() == Some(path)).then(|| entry.file_name()?.to_str().map(str::to_owned)).flatten()
        };
        let below = || std::ops::Bound::Excluded(path.to_path_buf());
        let files = state.names.range((below(), std::ops::Bound::Unbounded));
        let files = files.take_while(|(entry, _)| entry.starts_with(path)).filter_map(|(entry, inode)| {
            let length = inode.length();
            Some(DirectoryEntry { name: name_in(entry)?, is_directory: false, length, modified: Timestamp(0) })
        });
        let directories = state.directories.range((below(), std::ops::Bound::Unbounded));
        let directories = directories.take_while(|(entry, ())| entry.starts_with(path)).filter_map(|(entry, ())| {
            Some(DirectoryEntry { name: name_in(entry)?, is_directory: true, length: 0, modified: Timestamp::NONE })
        });
        let mut entries: Vec<_> = files.chain(directories).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_directory(&self, path: &Path) -> Result<(), IoError> {
        self.call(Operation::CreateDirectory, path)?;
        let mut state = self.lock();
        path.ancestors().for_each(|directory| _ = state.directories.insert(directory.to_path_buf(), ()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        self.call(Operation::Rename, from)?;
        let mut state = self.lock();
        let inode = state.names.remove(from).ok_or_else(|| missing(Operation::Rename, from))?;
        state.names.insert(to.to_path_buf(), Arc::clone(&inode));
        state.changes.push(Change::Renamed { from: from.to_path_buf(), to: to.to_path_buf(), inode });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        self.call(Operation::Remove, path)?;
        let mut state = self.lock();
        if let Some(inode) = state.names.remove(path) {
            state.changes.push(Change::Removed(path.to_path_buf(), inode));
        }
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> Result<(), IoError> {
        self.call(Operation::Remove, path)?;
        let mut state = self.lock();
        let State { names, durable, changes, directories, .. } = &mut *state;
        names.retain(|file, _| !file.starts_with(path));
        durable.retain(|file, _| !file.starts_with(path));
        changes.retain(|change| change.directory().is_none_or(|directory| !directory.starts_with(path)));
        directories.retain(|directory, ()| !directory.starts_with(path));
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> Result<(), IoError> {
        if !self.begin_sync(path)? {
            return Err(failure(Operation::Sync, path, EIO));
        }
        let mut state = self.lock();
        if !state.directories.contains_key(path) {
            return Err(missing(Operation::Sync, path));
        }
        for change in std::mem::take(&mut state.changes) {
            if change.directory() == Some(path) {
                change.apply(&mut state.durable);
            } else {
                state.changes.push(change);
            }
        }
        Ok(())
    }

    fn volume(&self, _path: &Path) -> Result<Option<Arc<dyn Volume>>, IoError> {
        Ok(None)
    }

    fn modified_ns(&self, _path: &Path) -> Result<Option<i64>, IoError> {
        Ok(None)
    }

    fn space(&self, path: &Path) -> Result<Space, IoError> {
        self.call(Operation::Stat, path)?;
        let usable_bytes = if self.lock().full { 0 } else { 1 << 40 };
        Ok(Space { total_bytes: 1 << 40, usable_bytes })
    }
}

#[cfg(test)]
mod tests;

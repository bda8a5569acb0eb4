//! One file: what the process reads, what a power cut leaves of it, and what lies between. Knows no name.

use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::random::Random;

/// What a disk writes at once: a torn write ends at a multiple of it.
const SECTOR_BYTES: usize = 512;

/// A change to the bytes that was not synced.
#[derive(Debug)]
enum Pending {
    Write { position: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Pending {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => write(file, *position, bytes),
            Self::Length(length) => file.resize(*length, 0),
        }
    }
}

fn write(file: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if !bytes.is_empty() && file.len() < end {
        file.resize(end, 0);
    }
    if let Some(place) = file.get_mut(position..end) {
        place.copy_from_slice(bytes);
    }
}

#[derive(Debug, Default)]
struct Contents {
    /// What is read.
    cached: Vec<u8>,
    /// What was synced.
    durable: Vec<u8>,
    /// What lies between, in order.
    pending: Vec<Pending>,
    /// A sync failed: the system thinks that `cached` is on the disk, and will not write it again.
    dropped: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Inode {
    contents: Mutex<Contents>,
    /// A memory file that holds what `cached` holds, once somebody has asked for it.
    mirror: OnceLock<Arc<std::fs::File>>,
}

impl Inode {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of `before` when the power fails.
    pub(super) fn after_power_cut(before: &Self, random: &mut Random) -> Arc<Self> {
        let contents = before.lock();
        let mut left = contents.durable.clone();
        survive(&contents.pending, &mut left, random);
        let contents = Contents { cached: left.clone(), durable: left, ..Contents::default() };
        Arc::new(Self { contents: Mutex::new(contents), mirror: OnceLock::new() })
    }

    pub(super) fn with_bytes(&self, visit: impl FnOnce(&[u8])) {
        visit(&self.lock().cached);
    }

    pub(super) fn with_durable(&self, visit: impl FnOnce(&[u8])) {
        visit(&self.lock().durable);
    }

    pub(super) fn length(&self) -> u64 {
        self.lock().cached.len() as u64
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> usize {
        let contents = self.lock();
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(contents.cached.len());
        let available = contents.cached.get(from..).unwrap_or_default();
        let count = available.len().min(buffer.len());
        if let (Some(target), Some(source)) = (buffer.get_mut(..count), available.get(..count)) {
            target.copy_from_slice(source);
        }
        count
    }

    pub(super) fn write_at(&self, bytes: &[u8], position: u64) {
        let mut contents = self.lock();
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        write(&mut contents.cached, position, bytes);
        contents.pending.push(Pending::Write { position, bytes: bytes.to_vec() });
        self.mirror(|mirror| mirror.write_all_at(bytes, position as u64));
    }

    pub(super) fn set_length(&self, length: u64) {
        let mut contents = self.lock();
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes != contents.cached.len() {
            contents.cached.resize(bytes, 0);
            contents.pending.push(Pending::Length(bytes));
            self.mirror(|mirror| mirror.set_len(length));
        }
    }

    /// Flips a bit, in memory and on the disk: nobody wrote it, and nobody is told.
    pub(super) fn flip(&self, position: usize, bit: u8) {
        let mut contents = self.lock();
        let Contents { cached, durable, .. } = &mut *contents;
        for byte in [cached.get_mut(position), durable.get_mut(position)].into_iter().flatten() {
            *byte ^= 1 << (bit & 7);
        }
        if let Some(byte) = cached.get(position) {
            self.mirror(|mirror| mirror.write_all_at(&[*byte], position as u64));
        }
    }

    pub(super) fn sync(&self) {
        let mut contents = self.lock();
        let Contents { durable, pending, .. } = &mut *contents;
        pending.drain(..).for_each(|change| change.apply(durable));
    }

    pub(super) fn sync_failed(&self) {
        let mut contents = self.lock();
        contents.pending.clear();
        contents.dropped = true;
    }

    /// What is only in memory and will never be written is read no more.
    pub(super) fn forget_cached(&self) {
        let mut contents = self.lock();
        let Contents { cached, durable, pending, dropped } = &mut *contents;
        if std::mem::take(dropped) {
            cached.clone_from(durable);
            pending.iter().for_each(|change| change.apply(cached));
            self.mirror(|mirror| mirror.set_len(0).and_then(|()| mirror.write_all_at(cached, 0)));
        }
    }

    /// The file for whoever reads it past this process's traits.
    pub(super) fn handle(&self) -> &Arc<std::fs::File> {
        let contents = self.lock();
        self.mirror.get_or_init(|| memory_file(&contents.cached))
    }

    fn mirror(&self, change: impl FnOnce(&std::fs::File) -> std::io::Result<()>) {
        if let Some(mirror) = self.mirror.get()
            && let Err(error) = change(mirror)
        {
            out_of_memory(&error);
        }
    }
}

/// Applies to `file` the changes that a power cut spares: none, all, the first ones, or any of them. No change survives one of the
/// length that came before it and did not: file systems keep that order.
fn survive(pending: &[Pending], file: &mut Vec<u8>, random: &mut Random) {
    let mode = random.below(4);
    let first = usize::try_from(random.below(pending.len() as u64 + 1)).unwrap_or(0);
    for (index, change) in pending.iter().enumerate() {
        let kept = match mode {
            0 => false,
            1 => true,
            2 => index < first,
            _ => random.chance(500),
        };
        match change {
            _ if kept => change.apply(file),
            Pending::Length(_) => return,
            Pending::Write { position, bytes } if mode >= 2 && random.chance(300) => {
                let sectors = random.below(bytes.len().div_ceil(SECTOR_BYTES) as u64 + 1);
                let torn = usize::try_from(sectors).unwrap_or(0) * SECTOR_BYTES;
                write(file, *position, bytes.get(..torn).unwrap_or(bytes));
            }
            Pending::Write { .. } => {}
        }
    }
}

fn memory_file(bytes: &[u8]) -> Arc<std::fs::File> {
    let made = rustix::fs::memfd_create("virtual-disk", rustix::fs::MemfdFlags::CLOEXEC).map_err(std::io::Error::from);
    let file = made.map(std::fs::File::from).and_then(|file| file.write_all_at(bytes, 0).map(|()| file));
    Arc::new(file.unwrap_or_else(|error| out_of_memory(&error)))
}

#[expect(
    clippy::panic,
    reason = "the real machine is out of memory or file descriptors: no history can be played on it"
)]
fn out_of_memory(error: &std::io::Error) -> ! {
    panic!("a virtual file cannot be kept in memory: {error}")
}

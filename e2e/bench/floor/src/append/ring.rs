//! The memory of `--append direct`: aligned chunks that are used again and again, and the tail of a log held in them. The memory is
//! touched at the start and never given back, so that it stays warm. Writes nothing to a file.

use std::collections::VecDeque;
use std::sync::Arc;

use rustix::mm::{Advice, madvise};

/// What devices read and write at least; every disk sector divides it.
pub const BLOCK_BYTES: usize = 4 << 10;
pub const CHUNK_BYTES: usize = 256 << 10;
/// What is got from the system at once.
const ARENA_BYTES: usize = 16 << 20;
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Aligned memory of `CHUNK_BYTES`.
pub struct Chunk(&'static mut [u8]);

impl Chunk {
    pub fn bytes(&self) -> &[u8] {
        self.0
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0
    }
}

/// Chunks of memory that has just been got and touched. It belongs to its chunks for as long as the program runs.
#[allow(unsafe_code, reason = "the wish for huge pages can only be told with a pointer")]
pub fn arena() -> impl Iterator<Item = Chunk> {
    let memory = vec![0_u8; ARENA_BYTES + HUGE_PAGE_BYTES].leak();
    let skip = memory.as_ptr().align_offset(HUGE_PAGE_BYTES).min(HUGE_PAGE_BYTES);
    let aligned = memory.get_mut(skip..skip + ARENA_BYTES).unwrap_or_default();
    // SAFETY: the range is memory of our own, and the advice does not change what it holds.
    let _ = unsafe { madvise(aligned.as_mut_ptr().cast(), aligned.len(), Advice::LinuxHugepage) }; // small pages do as well
    aligned.fill(1);
    aligned.chunks_exact_mut(CHUNK_BYTES).map(Chunk)
}

/// The end of a log in memory: whole chunks, then the one that is being filled.
#[derive(Default)]
pub struct Tail {
    /// Where the first chunk stands in the file. What is before it can be read from there.
    pub begin: u64,
    pub end: u64,
    pub full: VecDeque<Arc<Chunk>>,
    pub open: Option<Chunk>,
}

impl Tail {
    /// Bytes from `position` on, as many as lie together; nothing where they are no longer in memory, or not yet.
    pub fn at(&self, position: u64) -> Option<&[u8]> {
        let behind = usize::try_from(position.checked_sub(self.begin)?).ok()?;
        let left = usize::try_from(self.end.checked_sub(position)?).ok()?;
        let chunk =
            self.full.get(behind / CHUNK_BYTES).map(|chunk| chunk.bytes()).or(self.open.as_ref().map(Chunk::bytes))?;
        let bytes = chunk.get(behind % CHUNK_BYTES..)?;
        Some(bytes.get(..left).unwrap_or(bytes)).filter(|bytes| !bytes.is_empty())
    }
}

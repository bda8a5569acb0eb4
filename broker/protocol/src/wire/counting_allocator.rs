//! Counts what a piece of a test costs, thread by thread: memory and reads. For the tests of this crate alone.
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; each method only counts and passes on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static READS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count(change: isize) {
    // A thread that is ending has no counters any more, and nothing to count.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + change);
        PEAK.with(|peak| peak.set(peak.get().max(now.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are plain cells that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the pointer came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts one read of a frame.
pub(crate) fn count_read() {
    READS.set(READS.get() + 1);
}

/// What a piece of work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Bytes held at most, beyond those held before.
    pub(crate) peak_bytes: usize,
    /// How often memory was taken.
    pub(crate) allocations: usize,
    /// How often a frame was read from.
    pub(crate) reads: usize,
}

/// What `work` gives, and what it took.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (before, allocations, reads) = (NOW.get(), ALLOCATIONS.get(), READS.get());
    PEAK.set(before);
    let result = work();
    let cost = Cost {
        peak_bytes: usize::try_from(PEAK.get() - before).unwrap_or(0),
        allocations: ALLOCATIONS.get() - allocations,
        reads: READS.get() - reads,
    };
    (result, cost)
}

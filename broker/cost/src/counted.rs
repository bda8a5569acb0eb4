//! The piece of a program that is counted. Allocations are counted here, by an allocator that passes all on to the system's; instructions are
//! counted by callgrind, which switches itself on and off at `section`.
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; each method only counts and passes on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name by which callgrind knows the section.
pub const SECTION: &str = "*::counted::section";
/// What stands before the number of allocations in a workload's output.
pub const ALLOCATIONS: &str = "allocations ";

static COUNT: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the pointer came from `System` with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What callgrind counts. It must not be inlined, and neither must its end be turned into a jump.
#[inline(never)]
fn section(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

/// Does `work` twice and counts the second time: the first fills the allocator's free lists and whatever else is set up once. What the work
/// gives is dropped outside the count.
pub fn counted<T>(mut work: impl FnMut() -> T) {
    drop(black_box(work()));
    let mut result = None;
    let before = COUNT.load(Ordering::Relaxed);
    section(&mut || result = Some(work()));
    println!("{ALLOCATIONS}{}", COUNT.load(Ordering::Relaxed) - before);
    drop(black_box(result));
}

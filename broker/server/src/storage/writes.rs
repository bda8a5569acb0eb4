//! Which threads are inside a write to a directory, so that somebody else can see one that does not come back. A place for each
//! thread, two additions a write, no clock: time is kept by who looks. Says nothing of which file it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::runtime::thread_number;

/// More threads than this share places; a write that hangs may then be hidden by others that end.
const PLACES: usize = 64;
/// In a place: one more write under way, those that have ended above.
const BEGUN: u64 = 1;
const ENDED: u64 = (1 << 32) - BEGUN;
const UNDER_WAY: u64 = u32::MAX as u64;

/// The writes under way in one directory.
#[derive(Debug)]
pub struct Writes([AtomicU64; PLACES]);

impl Default for Writes {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; PLACES])
    }
}

/// A write under way, until it is dropped.
#[derive(Debug)]
#[must_use = "the write ends when this is dropped"]
pub struct Writing<'a>(Option<&'a AtomicU64>);

impl Writes {
    /// This thread begins to write.
    pub fn begin(&self) -> Writing<'_> {
        self.begin_as(thread_number())
    }

    fn begin_as(&self, thread: usize) -> Writing<'_> {
        let place = self.0.get(thread % PLACES);
        if let Some(place) = place {
            place.fetch_add(BEGUN, Ordering::Relaxed);
        }
        Writing(place)
    }
}

#[cfg(test)]
impl Writes {
    /// Whether anybody writes now.
    pub fn are_under_way(&self) -> bool {
        self.0.iter().any(|place| place.load(Ordering::Relaxed) & UNDER_WAY > 0)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.fetch_add(ENDED, Ordering::Relaxed);
        }
    }
}

/// What was seen of a directory's writes: for each place how many had ended, and since when none has while one is under way.
#[derive(Debug)]
pub struct Seen([Option<(u64, Duration)>; PLACES]);

impl Default for Seen {
    fn default() -> Self {
        Self([None; PLACES])
    }
}

impl Seen {
    /// For how long at least the oldest of `writes` has been under way at `time`. Knows only of what it saw before.
    pub fn look(&mut self, writes: &Writes, time: Duration) -> Duration {
        let mut longest = Duration::ZERO;
        for (place, seen) in writes.0.iter().zip(&mut self.0) {
            let place = place.load(Ordering::Relaxed);
            let (under_way, ended) = (place & UNDER_WAY, place & !UNDER_WAY);
            *seen = match *seen {
                _ if under_way == 0 => None,
                Some((ended_then, since)) if ended_then == ended => Some((ended, since)),
                _ => Some((ended, time)),
            };
            if let Some((_, since)) = seen {
                longest = longest.max(time.saturating_sub(*since));
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_write_is_as_old_as_the_first_look_at_it() {
        let (writes, mut seen) = (Writes::default(), Seen::default());
        assert_eq!(seen.look(&writes, SECOND), Duration::ZERO);
        let writing = writes.begin();
        assert_eq!(seen.look(&writes, 2 * SECOND), Duration::ZERO);
        assert_eq!(seen.look(&writes, 5 * SECOND), 3 * SECOND);
        drop(writing);
        assert_eq!(seen.look(&writes, 6 * SECOND), Duration::ZERO);
    }

    #[test]
    fn one_write_after_the_other_is_no_long_one() {
        let (writes, mut seen) = (Writes::default(), Seen::default());
        for second in 0..100 {
            let _writing = writes.begin();
            assert_eq!(seen.look(&writes, second * SECOND), Duration::ZERO);
        }
    }

    #[test]
    fn a_write_that_hangs_is_seen_beside_those_of_other_threads() {
        let (writes, mut seen) = (Writes::default(), Seen::default());
        let _hanging = writes.begin_as(3);
        for second in 0..100 {
            drop(writes.begin_as(4));
            assert_eq!(seen.look(&writes, second * SECOND), second * SECOND);
        }
    }

    #[test]
    fn counts_run_over_without_harm() {
        let writes = Writes::default();
        for _ in 0..3 {
            writes.0[0].store(!UNDER_WAY, Ordering::Relaxed);
            writes.0[0].fetch_add(BEGUN, Ordering::Relaxed);
            writes.0[0].fetch_add(ENDED, Ordering::Relaxed);
            assert_eq!(writes.0[0].load(Ordering::Relaxed), 0);
        }
    }
}

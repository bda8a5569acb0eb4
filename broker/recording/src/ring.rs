//! What is kept beside a running core: at most two stretches of inputs, each from a copy of the core's state on. Bounded in inputs and in bytes;
//! the older stretch goes when the newer one is full. Writes nothing and knows no core.

use barnabas_types::Now;
use serde::{Deserialize, Serialize};

/// One input, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<I> {
    /// When.
    pub now: Now,
    /// What.
    pub input: I,
    /// The digest of the effects; None when the core did not come back from the input.
    pub digest: Option<u64>,
}

/// How much a stretch may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Inputs.
    pub inputs: usize,
    /// Bytes of inputs, in memory.
    pub bytes: usize,
}

#[derive(Clone, Debug)]
struct Stretch<S, I> {
    start: S,
    entries: Vec<Entry<I>>,
    bytes: usize,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Ring<S, I> {
    older: Option<Stretch<S, I>>,
    newer: Option<Stretch<S, I>>,
}

impl<S, I> Default for Ring<S, I> {
    fn default() -> Self {
        Self { older: None, newer: None }
    }
}

impl<S, I> Ring<S, I> {
    /// True when an input of so many `bytes` begins a new stretch.
    #[must_use]
    pub fn turns(&self, limits: Limits, bytes: usize) -> bool {
        self.newer.as_ref().is_none_or(|stretch| {
            stretch.entries.len() >= limits.inputs || stretch.bytes.saturating_add(bytes) > limits.bytes
        })
    }

    /// Notes an input of so many `bytes` before the core gets it; `start` copies the core's state as it is before.
    ///
    /// An input that is larger than a whole stretch is not kept, nor what came before it: what follows begins from a new copy.
    pub fn note(
        &mut self,
        limits: Limits,
        (now, bytes): (Now, usize),
        input: impl FnOnce() -> I,
        start: impl FnOnce() -> S,
    ) {
        if bytes > limits.bytes {
            return self.forget();
        }
        if self.turns(limits, bytes) {
            let fresh = Stretch { start: start(), entries: Vec::new(), bytes: 0 };
            if let Some(full) = self.newer.replace(fresh) {
                self.older = Some(full);
            }
        }
        if let Some(stretch) = &mut self.newer {
            stretch.bytes += bytes;
            stretch.entries.push(Entry { now, input: input(), digest: None });
        }
    }

    /// The core has come back from the input noted last.
    pub fn came_back(&mut self, digest: impl FnOnce() -> u64) {
        if let Some(last) = self.newer.as_mut().and_then(|stretch| stretch.entries.last_mut())
            && last.digest.is_none()
        {
            last.digest = Some(digest());
        }
    }

    /// Forgets everything: the core's state has changed by something that was not noted.
    pub fn forget(&mut self) {
        (self.older, self.newer) = (None, None);
    }

    /// How many inputs are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// True when nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newer.is_none()
    }

    /// The state from which the entries begin.
    pub(crate) fn start(&self) -> Option<&S> {
        self.older.as_ref().or(self.newer.as_ref()).map(|stretch| &stretch.start)
    }

    /// Oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<I>> {
        self.older.iter().chain(&self.newer).flat_map(|stretch| &stretch.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { inputs: 10, bytes: 100 };

    fn note(ring: &mut Ring<usize, usize>, input: usize, bytes: usize) {
        ring.note(LIMITS, (Now::default(), bytes), || input, || input);
        ring.came_back(|| 7);
    }

    #[test]
    fn at_most_two_stretches_are_kept_and_the_first_begins_from_a_copy() {
        let mut ring = Ring::default();
        for input in 0..35 {
            note(&mut ring, input, 1);
            assert!(ring.len() <= 20);
        }
        assert_eq!(ring.start(), Some(&20));
        assert_eq!(ring.entries().map(|entry| entry.input).collect::<Vec<_>>(), (20..35).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_are_bounded_and_what_is_too_large_leaves_no_gap() {
        let mut ring = Ring::default();
        for input in 0..7 {
            note(&mut ring, input, 40);
        }
        assert_eq!((ring.start(), ring.len()), (Some(&4), 3));
        note(&mut ring, 7, 101);
        assert!(ring.is_empty() && ring.start().is_none());
        note(&mut ring, 8, 1);
        assert_eq!((ring.start(), ring.len()), (Some(&8), 1));
    }

    #[test]
    fn an_input_from_which_the_core_did_not_come_back_has_no_digest() {
        let mut ring = Ring::default();
        note(&mut ring, 0, 1);
        ring.note(LIMITS, (Now::default(), 1), || 1, || 1);
        assert_eq!(ring.entries().map(|entry| entry.digest).collect::<Vec<_>>(), [Some(7), None]);
    }
}

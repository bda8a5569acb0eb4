//! What happened, as a hash that two runs of one seed must share, and as text for who replays one. Keeps no text unless asked.

use std::fmt;

use crate::random::mix;
use crate::schedule::Instant;

/// The record of one history.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    events: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty one; it keeps text, too, if asked.
    #[must_use]
    pub fn new(with_text: bool) -> Self {
        Self { hash: 0, events: 0, lines: with_text.then(Vec::new) }
    }

    /// Notes what happened at `now`. `numbers` are what counts; `text` is made only for readers.
    pub fn note(&mut self, now: Instant, numbers: &[u64], text: impl FnOnce() -> String) {
        self.events += 1;
        self.hash = numbers.iter().fold(mix(self.hash ^ now.0), |hash, &number| mix(hash ^ number));
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10.3} ms  {}", now.0 as f64 / 1000.0, text()));
        }
    }

    /// Text alone, which changes no hash.
    pub fn say(&mut self, now: Instant, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10.3} ms  {}", now.0 as f64 / 1000.0, text()));
        }
    }

    /// What all events add up to.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The text, one line an event.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

/// A hash of anything that can be shown: for what is compared and never read.
#[must_use]
pub fn digest(value: &dyn fmt::Debug) -> u64 {
    struct Folding(u64);
    impl fmt::Write for Folding {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = digest_bytes(self.0, text.as_bytes());
            Ok(())
        }
    }
    let mut folding = Folding(0);
    // Folding never fails.
    let _ = fmt::Write::write_fmt(&mut folding, format_args!("{value:?}"));
    folding.0
}

/// A hash of bytes that continues `hash`.
#[must_use]
pub fn digest_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut hash = hash ^ bytes.len() as u64;
    for chunk in chunks.by_ref() {
        let word = chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        hash = mix(hash ^ word);
    }
    chunks.remainder().iter().fold(hash, |hash, &byte| mix(hash ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_time_numbers_and_order_and_not_on_text() {
        let run = |events: &[(u64, u64)], mut trace: Trace| {
            events.iter().for_each(|&(at, number)| trace.note(Instant(at), &[number], || number.to_string()));
            trace.hash()
        };
        let events = [(1, 2), (3, 4)];
        assert_eq!(run(&events, Trace::new(false)), run(&events, Trace::new(true)));
        for other in [[(3, 4), (1, 2)], [(1, 2), (3, 5)], [(1, 2), (4, 4)]] {
            assert_ne!(run(&events, Trace::default()), run(&other, Trace::default()));
        }
    }
}

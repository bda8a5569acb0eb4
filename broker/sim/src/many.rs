//! Plays many histories, on some threads, until one fails. Knows nothing of what is played.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::figures::Figures;
use crate::world::Violation;

const PROGRESS: Duration = Duration::from_secs(5);

/// What came of one history.
#[derive(Debug)]
pub struct Played {
    /// The hash of its trace.
    pub hash: u64,
    /// What happened how often.
    pub figures: Figures,
    /// What was wrong.
    pub violation: Option<Violation>,
}

/// What came of many.
#[derive(Debug, Default)]
pub struct Sum {
    /// How many there were.
    pub played: u64,
    /// What happened how often.
    pub figures: Figures,
    /// What was wrong in the one with the smallest seed.
    pub failure: Option<(u64, Violation)>,
}

/// How many histories are played, and how.
#[derive(Clone, Debug)]
pub struct Many {
    /// The seeds.
    pub seeds: Range<u64>,
    /// On how many threads.
    pub jobs: usize,
    /// One history in so many is played twice, and must be the same; none where nothing is said.
    pub repeated: Option<u64>,
    /// Whether progress is told.
    pub tells: bool,
}

impl Many {
    /// Plays them, until one fails.
    #[must_use]
    pub fn play(&self, play: impl Fn(u64) -> Played + Sync) -> Sum {
        let (next, failed) = (AtomicU64::new(self.seeds.start), AtomicU64::new(u64::MAX));
        let sum = Mutex::new((Sum::default(), Instant::now()));
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.seeds.end || seed > failed.load(Ordering::Relaxed) {
                    return;
                }
                let played = self.play_one(seed, &play);
                let Ok(mut guard) = sum.lock() else { return };
                let (sum, told) = &mut *guard;
                if played.violation.is_some() {
                    failed.fetch_min(seed, Ordering::Relaxed);
                }
                sum.add(seed, played);
                if self.tells && told.elapsed() > PROGRESS {
                    *told = Instant::now();
                    eprintln!("  {} of {} histories", sum.played, self.seeds.end - self.seeds.start);
                }
            }
        };
        std::thread::scope(|scope| {
            (1..self.jobs).for_each(|_| _ = scope.spawn(work));
            work();
        });
        sum.into_inner().map(|(sum, _)| sum).unwrap_or_default()
    }

    fn play_one(&self, seed: u64, play: impl Fn(u64) -> Played) -> Played {
        let mut played = play(seed);
        if played.violation.is_none() && self.repeated.is_some_and(|repeated| seed.is_multiple_of(repeated)) {
            let hash = play(seed).hash;
            if hash != played.hash {
                let how = format!("the first run has hash {:016x}, the second {hash:016x}", played.hash);
                played.violation = Some(Violation { what: "determinism".to_owned(), how });
            }
        }
        played
    }
}

impl Sum {
    fn add(&mut self, seed: u64, played: Played) {
        self.played += 1;
        self.figures.absorb(&played.figures);
        if let Some(violation) = played.violation
            && self.failure.as_ref().is_none_or(|(other, _)| seed < *other)
        {
            self.failure = Some((seed, violation));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(repeated: Option<u64>) -> Many {
        Many { seeds: 1..50, jobs: 2, repeated, tells: false }
    }

    fn played(hash: u64, violation: Option<Violation>) -> Played {
        Played { hash, figures: Figures::default(), violation }
    }

    #[test]
    fn the_smallest_seed_that_fails_is_told() {
        let violation = Violation { what: "x".to_owned(), how: String::new() };
        let sum = many(None).play(|seed| played(seed, (seed % 20 == 19).then(|| violation.clone())));
        assert_eq!(sum.failure, Some((19, violation)));
    }

    #[test]
    fn a_history_that_is_another_when_it_is_played_again_fails() {
        let runs = AtomicU64::new(0);
        let play = |_| played(runs.fetch_add(1, Ordering::Relaxed), None);
        assert_eq!(many(Some(7)).play(play).failure.unwrap().1.what, "determinism");
        assert_eq!(many(Some(7)).play(|seed| played(seed, None)).failure, None);
    }
}

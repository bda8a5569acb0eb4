//! The quorum simulator: production engine, log, snapshots and controller of a whole quorum on virtual clocks, network and disks. One seed is
//! one history, the same in every run: what goes wrong in it, and when, follows from the seed alone. No threads, no real time and no
//! order of hash maps inside a history.

pub mod admin;
pub mod chain;
pub mod disk;
pub mod disk_log;
pub mod faults;
pub mod figures;
pub mod invariants;
mod liveness;
pub mod network;
pub mod observed;
pub mod operator;
pub mod plan;
pub mod process;
pub mod random;
pub mod schedule;
pub mod seeded;
pub mod trace;
pub mod workload;
pub mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use seeded::Bug;
use trace::Trace;
use world::{Outcome, Violation, World};

/// Plays the history of `seed`, with `bug` in every replica; keeps the text of it if asked. A panic is a violation like others.
#[must_use]
pub fn play(seed: u64, bug: Option<Bug>, with_text: bool) -> Outcome {
    let trace = || if with_text { Trace::with_text() } else { Trace::default() };
    let played = catch_unwind(AssertUnwindSafe(|| World::new(seed, bug, trace()).play()));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let how = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        let violation = Some(Violation { what: "no_panic".to_owned(), how });
        Outcome { violation, trace: trace(), figures: figures::Figures::default() }
    })
}

#[cfg(test)]
mod tests;

//! The quorum simulator: production engine, log, snapshots and controller of a whole quorum on virtual clocks, network and disks. One seed is
//! one history, the same in every run: what goes wrong in it, and when, follows from the seed alone. No threads, no real time and no
//! order of hash maps inside a history.

pub mod admin;
pub mod broker;
pub mod chain;
pub mod deed;
pub mod dice;
pub mod disk;
pub mod disk_log;
pub mod figures;
pub mod invariants;
mod liveness;
pub mod many;
pub mod network;
pub mod nodes;
pub mod observed;
pub mod operator;
pub mod plan;
pub mod process;
pub mod random;
pub mod schedule;
pub mod script;
pub mod seeded;
pub mod trace;
pub mod workload;
pub mod world;

use script::Script;
use seeded::Bug;
use trace::Trace;
use world::{Outcome, World};

/// Plays the history of `seed`, with `bug` in every replica; keeps the text of it if asked.
#[must_use]
pub fn play(seed: u64, bug: Option<Bug>, with_text: bool) -> Outcome {
    World::drawn(seed, bug, Trace::new(with_text)).play()
}

/// Plays a script, with `bug` in every replica.
#[must_use]
pub fn replay(script: &Script, bug: Option<Bug>, with_text: bool) -> Outcome {
    World::scripted(script, bug, Trace::new(with_text)).play()
}

#[cfg(test)]
mod tests;

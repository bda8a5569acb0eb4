//! Plays histories of whole nodes, or shows one, with and without a bug. Decides only how many, and says what came of them.

use std::time::Instant;

use barnabas_replica::Bug;
use barnabas_server::logging::{self, LogFormat};
use barnabas_sim::many::{Many, Played, Sum};
use barnabas_sim::nodes;
use barnabas_sim::world::Violation;

use super::{Arguments, COMMAND, REPEATED};

/// What the arguments ask for; true when all is as it should be.
pub fn run(arguments: &Arguments) -> bool {
    let bug = match arguments.bug.as_deref() {
        None => None,
        Some(name) => match Bug::ALL.iter().find(|bug| format!("{bug:?}") == name) {
            Some(bug) => Some(*bug),
            None => {
                eprintln!("there is no bug '{name}' of replicas; there are {:?}", Bug::ALL);
                return false;
            }
        },
    };
    if let Some(filter) = &arguments.log
        && let Err(error) = logging::start(filter, LogFormat::Text)
    {
        eprintln!("{error}");
        return false;
    }
    match (arguments.seed, arguments.bugs) {
        (Some(seed), _) => show(seed, bug, arguments.trace),
        (None, Some(count)) => show_bugs(arguments, count),
        (None, None) => many(arguments, bug),
    }
}

/// One history, in full if wanted.
fn show(seed: u64, bug: Option<Bug>, with_text: bool) -> bool {
    let ended = nodes::play(seed, bug, with_text);
    ended.trace.lines().iter().for_each(|line| println!("{line}"));
    println!("{}", ended.figures);
    println!("seed {seed}: hash {:016x}, {} events", ended.trace.hash(), ended.trace.events());
    verdict(ended.violation.map(|violation| (seed, violation)), bug, "1 history of whole nodes")
}

fn sum(arguments: &Arguments, bug: Option<Bug>, tells: bool) -> Sum {
    let Arguments { seeds, from, jobs, .. } = *arguments;
    let repeated = Some(REPEATED).filter(|_| bug.is_none());
    Many { seeds: from..from.saturating_add(seeds), jobs, repeated, tells }.play(|seed| {
        let ended = nodes::play(seed, bug, false);
        Played { hash: ended.trace.hash(), figures: ended.figures, violation: ended.violation }
    })
}

fn many(arguments: &Arguments, bug: Option<Bug>) -> bool {
    let begun = Instant::now();
    let sum = sum(arguments, bug, true);
    println!("{}", sum.figures);
    verdict(sum.failure, bug, &format!("{} histories of whole nodes in {} s", sum.played, begun.elapsed().as_secs()))
}

fn verdict(failure: Option<(u64, Violation)>, bug: Option<Bug>, what: &str) -> bool {
    let Some((seed, Violation { what, how })) = failure else {
        println!("PASS: {what}, every invariant held after every event, and all was well at the end");
        return true;
    };
    let bug = bug.map(|bug| format!(" --bug {bug:?}")).unwrap_or_default();
    println!("FAIL: seed {seed}: {what}: {how}");
    println!("replay it: {COMMAND} --nodes --seed {seed}{bug} --trace");
    false
}

/// Puts bugs into the replicas, one after the other, and looks for them.
fn show_bugs(arguments: &Arguments, count: usize) -> bool {
    let count = count.min(Bug::ALL.len());
    let first = usize::try_from(arguments.rotate).unwrap_or(0).wrapping_mul(count) % Bug::ALL.len();
    let mut missed = Vec::new();
    println!("{:<30} {:>9}  found by", "bug", "histories");
    for bug in Bug::ALL.iter().cycle().skip(first).take(count) {
        let Sum { played, failure, .. } = sum(arguments, Some(*bug), false);
        let name = format!("{bug:?}");
        match failure {
            Some((seed, found)) => println!("{name:<30} {played:>9}  {} (seed {seed}): {}", found.what, found.how),
            None => {
                println!("{name:<30} {played:>9}  nothing");
                missed.push(name);
            }
        }
    }
    match missed.as_slice() {
        [] => println!("PASS: {count} of {} bugs put into the replicas, all found", Bug::ALL.len()),
        missed => println!("FAIL: not found within {} histories: {}", arguments.seeds, missed.join(", ")),
    }
    missed.is_empty()
}

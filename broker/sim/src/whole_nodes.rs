//! Plays histories of whole nodes, or shows one, with and without a bug. Decides only how many, and says what came of them.

use std::time::Instant;

use barnabas_server::Seeded;
use barnabas_server::logging::{self, LogFormat};
use barnabas_sim::many::{Many, Played, Sum};
use barnabas_sim::nodes;
use barnabas_sim::world::Violation;

use super::{Arguments, COMMAND, REPEATED};

/// What the arguments ask for; true when all is as it should be.
pub fn run(arguments: &Arguments) -> bool {
    let bug = match arguments.bug.as_deref() {
        None => None,
        Some(name) => match Seeded::all().find(|bug| bug.name() == name) {
            Some(bug) => Some(bug),
            None => {
                let names: Vec<_> = Seeded::all().map(Seeded::name).collect();
                eprintln!("there is no bug '{name}' of nodes; there are {}", names.join(", "));
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
fn show(seed: u64, bug: Option<Seeded>, with_text: bool) -> bool {
    let ended = nodes::play(seed, bug, with_text);
    ended.trace.lines().iter().for_each(|line| println!("{line}"));
    println!("{}", ended.figures);
    println!("seed {seed}: hash {:016x}, {} events", ended.trace.hash(), ended.trace.events());
    verdict(ended.violation.map(|violation| (seed, violation)), bug, "1 history of whole nodes")
}

fn sum(arguments: &Arguments, bug: Option<Seeded>, tells: bool) -> Sum {
    let Arguments { seeds, from, jobs, .. } = *arguments;
    let repeated = Some(REPEATED).filter(|_| bug.is_none());
    Many { seeds: from..from.saturating_add(seeds), jobs, repeated, tells }.play(|seed| {
        let ended = nodes::play(seed, bug, false);
        Played { hash: ended.trace.hash(), figures: ended.figures, violation: ended.violation }
    })
}

fn many(arguments: &Arguments, bug: Option<Seeded>) -> bool {
    let begun = Instant::now();
    let sum = sum(arguments, bug, true);
    println!("{}", sum.figures);
    let (first, last) = (arguments.from, arguments.from.saturating_add(arguments.seeds).saturating_sub(1));
    let what =
        format!("{} histories of whole nodes, seeds {first} to {last}, in {} s", sum.played, begun.elapsed().as_secs());
    verdict(sum.failure, bug, &what)
}

fn verdict(failure: Option<(u64, Violation)>, bug: Option<Seeded>, what: &str) -> bool {
    let Some((seed, Violation { what, how })) = failure else {
        println!("PASS: {what}, every invariant held after every event, and all was well at the end");
        return true;
    };
    let bug = bug.map(|bug| format!(" --bug {}", bug.name())).unwrap_or_default();
    println!("FAIL: seed {seed}: {what}: {how}");
    println!("replay it: {COMMAND} --nodes --seed {seed}{bug} --trace");
    false
}

/// Puts bugs into nodes, one after the other, and looks for them. Those that have no place to show themselves are left out.
fn show_bugs(arguments: &Arguments, count: usize) -> bool {
    let bugs: Vec<_> = Seeded::all().filter(|bug| !nodes::HIDDEN.iter().any(|(hidden, _)| hidden == bug)).collect();
    let count = count.min(bugs.len());
    let first = usize::try_from(arguments.rotate).unwrap_or(0).wrapping_mul(count) % bugs.len().max(1);
    let mut missed = Vec::new();
    println!("{:<28} {:>9}  found by", "bug", "histories");
    for bug in bugs.iter().cycle().skip(first).take(count) {
        let Sum { played, failure, .. } = sum(arguments, Some(*bug), false);
        let name = bug.name();
        match failure {
            Some((seed, found)) => println!("{name:<28} {played:>9}  {} (seed {seed}): {}", found.what, found.how),
            None => {
                println!("{name:<28} {played:>9}  nothing");
                missed.push(name);
            }
        }
    }
    match missed.as_slice() {
        [] => println!("PASS: {count} of {} bugs put into whole nodes, all found", bugs.len()),
        missed => println!("FAIL: not found within {} histories: {}", arguments.seeds, missed.join(", ")),
    }
    missed.is_empty()
}

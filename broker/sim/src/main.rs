//! Plays many histories of the quorum, or shows one. Decides only how many, and says what came of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use barnabas_sim::figures::Figures;
use barnabas_sim::play;
use barnabas_sim::seeded::Bug;
use barnabas_sim::world::Violation;
use clap::Parser;

/// How to run this.
const COMMAND: &str = "cargo run -q --profile ci -p barnabas-sim --";
/// Histories that once showed a bug: name, seed, what it was.
const SCENARIOS: &str = include_str!("../scenarios.tsv");
/// One history in so many is played twice, and must be the same.
const REPEATED: u64 = 20;
const PROGRESS: Duration = Duration::from_secs(5);

/// Plays histories of a whole metadata quorum on virtual clocks, network and disks, and checks every invariant after every event.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How many histories.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The seed of the first.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Only this one.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happens in it.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Only the histories that once showed a bug.
    #[arg(long)]
    scenarios: bool,
    /// Put a bug into the engine; `list` names all.
    #[arg(long)]
    bug: Option<String>,
    /// Put each of so many bugs in, one after the other, and see whether `seeds` histories find it; the first is chosen by `rotate`.
    #[arg(long)]
    bugs: Option<usize>,
    /// Where the choice of `bugs` begins.
    #[arg(long, default_value_t = 0)]
    rotate: u64,
    /// How many threads play histories.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic is reported as a violation, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let bug = match arguments.bug.as_deref() {
        None => None,
        Some("list") => {
            Bug::ALL.iter().for_each(|bug| println!("{bug:?}"));
            return ExitCode::SUCCESS;
        }
        Some(name) => match Bug::ALL.iter().find(|bug| format!("{bug:?}") == name) {
            Some(bug) => Some(*bug),
            None => {
                eprintln!("there is no bug '{name}'; --bug list names all");
                return ExitCode::from(2);
            }
        },
    };
    let passed = match (arguments.seed, arguments.bugs) {
        (Some(seed), _) => show(seed, bug, arguments.trace),
        (None, Some(count)) => show_bugs(&arguments, count),
        (None, None) if arguments.scenarios => scenarios(bug),
        (None, None) => many(&arguments, bug),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One history, in full if wanted.
fn show(seed: u64, bug: Option<Bug>, with_text: bool) -> bool {
    let outcome = play(seed, bug, with_text);
    outcome.trace.lines().iter().for_each(|line| println!("{line}"));
    println!("{}", outcome.figures);
    println!("seed {seed}: hash {:016x}, {} events", outcome.trace.hash(), outcome.trace.events());
    verdict(outcome.violation.map(|violation| (seed, violation)), bug, "1 history")
}

fn verdict(failure: Option<(u64, Violation)>, bug: Option<Bug>, what: &str) -> bool {
    let Some((seed, Violation { what, how })) = failure else {
        println!("PASS: {what}, every invariant held after every event");
        return true;
    };
    let bug = bug.map(|bug| format!(" --bug {bug:?}")).unwrap_or_default();
    println!("FAIL: seed {seed}: {what}: {how}");
    println!("replay it: {COMMAND} --seed {seed}{bug} --trace");
    false
}

fn scenarios(bug: Option<Bug>) -> bool {
    let mut played = 0;
    for row in SCENARIOS.lines().filter(|row| !row.starts_with('#')) {
        let mut columns = row.split('\t');
        let (Some(name), Some(Ok(seed))) = (columns.next(), columns.next().map(str::parse)) else { continue };
        played += 1;
        if let Some(violation) = play(seed, bug, false).violation {
            println!("scenario {name}");
            return verdict(Some((seed, violation)), bug, "");
        }
    }
    verdict(None, bug, &format!("{played} scenarios"))
}

/// What came of many histories.
#[derive(Default)]
struct Sum {
    played: u64,
    figures: Figures,
    /// The one with the smallest seed.
    failure: Option<(u64, Violation)>,
}

/// Plays `seeds` histories from `from` on, until one fails.
fn sum(from: u64, seeds: u64, jobs: usize, bug: Option<Bug>, tell: bool) -> Sum {
    let (next, failed) = (AtomicU64::new(from), AtomicU64::new(u64::MAX));
    let sum = Mutex::new((Sum::default(), Instant::now()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from.saturating_add(seeds) || seed > failed.load(Ordering::Relaxed) {
                return;
            }
            let mut outcome = play(seed, bug, false);
            if outcome.violation.is_none() && bug.is_none() && seed.is_multiple_of(REPEATED) {
                let hash = play(seed, bug, false).trace.hash();
                if hash != outcome.trace.hash() {
                    let how = format!("the first run has hash {:016x}, the second {hash:016x}", outcome.trace.hash());
                    outcome.violation = Some(Violation { what: "determinism".to_owned(), how });
                }
            }
            let Ok(mut guard) = sum.lock() else { return };
            let (sum, told) = &mut *guard;
            sum.played += 1;
            sum.figures.absorb(&outcome.figures);
            if let Some(violation) = outcome.violation {
                failed.fetch_min(seed, Ordering::Relaxed);
                if sum.failure.as_ref().is_none_or(|(other, _)| seed < *other) {
                    sum.failure = Some((seed, violation));
                }
            }
            if tell && told.elapsed() > PROGRESS {
                *told = Instant::now();
                eprintln!("  {} of {seeds} histories", sum.played);
            }
        }
    };
    std::thread::scope(|scope| {
        (1..jobs).for_each(|_| _ = scope.spawn(work));
        work();
    });
    sum.into_inner().map(|(sum, _)| sum).unwrap_or_default()
}

fn many(arguments: &Arguments, bug: Option<Bug>) -> bool {
    let Arguments { seeds, from, jobs, .. } = *arguments;
    println!("playing {seeds} histories, seeds {from} to {}", from.saturating_add(seeds).saturating_sub(1));
    let begun = Instant::now();
    let sum = sum(from, seeds, jobs, bug, true);
    println!("{}", sum.figures);
    verdict(sum.failure, bug, &format!("{} histories in {} s", sum.played, begun.elapsed().as_secs()))
}

/// Puts bugs in and looks for them.
fn show_bugs(arguments: &Arguments, count: usize) -> bool {
    let count = count.min(Bug::ALL.len());
    let first = usize::try_from(arguments.rotate).unwrap_or(0).wrapping_mul(count) % Bug::ALL.len().max(1);
    let mut missed = Vec::new();
    println!("{:<44} {:>9}  found by", "bug", "histories");
    for bug in Bug::ALL.iter().cycle().skip(first).take(count) {
        let Sum { played, failure, .. } = sum(arguments.from, arguments.seeds, arguments.jobs, Some(*bug), false);
        match failure {
            Some((seed, violation)) => {
                println!(
                    "{:<44} {:>9}  {} (seed {seed})",
                    format!("{bug:?}"),
                    seed + 1 - arguments.from,
                    violation.what
                );
            }
            None => {
                println!("{:<44} {played:>9}  nothing", format!("{bug:?}"));
                missed.push(*bug);
            }
        }
    }
    if missed.is_empty() {
        println!(
            "PASS: {count} of {} bugs put into the engine, all found within {} histories",
            Bug::ALL.len(),
            arguments.seeds
        );
    } else {
        println!("FAIL: not found within {} histories: {missed:?}", arguments.seeds);
    }
    missed.is_empty()
}

//! Plays many histories of the quorum, or shows one. Decides only how many, and says what came of them.

mod whole_nodes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use barnabas_sim::many::{Many, Played, Sum};
use barnabas_sim::script::Script;
use barnabas_sim::seeded::{Bug, SCRIPTED};
use barnabas_sim::world::{Outcome, Violation};
use barnabas_sim::{play, replay};
use clap::Parser;
use strum::VariantArray as _;

/// How to run this.
const COMMAND: &str = "cargo run -q --profile ci -p barnabas-sim --";
/// Histories that once showed a bug, a script each.
const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
/// One history in so many is played twice, and must be the same.
const REPEATED: u64 = 20;

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
    /// Play a script, in full; the file is one of `scenarios`, or like them.
    #[arg(long)]
    script: Option<PathBuf>,
    /// Keep the history of `seed` under this name, without what it does not need to fail.
    #[arg(long, requires = "seed")]
    keep: Option<String>,
    /// What was wrong, for whoever reads the script that is kept.
    #[arg(long, requires = "keep", default_value = "")]
    about: String,
    /// Put a bug into the engine; `list` names all.
    #[arg(long)]
    bug: Option<String>,
    /// Put each of so many bugs in, one after the other, and see whether `seeds` histories find it; the first is chosen by `rotate`.
    #[arg(long)]
    bugs: Option<usize>,
    /// Where the choice of `bugs` begins.
    #[arg(long, default_value_t = 0)]
    rotate: u64,
    /// Whole nodes and their clients instead of the quorum alone.
    #[arg(long, conflicts_with_all = ["scenarios", "script", "keep"])]
    nodes: bool,
    /// What whole nodes say of themselves meanwhile, for standard error: a filter as `barnabas` takes it, `info` or `barnabas_server=debug`.
    #[arg(long, requires = "nodes")]
    log: Option<String>,
    /// How many threads play histories.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic is reported as a violation, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    if arguments.nodes {
        return if whole_nodes::run(&arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let bug = match arguments.bug.as_deref() {
        None => None,
        Some("list") => {
            Bug::VARIANTS.iter().for_each(|bug| println!("{bug:?}"));
            return ExitCode::SUCCESS;
        }
        Some(name) => match name.parse::<Bug>() {
            Ok(bug) => Some(bug),
            Err(_) => {
                eprintln!("there is no bug '{name}'; --bug list names all");
                return ExitCode::from(2);
            }
        },
    };
    let passed = match (arguments.seed, arguments.bugs, &arguments.script, &arguments.keep) {
        (Some(seed), _, _, Some(name)) => keep(seed, bug, name, &arguments.about),
        (Some(seed), ..) => show(seed, bug, arguments.trace),
        (None, Some(count), ..) => show_bugs(&arguments, count),
        (None, None, Some(path), _) => show_script(path, bug),
        (None, None, None, _) if arguments.scenarios => scenarios(),
        (None, None, None, _) => many(&arguments, bug),
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

/// Writes the history of a seed that fails down as a script.
fn keep(seed: u64, bug: Option<Bug>, name: &str, about: &str) -> bool {
    let Outcome { violation: Some(violation), mut script, .. } = play(seed, bug, false) else {
        println!("FAIL: nothing is wrong with seed {seed}: there is nothing to keep");
        return false;
    };
    let fails =
        |script: &Script| replay(script, bug, false).violation.is_some_and(|other| other.what == violation.what);
    if !fails(&script) {
        println!("FAIL: the script of seed {seed} does not show what the seed shows: {}", violation.what);
        return false;
    }
    let before = script.deeds.len();
    script.about.extend(Some(about.to_owned()).filter(|about| !about.is_empty()));
    let script = script.without_what_it_does_not_need(fails);
    let path = Path::new(SCENARIOS).join(name);
    if let Err(error) = std::fs::write(&path, script.to_string()) {
        println!("FAIL: {}: {error}", path.display());
        return false;
    }
    println!("{}: {} of {before} deeds show {}", path.display(), script.deeds.len(), violation.what);
    true
}

fn read_script(path: &Path) -> Result<Script, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.parse().map_err(|error| format!("{}: {error}", path.display()))
}

/// One script, in full.
fn show_script(path: &Path, bug: Option<Bug>) -> bool {
    let script = match read_script(path) {
        Ok(script) => script,
        Err(error) => {
            println!("FAIL: {error}");
            return false;
        }
    };
    let outcome = replay(&script, bug, true);
    outcome.trace.lines().iter().for_each(|line| println!("{line}"));
    println!("{}", outcome.figures);
    match outcome.violation {
        None => println!("PASS: 1 history, every invariant held after every event"),
        Some(Violation { what, how }) => {
            println!("FAIL: {what}: {how}");
            return false;
        }
    }
    true
}

/// Plays every script: it holds, and where it names a bug it finds that.
fn scenarios() -> bool {
    let Ok(entries) = std::fs::read_dir(SCENARIOS) else {
        println!("FAIL: {SCENARIOS} cannot be read");
        return false;
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let (mut with_bug, mut wrong) = (Vec::new(), Vec::new());
    for path in &paths {
        let script = match read_script(path) {
            Ok(script) => script,
            Err(error) => {
                wrong.push(error);
                continue;
            }
        };
        if let Some(Violation { what, how }) = replay(&script, None, false).violation {
            wrong.push(format!("{}: {what}: {how}; replay it: {COMMAND} --script {0}", path.display()));
        }
        if let Some(bug) = script.bug {
            with_bug.push(bug);
            let found = replay(&script, script.bug, false).violation.map(|violation| violation.what);
            if found.as_ref() != Some(&script.violated) {
                let found = found.unwrap_or_else(|| "nothing".to_owned());
                wrong.push(format!("{} finds {found}, not {}: keep another seed", path.display(), script.violated));
            }
        }
    }
    let missing = SCRIPTED.iter().filter(|bug| !with_bug.contains(bug));
    wrong.extend(missing.map(|bug| format!("no scenario shows {bug:?}")));
    wrong.iter().for_each(|wrong| println!("{wrong}"));
    let verdict = if wrong.is_empty() { "PASS" } else { "FAIL" };
    println!("{verdict}: {} scenarios; {} of them with the bug that they find, too", paths.len(), with_bug.len());
    wrong.is_empty()
}

/// Plays `seeds` histories from `from` on, until one fails.
fn sum(from: u64, seeds: u64, jobs: usize, bug: Option<Bug>, tells: bool) -> Sum {
    let repeated = Some(REPEATED).filter(|_| bug.is_none());
    Many { seeds: from..from.saturating_add(seeds), jobs, repeated, tells }.play(|seed| {
        let Outcome { trace, figures, violation, .. } = play(seed, bug, false);
        Played { hash: trace.hash(), figures, violation }
    })
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
    let bugs: Vec<Bug> = Bug::VARIANTS.iter().copied().filter(|bug| !SCRIPTED.contains(bug)).collect();
    let count = count.min(bugs.len());
    let first = usize::try_from(arguments.rotate).unwrap_or(0).wrapping_mul(count) % bugs.len().max(1);
    let mut missed = Vec::new();
    println!("{:<44} {:>9}  found by", "bug", "histories");
    for bug in bugs.iter().cycle().skip(first).take(count) {
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
            bugs.len(),
            arguments.seeds
        );
    } else {
        println!("FAIL: not found within {} histories: {missed:?}", arguments.seeds);
    }
    missed.is_empty()
}

//! The command that counts every workload and compares with the table, or with other crates that do the same work. Counts in child
//! processes, one per workload, so that none leaves traces in another's allocator.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use barnabas_cost::callgrind::{Cost, cost};
use barnabas_cost::table::{self, Row, TOLERANCE_PERCENT, Verdict, verdict};
use barnabas_cost::workloads;

const HELP: &str = "barnabas-cost: instructions and allocations of fixed pieces of work, counted by valgrind's callgrind

Usage: barnabas-cost check TABLE PROGRAM…    count all, those of the PROGRAMs too (broker/cost/server), and compare with TABLE
       barnabas-cost bless TABLE PROGRAM…    count all and write TABLE
       barnabas-cost rivals PROGRAM          count the same work in PROGRAM (broker/cost/rivals) too, and compare
       barnabas-cost list                    the workloads' names
       barnabas-cost run WORKLOAD            run one, not counted: what valgrind is given

Profiles stay in target/cost for callgrind_annotate. Exit code 1 when the last line says FAIL, 2 when nothing could be counted.";

/// What part of the better rival's instructions ours may take.
const GOAL: f64 = 0.5;
/// The rivals, as the second program calls them.
const RIVALS: [&str; 2] = ["kafka-protocol", "kafka-wire"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["-h" | "--help"] => {
            println!("{HELP}");
            Ok(true)
        }
        ["check", path, programs @ ..] => check(Path::new(path), programs),
        ["bless", path, programs @ ..] => bless(Path::new(path), programs),
        ["rivals", program] => rivals(Path::new(program)),
        ["list"] => {
            workloads::all().for_each(|workload| println!("{}", workload.name));
            Ok(true)
        }
        ["run", name] => workloads::run(workloads::all(), name).map(|()| true),
        _ => Err(format!("cannot make sense of {:?}\n\n{HELP}", words.join(" "))),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("barnabas-cost: {error}");
            ExitCode::from(2)
        }
    }
}

/// Where profiles are left.
fn profiles() -> Result<PathBuf, String> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let folder = target.join("cost");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// Counts every workload of this program, then those of `others`, showing each as it is done.
fn count_all(others: &[&str], mut show: impl FnMut(&str, Cost)) -> Result<Vec<Row>, String> {
    let folder = profiles()?;
    let program = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut pairs: Vec<(PathBuf, String)> =
        workloads::all().map(|workload| (program.clone(), workload.name.to_owned())).collect();
    for other in others {
        pairs.extend(names(other)?.into_iter().map(|name| (PathBuf::from(other), name)));
    }
    pairs
        .into_iter()
        .map(|(program, name)| {
            let measured = cost(&program, &name, &folder)?;
            show(&name, measured);
            Ok((name, measured))
        })
        .collect()
}

/// The workloads of another program, which answers to `list`.
fn names(program: &str) -> Result<Vec<String>, String> {
    let output = Command::new(program).arg("list").output();
    let output = output.map_err(|error| format!("cannot run {program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} list failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn check(path: &Path, programs: &[&str]) -> Result<bool, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let table = table::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{:<44} {:>12} {:>12} {:>11}", "workload", "instructions", "in the table", "allocations");
    let mut verdicts = Vec::new();
    let measured = count_all(programs, |name, cost| {
        let verdict = verdict(&table, name, cost);
        let expected = table.iter().find(|(row, _)| row == name).map_or(0, |(_, cost)| cost.instructions);
        let note = match verdict {
            Verdict::Same => "",
            Verdict::Cheaper => "  cheaper: keep it with BLESS=1",
            Verdict::Dearer => "  DEARER",
            Verdict::New => "  not in the table: BLESS=1",
        };
        println!("{name:<44} {:>12} {expected:>12} {:>11}{note}", cost.instructions, cost.allocations);
        verdicts.push(verdict);
    })?;
    let gone = table.iter().filter(|(name, _)| measured.iter().all(|(row, _)| row != name)).count();
    let bad = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Dearer | Verdict::New)).count() + gone;
    let passed = bad == 0;
    println!(
        "{} cost: {} workloads, {bad} dearer than the table by more than {TOLERANCE_PERCENT} %, or not in it, or gone",
        if passed { "PASS" } else { "FAIL" },
        measured.len(),
    );
    Ok(passed)
}

fn bless(path: &Path, programs: &[&str]) -> Result<bool, String> {
    let rows =
        count_all(programs, |name, cost| println!("{name:<44} {:>12} {:>11}", cost.instructions, cost.allocations))?;
    fs::write(path, table::write(&rows)).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("PASS cost: wrote {} workloads to {}", rows.len(), path.display());
    Ok(true)
}

/// Counts the same work in other crates. The program answers to `run <crate>/<workload>`.
fn rivals(program: &Path) -> Result<bool, String> {
    let folder = profiles()?;
    let [one, other] = RIVALS;
    println!("instructions (allocations)");
    println!("{:<44} {:>16} {one:>20} {other:>20} {:>7}", "workload", "ours", "ratio");
    let mut reached = true;
    let mut failure = Ok(());
    count_all(&[], |name, ours| {
        let theirs = RIVALS.map(|rival| cost(program, &format!("{rival}--{name}"), &folder));
        let [Ok(one), Ok(other)] = &theirs else {
            failure = theirs.into_iter().find_map(Result::err).map_or(Ok(()), Err);
            return;
        };
        let ratio = ours.instructions as f64 / one.instructions.min(other.instructions) as f64;
        reached &= ratio <= GOAL;
        let shown = |cost: &Cost| format!("{} ({})", cost.instructions, cost.allocations);
        println!("{name:<44} {:>16} {:>20} {:>20} {ratio:>7.3}", shown(&ours), shown(one), shown(other));
    })?;
    failure?;
    println!(
        "{} rivals: at most {GOAL} of the better one's instructions everywhere",
        if reached { "PASS" } else { "FAIL" }
    );
    Ok(reached)
}

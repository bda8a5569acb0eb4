//! Runs the scripts beside this file: commands, `---`, then the effects and the state after each. Time is `at=` milliseconds or `at=+` that
//! many more; `tick` alone waits for the deadline. What begins with `replica`, `fetcher` or `cluster` drives one of those.
//! `UPDATE_TESTSCRIPTS=1 cargo test -p barnabas-replica` writes what happens now; read the difference before committing it.

mod clusters;
mod command;
mod fetches;
mod replicas;
mod show;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barnabas_types::{Now, Timestamp};

use clusters::ClusterHarness;
use command::Command;
use fetches::FetcherHarness;
use replicas::ReplicaHarness;

/// What a script drives.
#[derive(Default)]
struct Harness {
    now_ms: u64,
    replica: Option<ReplicaHarness>,
    fetcher: Option<FetcherHarness>,
    cluster: Option<ClusterHarness>,
}

impl Harness {
    fn run(&mut self, line: &str, trace: &mut String) {
        let command = Command::parse(line);
        match command.name {
            "replica" => *self = Self { replica: Some(ReplicaHarness::new(&command)), ..Self::default() },
            "fetcher" => *self = Self { fetcher: Some(FetcherHarness::new(&command)), ..Self::default() },
            "cluster" => *self = Self { cluster: Some(ClusterHarness::new(&command)), ..Self::default() },
            _ if self.cluster.is_none() => self.go_on(&command),
            _ => {}
        }
        let now = self.now();
        let lines = match (&mut self.replica, &mut self.fetcher, &mut self.cluster) {
            (Some(replica), _, _) => replica.run(&command, now),
            (None, Some(fetcher), _) => fetcher.run(&command, now),
            (None, None, Some(cluster)) => cluster.run(&command),
            (None, None, None) => panic!("begin with `replica`, `fetcher` or `cluster`"),
        };
        lines.into_iter().for_each(|line| writeln!(trace, "{line}").unwrap());
    }

    fn now(&self) -> Now {
        Now { monotonic: Duration::from_millis(self.now_ms), wall: Timestamp(0) }
    }

    fn go_on(&mut self, command: &Command<'_>) {
        let now = self.now();
        match command.text("at") {
            None if command.name == "tick" => {
                let deadline = match (&self.replica, &self.fetcher) {
                    (Some(replica), _) => replica.deadline(now),
                    (None, Some(fetcher)) => fetcher.deadline(now),
                    (None, None) => None,
                };
                self.now_ms = u64::try_from(deadline.expect("a deadline").as_millis()).unwrap();
            }
            None => {}
            Some(at) => {
                let number: u64 = at.trim_start_matches('+').parse().unwrap();
                self.now_ms = if at.starts_with('+') { self.now_ms + number } else { number };
            }
        }
    }
}

/// Runs a script and returns it with the output that happened.
fn execute(script: &str) -> String {
    let mut harness = Harness::default();
    let mut result = String::new();
    for block in script.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let commands: Vec<_> = block.lines().take_while(|line| *line != "---").collect();
        let mut trace = String::new();
        for line in commands.iter().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            harness.run(line, &mut trace);
        }
        let separator = if result.is_empty() { "" } else { "\n" };
        write!(result, "{separator}{}\n---\n{trace}", commands.join("\n")).unwrap();
    }
    result
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testscripts");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_none()).collect();
    paths.sort();
    paths
}

#[test]
fn every_script_gives_the_trace_it_holds() {
    let paths = scripts();
    assert!(paths.len() >= 10, "scripts are missing: {paths:?}");
    let mut steps = 0;
    for path in &paths {
        let expected = std::fs::read_to_string(path).unwrap();
        let happened = execute(&expected);
        steps += happened.lines().filter(|line| line.starts_with('=')).count();
        if std::env::var_os("UPDATE_TESTSCRIPTS").is_some() {
            std::fs::write(path, &happened).unwrap();
        } else {
            assert_eq!(happened, expected, "{}", path.display());
        }
        if std::env::var_os("SHOW_TESTSCRIPTS").is_some() {
            println!("## {}\n\n{happened}", path.file_name().unwrap().to_string_lossy());
        }
    }
    println!("{steps} steps in {} scripts", paths.len());
}

/// A rule that is known to be wrong must be seen to be: else a scenario shows nothing.
#[test]
fn every_scenario_with_a_wrong_rule_shows_what_it_breaks() {
    let mut wrong_rules = 0;
    for path in scripts() {
        let script = std::fs::read_to_string(&path).unwrap();
        for block in script.split("\n\n").filter(|block| block.contains("bug=")) {
            wrong_rules += 1;
            let shows = block.contains("\nBROKEN ") || block.contains("\n= DIFFERENT");
            assert!(shows, "{}: {block}", path.display());
        }
    }
    assert!(wrong_rules >= 6, "scenarios are missing");
}

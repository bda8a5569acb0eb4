//! Runs the scripts beside this file: commands, `---`, then the effects and the state after each. Time is `at=` milliseconds or `at=+` that
//! many more; `tick` alone waits for the deadline. Node N listens at port 9000 + N; its directory id is N, or D in `N:D`.
//! `UPDATE_TESTSCRIPTS=1 cargo test -p barnabas-raft` writes what happens now; read the difference before committing it.

mod command;
mod show;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barnabas_types::{Now, Timestamp};

use crate::{Effect, Node, RequestId};
use command::Command;

/// One replica under test, with the requests that it has sent.
#[derive(Default)]
struct RaftHarness {
    node: Option<Node>,
    now_ms: u64,
    /// By port: the last request sent there.
    sent: BTreeMap<u16, RequestId>,
}

impl RaftHarness {
    fn run(&mut self, line: &str, trace: &mut String) {
        let command = Command::parse(line);
        if command.name == "replica" {
            *self = Self::default();
            match command.node() {
                Ok(node) => self.node = Some(node),
                Err(error) => writeln!(trace, "error: {error}").unwrap(),
            }
        } else {
            self.handle(&command, trace);
        }
        if let Some(node) = &self.node {
            writeln!(trace, "{}", show::state(node)).unwrap();
        }
    }

    fn handle(&mut self, command: &Command<'_>, trace: &mut String) {
        let node = self.node.as_mut().expect("a replica first");
        match command.arguments.get("at") {
            None if command.name == "tick" => {
                let deadline = node.deadline().expect("a deadline");
                self.now_ms = u64::try_from(deadline.as_millis()).unwrap();
            }
            None => {}
            Some(at) => {
                let number: u64 = at.trim_start_matches('+').parse().unwrap();
                self.now_ms = if at.starts_with('+') { self.now_ms + number } else { number };
            }
        }
        let now = Now {
            monotonic: Duration::from_millis(self.now_ms),
            wall: Timestamp(1_000_000 + i64::try_from(self.now_ms).unwrap()),
        };
        if command.name == "describe" {
            return writeln!(trace, "{}", show::description(node.describe(now.wall))).unwrap();
        }
        let input = command.input(&self.sent);
        let mut effects = Vec::new();
        node.handle(input, now, &mut effects);
        for effect in effects {
            if let Effect::Send { id, to, .. } = &effect {
                self.sent.insert(to.port, *id);
            }
            writeln!(trace, "{}", show::effect(&effect)).unwrap();
        }
    }
}

/// Runs a script and returns it with the output that happened.
fn execute(script: &str) -> String {
    let mut harness = RaftHarness::default();
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
    assert!(paths.len() >= 12, "scripts are missing: {paths:?}");
    for path in paths {
        let expected = std::fs::read_to_string(&path).unwrap();
        let happened = execute(&expected);
        if std::env::var_os("UPDATE_TESTSCRIPTS").is_some() {
            std::fs::write(&path, &happened).unwrap();
        } else {
            assert_eq!(happened, expected, "{}", path.display());
        }
    }
}

/// Every role meets every message in some script: counts the commands by the role in which they found the replica.
#[test]
fn every_role_meets_every_message() {
    const ROLES: [&str; 6] = ["unattached", "follower", "prospective", "candidate", "leader", "resigned"];
    const MESSAGES: [&str; 9] =
        ["vote", "pre_vote", "begin", "end", "fetch", "fetch_snapshot", "add_voter", "remove_voter", "update_voter"];
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut steps = 0;
    for path in scripts() {
        let mut harness = RaftHarness::default();
        let script = std::fs::read_to_string(&path).unwrap();
        for block in script.split("\n\n") {
            let commands = block.lines().take_while(|line| *line != "---");
            for line in commands.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let role = harness.node.as_ref().map(|node| node.role().name());
                let name = Command::parse(line).name;
                if let (Some(role), Some(message)) = (role, MESSAGES.iter().find(|message| **message == name)) {
                    *counts.entry((role, message)).or_default() += 1;
                }
                harness.run(line, &mut String::new());
                steps += 1;
            }
        }
    }
    println!("{steps} steps in {} scripts; requests by the role that they met:", scripts().len());
    println!("{:>14} {}", "", ROLES.map(|role| format!("{role:>12}")).concat());
    for message in MESSAGES {
        let row = ROLES.map(|role| format!("{:>12}", counts.get(&(role, message)).copied().unwrap_or(0)));
        println!("{message:>14} {}", row.concat());
    }
    for message in MESSAGES {
        for role in ROLES {
            assert!(counts.contains_key(&(role, message)), "no script sends {message} to a replica that is {role}");
        }
    }
}

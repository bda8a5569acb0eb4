//! Runs the scripts beside this file: commands, `---`, then the expected effects and the state after them.
//! `UPDATE_TESTSCRIPTS=1 cargo test -p barnabas-raft` writes what happens now; read the difference before committing it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use barnabas_types::{BrokerId, LeaderEpoch, Offset, Uuid};

use crate::{
    Config, Effect, ElectionState, Endpoint, Input, KRaftVersionRange, LogView, Node, ReplicaKey, Role, SnapshotId,
    Voter, VoterSet,
};

/// One replica under test, with the last election it was asked to keep.
#[derive(Default)]
struct RaftHarness {
    node: Option<Node>,
    asked_to_keep: Option<ElectionState>,
}

struct Command<'a> {
    name: &'a str,
    arguments: BTreeMap<&'a str, &'a str>,
}

impl<'a> Command<'a> {
    fn parse(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        Self { name, arguments: words.map(|word| word.split_once('=').expect(word)).collect() }
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.arguments.get(name).map_or(default, |text| text.parse().ok().expect(text))
    }

    fn pair(&self, name: &str) -> Option<(i64, i64)> {
        let (left, right) = self.arguments.get(name)?.split_once('@').unwrap();
        Some((left.parse().unwrap(), right.parse().unwrap()))
    }
}

fn replica(id: i32) -> ReplicaKey {
    ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(u128::from(id.unsigned_abs())) }
}

fn voter_set(ids: &str, port: u16) -> VoterSet {
    let voter = |id: &str| Voter {
        key: replica(id.parse().unwrap()),
        endpoints: vec![Endpoint { name: "CONTROLLER".into(), host: "localhost".into(), port }],
        kraft_version: KRaftVersionRange { min: 0, max: 1 },
    };
    VoterSet(ids.split(',').filter(|id| !id.is_empty()).map(voter).collect())
}

impl RaftHarness {
    fn run(&mut self, line: &str, trace: &mut String) {
        let command = Command::parse(line);
        if command.name == "replica" {
            match new_node(&command) {
                Ok(node) => self.node = Some(node),
                Err(error) => writeln!(trace, "error: {error}").unwrap(),
            }
        } else {
            let input = self.input(&command);
            let mut effects = Vec::new();
            self.node.as_mut().expect("a replica first").handle(input, &mut effects);
            for effect in effects {
                if let Effect::PersistElection(election) = effect {
                    self.asked_to_keep = Some(election);
                }
                writeln!(trace, "{effect}", effect = shown(&effect)).unwrap();
            }
        }
        if let Some(node) = &self.node {
            writeln!(trace, "{}", state(node)).unwrap();
        }
    }

    fn input(&self, command: &Command<'_>) -> Input {
        match command.name {
            "start" => Input::Start,
            "persisted" => Input::ElectionPersisted(self.asked_to_keep.expect("nothing to persist")),
            "append" => Input::Append {
                token: command.number("token", 0),
                epoch: LeaderEpoch(command.number("epoch", 1)),
                records: command.number("records", 1),
            },
            "synced" => Input::Synced { end: Offset(command.number("end", 0)) },
            "disk_failed" => Input::DiskFailed,
            "snapshot" => Input::SnapshotWritten(SnapshotId {
                end_offset: Offset(command.number("end", 0)),
                epoch: LeaderEpoch(command.number("epoch", 1)),
            }),
            "stop" => Input::Stop,
            other => panic!("no command {other}"),
        }
    }
}

fn new_node(command: &Command<'_>) -> Result<Node, String> {
    let election = command.pair("leader").map(|(id, epoch)| ElectionState {
        epoch: LeaderEpoch(epoch as i32),
        leader: Some(BrokerId(id as i32)),
        voted: None,
    });
    let snapshot = command.pair("snapshot").map_or(SnapshotId::default(), |(epoch, end)| SnapshotId {
        end_offset: Offset(end),
        epoch: LeaderEpoch(epoch as i32),
    });
    let epochs = command.pair("epoch").map(|(epoch, start)| (LeaderEpoch(epoch as i32), Offset(start)));
    let (start, end) = (command.number("log_start", 0), command.number("log_end", 0));
    let log = LogView::new(Offset(start), Offset(end), snapshot, epochs.into_iter().collect())
        .map_err(|error| error.to_string())?;
    let config = Config {
        key: replica(command.number("id", 1)),
        voters: voter_set(command.arguments.get("voters").copied().unwrap_or("1"), 9093),
        kraft_version: command.number("kraft_version", 1),
        voters_in_log: command.arguments.get("in_log_on_port").map(|port| voter_set("1", port.parse().unwrap())),
    };
    Node::new(config, election, log).map_err(|error| error.to_string())
}

/// Effects as the scripts write them: Debug, without the endpoints' noise.
fn shown(effect: &Effect) -> String {
    match effect {
        Effect::AppendControl { base_offset, epoch, records } => {
            let names: Vec<_> = records
                .iter()
                .map(|record| format!("{record:?}").split([' ', '(']).next().unwrap().to_owned())
                .collect();
            format!("AppendControl base_offset={base_offset} epoch={epoch} {}", names.join("+"))
        }
        Effect::RefuseAppend { token, refusal } => format!("RefuseAppend token={token}: {refusal}"),
        Effect::Halt(reason) => format!("Halt: {reason}"),
        Effect::PersistElection(ElectionState { epoch, leader, voted }) => {
            let leader = leader.map_or("none".to_owned(), |id| id.to_string());
            let voted = voted.map_or("none".to_owned(), |key| key.id.to_string());
            format!("PersistElection epoch={epoch} leader={leader} voted={voted}")
        }
        Effect::Append { token, base_offset, epoch } => {
            format!("Append token={token} base_offset={base_offset} epoch={epoch}")
        }
        Effect::Commit { high_watermark } => format!("Commit high_watermark={high_watermark}"),
        Effect::Lead { epoch } => format!("Lead epoch={epoch}"),
        Effect::LeadershipLost { epoch } => format!("LeadershipLost epoch={epoch}"),
        Effect::TrimLog { start } => format!("TrimLog start={start}"),
    }
}

fn state(node: &Node) -> String {
    let role = match node.role() {
        Role::Unattached(_) => "unattached",
        Role::Candidate(_) => "candidate",
        Role::Leader(_) => "leader",
        Role::Resigned(_) => "resigned",
    };
    format!("= {role} epoch={} log={}..{}", node.role().epoch(), node.log().start(), node.log().end())
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
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_script_gives_the_trace_it_holds() {
    let paths = scripts();
    assert!(paths.len() >= 4, "scripts are missing: {paths:?}");
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

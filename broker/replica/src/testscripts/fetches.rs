//! Commands for one fetcher. Partitions are `a:0`, several for what comes together; their answers `a:0=records:HW`, `a:0=news:HW:START`, `a:0=diverging:EPOCH@END,OWN@END`,
//! `a:0=error:NAME`.

use std::collections::BTreeMap;
use std::time::Duration;

use barnabas_types::{LeaderEpoch, Now, Offset, TopicIdPartition, Uuid};

use super::command::Command;
use super::replicas::durability;
use super::show;
use crate::Settings;
use crate::fetcher::{
    AppendFailure, Config, Effect, EpochEnd, FetchAnswer, FetchFailure, Fetcher, Input, LeaderEnds, LogPosition,
    OwnLog, PartitionAnswer, PartitionError, PartitionOutcome,
};

pub(super) struct FetcherHarness {
    fetcher: Fetcher,
    number: u64,
    /// The logs, as the commands have said.
    logs: BTreeMap<TopicIdPartition, LogPosition>,
    epochs: BTreeMap<TopicIdPartition, LeaderEpoch>,
}

fn partition(text: &str) -> TopicIdPartition {
    let (topic, number) = text.split_once(':').expect(text);
    let mut id = [0; 16];
    id[15] = topic.as_bytes()[0];
    TopicIdPartition { topic_id: Uuid(id), partition: number.parse().unwrap() }
}

fn epoch_end(text: &str) -> EpochEnd {
    let (epoch, end) = text.split_once('@').expect(text);
    EpochEnd { epoch: LeaderEpoch(epoch.parse().unwrap()), end_offset: Offset(end.parse().unwrap()) }
}

fn error(text: &str) -> PartitionError {
    match text {
        "OFFSET_OUT_OF_RANGE" => PartitionError::OffsetOutOfRange,
        "FENCED_LEADER_EPOCH" => PartitionError::FencedLeaderEpoch,
        "UNKNOWN_LEADER_EPOCH" => PartitionError::UnknownLeaderEpoch,
        "NOT_LEADER_OR_FOLLOWER" => PartitionError::NotLeaderOrFollower,
        "UNKNOWN_TOPIC" => PartitionError::UnknownTopic,
        other => PartitionError::Other(other.parse().expect(other)),
    }
}

impl FetcherHarness {
    pub(super) fn new(command: &Command<'_>) -> Self {
        let settings = Settings { durability: durability(command, crate::Durability::Fsync), ..Settings::default() };
        let config = Config { backoff_ms: 1000, sync_patience_ms: 20, settings };
        Self { fetcher: Fetcher::new(config), number: 0, logs: [].into(), epochs: [].into() }
    }

    pub(super) fn deadline(&self, now: Now) -> Option<Duration> {
        self.fetcher.next_deadline(now)
    }

    pub(super) fn run(&mut self, command: &Command<'_>, now: Now) -> Vec<String> {
        if command.name == "fetcher" {
            return vec![self.state()];
        }
        let inputs = self.inputs(command);
        let mut effects = Vec::new();
        self.fetcher.handle_all(inputs, now, &mut effects);
        for effect in &effects {
            if let Effect::Fetch { number, .. } = effect {
                self.number = *number;
            }
        }
        effects.iter().map(show::fetch_effect).chain([self.state()]).collect()
    }

    fn state(&self) -> String {
        format!("= {} partitions, {} set aside", self.fetcher.len(), self.fetcher.set_aside())
    }

    /// The log of the command's partition, as it says now.
    fn log(&mut self, command: &Command<'_>, partition: TopicIdPartition) -> LogPosition {
        let nothing = LogPosition {
            log_start: Offset(0),
            log_end: Offset(0),
            durable_end: Offset(0),
            last_epoch: None,
            high_watermark: Offset(0),
        };
        let before = self.logs.get(&partition).copied().unwrap_or(nothing);
        let log_end = command.offset("end", before.log_end.0);
        let log = LogPosition {
            log_start: command.offset("start", before.log_start.0),
            log_end,
            durable_end: command.offset("durable", log_end.0),
            last_epoch: command.text("last_epoch").map_or(before.last_epoch, |text| {
                Some(LeaderEpoch(text.parse().unwrap())).filter(|epoch| epoch.0 >= 0)
            }),
            high_watermark: command.offset("hw", before.high_watermark.0),
        };
        self.logs.insert(partition, log);
        log
    }

    fn own(&self, partition: TopicIdPartition, epoch_end: Option<EpochEnd>) -> OwnLog {
        let log = self.logs[&partition];
        OwnLog { epoch_end, log_end: log.log_end, high_watermark: log.high_watermark }
    }

    fn inputs(&mut self, command: &Command<'_>) -> Vec<Input> {
        if command.name == "tick" {
            return vec![Input::Tick];
        }
        if matches!(command.name, "answer" | "fail") {
            let (number, answer) = (command.number("number", self.number), self.answer(command));
            return vec![Input::Answered { number, answer }];
        }
        let partitions = command.words.iter().filter(|word| word.contains(':') && !word.contains('='));
        partitions.map(|word| self.input(command, partition(word))).collect()
    }

    fn input(&mut self, command: &Command<'_>, partition: TopicIdPartition) -> Input {
        let log = self.log(command, partition);
        let known = self.epochs.get(&partition).copied().unwrap_or(LeaderEpoch(1));
        let leader_epoch = LeaderEpoch(command.number("epoch", known.0));
        let failed = match command.text("failed") {
            None => Ok(log),
            Some("corrupt") => Err(AppendFailure::Corrupt),
            Some("hindered") => Err(AppendFailure::Hindered),
            Some("refused") => Err(AppendFailure::Refused),
            Some(_) => Err(AppendFailure::NotFollowing),
        };
        match command.name {
            "follow" => {
                self.epochs.insert(partition, leader_epoch);
                Input::Follow { partition, leader_epoch, log }
            }
            "unfollow" => Input::Unfollow { partition },
            "synced" => Input::Synced { partition, durable_end: log.durable_end },
            "log_start" => Input::LogStartMoved { partition, log_start: log.log_start },
            "appended" => Input::Appended { partition, leader_epoch, result: failed },
            "truncated" => Input::Truncated { partition, leader_epoch, result: failed },
            "ends" => {
                let ends = LeaderEnds {
                    log_start: command.offset("leader_start", 0),
                    log_end: command.offset("leader_end", 0),
                };
                let result = command.text("error").map_or(Ok(ends), |text| Err(error(text)));
                Input::LeaderEndsAnswered { partition, leader_epoch, result, own: self.own(partition, None) }
            }
            other => panic!("no command {other}"),
        }
    }

    fn answer(&self, command: &Command<'_>) -> Result<FetchAnswer, FetchFailure> {
        if command.name == "fail" {
            return Err(match command.text("error") {
                None => FetchFailure::NoAnswer,
                Some("FETCH_SESSION_ID_NOT_FOUND") => FetchFailure::SessionIdNotFound,
                Some(_) => FetchFailure::Session(71),
            });
        }
        let answers = command.words.iter().filter(|word| word.contains(':'));
        let answers = answers.map(|word| {
            let (which, what) = word.split_once('=').unwrap();
            let which = partition(which);
            let (kind, rest) = what.split_once(':').unwrap_or((what, "0"));
            let (first, second) = rest.split_once(':').unwrap_or((rest, "0"));
            let outcome = match kind {
                "records" | "news" => PartitionOutcome::Records {
                    has_records: kind == "records",
                    high_watermark: Offset(first.parse().unwrap()),
                    log_start: Offset(second.parse().unwrap()),
                },
                "diverging" => {
                    let (leader, own) = first.split_once(',').unwrap();
                    let own = (own != "none").then(|| epoch_end(own));
                    PartitionOutcome::Diverging { leader: epoch_end(leader), own: self.own(which, own) }
                }
                "error" => PartitionOutcome::Refused(error(first)),
                other => panic!("no answer {other}"),
            };
            PartitionAnswer { partition: which, outcome }
        });
        Ok(FetchAnswer { session_id: command.number("session", 7), partitions: answers.collect() })
    }
}

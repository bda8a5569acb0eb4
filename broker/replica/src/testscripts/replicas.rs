//! Commands for one replica, with the brokers and the settings around it.

use std::time::Duration;

use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset};

use super::command::Command;
use super::show;
use crate::{
    AlterAnswer, AlterRefusal, Around, Assigned, BrokerState, Brokers, Durability, Fetched, Input, LeaderRecoveryState,
    Opened, Replica, Settings,
};

pub(super) struct ReplicaHarness {
    replica: Replica,
    own: BrokerId,
    settings: Settings,
    brokers: Brokers,
    log: (Offset, Offset),
}

pub(super) fn durability(command: &Command<'_>, before: Durability) -> Durability {
    match command.text("durability") {
        None => before,
        Some("fsync") => Durability::Fsync,
        Some("replicated") => Durability::Replicated,
        Some(other) => panic!("no durability {other}"),
    }
}

fn refusal(text: &str) -> AlterRefusal {
    match text {
        "INVALID_UPDATE_VERSION" => AlterRefusal::InvalidUpdateVersion,
        "FENCED_LEADER_EPOCH" => AlterRefusal::FencedLeaderEpoch,
        "NEW_LEADER_ELECTED" => AlterRefusal::NewLeaderElected,
        "UNKNOWN_TOPIC_OR_PARTITION" => AlterRefusal::UnknownTopicOrPartition,
        "UNKNOWN_TOPIC_ID" => AlterRefusal::UnknownTopicId,
        "INVALID_REQUEST" => AlterRefusal::InvalidRequest,
        "INELIGIBLE_REPLICA" => AlterRefusal::IneligibleReplica,
        "OPERATION_NOT_ATTEMPTED" => AlterRefusal::OperationNotAttempted,
        "NOT_CONTROLLER" => AlterRefusal::NotController,
        "STALE_BROKER_EPOCH" => AlterRefusal::StaleBrokerEpoch,
        "none" => AlterRefusal::NoAnswer,
        other => AlterRefusal::Other(other.parse().expect(other)),
    }
}

impl ReplicaHarness {
    /// `replica id=1 hw=0 log=10 durable=8 min_isr=2 durability=fsync`: brokers 1 to 5 are there, with epochs 101 to 105.
    pub(super) fn new(command: &Command<'_>) -> Self {
        let log_end = command.offset("log", 0);
        let log = (log_end, command.offset("durable", log_end.0));
        let opened = Opened {
            high_watermark: command.offset("hw", 0),
            log_end: log.0,
            durable_end: log.1,
            withheld: LeaderEpoch(command.number("withheld", -1)),
        };
        let broker = |id: i32| BrokerState { epoch: 100 + i64::from(id), ..BrokerState::default() };
        let mut harness = Self {
            replica: Replica::new(opened),
            own: BrokerId(command.number("id", 1)),
            settings: Settings::default(),
            brokers: Brokers((1..=5).map(|id| (BrokerId(id), broker(id))).collect()),
            log,
        };
        harness.set(command);
        harness
    }

    fn set(&mut self, command: &Command<'_>) {
        let settings = &mut self.settings;
        settings.min_insync_replicas = command.number("min_isr", settings.min_insync_replicas);
        settings.durability = durability(command, settings.durability);
        settings.flush_messages = command.number("flush_messages", settings.flush_messages);
        settings.replica_lag_time_max_ms = command.number("lag", settings.replica_lag_time_max_ms);
    }

    fn set_broker(&mut self, command: &Command<'_>) {
        let id = BrokerId(command.number("id", 0));
        let before = self.brokers.0[&id].clone();
        let is_fenced = command.number("fenced", before.is_fenced);
        let is_shutting_down = command.number("shutting_down", before.is_shutting_down);
        let epoch = command.number("epoch", before.epoch);
        let log_dirs = if command.text("log_dirs").is_some() { command.ids("log_dirs") } else { before.log_dirs };
        self.brokers.0.insert(id, BrokerState { epoch, is_fenced, is_shutting_down, log_dirs });
    }

    fn around(&self) -> Around<'_> {
        Around { own: self.own, own_epoch: 101, settings: &self.settings, brokers: &self.brokers }
    }

    pub(super) fn deadline(&self, now: Now) -> Option<Duration> {
        self.replica.next_deadline(&self.around(), now)
    }

    pub(super) fn run(&mut self, command: &Command<'_>, now: Now) -> Vec<String> {
        let (isr, replicas) = (command.brokers("isr"), command.brokers("replicas"));
        let (adding, removing) = (command.brokers("adding"), command.brokers("removing"));
        let directories = command.ids("directories");
        let leader_epoch = LeaderEpoch(command.number("epoch", self.replica.leader_epoch().0));
        let partition_epoch = command.number("partition_epoch", self.replica.partition_epoch());
        let number = || {
            let pending = self.replica.others().and_then(|others| others.pending.as_ref());
            command.number("number", pending.map_or(0, |pending| pending.number))
        };
        let input = match command.name {
            "replica" => return vec![show::state(&self.replica)],
            "ask" => return vec![self.ask(command, now)],
            "settings" => {
                self.set(command);
                Input::SettingsChanged
            }
            "broker" => {
                self.set_broker(command);
                Input::BrokersChanged
            }
            "assigned" => Input::Assigned(Assigned {
                leader: BrokerId(command.number("leader", -1)),
                leader_epoch,
                partition_epoch,
                isr: &isr,
                replicas: &replicas,
                directories: &directories,
                adding: &adding,
                removing: &removing,
                recovery: LeaderRecoveryState::Recovered,
                log_end: self.log.0,
                durable_end: self.log.1,
            }),
            "log" => {
                let log_end = command.offset("end", self.log.0.0);
                self.log = (log_end, command.offset("durable", self.log.1.0).min(log_end));
                Input::LogMoved { log_end, durable_end: self.log.1 }
            }
            "fetched" => {
                let follower = BrokerId(command.number("from", 2));
                Input::Fetched(Fetched {
                    follower,
                    broker_epoch: command.number("broker_epoch", 100 + i64::from(follower.0)),
                    offset: command.offset("offset", 0),
                    log_start: command.offset("start", 0),
                })
            }
            "told" => Input::LeaderTold {
                leader_epoch,
                high_watermark: command.offset("hw", 0),
                log_start: command.offset("start", 0),
            },
            "altered" => Input::AlterPartitionAnswered {
                number: number(),
                answer: AlterAnswer::Altered { leader_epoch, partition_epoch, isr: &isr },
            },
            "refused" => Input::AlterPartitionAnswered {
                number: number(),
                answer: AlterAnswer::Refused(refusal(command.text("error").unwrap())),
            },
            "tick" => Input::Tick,
            "stopped" => Input::Stopped,
            other => panic!("no command {other}"),
        };
        let mut effects = Vec::new();
        let around = Around { own: self.own, own_epoch: 101, settings: &self.settings, brokers: &self.brokers };
        self.replica.handle(input, &around, now, &mut effects);
        effects.iter().map(show::effect).chain([show::state(&self.replica)]).collect()
    }

    fn ask(&self, command: &Command<'_>, now: Now) -> String {
        let (replica, around) = (&self.replica, self.around());
        let believed = command.text("epoch").map(|text| LeaderEpoch(text.parse().unwrap()));
        let answer = match command.words[0] {
            "acks_all" => format!("{:?}", replica.check_acks_all(&around)),
            "kept" => format!("{:?}", replica.is_kept(command.offset("end", 0), &around)),
            "latest" => format!("{:?}", replica.check_offsets_available().map(|()| replica.high_watermark().0)),
            "epoch" => {
                format!("{:?}", replica.check_epoch(believed).and_then(|()| replica.leading()).map(|epoch| epoch.0))
            }
            "follower" => {
                let follower = BrokerId(command.number("from", 2));
                let broker_epoch = command.number("broker_epoch", 100 + i64::from(follower.0));
                format!("{:?}", replica.check_follower(follower, broker_epoch, &around))
            }
            "low_watermark" => replica.low_watermark(command.offset("start", 0), &around).to_string(),
            "deadline" => format!("{:?}", replica.next_deadline(&around, now)),
            "metrics" => format!(
                "under_min_isr={} at_min_isr={} under_replicated={} reassigning={} isr={}",
                replica.is_under_min_isr(&around),
                replica.is_at_min_isr(&around),
                replica.is_under_replicated(),
                replica.is_reassigning(),
                replica.isr_size()
            ),
            "followers" => {
                let show = |facts: crate::FollowerFacts| {
                    let last = facts.last_caught_up.map(|last| last.as_millis());
                    let (end, sync) = (facts.end.map(|end| end.0), facts.is_in_sync);
                    format!("{} end={end:?} in_sync={sync} caught_up={last:?}", facts.broker)
                };
                replica.followers().map(show).collect::<Vec<_>>().join("; ")
            }
            other => panic!("nothing to ask about {other}"),
        };
        format!("= {answer}")
    }
}

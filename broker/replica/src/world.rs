//! A small cluster in memory for scripts and random histories: brokers whose logs are lists of epochs and values, a controller, and messages that
//! are delivered one by one. Drives replicas and fetchers exactly as a server has to. Plays one partition.

pub(crate) mod broker;
pub(crate) mod controller;
mod driver;
mod invariants;
pub(crate) mod log;
mod serve;

use std::collections::BTreeMap;
use std::time::Duration;

use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp, TopicIdPartition, Uuid};

use crate::fetcher::{FetchFailure, FetchPartition, FetchRequest, LeaderEnds, PartitionError};
use crate::{AlterRefusal, InSyncMember, Settings};
use broker::Broker;
use controller::Controller;

/// The one partition.
pub(crate) const PARTITION: TopicIdPartition = TopicIdPartition { topic_id: Uuid::METADATA_TOPIC, partition: 0 };

/// A broker's id, and which of its processes.
pub(crate) type Process = (BrokerId, u32);

/// Something on its way.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Fetch { from: Process, to: BrokerId, broker_epoch: i64, number: u64, request: FetchRequest },
    Fetched { from: BrokerId, to: Process, number: u64, answer: Result<Served, FetchFailure> },
    AskEnds { from: Process, to: BrokerId, leader_epoch: LeaderEpoch },
    Ends { from: BrokerId, to: Process, leader_epoch: LeaderEpoch, result: Result<LeaderEnds, PartitionError> },
    Alter { from: Process, number: u64, leader_epoch: LeaderEpoch, partition_epoch: i32, isr: Vec<InSyncMember> },
    Altered { to: Process, number: u64, result: Result<(LeaderEpoch, i32, Vec<BrokerId>), AlterRefusal> },
}

/// What a leader answers.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub session_id: i32,
    /// None when there is nothing to say of the partition.
    pub partition: Option<ServedPartition>,
}

/// What a leader says of the partition.
#[derive(Clone, Debug)]
pub(crate) enum ServedPartition {
    Records { records: Vec<(i32, u32)>, high_watermark: Offset },
    Diverging { epoch: LeaderEpoch, end: Offset },
    Refused(PartitionError),
}

/// What a leader remembers of a follower's fetch session.
#[derive(Clone, Debug)]
pub(crate) struct ServerSession {
    pub id: i32,
    pub epoch: i32,
    pub partition: Option<FetchPartition>,
    pub told: Option<Offset>,
}

/// The cluster.
#[derive(Debug)]
pub(crate) struct World {
    pub settings: Settings,
    pub brokers: BTreeMap<BrokerId, Broker>,
    pub controller: Controller,
    pub messages: Vec<Message>,
    pub now_ms: u64,
    pub next_value: u32,
    /// What somebody has counted as committed.
    pub committed: Vec<(i32, u32)>,
    /// What has gone wrong.
    pub broken: Option<String>,
    /// What happened, for who reads a history.
    pub trace: Vec<String>,
}

impl World {
    pub(crate) fn new(brokers: i32, settings: Settings) -> Self {
        let ids = (1..=brokers).map(BrokerId);
        let mut world = Self {
            brokers: ids.clone().map(|id| (id, Broker::new(id))).collect(),
            controller: Controller::new(&ids.collect::<Vec<_>>()),
            settings,
            messages: Vec::new(),
            now_ms: 0,
            next_value: 0,
            committed: Vec::new(),
            broken: None,
            trace: Vec::new(),
        };
        for id in world.ids() {
            world.start(id, 0);
        }
        world
    }

    pub(crate) fn ids(&self) -> Vec<BrokerId> {
        self.brokers.keys().copied().collect()
    }

    pub(crate) fn now(&self) -> Now {
        Now { monotonic: Duration::from_millis(self.now_ms), wall: Timestamp(0) }
    }

    pub(crate) fn broker(&self, id: BrokerId) -> &Broker {
        &self.brokers[&id]
    }

    pub(crate) fn broker_mut(&mut self, id: BrokerId) -> &mut Broker {
        self.brokers.get_mut(&id).unwrap()
    }

    pub(crate) fn note(&mut self, line: String) {
        self.trace.push(format!("{:>6} {line}", self.now_ms));
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.note(format!("BROKEN {what}"));
        self.broken.get_or_insert(what);
    }
}

//! A broker of the world: what its disk has, and what dies with its process.

use std::collections::BTreeMap;

use barnabas_types::{BrokerId, Offset};

use super::ServerSession;
use super::log::TestLog;
use crate::fetcher::Fetcher;
use crate::{Brokers, Replica};

/// A broker.
#[derive(Debug)]
pub(crate) struct Broker {
    pub id: BrokerId,
    pub log: TestLog,
    /// The watermark that is on the disk.
    pub checkpoint: Offset,
    /// How often it has been started.
    pub starts: u32,
    pub life: Option<Life>,
}

/// A process.
#[derive(Debug)]
pub(crate) struct Life {
    pub broker_epoch: i64,
    pub replica: Replica,
    pub fetchers: BTreeMap<BrokerId, Fetcher>,
    /// How many records of the metadata it has applied.
    pub applied: usize,
    /// The brokers as of then.
    pub brokers: Brokers,
    /// As a leader: the sessions of its followers.
    pub sessions: BTreeMap<BrokerId, ServerSession>,
    pub next_session: i32,
    /// The highest watermark that it has had.
    pub seen: Offset,
}

impl Broker {
    pub(crate) fn new(id: BrokerId) -> Self {
        Self { id, log: TestLog::default(), checkpoint: Offset(0), starts: 0, life: None }
    }
}

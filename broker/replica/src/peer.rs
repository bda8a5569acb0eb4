//! How far another replica is, as its leader sees it: Kafka's rules for when a follower was last caught up. Decides nothing about the ISR.

use std::time::Duration;

use barnabas_types::{BrokerId, Offset, Uuid};
use serde::{Deserialize, Serialize};

use crate::Fetched;
use crate::time::Millis;

/// What the leader knows of a follower, for who chooses a replica to read from (KIP-392) or describes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerFacts {
    /// The follower.
    pub broker: BrokerId,
    /// True when it is in the committed ISR.
    pub is_in_sync: bool,
    /// Everything below is there; none before its first Fetch in this leadership.
    pub end: Option<Offset>,
    /// The first offset that it has, as its last Fetch said.
    pub log_start: Option<Offset>,
    /// When it last fetched, by the monotonic clock.
    pub last_fetch: Option<Duration>,
    /// When it last had everything, by the monotonic clock.
    pub last_caught_up: Option<Duration>,
}

/// A follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub id: BrokerId,
    /// Everything below is there; None before its first Fetch in this leadership.
    pub end: Option<Offset>,
    /// The first offset that it has.
    pub log_start: Option<Offset>,
    /// The leader's log end at its last Fetch.
    leader_end: Option<Offset>,
    last_fetch_ms: Option<Millis>,
    /// The last time at which it had all that the leader had then.
    last_caught_up_ms: Option<Millis>,
    /// The epoch of the process that last fetched.
    pub broker_epoch: Option<i64>,
    /// Where it lies; zero where that is not known.
    pub directory: Uuid,
}

impl Peer {
    /// One that has never fetched.
    pub(crate) const fn new(id: BrokerId) -> Self {
        Self {
            id,
            end: None,
            log_start: None,
            leader_end: None,
            last_fetch_ms: None,
            last_caught_up_ms: None,
            broker_epoch: None,
            directory: Uuid::ZERO,
        }
    }

    /// A leadership begins. Who is in the ISR counts as caught up now, so that it has time to fetch; who is not must fetch first.
    /// What was known before holds only if nobody else has led meanwhile (`same_leader`): another leader may have cut that log.
    pub(crate) fn begin_epoch(&mut self, same_leader: bool, is_in_sync: bool, leader_end: Offset, now_ms: Millis) {
        let now_if_in_sync = is_in_sync.then_some(now_ms);
        if same_leader {
            self.leader_end = Some(leader_end);
            self.last_fetch_ms = now_if_in_sync;
        } else {
            *self = Self { directory: self.directory, ..Self::new(self.id) };
        }
        self.last_caught_up_ms = now_if_in_sync;
    }

    /// It has fetched while the leader's log ended at `leader_end`. Caught up is who reads from the leader's end, and who reads from what was
    /// the end at its last Fetch was so then: a follower that is always a little behind under load is in sync.
    pub(crate) fn fetched(&mut self, fetched: &Fetched, leader_end: Offset, now_ms: Millis) {
        if fetched.offset >= leader_end {
            self.last_caught_up_ms = self.last_caught_up_ms.max(Some(now_ms));
        } else if self.leader_end.is_none_or(|end| fetched.offset >= end) {
            self.last_caught_up_ms = self.last_caught_up_ms.max(self.last_fetch_ms);
        }
        self.end = Some(fetched.offset);
        self.log_start = Some(fetched.log_start);
        self.leader_end = self.leader_end.max(Some(leader_end));
        self.last_fetch_ms = Some(now_ms);
        self.broker_epoch = Some(fetched.broker_epoch);
    }

    /// The leader appends to a log that ended at `leader_end`. Who had everything until now was caught up until now, whenever it last fetched:
    /// so a leader need not look at each partition of a follower that asks for news of 10,000 idle ones. Kafka goes by the last Fetch.
    pub(crate) fn leader_grows(&mut self, leader_end: Offset, now_ms: Millis) {
        if self.end == Some(leader_end) {
            self.last_caught_up_ms = self.last_caught_up_ms.max(Some(now_ms));
        }
    }

    /// True when it has everything, or had everything not longer than `lag_max_ms` ago.
    pub(crate) fn is_caught_up(&self, leader_end: Offset, lag_max_ms: Millis, now_ms: Millis) -> bool {
        let is_recent = |last: Millis| now_ms.saturating_sub(last) <= lag_max_ms;
        self.end == Some(leader_end) || self.last_caught_up_ms.is_some_and(is_recent)
    }

    /// When it will no longer be caught up if nothing changes; None if that does not depend on time.
    pub(crate) fn lags_at(&self, leader_end: Offset, lag_max_ms: Millis) -> Option<Millis> {
        let last = self.last_caught_up_ms.filter(|_| self.end != Some(leader_end))?;
        Some(last.saturating_add(lag_max_ms).saturating_add(1))
    }

    pub(crate) fn facts(&self, is_in_sync: bool) -> FollowerFacts {
        FollowerFacts {
            broker: self.id,
            is_in_sync,
            end: self.end,
            log_start: self.log_start,
            last_fetch: self.last_fetch_ms.map(Duration::from_millis),
            last_caught_up: self.last_caught_up_ms.map(Duration::from_millis),
        }
    }
}

//! The contract between a coordinator shard and what drives it. Holds no state and no policy.

use std::time::Duration;

use barnabas_types::{Now, ProducerId, Uuid};
use serde::{Deserialize, Serialize};

use crate::record::{DecodeRecordError, Record};

/// Names a request that has been taken in, so that its reply can be sent later. The driver gives out each number once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReplyToken(pub u64);

/// What a shard is told.
#[derive(Debug)]
pub enum Input<R> {
    /// The partition has been replayed to its end; requests may follow.
    Loaded,
    /// A client asks.
    Request {
        /// Where the reply goes.
        token: ReplyToken,
        /// What is asked.
        request: R,
    },
    /// Time has passed: deadlines that are due take effect.
    Tick,
    /// Topics are gone, and with them whatever the shard keeps about them: name and id of each.
    TopicsDeleted(Vec<(Box<str>, Uuid)>),
}

/// What a decision comes to: the records that make it so, and the reply for when they are committed.
#[derive(Debug)]
pub struct Outcome<R> {
    /// In the order in which they must be appended; empty if nothing changes.
    pub records: Vec<Record>,
    /// The reply.
    pub response: R,
}

/// What a shard wants done, in order: append `records`, send `replies` once those and all records before them are committed.
#[derive(Debug)]
pub struct Effects<R, E> {
    /// To append, in this order. The shard's state already has them.
    pub records: Vec<Record>,
    /// To send once every record so far is committed.
    pub replies: Vec<(ReplyToken, R)>,
    /// What happened, for logs and metrics.
    pub events: Vec<E>,
}

impl<R, E> Default for Effects<R, E> {
    fn default() -> Self {
        Self { records: Vec::new(), replies: Vec::new(), events: Vec::new() }
    }
}

/// A record read back from the partition.
#[derive(Debug)]
pub struct Replayed {
    /// The record.
    pub record: Record,
    /// The producer whose open transaction it belongs to, or [`ProducerId::NONE`].
    pub producer_id: ProducerId,
}

/// One partition's coordinator.
pub trait Shard {
    /// A request with everything that deciding it needs, random bytes included.
    type Request;
    /// A reply.
    type Response;
    /// Something worth a log line or a metric.
    type Event;

    /// Takes `input` in at `now` and adds to `out` what follows from it.
    fn handle(&mut self, input: Input<Self::Request>, now: Now, out: &mut Effects<Self::Response, Self::Event>);

    /// Applies a record, deciding nothing.
    ///
    /// # Errors
    /// The record contradicts itself: whoever wrote it was not Kafka. The state is unchanged and the next record may follow.
    fn replay(&mut self, replayed: Replayed) -> Result<(), DecodeRecordError>;

    /// Applies the end of `producer_id`'s transaction.
    fn replay_transaction_end(&mut self, producer_id: ProducerId, committed: bool);

    /// When [`Input::Tick`] is due, on the monotonic clock.
    fn next_deadline(&self) -> Option<Duration>;
}

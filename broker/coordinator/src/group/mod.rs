//! Groups and their offsets: the shard that answers the group APIs. Dispatches only; each API is decided in its own file.

mod classic;
mod config;
mod delete;
mod describe;
mod error;
mod event;
mod list;
mod part;
mod request;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::records::coordinator::{OffsetCommitKey, OffsetCommitValue};
use barnabas_types::{Now, ProducerId};
use serde::{Deserialize, Serialize};

use crate::offsets::{self, Offsets};
use crate::record::{DecodeRecordError, Record};
use crate::shard::{Effects, Input, Outcome, Replayed, ReplyToken, Shard};
use crate::timer::Timers;
pub(crate) use classic::rebalance::restart_session;
pub use classic::{Awaiting, ClassicGroup, Gathering, Introduction, Member, Phase, Protocol};
pub use config::GroupConfig;
pub use error::GroupError;
pub use event::{Event, Reason, Removal};
pub use part::{Concerned, Frame, Part};
pub use request::{Context, Request, Response};

/// Groups by id.
pub(crate) type Groups = BTreeMap<Arc<str>, ClassicGroup>;

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum GroupTimer {
    /// A member, known or pending, has been silent for too long.
    Session(Arc<str>, Arc<str>),
    /// Members have been gathered for long enough.
    Join(Arc<str>),
    /// Members have had long enough to ask for their assignment.
    Sync(Arc<str>),
    /// Offsets may have expired.
    Expiration,
}

/// What a decision about one group may touch besides the group.
pub(crate) struct Scope<'a> {
    pub config: &'a GroupConfig,
    pub timers: &'a mut Timers<GroupTimer>,
    pub now: Now,
    pub out: &'a mut Effects<Response, Event>,
}

impl Scope<'_> {
    pub fn reply(&mut self, token: ReplyToken, response: Response) {
        self.out.replies.push((token, response));
    }

    pub fn event(&mut self, event: Event) {
        self.out.events.push(event);
    }

    pub fn schedule(&mut self, key: GroupTimer, delay_ms: i32) {
        self.timers.schedule(key, after(self.now, i64::from(delay_ms)));
    }
}

/// The deadline `delay_ms` from `now`; a negative delay is none.
fn after(now: Now, delay_ms: i64) -> Duration {
    now.monotonic.saturating_add(Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0)))
}

/// The groups whose ids hash to one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct GroupShard {
    pub(crate) config: GroupConfig,
    pub(crate) groups: Groups,
    pub(crate) offsets: Offsets,
    pub(crate) timers: Timers<GroupTimer>,
    /// Groups that are not in `groups` though they are the shard's: those that a recording left out.
    left_out: usize,
}

impl GroupShard {
    /// A shard with nothing in it: replay the partition, then handle [`Input::Loaded`].
    #[must_use]
    pub fn new(config: GroupConfig) -> Self {
        Self { config, groups: Groups::new(), offsets: Offsets::default(), timers: Timers::new(), left_out: 0 }
    }

    /// The groups, by id.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &ClassicGroup> {
        self.groups.values()
    }

    /// How many offsets are committed.
    #[must_use]
    pub fn offset_count(&self) -> usize {
        self.offsets.len()
    }

    /// How many groups the shard has.
    pub(crate) fn group_count(&self) -> usize {
        self.groups.len().saturating_add(self.left_out)
    }

    fn request(&mut self, token: ReplyToken, request: Request, now: Now, out: &mut Effects<Response, Event>) {
        match request {
            Request::JoinGroup { context, request, member_uuid } => {
                classic::join::join_group(self, token, context, request, member_uuid, now, out);
            }
            Request::SyncGroup(request) => classic::sync::sync_group(self, token, &request, now, out),
            Request::Heartbeat(request) => {
                let response = classic::heartbeat::heartbeat(self, &request, now, out);
                out.replies.push((token, Response::Heartbeat(response)));
            }
            Request::LeaveGroup(request) => {
                let response = classic::leave::leave_group(self, &request, now, out);
                out.replies.push((token, Response::LeaveGroup(response)));
            }
            Request::OffsetCommit { context, request } => {
                let outcome = offsets::commit::commit(self, &context, &request, now, out);
                self.conclude(token, outcome, Response::OffsetCommit, now, out);
            }
            Request::OffsetFetch { group, require_stable } => {
                let response = offsets::fetch::fetch(&self.groups, &self.offsets, &group, require_stable);
                out.replies.push((token, Response::OffsetFetch(response)));
            }
            Request::OffsetDelete(request) => {
                let outcome = offsets::delete::delete(&self.groups, &self.offsets, &request);
                self.conclude(token, outcome, Response::OffsetDelete, now, out);
            }
            Request::ListGroups(request) => {
                out.replies.push((token, Response::ListGroups(list::list(&self.groups, &request))));
            }
            Request::DescribeGroups { context, group_ids } => {
                let described = describe::describe(&self.groups, context.version, &group_ids);
                out.replies.push((token, Response::DescribeGroups(described)));
            }
            Request::DeleteGroups { group_ids } => {
                let outcome = delete::delete(&self.groups, &self.offsets, &group_ids, &mut out.events);
                self.conclude(token, outcome, Response::DeleteGroups, now, out);
            }
        }
    }

    /// Makes a decision so: its records are replayed and go to the log, its reply waits for them.
    fn conclude<R>(
        &mut self,
        token: ReplyToken,
        outcome: Outcome<R>,
        wrap: impl FnOnce(R) -> Response,
        now: Now,
        out: &mut Effects<Response, Event>,
    ) {
        self.commit_records(outcome.records, now, out);
        out.replies.push((token, wrap(outcome.response)));
    }

    fn commit_records(&mut self, records: Vec<Record>, now: Now, out: &mut Effects<Response, Event>) {
        for record in records {
            self.apply(&record, ProducerId::NONE, Some(now))
                .unwrap_or_else(|error| unreachable!("this shard made a record that it cannot replay: {error}"));
            out.records.push(record);
        }
    }

    /// Applies a record. `now` is None while the partition is loaded, where a simple group's age is not known.
    fn apply(&mut self, record: &Record, producer_id: ProducerId, now: Option<Now>) -> Result<(), DecodeRecordError> {
        match record {
            Record::GroupMetadata { key, value: Some(value) } => {
                let group = ClassicGroup::from_record(key, value)?;
                self.groups.insert(Arc::clone(group.id()), group);
            }
            Record::GroupMetadata { key, value: None } => {
                self.groups.remove(key.group.as_ref());
            }
            Record::OffsetCommit { key, value: Some(value) } => {
                self.ensure_group(&key.group, now);
                self.offsets.replay_commit(key, value, producer_id);
            }
            Record::OffsetCommit { key, value: None } => self.offsets.replay_tombstone(key),
            // Written by brokers before Kafka 0.9; what it says is the same.
            Record::LegacyOffsetCommit { key, value } => {
                let key =
                    OffsetCommitKey { group: key.group.clone(), topic: key.topic.clone(), partition: key.partition };
                let value = value.as_ref().map(|value| OffsetCommitValue {
                    offset: value.offset,
                    metadata: value.metadata.clone(),
                    commit_timestamp: value.commit_timestamp,
                    ..Default::default()
                });
                return self.apply(&Record::OffsetCommit { key, value }, producer_id, now);
            }
            unserved @ crate::record::unserved!() => {
                return Err(DecodeRecordError::NotServed { kind: unserved.number() });
            }
        }
        Ok(())
    }

    /// Offsets live in a group, if only in one that has never had members.
    fn ensure_group(&mut self, group_id: &str, now: Option<Now>) {
        if !self.groups.contains_key(group_id) {
            let group_id: Arc<str> = Arc::from(group_id);
            let group = ClassicGroup::new(Arc::clone(&group_id), now.map(|now| now.wall));
            self.groups.insert(group_id, group);
        }
    }

    fn loaded(&mut self, now: Now, out: &mut Effects<Response, Event>) {
        let mut scope = Scope { config: &self.config, timers: &mut self.timers, now, out };
        for group in self.groups.values_mut() {
            classic::loaded(group, &mut scope);
        }
        self.schedule_expiration(now);
    }

    fn schedule_expiration(&mut self, now: Now) {
        let deadline = after(now, self.config.offsets_retention_check_interval_ms);
        self.timers.schedule(GroupTimer::Expiration, deadline);
    }

    fn timer_fired(&mut self, timer: GroupTimer, now: Now, out: &mut Effects<Response, Event>) {
        if timer == GroupTimer::Expiration {
            let records = offsets::expire::expire(self, now, out);
            self.commit_records(records, now, out);
            self.schedule_expiration(now);
            return;
        }
        let mut scope = Scope { config: &self.config, timers: &mut self.timers, now, out };
        let (GroupTimer::Session(group_id, _) | GroupTimer::Join(group_id) | GroupTimer::Sync(group_id)) = &timer
        else {
            return;
        };
        let Some(group) = self.groups.get_mut(group_id) else { return };
        match &timer {
            GroupTimer::Session(_, member_id) => classic::rebalance::session_timer_fired(group, &mut scope, member_id),
            GroupTimer::Join(_) => classic::rebalance::join_timer_fired(group, &mut scope),
            GroupTimer::Sync(_) => classic::rebalance::sync_timer_fired(group, &mut scope),
            GroupTimer::Expiration => {}
        }
        group.assert_consistent();
    }
}

impl Shard for GroupShard {
    type Request = Request;
    type Response = Response;
    type Event = Event;

    fn handle(&mut self, input: Input<Request>, now: Now, out: &mut Effects<Response, Event>) {
        match input {
            Input::Loaded => self.loaded(now, out),
            Input::Request { token, request } => self.request(token, request, now, out),
            Input::Tick => {
                // What is set anew meanwhile waits for the next tick: with a delay of 0 this one would never end.
                let due: Vec<_> = self.timers.due(now.monotonic).cloned().collect();
                for timer in due {
                    if self.timers.take_due(&timer, now.monotonic) {
                        self.timer_fired(timer, now, out);
                    }
                }
            }
            Input::TopicsDeleted(topics) => {
                let records = offsets::delete::topics_deleted(&self.offsets, &topics, out);
                self.commit_records(records, now, out);
            }
        }
    }

    fn replay(&mut self, replayed: Replayed) -> Result<(), DecodeRecordError> {
        self.apply(&replayed.record, replayed.producer_id, None)
    }

    fn replay_transaction_end(&mut self, producer_id: ProducerId, committed: bool) {
        self.offsets.replay_transaction_end(producer_id, committed);
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.timers.next_deadline()
    }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::messages::JoinGroupRequest;
    use barnabas_protocol::messages::join_group::JoinGroupRequestProtocol;
    use barnabas_protocol::messages::offset_commit::{
        OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    };
    use barnabas_protocol::records::coordinator::{LegacyOffsetCommitKey, LegacyOffsetCommitValue};
    use barnabas_types::{Timestamp, Uuid};

    use super::*;

    #[test]
    fn a_group_that_is_deleted_and_joined_in_one_round_is_in_the_log() {
        let mut shard = GroupShard::new(GroupConfig::default());
        let now = Now { monotonic: Duration::ZERO, wall: Timestamp(1) };
        let partitions = vec![OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() }];
        let topics = vec![OffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() }];
        let commit = OffsetCommitRequest { group_id: "g".into(), topics, ..Default::default() };
        let protocols = vec![JoinGroupRequestProtocol { name: "range".into(), ..Default::default() }];
        let join = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols,
            ..Default::default()
        };
        let context = Context { version: 9, ..Context::default() };
        let requests = [
            Request::OffsetCommit { context: context.clone(), request: commit },
            Request::DeleteGroups { group_ids: vec!["g".into()] },
            Request::JoinGroup { context, request: join, member_uuid: Uuid::from_u128(1) },
        ];
        let mut round = Effects::default();
        for (token, request) in (0..).map(ReplyToken).zip(requests) {
            shard.handle(Input::Request { token, request }, now, &mut round);
        }
        let mut replayed = GroupShard::new(GroupConfig::default());
        for record in round.records {
            replayed.replay(Replayed { record, producer_id: ProducerId::NONE }).unwrap();
        }
        assert!(shard.groups.contains_key("g"));
        assert_eq!(replayed.group_ids(), shard.group_ids());
        assert_eq!(replayed.offset_count(), 0);
    }

    #[test]
    fn offsets_of_the_oldest_brokers_are_taken_over() {
        let mut shard = GroupShard::new(GroupConfig::default());
        let key = LegacyOffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
        let value = LegacyOffsetCommitValue { offset: 5, metadata: "m".into(), commit_timestamp: 7 };
        let record = Record::LegacyOffsetCommit { key, value: Some(value) };
        shard.replay(Replayed { record: record.clone(), producer_id: ProducerId::NONE }).unwrap();
        let found = shard.offsets.of_group("g").and_then(|topics| topics.get("t")?.get(&3));
        assert_eq!(found.map(|found| (found.offset, &*found.metadata)), Some((5, "m")));
        assert_eq!(shard.groups().len(), 1);
        let Record::LegacyOffsetCommit { key, .. } = record else { panic!("changed on the way") };
        let gone = Record::LegacyOffsetCommit { key, value: None };
        shard.replay(Replayed { record: gone, producer_id: ProducerId::NONE }).unwrap();
        assert_eq!(shard.offset_count(), 0);
    }
}

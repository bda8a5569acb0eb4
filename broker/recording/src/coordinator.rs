//! A shard of the group coordinator, recorded. A shard may be large and a copy of it costly, so a stretch begins with nothing but the shard's frame, and
//! what a request concerns (a group, its offsets where they are looked at) is copied when the stretch first comes to it.
//!
//! Unlike the other cores' this recording names users: group, member and client ids, hosts, subscriptions, assignments and what is kept beside
//! offsets. Records are not in it. What is too large is not recorded, and the recording begins anew behind it; a request that only looks is left out then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use barnabas_coordinator::group::{Concerned, Event as Happened, Frame, GroupShard, Part, Request, Response};
use barnabas_coordinator::{Effects, Input, Record, ReplyToken, Shard};
use barnabas_types::{Now, Uuid};
use serde::{Deserialize, Serialize};

use crate::core::{Core, Kind, Played};
use crate::digest::{Text, digest_of_text};
use crate::file::{Head, write};
use crate::ring::{Limits, Ring};

/// What one stretch holds.
const LIMITS: Limits = Limits { inputs: 256, bytes: 256 * 1024 };
/// Of more groups not even the sizes are asked.
const MAX_GROUPS: usize = 1024;

/// One input, with what it concerns as that was before, where the stretch has not come to it yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    parts: Vec<Part>,
    /// Where everything is concerned: when offsets are looked through next.
    expiration: Option<Duration>,
    what: What,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum What {
    Loaded,
    Request { token: ReplyToken, request: Request },
    Tick,
    TopicsDeleted(Vec<(Box<str>, Uuid)>),
}

impl What {
    fn of(input: &Input<Request>) -> Self {
        match input {
            Input::Loaded => Self::Loaded,
            Input::Request { token, request } => Self::Request { token: *token, request: request.clone() },
            Input::Tick => Self::Tick,
            Input::TopicsDeleted(topics) => Self::TopicsDeleted(topics.clone()),
        }
    }

    fn input(self) -> Input<Request> {
        match self {
            Self::Loaded => Input::Loaded,
            Self::Request { token, request } => Input::Request { token, request },
            Self::Tick => Input::Tick,
            Self::TopicsDeleted(topics) => Input::TopicsDeleted(topics),
        }
    }
}

/// What an input takes in memory, about.
fn weight(input: &Input<Request>) -> usize {
    let more = match input {
        Input::Request { request: Request::JoinGroup { request, .. }, .. } => {
            request.protocols.iter().map(|protocol| 128 + protocol.metadata.len()).sum()
        }
        Input::Request { request: Request::SyncGroup(request), .. } => {
            request.assignments.iter().map(|assignment| 128 + assignment.assignment.len()).sum()
        }
        Input::Request { request: Request::LeaveGroup(request), .. } => request.members.len() * 256,
        Input::Request { request: Request::OffsetCommit { request, .. }, .. } => {
            let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
            let metadata = |text: Option<&str>| text.map_or(0, str::len);
            partitions.map(|partition| 128 + metadata(partition.committed_metadata.as_deref())).sum()
        }
        Input::Request { request: Request::OffsetFetch { group, .. }, .. } => {
            let topics = group.topics.iter().flatten();
            topics.map(|topic| 128 + size_of_val(&*topic.partition_indexes)).sum()
        }
        Input::Request { request: Request::OffsetDelete(request), .. } => {
            request.topics.iter().map(|topic| 128 + size_of_val(&*topic.partitions)).sum()
        }
        Input::Request {
            request: Request::DescribeGroups { group_ids, .. } | Request::DeleteGroups { group_ids },
            ..
        } => group_ids.iter().map(|id| 64 + id.len()).sum(),
        Input::TopicsDeleted(topics) => topics.iter().map(|(name, _)| 64 + name.len()).sum(),
        _ => 0,
    };
    size_of::<Event>().saturating_add(512).saturating_add(more)
}

/// How much of the effects was there before an input.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    records: usize,
    replies: usize,
    events: usize,
}

impl Seen {
    /// All that is there now.
    #[must_use]
    pub fn of(effects: &Effects<Response, Happened>) -> Self {
        Self { records: effects.records.len(), replies: effects.replies.len(), events: effects.events.len() }
    }
}

/// What is recorded of one shard.
#[derive(Debug, Default)]
pub struct ShardRecorder {
    ring: Ring<Frame, Event>,
    /// The groups of which the stretch has a part, and whether with offsets.
    touched: BTreeMap<Arc<str>, bool>,
}

impl ShardRecorder {
    /// Notes an input before the shard gets it.
    pub fn note(&mut self, input: &Input<Request>, now: Now, shard: &GroupShard) {
        let concerned = shard.concerned(input, now);
        let is_all = concerned == Concerned::All;
        let (ids, with_offsets, is_read) = match concerned {
            Concerned::Nothing => return,
            Concerned::Groups { ids, with_offsets, is_read } => (ids, with_offsets, is_read),
            Concerned::All if shard.groups().len() > MAX_GROUPS => return self.forget(),
            Concerned::All => (shard.group_ids(), true, false),
        };
        let own = weight(input);
        let whole =
            |ids: &[&Arc<str>]| ids.iter().map(|id| shard.weight(id, with_offsets)).fold(own, usize::saturating_add);
        let mut fresh = self.fresh(&ids, with_offsets);
        let mut bytes = whole(&fresh);
        if self.ring.turns(LIMITS, bytes) {
            fresh = ids.iter().collect();
            bytes = whole(&fresh);
            if bytes <= LIMITS.bytes {
                self.touched.clear();
            }
        }
        if bytes > LIMITS.bytes {
            // What is only looked at may be left out; a change that is not known of makes what follows worthless.
            if !is_read {
                self.forget();
            }
            return;
        }
        for id in &fresh {
            *self.touched.entry(Arc::clone(id)).or_default() |= with_offsets;
        }
        let event = || Event {
            parts: fresh.iter().map(|id| shard.part(id, with_offsets)).collect(),
            expiration: if is_all { shard.expiration_due() } else { None },
            what: What::of(input),
        };
        self.ring.note(LIMITS, (now, bytes), event, || shard.frame());
    }

    fn fresh<'a>(&self, ids: &'a BTreeSet<Arc<str>>, with_offsets: bool) -> Vec<&'a Arc<str>> {
        let is_known = |id: &Arc<str>| self.touched.get(id).is_some_and(|&known| known || !with_offsets);
        ids.iter().filter(|id| !is_known(id)).collect()
    }

    fn forget(&mut self) {
        self.ring.forget();
        self.touched.clear();
    }

    /// Notes what the shard asks for, beyond what was `seen` before.
    pub fn came_back(&mut self, effects: &Effects<Response, Happened>, seen: Seen) {
        self.ring.came_back(|| digest(effects, seen));
    }

    /// What is kept, as a file; None when that is nothing.
    #[must_use]
    pub fn file(&self, head: &Head) -> Option<Vec<u8>> {
        write(head, &self.ring)
    }
}

/// Of what most requests lead to only what can differ is looked at, without a text being made of it.
fn digest(effects: &Effects<Response, Happened>, seen: Seen) -> u64 {
    let mut text = Text::default();
    for record in effects.records.get(seen.records..).unwrap_or_default() {
        match record {
            Record::OffsetCommit { key, value: Some(value) } => {
                text.bytes(key.group.as_bytes());
                text.bytes(key.topic.as_bytes());
                text.number(key.partition.into());
                text.bytes(value.metadata.as_bytes());
                for number in [value.offset, value.leader_epoch.into(), value.commit_timestamp, value.expire_timestamp]
                {
                    text.number(number);
                }
            }
            other => text.number(digest_of_text(other).cast_signed()),
        }
    }
    for (token, response) in effects.replies.get(seen.replies..).unwrap_or_default() {
        text.number(token.0.cast_signed());
        match response {
            Response::Heartbeat(heartbeat) => text.number(heartbeat.error_code.0.into()),
            Response::OffsetCommit(commit) => {
                for partition in commit.topics.iter().flat_map(|topic| &topic.partitions) {
                    text.number(partition.partition_index.into());
                    text.number(partition.error_code.0.into());
                }
            }
            Response::OffsetFetch(fetch) => {
                for partition in fetch.topics.iter().flat_map(|topic| &topic.partitions) {
                    text.number(partition.partition_index.into());
                    text.number(partition.committed_offset);
                    text.number(partition.error_code.0.into());
                }
            }
            other => text.number(digest_of_text(other).cast_signed()),
        }
    }
    let events = effects.events.get(seen.events..).unwrap_or_default();
    if !events.is_empty() {
        text.number(digest_of_text(&events).cast_signed());
    }
    text.digest()
}

/// A shard that is replayed.
#[derive(Debug)]
pub struct Replayer {
    shard: GroupShard,
    known: BTreeSet<Arc<str>>,
}

impl Core for Replayer {
    const KIND: Kind = Kind::Coordinator;
    type Start = Frame;
    type Input = Event;

    fn begin(start: Frame) -> Self {
        Self { shard: GroupShard::framed(start), known: BTreeSet::new() }
    }

    fn tell(event: &Event) -> String {
        let parts: Vec<&str> = event.parts.iter().map(|part| &**part.id()).collect();
        match parts.as_slice() {
            [] => format!("{:?}", event.what),
            parts => format!("{:?} (the recording comes to {})", event.what, parts.join(", ")),
        }
    }

    fn play(&mut self, event: Event, now: Now) -> Played {
        for part in event.parts {
            let is_first = self.known.insert(Arc::clone(part.id()));
            self.shard.put(part, is_first);
        }
        if event.expiration.is_some() {
            self.shard.set_expiration_due(event.expiration);
        }
        let mut effects = Effects::default();
        let seen = Seen::of(&effects);
        self.shard.handle(event.what.input(), now, &mut effects);
        let records = effects.records.iter().map(|record| format!("append {record:?}"));
        let replies = effects.replies.iter().map(|(token, reply)| format!("reply to {}: {reply:?}", token.0));
        let events = effects.events.iter().map(|event| format!("{event:?}"));
        Played { digest: digest(&effects, seen), effects: records.chain(replies).chain(events).collect(), broken: None }
    }

    fn state(&self) -> String {
        format!(
            "{} groups and {} offsets that the recording has come to",
            self.shard.groups().len(),
            self.shard.offset_count()
        )
    }
}

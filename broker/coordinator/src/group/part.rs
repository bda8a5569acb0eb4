//! Parts of a shard, taken out for a recording and put into another shard that plays the same requests: what an input concerns, and what the shard
//! keeps of that. A shard may be large; what a request concerns is one group. Decides nothing and changes no shard that serves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use barnabas_types::{Now, ProducerId};
use serde::{Deserialize, Serialize};

use super::{ClassicGroup, GroupConfig, GroupShard, GroupTimer, Request};
use crate::offsets::{Committed, Topics};
use crate::shard::Input;

/// What an input may look at or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concerned {
    /// It changes nothing and looks at every group.
    Nothing,
    /// These groups, and their offsets where that is said.
    Groups {
        /// Which.
        ids: BTreeSet<Arc<str>>,
        /// What is there of offsets matters.
        with_offsets: bool,
        /// It only looks.
        is_read: bool,
    },
    /// Everything.
    All,
}

/// What a shard is apart from its groups.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Frame {
    config: GroupConfig,
    groups: usize,
    replayed: u64,
}

/// What a shard keeps of one group; empty where there is no such group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    id: Arc<str>,
    group: Option<ClassicGroup>,
    timers: Vec<(GroupTimer, Duration)>,
    /// None where they were not looked at.
    offsets: Option<OffsetsPart>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OffsetsPart {
    topics: Topics,
    pending: Vec<(ProducerId, Arc<str>, i32, Committed)>,
}

impl Part {
    /// Of which group.
    #[must_use]
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }
}

impl Request {
    fn concerned(&self) -> Concerned {
        let one =
            |id: &str, with_offsets, is_read| Concerned::Groups { ids: [id.into()].into(), with_offsets, is_read };
        let some = |ids: &[Box<str>], with_offsets, is_read| Concerned::Groups {
            ids: ids.iter().map(|id| (&**id).into()).collect(),
            with_offsets,
            is_read,
        };
        match self {
            Self::JoinGroup { request, .. } => one(&request.group_id, false, false),
            Self::SyncGroup(request) => one(&request.group_id, false, false),
            Self::Heartbeat(request) => one(&request.group_id, false, false),
            Self::LeaveGroup(request) => one(&request.group_id, false, false),
            Self::OffsetCommit { request, .. } => one(&request.group_id, false, false),
            Self::OffsetFetch { group, .. } => one(&group.group_id, true, true),
            Self::OffsetDelete(request) => one(&request.group_id, true, false),
            Self::ListGroups(_) => Concerned::Nothing,
            Self::DescribeGroups { group_ids, .. } => some(group_ids, false, true),
            Self::DeleteGroups { group_ids } => some(group_ids, true, false),
        }
    }
}

impl GroupTimer {
    fn group_id(&self) -> Option<&Arc<str>> {
        match self {
            Self::Session(group_id, _) | Self::Join(group_id) | Self::Sync(group_id) => Some(group_id),
            Self::Expiration => None,
        }
    }
}

impl GroupShard {
    /// What `input` at `now` may look at or change.
    #[must_use]
    pub fn concerned(&self, input: &Input<Request>, now: Now) -> Concerned {
        match input {
            Input::Loaded | Input::TopicsDeleted(_) => Concerned::All,
            Input::Request { request, .. } => request.concerned(),
            Input::Tick => {
                let due = self.timers.due(now.monotonic).map(GroupTimer::group_id);
                match due.map(|id| id.cloned()).collect::<Option<BTreeSet<_>>>() {
                    Some(ids) => Concerned::Groups { ids, with_offsets: false, is_read: false },
                    None => Concerned::All,
                }
            }
        }
    }

    /// Every group that the shard knows anything of.
    #[must_use]
    pub fn group_ids(&self) -> BTreeSet<Arc<str>> {
        self.groups.keys().chain(self.offsets.group_ids()).cloned().collect()
    }

    /// When [`Input::Tick`] looks for offsets that have expired.
    #[must_use]
    pub fn expiration_due(&self) -> Option<Duration> {
        self.timers.deadline_of(&GroupTimer::Expiration)
    }

    /// What the shard is apart from its groups.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame { config: self.config.clone(), groups: self.group_count(), replayed: self.offsets.replayed() }
    }

    /// What a part takes in memory, about.
    #[must_use]
    pub fn weight(&self, id: &str, with_offsets: bool) -> usize {
        const MEMBER: usize = 512;
        const OFFSET: usize = 192;
        let protocols = |member: &super::Member| {
            member.protocols.iter().map(|protocol| protocol.metadata.len() + 64).sum::<usize>()
        };
        let members = self.groups.get(id).into_iter().flat_map(ClassicGroup::members);
        let members: usize = members.map(|member| MEMBER + protocols(member) + member.assignment.len()).sum();
        let offsets = match with_offsets {
            true => self.offsets.of_group(id).into_iter().flatten().map(|(_, found)| found.len() * OFFSET).sum(),
            false => 0,
        };
        size_of::<Part>().saturating_add(members).saturating_add(offsets)
    }

    /// What the shard keeps of group `id`.
    #[must_use]
    pub fn part(&self, id: &Arc<str>, with_offsets: bool) -> Part {
        let group = self.groups.get(id);
        let members = group.into_iter().flat_map(ClassicGroup::session_ids);
        let sessions = members.map(|member| GroupTimer::Session(Arc::clone(id), member));
        let keys = sessions.chain([GroupTimer::Join(Arc::clone(id)), GroupTimer::Sync(Arc::clone(id))]);
        let timers = keys.filter_map(|key| self.timers.deadline_of(&key).map(|deadline| (key, deadline))).collect();
        let offsets = with_offsets.then(|| OffsetsPart {
            topics: self.offsets.of_group(id).cloned().unwrap_or_default(),
            pending: self
                .offsets
                .pending_of(id)
                .map(|(producer, (_, topic, partition), committed)| {
                    (producer, Arc::clone(topic), *partition, committed.clone())
                })
                .collect(),
        });
        Part { id: Arc::clone(id), group: group.cloned(), timers, offsets }
    }

    /// A shard that has nothing but a frame: parts are put into it before what concerns them.
    #[must_use]
    pub fn framed(frame: Frame) -> Self {
        let mut shard = Self::new(frame.config);
        shard.left_out = frame.groups;
        shard.offsets.set_replayed(frame.replayed);
        shard
    }

    /// Puts a part in the place of what is here of its group. `is_first` for a group of which none was put before: it is not left out any more.
    pub fn put(&mut self, part: Part, is_first: bool) {
        if is_first && part.group.is_some() {
            self.left_out = self.left_out.saturating_sub(1);
        }
        self.timers.retain(|timer| timer.group_id() != Some(&part.id));
        for (timer, deadline) in part.timers {
            self.timers.schedule(timer, deadline);
        }
        if let Some(OffsetsPart { topics, pending }) = part.offsets {
            self.offsets.replace(&part.id, topics, pending);
        }
        match part.group {
            Some(group) => _ = self.groups.insert(part.id, group),
            None => _ = self.groups.remove(&part.id),
        }
    }

    /// Sets when offsets are looked through next.
    pub fn set_expiration_due(&mut self, due: Option<Duration>) {
        match due {
            Some(due) => self.timers.schedule(GroupTimer::Expiration, due),
            None => self.timers.cancel(&GroupTimer::Expiration),
        }
    }
}

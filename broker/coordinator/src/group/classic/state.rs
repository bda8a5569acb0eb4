//! A classic group: its members, its phase and its generation. Keeps its own counts right; sends nothing, schedules nothing and
//! does not know why it is changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use barnabas_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::member::{Awaiting, Introduction, Member, Protocol};
use super::subscription;
use crate::shard::ReplyToken;

/// The protocol type of consumers, whose metadata the coordinator looks into.
pub const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// What a classic group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// No members; perhaps offsets.
    Empty,
    /// Members are being gathered; their JoinGroups are parked.
    PreparingRebalance(Gathering),
    /// Members know their generation and wait for the leader's assignment.
    CompletingRebalance,
    /// Every member has or can have its assignment.
    Stable,
}

/// Why and how long members are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gathering {
    /// The group was empty: wait a fixed time, longer if more arrive (`group.initial.rebalance.delay.ms`).
    Initial {
        /// Someone arrived since the wait began.
        member_added: bool,
        /// The wait now running.
        delay_ms: i32,
        /// By how much it may still be prolonged.
        remaining_ms: i32,
    },
    /// The group had members: wait until all have joined again, at most their rebalance timeout.
    Rejoin,
}

impl Phase {
    /// Kafka's names of all states that a group here can be in.
    pub const NAMES: [&'static str; 4] = ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"];

    /// Kafka's name of the state.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance(_) => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A classic group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassicGroup {
    pub(super) id: Arc<str>,
    pub(super) phase: Phase,
    /// Since when the group is in its phase; None if an old record did not say.
    pub(super) phase_since: Option<Timestamp>,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<Box<str>>,
    pub(super) protocol_name: Option<Box<str>>,
    pub(super) leader: Option<Arc<str>>,
    /// Members that were given an id and have not come back with it yet.
    pub(super) pending_join: BTreeSet<Arc<str>>,
    /// Members of this generation that have not asked for their assignment yet.
    pub(super) pending_sync: BTreeSet<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// How many members support each protocol.
    support: HashMap<Box<str>, usize>,
    awaiting_join: usize,
    subscribed_topics: Option<BTreeSet<Box<str>>>,
}

impl ClassicGroup {
    /// An empty group in generation 0 without a protocol type: what a simple consumer's commits live in.
    #[must_use]
    pub fn new(id: Arc<str>, now: Option<Timestamp>) -> Self {
        Self {
            id,
            phase: Phase::Empty,
            phase_since: now,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            support: HashMap::new(),
            awaiting_join: 0,
            subscribed_topics: None,
        }
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// What the group is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// True in [`Phase::Empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    /// All members, by id.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub(super) fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    pub(super) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    pub(super) fn member_ids(&self) -> Vec<Arc<str>> {
        self.members.keys().cloned().collect()
    }

    /// Everybody who may have a session: members, and who was given an id and has not come back with it.
    pub(crate) fn session_ids(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        self.members.keys().chain(&self.pending_join).cloned()
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    pub(super) fn static_member_id(&self, instance_id: &str) -> Option<&Arc<str>> {
        self.static_members.get(instance_id)
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub(super) fn enter(&mut self, phase: Phase, now: Timestamp) {
        self.phase = phase;
        self.phase_since = Some(now);
    }

    /// Adds a member. The first one gives the group its protocol type and leads it.
    pub(super) fn add(&mut self, member: Member) {
        if self.members.is_empty() {
            self.protocol_type = Some(member.protocol_type.clone());
        }
        self.leader.get_or_insert_with(|| Arc::clone(&member.id));
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(Arc::clone(instance_id), Arc::clone(&member.id));
        }
        self.pending_join.remove(&member.id);
        self.count_support(&member.protocols);
        self.awaiting_join += usize::from(member.is_awaiting_join());
        self.members.insert(Arc::clone(&member.id), member);
    }

    /// Removes a member, known or pending. Leadership goes to any other. Its parked request, if any, goes back with it.
    pub(super) fn remove(&mut self, member_id: &str) -> Option<Member> {
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        let member = self.members.remove(member_id)?;
        self.uncount_support(&member.protocols);
        self.awaiting_join -= usize::from(member.is_awaiting_join());
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Gives a static member's place to its next incarnation; the old member comes back with its parked request.
    pub(super) fn replace_static(&mut self, old_id: &str, new_id: &Arc<str>) -> Option<Member> {
        let old = self.members.remove(old_id)?;
        self.awaiting_join -= usize::from(old.is_awaiting_join());
        self.pending_sync.remove(old_id);
        let mut new = old.clone();
        new.id = Arc::clone(new_id);
        new.is_new = false;
        new.set_awaiting(Awaiting::Nothing);
        if let Some(instance_id) = &new.instance_id {
            self.static_members.insert(Arc::clone(instance_id), Arc::clone(new_id));
        }
        if self.is_leader(old_id) {
            self.leader = Some(Arc::clone(new_id));
        }
        self.members.insert(Arc::clone(new_id), new);
        Some(old)
    }

    /// Takes over what a known member's new JoinGroup says.
    pub(super) fn update(&mut self, member_id: &str, introduction: &Introduction) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        member.rebalance_timeout_ms = introduction.rebalance_timeout_ms;
        member.session_timeout_ms = introduction.session_timeout_ms;
        let old = std::mem::replace(&mut member.protocols, introduction.protocols.clone());
        self.uncount_support(&old);
        self.count_support(&introduction.protocols);
    }

    /// Parks a request of the member and hands back the one that was parked before: a client that asks twice has given up on
    /// its first request.
    pub(super) fn park(&mut self, member_id: &str, awaiting: Awaiting) -> Awaiting {
        let Some(member) = self.members.get_mut(member_id) else { return Awaiting::Nothing };
        let before = member.set_awaiting(awaiting);
        self.awaiting_join += usize::from(matches!(awaiting, Awaiting::Join(_)));
        self.awaiting_join -= usize::from(matches!(before, Awaiting::Join(_)));
        before
    }

    /// Takes back a parked JoinGroup.
    pub(super) fn take_join(&mut self, member_id: &str) -> Option<ReplyToken> {
        match self.member(member_id)?.awaiting() {
            Awaiting::Join(token) => {
                self.park(member_id, Awaiting::Nothing);
                Some(token)
            }
            Awaiting::Nothing | Awaiting::Sync(_) => None,
        }
    }

    /// Takes back a parked SyncGroup.
    pub(super) fn take_sync(&mut self, member_id: &str) -> Option<ReplyToken> {
        match self.member(member_id)?.awaiting() {
            Awaiting::Sync(token) => {
                self.park(member_id, Awaiting::Nothing);
                Some(token)
            }
            Awaiting::Nothing | Awaiting::Join(_) => None,
        }
    }

    /// True if nobody is missing: every member waits for its JoinGroup and every id given out has come back.
    pub(super) fn has_all_joined(&self) -> bool {
        self.members.len() == self.awaiting_join && self.pending_join.is_empty()
    }

    /// Makes sure that the leader is a member that has joined again. False if nobody has.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let leader_joined =
            self.leader.as_deref().and_then(|leader| self.member(leader)).is_some_and(Member::is_awaiting_join);
        if !leader_joined {
            let Some(joined) = self.members.values().find(|member| member.is_awaiting_join()) else { return false };
            self.leader = Some(Arc::clone(&joined.id));
        }
        true
    }

    /// The longest rebalance timeout of any member.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// True if a member of this kind, supporting these protocols, fits in: something must stay that all members support.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| self.support_of(&protocol.name) == self.members.len())
    }

    /// The protocol of the next generation: of those that all members support, the one that most of them prefer.
    pub(super) fn select_protocol(&self) -> Option<Box<str>> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members() {
            let vote = member.vote(|name| self.support_of(name) == self.members.len())?;
            *votes.entry(vote).or_default() += 1;
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.into())
    }

    /// Counts the generation up and settles its protocol and subscription. Its members have yet to ask for their assignment.
    pub(super) fn begin_next_generation(&mut self, now: Timestamp) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol_name = self.select_protocol();
        self.refresh_subscription();
        let phase = if self.members.is_empty() { Phase::Empty } else { Phase::CompletingRebalance };
        self.enter(phase, now);
        self.pending_sync = self.members.keys().cloned().collect();
    }

    /// Works out again which topics the members subscribe to.
    pub(super) fn refresh_subscription(&mut self) {
        self.subscribed_topics = match (self.protocol_type.as_deref(), self.protocol_name.as_deref()) {
            (Some(CONSUMER_PROTOCOL_TYPE), _) if self.members.is_empty() => Some(BTreeSet::new()),
            (Some(CONSUMER_PROTOCOL_TYPE), Some(protocol)) => {
                let topics = self.members().map(|member| subscription::topics(member.metadata(protocol)));
                topics.collect::<Option<Vec<_>>>().map(|topics| topics.into_iter().flatten().collect())
            }
            _ => None,
        };
    }

    /// What kind of members the group has or last had; None for a simple group.
    #[must_use]
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// The protocol of the current generation.
    #[must_use]
    pub fn protocol_name(&self) -> Option<&str> {
        self.protocol_name.as_deref()
    }

    /// Since when the group is in its phase, if that is known.
    #[must_use]
    pub fn phase_since(&self) -> Option<Timestamp> {
        self.phase_since
    }

    pub(crate) fn has_no_pending_members(&self) -> bool {
        self.pending_join.is_empty()
    }

    pub(crate) fn is_stable_and_knows_subscription(&self) -> bool {
        self.phase == Phase::Stable && self.uses_consumer_protocol() && self.subscribed_topics.is_some()
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// True if a member subscribes to `topic`, or might: consumers whose subscription cannot be read may read anything.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed_topics.as_ref().map_or(self.uses_consumer_protocol(), |topics| topics.contains(topic))
    }

    fn support_of(&self, protocol: &str) -> usize {
        self.support.get(protocol).copied().unwrap_or(0)
    }

    fn count_support(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.support.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    fn uncount_support(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(count) = self.support.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.support.remove(&protocol.name);
                }
            }
        }
    }

    /// What must hold after every input, checked cheaply.
    pub(crate) fn assert_consistent(&self) {
        assert!(self.awaiting_join <= self.members.len(), "{}: more parked JoinGroups than members", self.id);
        assert!(!self.is_empty() || self.members.is_empty(), "{}: empty with members", self.id);
        assert!(
            self.awaiting_join == 0 || matches!(self.phase, Phase::PreparingRebalance(_)),
            "{}: JoinGroups parked in {}",
            self.id,
            self.phase.name()
        );
        debug_assert_eq!(self.awaiting_join, self.members().filter(|member| member.is_awaiting_join()).count());
        debug_assert!(self.leader.as_deref().is_none_or(|leader| self.members.contains_key(leader)));
        debug_assert!(self.static_members.values().all(|id| self.members.contains_key(id)));
    }
}

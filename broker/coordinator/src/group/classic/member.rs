//! One member of a classic group. Knows what it supports and whether a request of its own is parked, not what the group does.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::shard::ReplyToken;

/// A protocol (for consumers: an assignor) that a member supports, with what the member tells the leader about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// The protocol's name.
    pub name: Box<str>,
    /// Opaque to the coordinator; for consumers it begins with the subscription.
    pub metadata: Box<[u8]>,
}

/// Which of the member's requests waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Awaiting {
    /// None.
    #[default]
    Nothing,
    /// A JoinGroup, until the group has its next generation.
    Join(ReplyToken),
    /// A SyncGroup, until the leader has sent the assignment.
    Sync(ReplyToken),
}

/// A member of a classic group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Given by the coordinator.
    pub id: Arc<str>,
    /// Given by the user to a static member (KIP-345), which keeps its assignment over a restart.
    pub instance_id: Option<Arc<str>>,
    /// From the header of its JoinGroup.
    pub client_id: Box<str>,
    /// Its address as Kafka writes it: `/127.0.0.1`.
    pub client_host: Box<str>,
    /// How long a rebalance waits for this member.
    pub rebalance_timeout_ms: i32,
    /// How long the member may stay silent.
    pub session_timeout_ms: i32,
    /// What kind of group it joins: `consumer`, `connect` …
    pub protocol_type: Box<str>,
    /// In the order in which the member prefers them.
    pub protocols: Vec<Protocol>,
    /// From the leader; empty until there is one.
    pub assignment: Box<[u8]>,
    /// True from its first JoinGroup until that is answered: it has no member id yet and cannot send heartbeats.
    pub is_new: bool,
    awaiting: Awaiting,
}

/// What a JoinGroup says about its member.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// See [`Member::instance_id`].
    pub instance_id: Option<Arc<str>>,
    /// See [`Member::client_id`].
    pub client_id: Box<str>,
    /// See [`Member::client_host`].
    pub client_host: Box<str>,
    /// See [`Member::rebalance_timeout_ms`].
    pub rebalance_timeout_ms: i32,
    /// See [`Member::session_timeout_ms`].
    pub session_timeout_ms: i32,
    /// See [`Member::protocol_type`].
    pub protocol_type: Box<str>,
    /// See [`Member::protocols`].
    pub protocols: Vec<Protocol>,
}

impl Member {
    /// A member that waits for nothing and has no assignment.
    #[must_use]
    pub fn new(id: Arc<str>, introduction: Introduction) -> Self {
        Self {
            id,
            instance_id: introduction.instance_id,
            client_id: introduction.client_id,
            client_host: introduction.client_host,
            rebalance_timeout_ms: introduction.rebalance_timeout_ms,
            session_timeout_ms: introduction.session_timeout_ms,
            protocol_type: introduction.protocol_type,
            protocols: introduction.protocols,
            assignment: Box::default(),
            is_new: false,
            awaiting: Awaiting::Nothing,
        }
    }

    /// Which of its requests is parked. Only its group changes that, which counts them.
    #[must_use]
    pub fn awaiting(&self) -> Awaiting {
        self.awaiting
    }

    pub(super) fn set_awaiting(&mut self, awaiting: Awaiting) -> Awaiting {
        std::mem::replace(&mut self.awaiting, awaiting)
    }

    /// True while a JoinGroup of this member is parked.
    #[must_use]
    pub fn is_awaiting_join(&self) -> bool {
        matches!(self.awaiting, Awaiting::Join(_))
    }

    /// True if silence does not count against it: the coordinator owes it an answer. A new member must not wait for ever.
    #[must_use]
    pub fn is_excused_from_heartbeats(&self) -> bool {
        !self.is_new && self.awaiting != Awaiting::Nothing
    }

    /// Its metadata under `protocol`; empty if it does not support that.
    #[must_use]
    pub fn metadata(&self, protocol: &str) -> &[u8] {
        self.protocols.iter().find(|supported| &*supported.name == protocol).map_or(&[], |found| &found.metadata)
    }

    /// The first protocol in its order of preference that `is_candidate` accepts.
    pub fn vote(&self, is_candidate: impl Fn(&str) -> bool) -> Option<&str> {
        self.protocols.iter().map(|protocol| &*protocol.name).find(|name| is_candidate(name))
    }
}

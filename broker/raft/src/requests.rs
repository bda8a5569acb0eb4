//! Which requests are under way, and to whom none is to be sent for a while. One request per address at a time. Sends nothing itself.

use barnabas_types::{BrokerId, LeaderEpoch, Offset};
use serde::{Deserialize, Serialize};

use crate::timers::{Millis, earlier};
use crate::{Destination, RequestId};

/// What was asked: an answer of another kind is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Vote,
    PreVote,
    BeginQuorumEpoch,
    EndQuorumEpoch,
    Fetch,
    FetchSnapshot,
    /// AddRaftVoter or RemoveRaftVoter of a replica that joins by itself.
    Join,
    UpdateVoter,
    ApiVersions,
}

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InFlight {
    pub(crate) id: RequestId,
    pub(crate) kind: Kind,
    /// The node that was asked, when known.
    pub(crate) node: Option<BrokerId>,
    /// The end of this replica's log when it asked: the answer to a Fetch is about that log and no other.
    pub(crate) log_end: (LeaderEpoch, Offset),
    /// Without an answer until then it counts as failed.
    expires_ms: Millis,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    InFlight(InFlight),
    BackOff { until_ms: Millis, after: RequestId },
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Requests {
    next: u64,
    peers: Vec<(Address, State)>,
}

type Address = (Box<str>, u16);

fn is(address: &Address, to: &Destination) -> bool {
    address.1 == to.port && address.0 == to.host
}

impl Requests {
    /// True when a request may be sent to `to`.
    pub(crate) fn ready(&self, to: &Destination) -> bool {
        !self.peers.iter().any(|(address, _)| is(address, to))
    }

    /// True when the last request to `to` failed a moment ago.
    pub(crate) fn backs_off(&self, to: &Destination) -> bool {
        self.peers.iter().any(|(address, state)| is(address, to) && matches!(state, State::BackOff { .. }))
    }

    /// True when a request of this kind is under way to anybody.
    pub(crate) fn any(&self, kind: Kind) -> bool {
        self.peers.iter().any(|(_, state)| matches!(state, State::InFlight(request) if request.kind == kind))
    }

    /// Notes a request; the caller has seen that `to` is ready.
    pub(crate) fn sent(
        &mut self,
        to: &Destination,
        kind: Kind,
        log_end: (LeaderEpoch, Offset),
        expires_ms: Millis,
    ) -> RequestId {
        let id = RequestId(self.next);
        self.next = self.next.wrapping_add(1);
        let request = InFlight { id, kind, node: to.node, log_end, expires_ms };
        self.peers.push(((to.host.clone(), to.port), State::InFlight(request)));
        id
    }

    /// Takes the end of request `id` and lets nothing be sent to the same address until `until_ms`; None when it is not awaited any
    /// more.
    pub(crate) fn failed(&mut self, id: RequestId, until_ms: Millis) -> Option<InFlight> {
        let in_flight = |state: &State| matches!(state, State::InFlight(request) if request.id == id);
        let (_, state) = self.peers.iter_mut().find(|(_, state)| in_flight(state))?;
        match std::mem::replace(state, State::BackOff { until_ms, after: id }) {
            State::InFlight(request) => Some(request),
            State::BackOff { .. } => None,
        }
    }

    /// Lets nothing be sent to `to` until `until_ms`.
    pub(crate) fn pause(&mut self, to: &Destination, until_ms: Millis) {
        if self.ready(to) {
            let after = RequestId(self.next);
            self.next = self.next.wrapping_add(1);
            self.peers.push(((to.host.clone(), to.port), State::BackOff { until_ms, after }));
        }
    }

    /// Takes back the pause after request `id`.
    pub(crate) fn resume(&mut self, id: RequestId) {
        self.peers.retain(|(_, state)| !matches!(state, State::BackOff { after, .. } if *after == id));
    }

    /// Forgets everything: what is answered from now on was asked in another role.
    pub(crate) fn clear(&mut self) {
        self.peers.clear();
    }

    /// Forgets what has expired. An expired request leaves a back-off, so that somebody else is asked meanwhile.
    pub(crate) fn expire(&mut self, now_ms: Millis, backoff_ms: Millis) {
        self.peers.retain(|(_, state)| !matches!(state, State::BackOff { until_ms, .. } if *until_ms <= now_ms));
        for (_, state) in &mut self.peers {
            if let State::InFlight(request) = state
                && request.expires_ms <= now_ms
            {
                let until_ms = now_ms.saturating_add(backoff_ms.max(1));
                *state = State::BackOff { until_ms, after: request.id };
            }
        }
    }

    /// When [`Requests::expire`] has something to do next.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.peers.iter().fold(None, |deadline, (_, state)| {
            let next = match state {
                State::InFlight(request) => request.expires_ms,
                State::BackOff { until_ms, .. } => *until_ms,
            };
            earlier(deadline, Some(next))
        })
    }
}

//! What only a leader with other replicas knows: how far they are, the ISR, and the change of it that is under way. Holds state and answers
//! questions about it; changes of the ISR are in `isr`.

use barnabas_types::{BrokerId, Uuid};
use serde::{Deserialize, Serialize};

use crate::bug::Bug;
use crate::peer::Peer;
use crate::time::Millis;
use crate::{Around, Assigned, InSyncMember};

/// The other replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Others {
    /// All replicas but this one, in the order of the assignment.
    pub peers: Vec<Peer>,
    /// The ISR that the controller has, this broker among it.
    pub isr: Vec<BrokerId>,
    /// The change of the ISR that is under way: never more than one.
    pub pending: Option<Pending>,
    /// How many replicas there are without those that a reassignment adds.
    pub replication_factor: usize,
    pub is_reassigning: bool,
    /// How many proposals have been made.
    pub proposals: u32,
    /// No proposal before that.
    pub not_before_ms: Millis,
}

/// A change of the ISR that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub number: u64,
    pub change: Change,
    /// What was proposed.
    pub isr: Vec<InSyncMember>,
    pub step: Step,
}

/// What a proposal changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// One joins.
    Expand(BrokerId),
    /// Some leave.
    Shrink(Vec<BrokerId>),
}

/// Where a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// An answer is waited for.
    Asked,
    /// It is proposed again then.
    AskAgain(Millis),
    /// The controller has refused it because the state that it would change is an old one: the metadata will say the new one.
    AwaitsMetadata,
}

impl Others {
    /// The other replicas of an assignment; none when there are none.
    pub(crate) fn of(assigned: &Assigned<'_>, own: BrokerId) -> Option<Box<Self>> {
        let mut others = Self {
            peers: Vec::new(),
            isr: Vec::new(),
            pending: None,
            replication_factor: 0,
            is_reassigning: false,
            proposals: 0,
            not_before_ms: 0,
        };
        others.assign(assigned, own);
        (!others.peers.is_empty()).then(|| Box::new(others))
    }

    /// Takes over replicas and ISR. What is known of those that stay, stays.
    pub(crate) fn assign(&mut self, assigned: &Assigned<'_>, own: BrokerId) {
        let mut known = std::mem::take(&mut self.peers);
        let directories = assigned.directories.iter().copied().chain(std::iter::repeat(Uuid::ZERO));
        for (&id, directory) in assigned.replicas.iter().zip(directories).filter(|(id, _)| **id != own) {
            if self.peer(id).is_none() {
                let position = known.iter().position(|peer| peer.id == id);
                let mut peer = position.map_or_else(|| Peer::new(id), |position| known.swap_remove(position));
                peer.directory = directory;
                self.peers.push(peer);
            }
        }
        self.isr = assigned.isr.to_vec();
        self.replication_factor = assigned.replicas.iter().filter(|id| !assigned.adding.contains(id)).count();
        self.is_reassigning = !assigned.adding.is_empty() || !assigned.removing.is_empty();
    }

    pub(crate) fn peer(&self, id: BrokerId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    pub(crate) fn peer_mut(&mut self, id: BrokerId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }

    /// True for every member that the controller may have in the ISR by now: committed ones, also those about to leave, and one about to
    /// join (KIP-497).
    pub(crate) fn is_in_maximal_isr(&self, id: BrokerId, around: &Around<'_>) -> bool {
        let change = self.pending.as_ref().map(|pending| &pending.change);
        match change {
            Some(Change::Expand(joining)) if *joining == id => !around.has(Bug::ForgetsPendingExpansion),
            Some(Change::Shrink(leaving)) if around.has(Bug::BelievesPendingShrink) && leaving.contains(&id) => false,
            _ => self.isr.contains(&id),
        }
    }

    pub(crate) fn maximal_isr_size(&self) -> usize {
        let joins = matches!(&self.pending, Some(Pending { change: Change::Expand(_), .. }));
        self.isr.len().saturating_add(usize::from(joins))
    }

    /// Never more is asked for than there are replicas.
    pub(crate) fn effective_min_isr(&self, around: &Around<'_>) -> usize {
        around.settings.min_insync_replicas.min(self.peers.len().saturating_add(1))
    }

    pub(crate) fn is_under_min_isr(&self, around: &Around<'_>) -> bool {
        self.isr.len() < self.effective_min_isr(around)
    }
}

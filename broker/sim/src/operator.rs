//! Whoever changes the voters: replaces those whose disk is lost, adds and removes others, one at a time, and never so that the voters
//! left could not elect anybody.

use barnabas_raft::{AddVoterRequest, ErrorCode, RemoveVoterRequest, ReplicaKey, Request, RequestId, Response};

use crate::deed::{Deed, Name};
use crate::network::Place;
use crate::process::{Asker, Message};
use crate::random::Random;
use crate::world::{CLUSTER, World, endpoint};

/// How long it waits for an answer, in microseconds.
pub const PATIENCE_MICROS: u64 = 8_000_000;
/// More voters make no history more interesting.
const MOST_VOTERS: usize = 5;

/// See the module.
#[derive(Clone, Debug)]
pub struct Operator {
    place: Place,
    number: u64,
    waits: bool,
}

impl Operator {
    /// One at `place`.
    #[must_use]
    pub const fn new(place: Place) -> Self {
        Self { place, number: 0, waits: false }
    }

    /// True while it waits for an answer.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.waits
    }

    /// True for the request that it waits for.
    #[must_use]
    pub fn waits_for(&self, asker: Asker) -> bool {
        self.waits && asker.place == self.place && asker.id == RequestId(self.number)
    }

    /// Hears an answer; true when voters were changed.
    pub fn hear(&mut self, asker: Asker, response: &Response) -> bool {
        if !self.waits_for(asker) {
            return false;
        }
        self.waits = false;
        match response {
            Response::AddVoter(outcome) | Response::RemoveVoter(outcome) => outcome.error == ErrorCode::None,
            _ => false,
        }
    }

    /// Waits no longer.
    pub const fn give_up(&mut self) {
        self.waits = false;
    }

    fn ask(&mut self, request: Request) -> Message {
        self.number += 1;
        self.waits = true;
        let from = Asker { place: self.place, life: 0, id: RequestId(self.number) };
        Message::Request { from, request }
    }

    /// Asks for a voter more.
    pub fn add(&mut self, voter: ReplicaKey) -> Message {
        let place = usize::try_from(voter.id.0).unwrap_or(0);
        self.ask(Request::AddVoter(AddVoterRequest {
            cluster_id: Some(CLUSTER.into()),
            voter,
            endpoints: vec![endpoint(place)],
            timeout_ms: 5_000,
            ack_when_committed: true,
        }))
    }

    /// Asks for a voter less.
    pub fn remove(&mut self, voter: ReplicaKey) -> Message {
        self.ask(Request::RemoveVoter(RemoveVoterRequest { cluster_id: Some(CLUSTER.into()), voter }))
    }
}

/// What would be a good change now.
pub(crate) fn choose(random: &mut Random, world: &World) -> Option<Deed> {
    let to = world.leader()?;
    let voters = &world.observed.replicas.get(to)?.standing.voters;
    if world.operator.waits() || voters.is_empty() || voters.iter().any(|voter| voter.directory_id.is_zero()) {
        return None;
    }
    let remove = |voter| Deed::RemoveVoter { to, voter: Name(voter) };
    let lives = |voter: &ReplicaKey| world.observed.is_whole(*voter);
    let dead: Vec<ReplicaKey> = voters.iter().copied().filter(|voter| !lives(voter)).collect();
    if let Some(gone) = random.pick(&dead)
        && random.chance(700)
    {
        return Some(remove(gone));
    }
    let controllers = world.observed.replicas.get(..world.plan.controllers()).unwrap_or_default();
    let absent = |key: &ReplicaKey| !voters.iter().any(|voter| voter.id == key.id);
    let whole = controllers.iter().filter(|replica| !replica.damaged).map(|replica| replica.key);
    let absent: Vec<ReplicaKey> = whole.filter(absent).collect();
    // One that is added counts at once.
    let can_grow = (voters.len() - dead.len() + 1) * 2 > voters.len() + 1;
    match random.pick(&absent) {
        Some(new) if voters.len() < MOST_VOTERS && can_grow && random.chance(600) => {
            Some(Deed::AddVoter { to, voter: Name(new) })
        }
        _ => {
            let alive: Vec<ReplicaKey> = voters.iter().copied().filter(lives).collect();
            let can_shrink = alive.len() > 1 && (alive.len() - 1) * 2 > voters.len() - 1;
            if can_shrink && random.chance(500) { random.pick(&alive).map(remove) } else { None }
        }
    }
}

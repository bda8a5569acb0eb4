//! What has to become of the quorum: who votes next, whose empty volume may be formatted, which node may leave. One change at
//! a time, and none that could cost the majority. Pure: it gets the quorum as its leader described it.

use crate::broker_client::{Hosted, LiveQuorum, LiveReplica, VoterChange};
use crate::cluster::roll::StopAnswer;
use std::collections::{BTreeMap, BTreeSet};

/// What controllers and brokers said in this pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The quorum, when its leader answered.
    pub quorum: Option<LiveQuorum>,
    /// Why nobody described the quorum.
    pub silence: Option<String>,
    /// What each broker holds; asked only when a volume was lost or is filled anew, or a broker leaves or has left.
    pub hosted: Option<BTreeMap<i32, Hosted>>,
    /// The brokers that the cluster knows; asked only when one has left.
    pub registered: BTreeSet<i32>,
    /// What is set on all brokers at run time, when they told; asked while the resource says something of it, or did.
    pub dynamic: Option<BTreeMap<String, String>>,
    /// Whether the broker that would be restarted next may stop; asked only when one is to be restarted.
    pub stop: Option<StopAnswer>,
}

/// The next change of the voters, or why one that is due waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The voters are who they should be.
    Settled,
    /// This is safe now.
    Change(VoterChange),
    /// Something has to happen first.
    Wait(String),
}

/// How many of `voters` have to agree.
pub fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// Voters beside `id` that keep up with the leader.
fn others_caught_up(quorum: &LiveQuorum, id: i32) -> usize {
    quorum.voters.iter().filter(|voter| voter.id != id && voter.caught_up).count()
}

/// True when the quorum goes on without this node, whether it votes or not.
pub fn can_spare(quorum: &LiveQuorum, id: i32) -> bool {
    let votes = quorum.voters.iter().any(|voter| voter.id == id);
    !votes || others_caught_up(quorum, id) >= majority(quorum.voters.len())
}

/// True when every voter keeps up, and they are those that are wanted.
pub fn is_whole(quorum: &LiveQuorum, wanted: &BTreeSet<i32>) -> bool {
    let voters: BTreeSet<i32> = quorum.voters.iter().map(|voter| voter.id).collect();
    voters == *wanted && quorum.voters.iter().all(|voter| voter.caught_up)
}

/// Compares the voters with the controllers that are `wanted`, each of which is reached at its host name: first the dead ones
/// that have come back with another volume, then those that are missing, then those that are too many.
pub fn next(quorum: &LiveQuorum, wanted: &BTreeMap<i32, String>) -> Next {
    // The leader goes on telling of a directory that was lost for some minutes after its vote was taken away.
    let observer = |id: i32| {
        let known = quorum.observers.iter().filter(|observer| observer.id == id);
        known.min_by_key(|observer| (!observer.caught_up, observer.lag))
    };
    let replaced = quorum.voters.iter().find_map(|voter| {
        let successor = observer(voter.id).filter(|observer| observer.directory_id != voter.directory_id)?;
        (wanted.contains_key(&voter.id) && !voter.caught_up).then_some((voter, successor))
    });
    if let Some((dead, successor)) = replaced {
        return replace(quorum, dead, successor);
    }
    let missing = wanted.iter().find(|(id, _)| !quorum.voters.iter().any(|voter| voter.id == **id));
    if let Some((&id, host)) = missing {
        return add(quorum, observer(id), id, host);
    }
    // A voter that does not answer is the easiest to spare, the leader the hardest.
    let surplus = quorum.voters.iter().filter(|voter| !wanted.contains_key(&voter.id));
    match surplus.min_by_key(|voter| (voter.caught_up, voter.id == quorum.leader, -voter.id)) {
        None => Next::Settled,
        Some(voter) => remove(quorum, voter),
    }
}

/// The dead voter goes when its successor has what the leader has, so that the quorum is short of it no longer than it must be.
fn replace(quorum: &LiveQuorum, dead: &LiveReplica, successor: &LiveReplica) -> Next {
    let id = dead.id;
    if !successor.caught_up {
        let lag = rough_lag(successor.lag);
        return Next::Wait(format!("node {id} has a new volume and is up to {lag} records behind the leader"));
    }
    if !can_spare(quorum, id) {
        return Next::Wait(format!(
            "node {id} has a new volume; its old vote is taken away once {} of the other voters keep up",
            majority(quorum.voters.len())
        ));
    }
    Next::Change(VoterChange::Remove { id, directory_id: dead.directory_id })
}

fn add(quorum: &LiveQuorum, observer: Option<&LiveReplica>, id: i32, host: &str) -> Next {
    let Some(observer) = observer else {
        return Next::Wait(format!("node {id} is to vote and does not follow the leader yet"));
    };
    if !observer.caught_up {
        let lag = rough_lag(observer.lag);
        return Next::Wait(format!("node {id} is to vote and is up to {lag} records behind the leader"));
    }
    // The new one counts from the moment that the leader writes the change down.
    let caught_up = others_caught_up(quorum, id) + 1;
    if caught_up < majority(quorum.voters.len() + 1) {
        return Next::Wait(format!("node {id} is to vote, and too few of the voters keep up"));
    }
    Next::Change(VoterChange::Add { id, directory_id: observer.directory_id, host: host.to_owned() })
}

fn remove(quorum: &LiveQuorum, voter: &LiveReplica) -> Next {
    let id = voter.id;
    if others_caught_up(quorum, id) < majority(quorum.voters.len().saturating_sub(1)) {
        return Next::Wait(format!("node {id} is to leave, and too few of the other voters keep up"));
    }
    Next::Change(VoterChange::Remove { id, directory_id: voter.directory_id })
}

/// True when an empty volume in the place of this node's may be formatted without asking anybody: the others still have the
/// quorum, and no acknowledged record was on the lost volume alone.
pub fn may_start_over(answers: &Answers, id: i32, is_broker: bool) -> bool {
    let spared = answers.quorum.as_ref().is_some_and(|quorum| can_spare(quorum, id));
    let holds_nothing_alone = || {
        let hosted = answers.hosted.as_ref();
        hosted.is_some_and(|hosted| hosted.get(&id).is_none_or(|held| held.alone == 0))
    };
    spared && (!is_broker || holds_nothing_alone())
}

/// True when a node may be taken away: it has no vote, and no partition has a replica on it.
pub fn may_leave(answers: &Answers, id: i32, is_broker: bool) -> bool {
    let votes = |quorum: &LiveQuorum| quorum.voters.iter().any(|voter| voter.id == id);
    let voteless = answers.quorum.as_ref().is_some_and(|quorum| !votes(quorum));
    voteless && (!is_broker || hosts_nothing(answers, id))
}

/// True when brokers said that no partition has a replica on this one.
pub fn hosts_nothing(answers: &Answers, id: i32) -> bool {
    let hosted = answers.hosted.as_ref();
    hosted.is_some_and(|hosted| hosted.get(&id).is_none_or(|held| held.replicas == 0))
}

/// How far a replica is behind, as a power of two that is not less: the number itself changes with every record, and a status that tells it
/// would be written, and wake us, as often.
pub fn rough_lag(lag: i64) -> i64 {
    let lag = u64::try_from(lag).unwrap_or_default();
    lag.checked_next_power_of_two()
        .and_then(|rounded| i64::try_from(rounded).ok())
        .filter(|_| lag > 0)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;

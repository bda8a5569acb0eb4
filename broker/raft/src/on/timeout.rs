//! What time brings: after every input each role does what is due and sends what it may. Knows no clock.

use barnabas_types::{BrokerId, LeaderEpoch, Offset};

use crate::bug::Bug;
use crate::memory::Memory;
use crate::node::Life;
use crate::requests::Kind;
use crate::timers::{Millis, earlier};
use crate::{
    AddVoterRequest, BeginQuorumEpochRequest, Destination, Effect, EndQuorumEpochRequest, FetchRequest,
    FetchSnapshotRequest, Follower, HaltReason, Node, RemoveVoterRequest, ReplicaKey, Request, Role,
    UpdateVoterRequest, Vote, VoteRequest, on,
};

/// A role follows another without waiting at most so often: unattached, prospective, candidate, leader.
const MOST_STEPS: usize = 8;

pub(crate) fn poll(node: &mut Node, out: &mut Vec<Effect>) {
    node.requests.expire(node.now_ms, node.config.retry_backoff_ms);
    for _ in 0..MOST_STEPS {
        let before = (std::mem::discriminant(&node.role), node.epoch());
        match node.life {
            Life::Created | Life::Stopped | Life::Halted => return,
            Life::Stopping => stopping(node, out),
            Life::Running => running(node, out),
        }
        if before == (std::mem::discriminant(&node.role), node.epoch()) {
            return;
        }
    }
}

/// When [`poll`] has something to do next, requests apart.
pub(crate) fn deadline(node: &Node) -> Option<Millis> {
    let (is_voter, may_be_elected) = (node.is_voter(), node.may_be_elected());
    let deadline = match &node.role {
        Role::Unattached(unattached) => unattached.election_ms,
        Role::Follower(follower) => {
            earlier(Some(follower.fetch_ms).filter(|_| may_be_elected), Some(follower.update_voter_ms))
        }
        Role::Prospective(prospective) => Some(prospective.election_ms),
        Role::Candidate(candidate) => Some(candidate.election_ms),
        Role::Resigned(resigned) => Some(resigned.election_ms),
        Role::Leader(leader) => {
            let parked = leader.parked.iter().map(|parked| parked.expires_ms).min();
            let change = leader.change.as_ref().map(|change| change.expires_ms);
            let needs_others = on::fetch::others_needed(node) > 0;
            let others = needs_others.then_some(leader.check_quorum_ms);
            let begin = (node.voters().0.len() > usize::from(is_voter)).then_some(leader.begin_epoch_ms);
            earlier(earlier(parked, change), earlier(others, begin))
        }
    };
    // What has passed was done, or waits for something else.
    deadline.filter(|&deadline| deadline > node.now_ms && deadline < Millis::MAX)
}

fn stopping(node: &mut Node, out: &mut Vec<Effect>) {
    match &node.role {
        Role::Resigned(resigned) if !resigned.unacknowledged.is_empty() => send_end_epoch(node, out),
        _ => {
            node.life = Life::Stopped;
            node.requests.clear();
            out.push(Effect::Stopped);
        }
    }
}

fn running(node: &mut Node, out: &mut Vec<Effect>) {
    match &node.role {
        Role::Unattached(_) => unattached(node, out),
        Role::Follower(_) => follower(node, out),
        Role::Prospective(_) => prospective(node, out),
        Role::Candidate(_) => candidate(node, out),
        Role::Leader(_) => leader(node, out),
        Role::Resigned(_) => resigned(node, out),
    }
}

fn unattached(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Unattached(unattached) = &node.role else { return };
    let election_ms = unattached.election_ms;
    if !node.may_stand() {
        send_fetch(node, None, out);
        return;
    }
    if node.voters().is_only(&node.config.key) {
        // There is nobody to wait for, or to ask.
        return node.become_candidate(out);
    }
    if node.has(Bug::StandsOnlyOnce) && node.kept.voted == Some(node.config.key) {
        return;
    }
    match election_ms {
        Some(election_ms) if election_ms <= node.now_ms => node.become_prospective(out),
        Some(_) => send_fetch(node, None, out),
        None => {
            // Has become a voter since.
            let timeout = node.election_timeout();
            if let Role::Unattached(unattached) = &mut node.role {
                unattached.election_ms = Some(timeout);
            }
        }
    }
}

fn follower(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Follower(follower) = &node.role else { return };
    if follower.fetch_ms <= node.now_ms && node.may_stand() {
        return node.become_prospective(out);
    }
    let leader = node.destination(follower.leader, &follower.endpoints);
    if follower.update_voter_ms <= node.now_ms {
        match (wanted_change(node, follower), &leader) {
            (Some((kind, request)), Some(to)) => {
                // The Fetch under way is waited for, and no other is sent before.
                if node.requests.ready(to) {
                    node.send(to, kind, request, out);
                    put_off_update(node);
                }
                return;
            }
            _ => put_off_update(node),
        }
    }
    if leader.as_ref().is_some_and(|to| node.requests.ready(to)) {
        node.return_when_confirmed();
    }
    ask_for_epochs(node, out);
    send_fetch(node, leader, out);
}

/// Asks the other voters in which epoch they are, while this replica has to know: any Fetch is answered with that.
fn ask_for_epochs(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Follower(follower) = &node.role else { return };
    let leader = follower.leader;
    for voter in node.unconfirmed() {
        if voter != leader
            && let Some(to) = node.ready_voter(voter)
        {
            let request = fetch_request(node);
            node.send(&to, Kind::Fetch, request, out);
        }
    }
}

fn put_off_update(node: &mut Node) {
    let update_voter_ms = node.now_ms.saturating_add(node.config.fetch_timeout_ms.max(1));
    if let Role::Follower(follower) = &mut node.role {
        follower.update_voter_ms = update_voter_ms;
    }
}

/// What the leader should change about this replica among the voters.
fn wanted_change(node: &Node, follower: &Follower) -> Option<(Kind, Request)> {
    let (config, is_dynamic) = (&node.config, node.control.kraft_version() >= 1);
    let cluster_id = Some(config.cluster_id.clone());
    let own = config.voter();
    if node.is_voter() {
        let is_known = if is_dynamic { node.voters().get(own.key.id) == Some(&own) } else { follower.has_updated };
        let request = UpdateVoterRequest {
            cluster_id,
            epoch: follower.epoch,
            voter: own.key,
            endpoints: own.endpoints,
            kraft_versions: own.kraft_version,
        };
        return (!is_known).then_some((Kind::UpdateVoter, Request::UpdateVoter(request)));
    }
    if !(config.auto_join && config.is_controller && is_dynamic && follower.has_fetched) {
        return None;
    }
    // KIP-1186: a voter whose disk was replaced first removes the one that it was.
    let request = match node.voters().get(own.key.id) {
        Some(voter) => Request::RemoveVoter(RemoveVoterRequest { cluster_id, voter: voter.key }),
        None => Request::AddVoter(AddVoterRequest {
            cluster_id,
            voter: own.key,
            endpoints: own.endpoints,
            timeout_ms: i32::try_from(config.request_timeout_ms).unwrap_or(i32::MAX),
            ack_when_committed: false,
        }),
    };
    Some((Kind::Join, request))
}

fn prospective(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Prospective(prospective) = &node.role else { return };
    if prospective.votes.is_won() {
        return node.become_candidate(out);
    }
    if prospective.votes.is_lost() || prospective.election_ms <= node.now_ms {
        let (epoch, vote) = (prospective.epoch, prospective.vote);
        return match prospective.leader.clone() {
            Some((leader, endpoints)) => node.become_follower(epoch, leader, endpoints, out),
            None => node.become_unattached(epoch, vote, out),
        };
    }
    // Who still hears from the leader, or did a moment ago, refuses; asked once only, two that give it up one after the other would both
    // wait for an election timeout and then for the leader again.
    let withheld = prospective.votes.withheld().collect();
    send_votes(node, prospective.epoch, withheld, true, out);
}

fn candidate(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Candidate(candidate) = &node.role else { return };
    if candidate.votes.is_won() || node.has(Bug::WinsWithMinority) {
        return node.become_leader(out);
    }
    if candidate.election_ms <= node.now_ms {
        return node.become_prospective(out);
    }
    // A lost election is waited out: a new one at once would meet the same voters.
    if !candidate.votes.is_lost() {
        let open = candidate.votes.open().collect();
        send_votes(node, candidate.epoch, open, false, out);
    }
}

fn leader(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Leader(leader) = &node.role else { return };
    if on::fetch::others_needed(node) > 0 && leader.check_quorum_ms <= node.now_ms {
        return node.become_resigned(out);
    }
    on::voter_change::expire(node, out);
    on::fetch::answer_parked(node, out);
    send_begin_epoch(node, out);
}

fn resigned(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Resigned(resigned) = &node.role else { return };
    if resigned.election_ms > node.now_ms {
        return send_end_epoch(node, out);
    }
    match resigned.epoch.0.checked_add(1) {
        Some(next) => node.become_unattached(LeaderEpoch(next), Vote::Free, out),
        None => node.halt(HaltReason::EpochsExhausted { epoch: resigned.epoch }, out),
    }
}

impl Node {
    /// Sends a request to an address that is ready.
    pub(crate) fn send(&mut self, to: &Destination, kind: Kind, request: Request, out: &mut Vec<Effect>) {
        let expires_ms = self.now_ms.saturating_add(self.config.request_timeout_ms.max(1));
        let log_end = (self.log.last_epoch(), self.log.end());
        let id = self.requests.sent(to, kind, log_end, expires_ms);
        out.push(Effect::Send { id, to: to.clone(), request });
    }

    /// Where voter `id` is, when it can be asked now.
    fn ready_voter(&self, id: BrokerId) -> Option<Destination> {
        self.destination(id, self.voter_endpoints(id)).filter(|to| self.requests.ready(to))
    }
}

fn send_votes(node: &mut Node, epoch: LeaderEpoch, voters: Vec<ReplicaKey>, pre_vote: bool, out: &mut Vec<Effect>) {
    for voter in voters {
        let Some(to) = node.ready_voter(voter.id) else { continue };
        let request = VoteRequest {
            cluster_id: Some(node.config.cluster_id.clone()),
            voter: Some(voter),
            candidate: node.config.key,
            epoch,
            last_epoch: node.log.last_epoch(),
            last_offset: node.log.end(),
            pre_vote,
        };
        let kind = if pre_vote { Kind::PreVote } else { Kind::Vote };
        node.send(&to, kind, Request::Vote(request), out);
    }
}

/// Tells the voters that do not fetch who leads.
fn send_begin_epoch(node: &mut Node, out: &mut Vec<Effect>) {
    let interval_ms = (node.config.fetch_timeout_ms / 2).max(1);
    let (own, now_ms) = (node.config.key, node.now_ms);
    let voters = node.voters().keys();
    let Role::Leader(leader) = &mut node.role else { return };
    if leader.begin_epoch_ms > now_ms {
        return;
    }
    leader.begin_epoch_ms = now_ms.saturating_add(interval_ms);
    let epoch = leader.epoch;
    let fetches = |key: &ReplicaKey| {
        let last = leader.replicas.get(key).and_then(|progress| progress.last_fetch_ms);
        last.is_some_and(|last| now_ms.saturating_sub(last) < interval_ms)
    };
    let silent: Vec<_> = voters.into_iter().filter(|key| !key.matches(&own) && !fetches(key)).collect();
    for voter in silent {
        let Some(to) = node.ready_voter(voter.id) else { continue };
        let request = BeginQuorumEpochRequest {
            cluster_id: Some(node.config.cluster_id.clone()),
            voter: Some(voter),
            leader: own.id,
            epoch,
            endpoints: node.config.endpoints.clone(),
        };
        node.send(&to, Kind::BeginQuorumEpoch, Request::BeginQuorumEpoch(request), out);
    }
}

fn send_end_epoch(node: &mut Node, out: &mut Vec<Effect>) {
    let Role::Resigned(resigned) = &node.role else { return };
    let (epoch, preferred) = (resigned.epoch, resigned.preferred.clone());
    for voter in resigned.unacknowledged.clone() {
        let Some(to) = node.ready_voter(voter) else { continue };
        let request = EndQuorumEpochRequest {
            cluster_id: Some(node.config.cluster_id.clone()),
            leader: node.config.key.id,
            epoch,
            preferred: preferred.clone(),
            endpoints: node.config.endpoints.clone(),
        };
        node.send(&to, Kind::EndQuorumEpoch, Request::EndQuorumEpoch(request), out);
    }
}

/// Fetches from the leader; from anybody else who may know one while there is none or it does not answer. None before everything here is
/// durable: the fetch offset says so.
fn send_fetch(node: &mut Node, leader: Option<Destination>, out: &mut Vec<Effect>) {
    if node.log.durable_end() < node.log.end() && !node.has(Bug::FetchesBeforeSync) {
        return;
    }
    if let Some(leader) = &leader {
        if node.requests.ready(leader) {
            return send_fetch_to_leader(node, leader, out);
        }
        if !node.requests.backs_off(leader) {
            return;
        }
    }
    if !node.requests.any(Kind::Fetch)
        && let Some(to) = somebody(node, leader.as_ref())
    {
        let request = fetch_request(node);
        node.send(&to, Kind::Fetch, request, out);
    }
}

/// Fetches records, or the next piece of the snapshot that is being downloaded.
fn send_fetch_to_leader(node: &mut Node, leader: &Destination, out: &mut Vec<Effect>) {
    let Role::Follower(Follower { download: Some(download), .. }) = &node.role else {
        let request = fetch_request(node);
        return node.send(leader, Kind::Fetch, request, out);
    };
    // A whole one is being installed.
    if download.size.is_none_or(|size| download.position < size) {
        let request = FetchSnapshotRequest {
            cluster_id: Some(node.config.cluster_id.clone()),
            replica: node.fetches_as(),
            epoch: node.epoch(),
            snapshot: download.id,
            position: download.position,
            max_bytes: node.config.fetch_snapshot_max_bytes,
        };
        node.send(leader, Kind::FetchSnapshot, Request::FetchSnapshot(request), out);
    }
}

fn fetch_request(node: &Node) -> Request {
    Request::Fetch(FetchRequest {
        cluster_id: Some(node.config.cluster_id.clone()),
        replica: node.fetches_as(),
        epoch: node.epoch(),
        offset: node.log.end(),
        last_fetched_epoch: node.log.last_epoch(),
        max_wait_ms: node.config.fetch_wait_ms(),
        max_bytes: node.config.fetch_max_bytes,
        high_watermark: Some(known_watermark(node)),
    })
}

/// What the sender of a Fetch knows to be committed. Who returns asks the leader for what it holds, whatever was heard before.
const fn known_watermark(node: &Node) -> Offset {
    if matches!(node.memory, Memory::Returning) { Offset(-1) } else { node.high_watermark }
}

/// A bootstrap server or another voter that can be asked now, at random; not `leader`, which does not answer.
fn somebody(node: &mut Node, leader: Option<&Destination>) -> Option<Destination> {
    let own = &node.config;
    let voters = node.voters().0.iter().filter(|voter| voter.key.id != own.key.id);
    let voters = voters.filter_map(|voter| node.destination(voter.key.id, node.voter_endpoints(voter.key.id)));
    let servers = own.bootstrap_servers.iter();
    let servers = servers.map(|(host, port)| Destination { node: None, host: host.clone(), port: *port });
    let same = |left: &Destination, right: &Destination| left.host == right.host && left.port == right.port;
    let is_own = |to: &Destination| own.endpoints.iter().any(|own| own.host == to.host && own.port == to.port);
    let mut ready: Vec<_> = voters
        .chain(servers)
        .filter(|to| node.requests.ready(to) && !is_own(to) && leader.is_none_or(|leader| !same(leader, to)))
        .collect();
    let count = u64::try_from(ready.len()).ok().filter(|&count| count > 0)?;
    let index = usize::try_from(node.random.below(count)).unwrap_or(0);
    Some(ready.swap_remove(index))
}

//! Fetch, on the leader: compares the reader's log with its own, notes how far it is durable there, and answers with records, the point
//! where the logs part, or a snapshot (KIP-595, KIP-630). Waits a while where there is nothing to say.

use barnabas_types::{LeaderEpoch, Offset};

use crate::bug::{self, Bug};
use crate::log_view::Comparison;
use crate::on::request::{check_leader_request, respond_error};
use crate::timers::Millis;
use crate::{
    Effect, ErrorCode, FetchContent, FetchRequest, FetchResponse, LeaderHint, Node, ParkedFetch, Progress, ReplicaKey,
    Request, Response, Role, on,
};

/// More readers than that are not remembered; the one that has been silent for longest goes.
const MOST_READERS: usize = 4096;
/// A reader that is no voter is forgotten after this silence: Kafka's time.
const OBSERVER_SESSION_MS: Millis = 300_000;

pub(crate) fn on_fetch(node: &mut Node, token: u64, request: &FetchRequest, out: &mut Vec<Effect>) {
    if request.max_wait_ms < 0
        || request.offset.0 < 0
        || request.last_fetched_epoch.0 < 0
        || request.last_fetched_epoch > request.epoch
        || request.replica.id == node.config.key.id
    {
        return respond_error(node, token, &Request::Fetch(request.clone()), ErrorCode::InvalidRequest, out);
    }
    if let Err(error) = check_leader_request(node, request.epoch) {
        return respond_error(node, token, &Request::Fetch(request.clone()), error, out);
    }
    let content = match node.log.compare(request.offset, request.last_fetched_epoch) {
        Comparison::Snapshot(id) => FetchContent::Snapshot(id),
        Comparison::Diverging(..) if node.has(Bug::IgnoresDivergence) && request.offset <= node.log.end() => {
            read(node, request.offset, request.max_bytes)
        }
        Comparison::Diverging(epoch, end_offset) => FetchContent::Diverging { epoch, end_offset },
        Comparison::Prefix => {
            note(node, request.replica, request.offset, out);
            if !matches!(node.role, Role::Leader(_)) {
                // What it has made durable has committed the end of this leadership.
                return answer_error(node, token, ErrorCode::NotLeaderOrFollower, out);
            }
            if node.log.end() <= request.offset && request.max_wait_ms > 0 && !knows_less(node, request.high_watermark)
            {
                return park(node, token, request, out);
            }
            read(node, request.offset, request.max_bytes)
        }
    };
    answer(node, token, content, out);
}

/// The reader would learn of a newer high watermark.
fn knows_less(node: &Node, known: Option<Offset>) -> bool {
    let Role::Leader(leader) = &node.role else { return false };
    known.is_some_and(|known| leader.high_watermark > Some(known))
}

fn read(node: &Node, from: Offset, max_bytes: i32) -> FetchContent {
    let end = node.log.end();
    if from < end { FetchContent::Read { from, end, max_bytes } } else { FetchContent::Nothing }
}

fn answer(node: &Node, token: u64, content: FetchContent, out: &mut Vec<Effect>) {
    let Role::Leader(leader) = &node.role else { return };
    let response = FetchResponse {
        error: ErrorCode::None,
        leader: node.hint(),
        high_watermark: leader.high_watermark,
        log_start: node.log.start(),
        content,
    };
    out.push(Effect::Respond { token, response: Response::Fetch(response) });
}

/// Answers a Fetch that has waited in vain.
pub(crate) fn answer_error(node: &Node, token: u64, error: ErrorCode, out: &mut Vec<Effect>) {
    // Who steps down names nobody, itself least.
    let leader = LeaderHint { epoch: node.epoch(), leader: None, endpoints: Vec::new() };
    let content = FetchContent::Nothing;
    let response = FetchResponse { error, leader, high_watermark: None, log_start: node.log.start(), content };
    out.push(Effect::Respond { token, response: Response::Fetch(response) });
}

fn park(node: &mut Node, token: u64, request: &FetchRequest, out: &mut Vec<Effect>) {
    let expires_ms = node.now_ms.saturating_add(u64::from(request.max_wait_ms.unsigned_abs()));
    let Role::Leader(leader) = &mut node.role else { return };
    // A reader asks again only when it no longer waits for the answer to its last question.
    let is_same = |parked: &ParkedFetch| parked.replica == request.replica && request.replica.id.0 >= 0;
    let earlier = leader.parked.iter().position(is_same);
    let earlier = earlier.map(|index| leader.parked.remove(index));
    leader.parked.push(ParkedFetch {
        token,
        replica: request.replica,
        offset: request.offset,
        max_bytes: request.max_bytes,
        high_watermark: request.high_watermark,
        expires_ms,
    });
    let overflow = (leader.parked.len() > MOST_READERS).then(|| leader.parked.remove(0));
    for fetch in [earlier, overflow].into_iter().flatten() {
        answer(node, fetch.token, FetchContent::Nothing, out);
    }
}

/// Answers what has waited long enough or has something to learn.
pub(crate) fn answer_parked(node: &mut Node, out: &mut Vec<Effect>) {
    let (now_ms, log_end) = (node.now_ms, node.log.end());
    let Role::Leader(leader) = &mut node.role else { return };
    let high_watermark = leader.high_watermark;
    let due = |parked: &ParkedFetch| {
        parked.offset < log_end
            || parked.expires_ms <= now_ms
            || parked.high_watermark.is_some_and(|known| high_watermark > Some(known))
    };
    if !leader.parked.iter().any(due) {
        return;
    }
    let (ready, waiting) = std::mem::take(&mut leader.parked).into_iter().partition(due);
    leader.parked = waiting;
    let ready: Vec<ParkedFetch> = ready;
    for fetch in ready {
        // The log has only grown since its prefix was compared.
        let content = read(node, fetch.offset, fetch.max_bytes);
        answer(node, fetch.token, content, out);
    }
}

/// The key under which a reader counts: where the quorum does not know the voters' directories, any directory is the voter's.
fn counted(node: &Node, replica: ReplicaKey) -> ReplicaKey {
    node.voters().get(replica.id).filter(|voter| voter.key.matches(&replica)).map_or(replica, |voter| voter.key)
}

/// `replica` has everything below `offset` on disk.
fn note(node: &mut Node, replica: ReplicaKey, offset: Offset, out: &mut Vec<Effect>) {
    if replica.id.0 < 0 {
        return;
    }
    let (key, now_ms, wall, log_end) = (counted(node, replica), node.now_ms, node.wall, node.log.end());
    let voters = node.voters().clone();
    let Role::Leader(leader) = &mut node.role else { return };
    let progress = leader.replicas.entry(key).or_default();
    if offset >= log_end {
        progress.last_caught_up = Some(wall);
    } else if progress.leader_end > Offset(0) && offset >= progress.leader_end {
        // It has all that there was when it last asked.
        progress.last_caught_up = progress.last_caught_up.max(progress.last_fetch);
    }
    progress.leader_end = log_end;
    progress.last_fetch = Some(wall);
    progress.last_fetch_ms = Some(now_ms);
    progress.log_end = Some(offset);
    let is_silent = |progress: &Progress| {
        progress.last_fetch_ms.is_none_or(|last| now_ms.saturating_sub(last) >= OBSERVER_SESSION_MS)
    };
    leader.replicas.retain(|key, progress| voters.holds(key) || !is_silent(progress));
    if leader.replicas.len() > MOST_READERS {
        let others = leader.replicas.iter().filter(|(key, _)| !voters.holds(key));
        let silent = others.min_by_key(|(_, progress)| progress.last_fetch_ms).map(|(key, _)| *key);
        silent.map(|key| leader.replicas.remove(&key));
    }
    count_fetch(node, key);
    if voters.holds(&replica) {
        move_high_watermark(node, out);
    }
}

/// Puts off the end of a leadership for which a majority still fetches.
pub(crate) fn count_fetch(node: &mut Node, replica: ReplicaKey) {
    let key = counted(node, replica);
    if !node.voters().holds(&key) {
        return;
    }
    let needed = others_needed(node);
    let check_quorum_ms = node.now_ms.saturating_add(check_quorum_timeout_ms(node));
    let Role::Leader(leader) = &mut node.role else { return };
    leader.fetched.insert(key.id);
    if leader.fetched.len() >= needed {
        leader.fetched.clear();
        leader.check_quorum_ms = check_quorum_ms;
    }
}

/// How many other voters are a majority together with this replica, which counts only as a voter.
pub(crate) fn others_needed(node: &Node) -> usize {
    node.voters().majority().saturating_sub(usize::from(node.is_voter()))
}

/// Kafka's 1.5 times the fetch timeout.
pub(crate) fn check_quorum_timeout_ms(node: &Node) -> Millis {
    node.config.fetch_timeout_ms.saturating_mul(3) / 2
}

/// Commits what a majority of the voters now has on disk, and what follows from that.
pub(crate) fn move_high_watermark(node: &mut Node, out: &mut Vec<Effect>) {
    let (own, own_end) = (node.config.key, node.log.durable_end());
    let Role::Leader(leader) = &node.role else { return };
    let committed = leader.committed(&own, own_end, node.voters());
    let Some(committed) = bug::committed(node, leader, committed) else { return };
    let (is_first, epoch): (bool, LeaderEpoch) = (leader.high_watermark.is_none(), leader.epoch);
    if let Role::Leader(leader) = &mut node.role {
        leader.high_watermark = Some(committed);
    }
    if committed > node.high_watermark {
        node.high_watermark = committed;
        out.push(Effect::Commit { high_watermark: committed });
    }
    if is_first {
        out.push(Effect::Lead { epoch });
    }
    on::voter_change::on_committed(node, committed, out);
}

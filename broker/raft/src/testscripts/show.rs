//! Effects and states as the scripts write them: one line each, without noise.

use crate::{
    ControlRecord, Effect, ErrorCode, FetchContent, LeaderHint, Node, QuorumDescription, ReplicaDescription,
    ReplicaKey, Request, Response, Role, SnapshotContent, SnapshotId, Vote, VoterSet,
};

fn key(key: &ReplicaKey) -> String {
    let directory = u128::from_be_bytes(key.directory_id.0);
    if u128::try_from(key.id.0) == Ok(directory) { key.id.to_string() } else { format!("{}:{directory}", key.id) }
}

fn keys<'a>(replicas: impl IntoIterator<Item = &'a ReplicaKey>) -> String {
    replicas.into_iter().map(key).collect::<Vec<_>>().join(",")
}

fn voters(voters: &VoterSet) -> String {
    keys(voters.0.iter().map(|voter| &voter.key))
}

fn id(id: &SnapshotId) -> String {
    format!("{}@{}", id.epoch, id.end_offset)
}

fn or_none<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

fn record(record: &ControlRecord) -> String {
    match record {
        ControlRecord::LeaderChange { leader, voters, granting } => {
            format!("LeaderChange({} by {} of {})", leader.id, keys(granting), keys(voters))
        }
        ControlRecord::KRaftVersion { version } => format!("KRaftVersion({version})"),
        ControlRecord::Voters(set) => format!("Voters({})", voters(set)),
    }
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::PersistElection(state) => {
            let (leader, voted) = (or_none(state.leader), state.voted.as_ref().map(key));
            format!("PersistElection epoch={} leader={leader} voted={}", state.epoch, or_none(voted))
        }
        Effect::AppendControl { base_offset, epoch, records } => {
            let records = records.iter().map(record).collect::<Vec<_>>().join(" ");
            format!("AppendControl base_offset={base_offset} epoch={epoch} {records}")
        }
        Effect::Append { token, base_offset, epoch } => {
            format!("Append token={token} base_offset={base_offset} epoch={epoch}")
        }
        Effect::RefuseAppend { token, refusal } => format!("RefuseAppend token={token}: {refusal}"),
        Effect::AppendFetched { token, batches } => format!("AppendFetched token={token} batches={batches}"),
        Effect::Truncate { end } => format!("Truncate end={end}"),
        Effect::Sync => "Sync".to_owned(),
        Effect::Commit { high_watermark } => format!("Commit high_watermark={high_watermark}"),
        Effect::Lead { epoch } => format!("Lead epoch={epoch}"),
        Effect::LeadershipLost { epoch } => format!("LeadershipLost epoch={epoch}"),
        Effect::LeaderChanged { epoch, leader, .. } => {
            format!("LeaderChanged epoch={epoch} leader={}", or_none(*leader))
        }
        Effect::Send { to, request: sent, .. } => format!("-> :{} {}", to.port, request(sent)),
        Effect::Respond { token, response: answer } => format!("<- token={token} {}", response(answer)),
        Effect::WriteSnapshotPiece { id: piece, position, token } => {
            format!("WriteSnapshotPiece {} position={position} token={token}", id(piece))
        }
        Effect::InstallSnapshot { id: installed } => format!("InstallSnapshot {}", id(installed)),
        Effect::AbandonSnapshot { id: abandoned } => format!("AbandonSnapshot {}", id(abandoned)),
        Effect::TrimLog { to } => format!("TrimLog to={}", id(to)),
        Effect::MemoryDoubted => "MemoryDoubted".to_owned(),
        Effect::MemoryRegained => "MemoryRegained".to_owned(),
        Effect::Stopped => "Stopped".to_owned(),
        Effect::Halt(reason) => format!("Halt: {reason}"),
    }
}

fn request(request: &Request) -> String {
    match request {
        Request::Vote(vote) => {
            let name = if vote.pre_vote { "PreVote" } else { "Vote" };
            let voter = vote.voter.as_ref().map(key);
            format!(
                "{name} epoch={} last={}@{} voter={}",
                vote.epoch,
                vote.last_epoch,
                vote.last_offset,
                or_none(voter)
            )
        }
        Request::BeginQuorumEpoch(begin) => format!("BeginQuorumEpoch epoch={} leader={}", begin.epoch, begin.leader),
        Request::EndQuorumEpoch(end) => {
            format!("EndQuorumEpoch epoch={} leader={} preferred={}", end.epoch, end.leader, keys(&end.preferred))
        }
        Request::Fetch(fetch) => format!(
            "Fetch{} epoch={} offset={} last_epoch={} hw={}",
            if fetch.replica.id.0 < 0 { " as nobody" } else { "" },
            fetch.epoch,
            fetch.offset,
            fetch.last_fetched_epoch,
            or_none(fetch.high_watermark)
        ),
        Request::FetchSnapshot(fetch) => {
            format!("FetchSnapshot epoch={} id={} position={}", fetch.epoch, id(&fetch.snapshot), fetch.position)
        }
        Request::AddVoter(add) => format!("AddVoter {} ack_when_committed={}", key(&add.voter), add.ack_when_committed),
        Request::RemoveVoter(remove) => format!("RemoveVoter {}", key(&remove.voter)),
        Request::UpdateVoter(update) => {
            let levels = update.kraft_versions;
            format!("UpdateVoter epoch={} {} levels={}..{}", update.epoch, key(&update.voter), levels.min, levels.max)
        }
        Request::ApiVersions => "ApiVersions".to_owned(),
    }
}

fn outcome(error: ErrorCode, leader: &LeaderHint) -> String {
    format!("error={error:?} epoch={} leader={}", leader.epoch, or_none(leader.leader))
}

fn response(response: &Response) -> String {
    match response {
        Response::Vote(vote) => format!("Vote {} granted={}", outcome(vote.error, &vote.leader), vote.granted),
        Response::BeginQuorumEpoch(begin) => format!("BeginQuorumEpoch {}", outcome(begin.error, &begin.leader)),
        Response::EndQuorumEpoch(end) => format!("EndQuorumEpoch {}", outcome(end.error, &end.leader)),
        Response::UpdateVoter(update) => format!("UpdateVoter {}", outcome(update.error, &update.leader)),
        Response::Fetch(fetch) => {
            let content = match &fetch.content {
                FetchContent::Nothing => "nothing".to_owned(),
                FetchContent::Diverging { epoch, end_offset } => format!("diverging={epoch}@{end_offset}"),
                FetchContent::Snapshot(snapshot) => format!("snapshot={}", id(snapshot)),
                FetchContent::Read { from, end, .. } => format!("read={from}..{end}"),
                FetchContent::Batches { .. } => "batches".to_owned(),
            };
            format!("Fetch {} hw={} {content}", outcome(fetch.error, &fetch.leader), or_none(fetch.high_watermark))
        }
        Response::FetchSnapshot(fetch) => {
            let content = match fetch.content {
                SnapshotContent::Read { position, .. } => format!("read={} from {position}", id(&fetch.snapshot)),
                SnapshotContent::Nothing | SnapshotContent::Piece { .. } => "nothing".to_owned(),
            };
            format!("FetchSnapshot {} {content}", outcome(fetch.error, &fetch.leader))
        }
        Response::AddVoter(change) => format!("AddVoter {}", said(change)),
        Response::RemoveVoter(change) => format!("RemoveVoter {}", said(change)),
        Response::UpgradeKRaftVersion(change) => format!("UpgradeKRaftVersion {}", said(change)),
        Response::ApiVersions(_) => "ApiVersions".to_owned(),
    }
}

fn said(change: &crate::VoterResponse) -> String {
    match &change.message {
        Some(message) => format!("error={:?}: {message}", change.error),
        None => format!("error={:?}", change.error),
    }
}

pub(super) fn state(node: &Node) -> String {
    let vote = |vote: &Vote| match vote {
        Vote::Free => String::new(),
        Vote::Given(candidate) => format!(" voted={}", key(candidate)),
        Vote::Withheld => " votes=no".to_owned(),
    };
    let role = match node.role() {
        Role::Unattached(unattached) => format!("unattached{}", vote(&unattached.vote)),
        Role::Follower(follower) => format!("follower of {}", follower.leader),
        Role::Prospective(prospective) => format!("prospective{}", vote(&prospective.vote)),
        Role::Candidate(_) => "candidate".to_owned(),
        Role::Leader(_) => "leader".to_owned(),
        Role::Resigned(_) => "resigned".to_owned(),
    };
    let (log, in_set) = (node.log(), if node.is_voter() { "voter" } else { "observer" });
    let role = if node.remembers() { role } else { format!("{role} in doubt") };
    format!(
        "= {role} epoch={} log={}..{} durable={} hw={} {in_set} of {}",
        node.epoch(),
        log.start(),
        log.end(),
        log.durable_end(),
        node.high_watermark(),
        voters(node.voters()),
    )
}

pub(super) fn description(description: Option<QuorumDescription>) -> String {
    let Some(quorum) = description else { return "not the leader".to_owned() };
    let replica = |replica: &ReplicaDescription| {
        let (end, fetch) = (or_none(replica.log_end), or_none(replica.last_fetch));
        format!(" {}(end={end} fetch={fetch} caught_up={})", key(&replica.key), or_none(replica.last_caught_up))
    };
    let voters: String = quorum.voters.iter().map(replica).collect();
    let observers: String = quorum.observers.iter().map(replica).collect();
    let watermark = or_none(quorum.high_watermark);
    format!("leader={} epoch={} hw={watermark} voters:{voters} observers:{observers}", quorum.leader, quorum.epoch)
}

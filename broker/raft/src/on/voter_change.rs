//! Add, remove and update voters, and raise `kraft.version` (KIP-853, KIP-1186): one change at a time, none before the leader has
//! committed a record of its epoch and the change before, so that majorities of neighbouring voter sets always meet.

use barnabas_types::{BrokerId, Offset};

use crate::bug::Bug;
use crate::on::request::{check_leader_request, respond_error};
use crate::requests::Kind;
use crate::timers::Millis;
use crate::{
    AddVoterRequest, ChangeKind, ControlRecord, Effect, Endpoint, EpochResponse, ErrorCode, KRaftVersionRange, Node,
    RemoveVoterRequest, ReplicaKey, Request, Response, Role, UpdateVoterRequest, Voter, VoterChange, VoterResponse,
    VoterSet,
};

/// A new voter must have fetched so recently.
const CAUGHT_UP_MS: Millis = 3_600_000;

/// The level of `kraft.version` from which on voters are in the log.
const RECONFIGURATION: u16 = 1;

type Refusal = (ErrorCode, String);

/// Answers whoever waits for `change`.
pub(crate) fn answer(change: &VoterChange, error: ErrorCode, message: Option<String>, out: &mut Vec<Effect>) {
    let outcome = VoterResponse { error, message: message.map(String::into_boxed_str) };
    let response = match change.kind {
        // Was answered when it was appended.
        ChangeKind::Add { ack_when_committed: false, .. } if change.offset.is_some() => return,
        ChangeKind::Add { .. } => Response::AddVoter(outcome),
        ChangeKind::Remove => Response::RemoveVoter(outcome),
        ChangeKind::Upgrade => Response::UpgradeKRaftVersion(outcome),
    };
    out.push(Effect::Respond { token: change.token, response });
}

pub(crate) fn refuse_upgrade(token: u64, out: &mut Vec<Effect>) {
    let outcome = VoterResponse { error: ErrorCode::BrokerNotAvailable, message: None };
    out.push(Effect::Respond { token, response: Response::UpgradeKRaftVersion(outcome) });
}

/// What every change needs; returns the voters to change.
fn check_change(node: &Node) -> Result<VoterSet, Refusal> {
    let Role::Leader(leader) = &node.role else { return Err((ErrorCode::NotLeaderOrFollower, String::new())) };
    if leader.change.is_some() && !node.has(Bug::ChangesVotersAtOnce) {
        return Err((ErrorCode::RequestTimedOut, "another change of the voters is under way: try again".to_owned()));
    }
    let Some(high_watermark) = leader.high_watermark else {
        let why = "the leader has not committed a record of its epoch yet: try again";
        return Err((ErrorCode::RequestTimedOut, why.to_owned()));
    };
    let version = node.control.kraft_version();
    if version < RECONFIGURATION {
        let why = format!("the quorum runs at kraft.version {version}, which keeps its voters in the configuration");
        return Err((ErrorCode::UnsupportedVersion, why));
    }
    match node.control.last_voters() {
        Some((offset, voters)) if offset < high_watermark || node.has(Bug::ChangesVotersAtOnce) => Ok(voters.clone()),
        _ => Err((
            ErrorCode::RequestTimedOut,
            "the last change of the voters is not committed yet: try again".to_owned(),
        )),
    }
}

fn has_listener(node: &Node, endpoints: &[Endpoint]) -> Result<(), Refusal> {
    if endpoints.iter().any(|endpoint| endpoint.name == node.config.listener) {
        return Ok(());
    }
    Err((ErrorCode::InvalidRequest, format!("the endpoints of the voter lack the listener {}", node.config.listener)))
}

pub(crate) fn on_add(node: &mut Node, token: u64, request: AddVoterRequest, out: &mut Vec<Effect>) {
    if let Err((error, message)) = begin_add(node, token, &request, out) {
        let has_words = !message.is_empty();
        let outcome = VoterResponse { error, message: Some(message.into()).filter(|_| has_words) };
        out.push(Effect::Respond { token, response: Response::AddVoter(outcome) });
    }
}

/// Asks the new voter which levels it supports; it is added when it has answered.
fn begin_add(node: &mut Node, token: u64, request: &AddVoterRequest, out: &mut Vec<Effect>) -> Result<(), Refusal> {
    check_leader_request(node, node.epoch()).map_err(|error| (error, String::new()))?;
    if request.voter.id.0 < 0 || request.voter.directory_id == barnabas_types::Uuid::ZERO {
        return Err((ErrorCode::InvalidRequest, "a voter is named by its id and its directory id".to_owned()));
    }
    has_listener(node, &request.endpoints)?;
    let voters = check_change(node)?;
    if voters.get(request.voter.id).is_some() {
        let why = format!(
            "{} is among the voters already, with this or another directory: remove it first",
            request.voter.id
        );
        return Err((ErrorCode::DuplicateVoter, why));
    }
    let ready = node.destination(request.voter.id, &request.endpoints).filter(|to| node.requests.ready(to));
    let Some(to) = ready else {
        return Err((
            ErrorCode::RequestTimedOut,
            format!("{} cannot be asked at the moment: try again", request.voter),
        ));
    };
    let expires_ms = node.now_ms.saturating_add(node.config.request_timeout_ms);
    node.send(&to, Kind::ApiVersions, Request::ApiVersions, out);
    let kind = ChangeKind::Add {
        key: request.voter,
        endpoints: request.endpoints.clone(),
        ack_when_committed: request.ack_when_committed,
    };
    if let Role::Leader(leader) = &mut node.role {
        leader.change = Some(VoterChange { token, kind, offset: None, expires_ms });
    }
    Ok(())
}

/// Ends the change under way with an error.
fn abort(node: &mut Node, error: ErrorCode, message: String, out: &mut Vec<Effect>) {
    if let Role::Leader(leader) = &mut node.role
        && let Some(change) = leader.change.take()
    {
        answer(&change, error, Some(message), out);
    }
}

/// The replica that is being added, while its levels are not known.
fn awaited(node: &Node) -> Option<(ReplicaKey, Vec<Endpoint>, bool)> {
    let Role::Leader(leader) = &node.role else { return None };
    match leader.change.as_ref().filter(|change| change.offset.is_none()).map(|change| &change.kind) {
        Some(ChangeKind::Add { key, endpoints, ack_when_committed }) => {
            Some((*key, endpoints.clone(), *ack_when_committed))
        }
        _ => None,
    }
}

pub(crate) fn on_api_versions_failed(node: &mut Node, out: &mut Vec<Effect>) {
    if let Some((key, ..)) = awaited(node) {
        abort(node, ErrorCode::RequestTimedOut, format!("{key} does not answer at the endpoints that were given"), out);
    }
}

pub(crate) fn on_api_versions(
    node: &mut Node,
    from: Option<BrokerId>,
    range: Option<KRaftVersionRange>,
    out: &mut Vec<Effect>,
) {
    let Some((key, endpoints, ack_when_committed)) = awaited(node).filter(|(key, ..)| from == Some(key.id)) else {
        return;
    };
    let (version, kraft_version) = (node.control.kraft_version(), range.unwrap_or_default());
    if !kraft_version.holds(version) {
        let (min, max) = (kraft_version.min, kraft_version.max);
        let why = format!("{key} supports kraft.version {min} to {max}, the quorum runs at {version}");
        return abort(node, ErrorCode::InvalidRequest, why, out);
    }
    if !is_caught_up(node, &key) {
        let why =
            format!("{key} lags behind or does not fetch: start it as an observer and wait until it has caught up");
        return abort(node, ErrorCode::RequestTimedOut, why, out);
    }
    let Some(voters) = node.voters().with(Voter { key, endpoints, kraft_version }) else {
        return abort(node, ErrorCode::DuplicateVoter, format!("{} is among the voters already", key.id), out);
    };
    let offset = node.append_control(vec![ControlRecord::Voters(voters)], out);
    let Role::Leader(leader) = &mut node.role else { return };
    let Some(change) = &mut leader.change else { return };
    if !ack_when_committed {
        answer(change, ErrorCode::None, None, out);
    }
    change.offset = offset;
}

fn is_caught_up(node: &Node, key: &ReplicaKey) -> bool {
    let Role::Leader(leader) = &node.role else { return false };
    leader.replicas.get(key).is_some_and(|progress| {
        let is_recent = |last: Millis| node.now_ms.saturating_sub(last) < CAUGHT_UP_MS;
        progress.last_caught_up.is_some() && progress.last_fetch_ms.is_some_and(is_recent)
    })
}

pub(crate) fn on_remove(node: &mut Node, token: u64, request: &RemoveVoterRequest, out: &mut Vec<Effect>) {
    if let Err((error, message)) = remove(node, token, request, out) {
        let has_words = !message.is_empty();
        let outcome = VoterResponse { error, message: Some(message.into()).filter(|_| has_words) };
        out.push(Effect::Respond { token, response: Response::RemoveVoter(outcome) });
    }
}

fn remove(node: &mut Node, token: u64, request: &RemoveVoterRequest, out: &mut Vec<Effect>) -> Result<(), Refusal> {
    check_leader_request(node, node.epoch()).map_err(|error| (error, String::new()))?;
    if request.voter.id.0 < 0 || request.voter.directory_id == barnabas_types::Uuid::ZERO {
        return Err((ErrorCode::InvalidRequest, "a voter is named by its id and its directory id".to_owned()));
    }
    let voters = check_change(node)?;
    if !voters.holds(&request.voter) {
        return Err((ErrorCode::VoterNotFound, format!("{} is not among the voters", request.voter)));
    }
    let Some(rest) = voters.without(&request.voter) else {
        return Err((
            ErrorCode::InvalidRequest,
            format!("{} is the last voter: without it nothing could be decided", request.voter),
        ));
    };
    let offset = node.append_control(vec![ControlRecord::Voters(rest)], out);
    let expires_ms = node.now_ms.saturating_add(node.config.request_timeout_ms);
    if let Role::Leader(leader) = &mut node.role {
        leader.change = Some(VoterChange { token, kind: ChangeKind::Remove, offset, expires_ms });
    }
    // Without the removed voter what is there may be a majority already.
    crate::on::fetch::move_high_watermark(node, out);
    Ok(())
}

pub(crate) fn on_update(node: &mut Node, token: u64, request: UpdateVoterRequest, out: &mut Vec<Effect>) {
    if request.epoch != node.epoch() || !matches!(node.role, Role::Leader(_)) {
        let error = check_leader_request(node, request.epoch).err().unwrap_or(ErrorCode::NotLeaderOrFollower);
        return respond_error(node, token, &Request::UpdateVoter(request), error, out);
    }
    let error = update(node, request, out).err().unwrap_or_default();
    let response = Response::UpdateVoter(EpochResponse { error, leader: node.hint() });
    out.push(Effect::Respond { token, response });
}

fn update(node: &mut Node, request: UpdateVoterRequest, out: &mut Vec<Effect>) -> Result<(), ErrorCode> {
    check_leader_request(node, request.epoch)?;
    let levels = request.kraft_versions;
    if request.voter.id.0 < 0 || request.voter.directory_id == barnabas_types::Uuid::ZERO || levels.max < levels.min {
        return Err(ErrorCode::InvalidRequest);
    }
    has_listener(node, &request.endpoints).map_err(|(error, _)| error)?;
    let voter = Voter { key: request.voter, endpoints: request.endpoints, kraft_version: levels };
    if node.control.kraft_version() < RECONFIGURATION {
        // Kept in memory, for the upgrade.
        let is_voter = node.voters().holds(&voter.key);
        let Role::Leader(leader) = &mut node.role else { return Err(ErrorCode::NotLeaderOrFollower) };
        if leader.high_watermark.is_none() {
            return Err(ErrorCode::RequestTimedOut);
        }
        if !is_voter {
            return Err(ErrorCode::VoterNotFound);
        }
        leader.reported.insert(voter.key.id, voter);
        return Ok(());
    }
    let voters = check_change(node).map_err(|(error, _)| error)?;
    if !levels.holds(node.control.kraft_version()) {
        return Err(ErrorCode::InvalidRequest);
    }
    let updated = voters.updated(&voter).ok_or(ErrorCode::VoterNotFound)?;
    if updated != voters {
        node.append_control(vec![ControlRecord::Voters(updated)], out);
    }
    Ok(())
}

pub(crate) fn on_upgrade(node: &mut Node, token: u64, version: u16, validate_only: bool, out: &mut Vec<Effect>) {
    let outcome = match upgrade(node, token, version, validate_only, out) {
        Ok(true) => return,
        Ok(false) => VoterResponse { error: ErrorCode::None, message: None },
        Err((error, message)) => VoterResponse { error, message: Some(message.into()) },
    };
    out.push(Effect::Respond { token, response: Response::UpgradeKRaftVersion(outcome) });
}

/// True when the answer waits for the commit.
fn upgrade(
    node: &mut Node,
    token: u64,
    version: u16,
    validate_only: bool,
    out: &mut Vec<Effect>,
) -> Result<bool, Refusal> {
    check_leader_request(node, node.epoch())
        .map_err(|error| (error, "this node does not lead the quorum".to_owned()))?;
    let current = node.control.kraft_version();
    let Role::Leader(leader) = &node.role else { return Ok(false) };
    if version == current {
        return Ok(false);
    }
    if version < current {
        let why = format!("kraft.version is {current} and cannot be lowered to {version}: its records are in the log");
        return Err((ErrorCode::InvalidUpdateVersion, why));
    }
    if leader.high_watermark.is_none() || leader.change.is_some() {
        return Err((
            ErrorCode::RequestTimedOut,
            "the leader is not ready for a change of kraft.version: try again".to_owned(),
        ));
    }
    let voters = upgraded_voters(node, version)?;
    if validate_only {
        return Ok(false);
    }
    let offset = node.append_control(vec![ControlRecord::KRaftVersion { version }, ControlRecord::Voters(voters)], out);
    let expires_ms = node.now_ms.saturating_add(node.config.request_timeout_ms);
    if let Role::Leader(leader) = &mut node.role {
        // From here on the voters are known with their directories, and what they had fetched is known under those.
        let progress = std::mem::take(&mut leader.replicas).into_iter();
        let reported = &leader.reported;
        let with_directory = |key: ReplicaKey| {
            reported.get(&key.id).filter(|voter| key.matches(&voter.key)).map_or(key, |voter| voter.key)
        };
        leader.replicas = progress.map(|(key, progress)| (with_directory(key), progress)).collect();
        leader.change = Some(VoterChange { token, kind: ChangeKind::Upgrade, offset, expires_ms });
    }
    Ok(true)
}

/// The configured voters with what they have said about themselves.
fn upgraded_voters(node: &Node, version: u16) -> Result<VoterSet, Refusal> {
    let Role::Leader(leader) = &node.role else { return Ok(VoterSet::default()) };
    let own = node.config.voter();
    let known = |voter: &Voter| -> Result<Voter, Refusal> {
        let said = if voter.key.matches(&own.key) { Some(&own) } else { leader.reported.get(&voter.key.id) };
        match said {
            Some(said) if said.kraft_version.holds(version) => Ok(said.clone()),
            Some(said) => {
                let (min, max) = (said.kraft_version.min, said.kraft_version.max);
                let why = format!("voter {} supports kraft.version {min} to {max}: upgrade it first", said.key.id);
                Err((ErrorCode::InvalidUpdateVersion, why))
            }
            None => {
                let why = format!(
                    "voter {} has not said yet which levels it supports: start it, then try again",
                    voter.key.id
                );
                Err((ErrorCode::InvalidUpdateVersion, why))
            }
        }
    };
    Ok(VoterSet(node.voters().0.iter().map(known).collect::<Result<_, _>>()?))
}

/// Everything below `committed` is committed: answers whoever waited for it. A leader that the committed voters leave out steps down.
pub(crate) fn on_committed(node: &mut Node, committed: Offset, out: &mut Vec<Effect>) {
    let Role::Leader(leader) = &mut node.role else { return };
    if let Some(change) = leader.change.take_if(|change| change.offset.is_some_and(|offset| offset < committed)) {
        answer(&change, ErrorCode::None, None, out);
    }
    let is_in_force = node.control.last_voters().is_some_and(|(offset, _)| offset < committed);
    if is_in_force && !node.is_voter() && !node.has(Bug::RemovedLeaderStays) {
        node.become_resigned(out);
    }
}

/// Tells whoever has waited too long for a change; what is in the log may commit all the same.
pub(crate) fn expire(node: &mut Node, out: &mut Vec<Effect>) {
    let now_ms = node.now_ms;
    if let Role::Leader(leader) = &mut node.role
        && let Some(change) = leader.change.take_if(|change| change.expires_ms <= now_ms)
    {
        answer(&change, ErrorCode::RequestTimedOut, Some("the change was not done in time".to_owned()), out);
    }
}

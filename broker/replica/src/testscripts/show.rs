//! Writes effects and states as lines of a script.

use barnabas_types::BrokerId;

use crate::fetcher::{self, FetchPartition};
use crate::leader::{Change, Others, Pending, Step};
use crate::replica::Role;
use crate::{Effect, Replica};

fn ids(ids: &[BrokerId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::EpochStarts { leader_epoch, offset } => format!("EpochStarts epoch={leader_epoch} offset={offset}"),
        Effect::Follow { leader, leader_epoch } => format!("Follow leader={leader} epoch={leader_epoch}"),
        Effect::StopFollowing => "StopFollowing".to_owned(),
        Effect::LeadershipLost { leader_epoch } => format!("LeadershipLost epoch={leader_epoch}"),
        Effect::WatermarkMoved { to } => format!("WatermarkMoved to={to}"),
        Effect::CommittedRecordsCut { from, to } => format!("CommittedRecordsCut from={from} to={to}"),
        Effect::RaiseLogStart { to } => format!("RaiseLogStart to={to}"),
        Effect::AlterPartition { number, leader_epoch, partition_epoch, isr, recovery } => {
            let member = |member: &crate::InSyncMember| format!("{}@{}", member.broker, member.broker_epoch);
            let isr = isr.iter().map(member).collect::<Vec<_>>().join(",");
            let number = number & 0xffff_ffff;
            format!(
                "AlterPartition #{number} epoch={leader_epoch} partition_epoch={partition_epoch} isr={isr} {recovery:?}"
            )
        }
        Effect::IsrShrunk => "IsrShrunk".to_owned(),
        Effect::IsrExpanded => "IsrExpanded".to_owned(),
        Effect::IsrUpdateFailed => "IsrUpdateFailed".to_owned(),
    }
}

fn pending(pending: &Pending) -> String {
    let change = match &pending.change {
        Change::Expand(id) => format!("+{id}"),
        Change::Shrink(leaving) => format!("-{}", ids(leaving)),
    };
    let step = match pending.step {
        Step::Asked => "asked".to_owned(),
        Step::AskAgain(at_ms) => format!("again at {at_ms}"),
        Step::AwaitsMetadata => "awaits metadata".to_owned(),
    };
    format!(" pending {change} ({step})")
}

fn others(others: &Others) -> String {
    let peer = |peer: &crate::peer::Peer| {
        format!(" {}:{}", peer.id, peer.end.map_or_else(|| "?".to_owned(), |end| end.to_string()))
    };
    let peers: String = others.peers.iter().map(peer).collect();
    format!(" isr={}{} others{peers}", ids(&others.isr), others.pending.as_ref().map(pending).unwrap_or_default())
}

pub(super) fn state(replica: &Replica) -> String {
    let Replica { high_watermark, log_end, durable_end, leader_epoch, partition_epoch, .. } = replica;
    let role = match &replica.role {
        Role::Leader(leader) => format!("leader from {}", leader.epoch_start),
        Role::Follower { leader: BrokerId::NONE, .. } => "waits for a leader".to_owned(),
        Role::Follower { leader, .. } => format!("follower of {leader}"),
        Role::Stopped => "stopped".to_owned(),
    };
    let rest = replica.others().map(others).unwrap_or_default();
    format!(
        "= {role} epoch={leader_epoch}/{partition_epoch} hw={high_watermark} log={log_end} durable={durable_end}{rest}"
    )
}

/// `a:0`: the topic's id as a letter.
pub(super) fn partition(partition: barnabas_types::TopicIdPartition) -> String {
    format!("{}:{}", char::from(partition.topic_id.0[15]), partition.partition)
}

fn fetched(wanted: &FetchPartition) -> String {
    let FetchPartition { leader_epoch, offset, last_epoch, log_start, .. } = wanted;
    let last_epoch = last_epoch.map_or_else(|| "none".to_owned(), |epoch| epoch.to_string());
    let start = if log_start.0 == 0 { String::new() } else { format!(" start={log_start}") };
    format!(" {}(epoch={leader_epoch} offset={offset} last_epoch={last_epoch}{start})", partition(wanted.partition))
}

pub(super) fn fetch_effect(effect: &fetcher::Effect) -> String {
    use fetcher::Effect as Fetch;
    match effect {
        Fetch::Fetch { number, request } => {
            let partitions: String = request.partitions.iter().map(fetched).collect();
            let forgotten: String = request.forgotten.iter().map(|gone| format!(" -{}", partition(*gone))).collect();
            let waits = match request.may_wait_ms {
                0 => " at once".to_owned(),
                u64::MAX => String::new(),
                at_most => format!(" within {at_most}"),
            };
            let (id, epoch) = (request.session_id, request.session_epoch);
            format!("-> Fetch #{number} session={id}/{epoch}{waits}{partitions}{forgotten}")
        }
        Fetch::Append { partition: at, leader_epoch, offset, high_watermark, log_start } => format!(
            "Append {} epoch={leader_epoch} offset={offset} hw={high_watermark} start={log_start}",
            partition(*at)
        ),
        Fetch::Learn { partition: at, leader_epoch, high_watermark, log_start } => {
            format!("Learn {} epoch={leader_epoch} hw={high_watermark} start={log_start}", partition(*at))
        }
        Fetch::Truncate { partition: at, leader_epoch, to, is_below_watermark } => {
            let below = if *is_below_watermark { " below the watermark" } else { "" };
            format!("Truncate {} epoch={leader_epoch} to={to}{below}", partition(*at))
        }
        Fetch::StartAt { partition: of, leader_epoch, at, is_below_watermark } => {
            let below = if *is_below_watermark { " below the watermark" } else { "" };
            format!("StartAt {} epoch={leader_epoch} at={at}{below}", partition(*of))
        }
        Fetch::AskLeaderEnds { partition: of, leader_epoch } => {
            format!("-> AskLeaderEnds {} epoch={leader_epoch}", partition(*of))
        }
        Fetch::HangUp => "HangUp".to_owned(),
        Fetch::SetAside { partition: which, reason } => format!("SetAside {} {reason:?}", partition(*which)),
    }
}

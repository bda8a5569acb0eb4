//! Offsets that nobody uses expire after `offsets.retention.minutes`; a group with nothing left in it goes too.

use barnabas_types::{Now, Timestamp};

use super::state::Committed;
use crate::group::{ClassicGroup, Event, GroupShard, Response};
use crate::record::{Record, group_tombstone, offset_tombstone};
use crate::shard::Effects;

/// From when an offset's retention counts.
#[derive(Clone, Copy)]
enum Since {
    /// Members use the offsets, or may: they stay.
    Never,
    /// The group became empty: all of its offsets age from then (KIP-211).
    Empty(Option<Timestamp>),
    /// Its own commit.
    Commit,
}

/// Tombstones for what has expired by `now`.
pub fn expire(shard: &GroupShard, now: Now, out: &mut Effects<Response, Event>) -> Vec<Record> {
    let mut records = Vec::new();
    let mut groups = Vec::new();
    for (group_id, group) in &shard.groups {
        let committed: usize =
            shard.offsets.of_group(group_id).into_iter().flatten().map(|(_, found)| found.len()).sum();
        let expired = expired_offsets(shard, group, now.wall);
        let is_bare = expired.len() == committed && !shard.offsets.has_open_transactions(group_id);
        records.extend(expired);
        if is_bare && group.is_empty() && group.has_no_pending_members() {
            groups.push(group_tombstone(group_id));
        }
    }
    if !records.is_empty() {
        out.events.push(Event::OffsetsRemoved { count: records.len() });
    }
    if !groups.is_empty() {
        out.events.push(Event::GroupsDeleted { count: groups.len() });
    }
    records.extend(groups);
    records
}

fn expired_offsets(shard: &GroupShard, group: &ClassicGroup, now: Timestamp) -> Vec<Record> {
    let since = since(group);
    let topics = shard.offsets.of_group(group.id()).into_iter().flatten();
    let unused = topics.filter(|(topic, _)| !group.is_subscribed_to(topic));
    let partitions =
        unused.flat_map(|(topic, found)| found.iter().map(move |(index, committed)| (topic, *index, committed)));
    partitions
        .filter(|(_, _, committed)| is_expired(committed, since, now, shard.config.offsets_retention_ms))
        .filter(|(topic, index, _)| !shard.offsets.is_unstable(group.id(), topic, *index))
        .map(|(topic, index, _)| offset_tombstone(group.id(), topic, index))
        .collect()
}

fn since(group: &ClassicGroup) -> Since {
    if group.protocol_type().is_none() {
        return Since::Commit;
    }
    if group.is_empty() {
        return Since::Empty(group.phase_since());
    }
    if group.is_stable_and_knows_subscription() { Since::Commit } else { Since::Never }
}

fn is_expired(committed: &Committed, since: Since, now: Timestamp, retention_ms: i64) -> bool {
    let base = match since {
        Since::Never => return false,
        Since::Empty(since) => since.unwrap_or(committed.commit_timestamp),
        Since::Commit => committed.commit_timestamp,
    };
    match committed.expire_timestamp {
        Some(expire) => now >= expire,
        None => now.0.saturating_sub(base.0) >= retention_ms,
    }
}

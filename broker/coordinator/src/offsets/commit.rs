//! OffsetCommit: where a group, or a consumer that only uses its name, has got to.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use barnabas_protocol::records::coordinator::{OffsetCommitKey, OffsetCommitValue};
use barnabas_types::Now;

use crate::group::{Context, Event, GroupError, GroupShard, Phase, Response, Scope, restart_session};
use crate::record::Record;
use crate::shard::{Effects, Outcome};

/// The first version that says that a group does not exist; before, it is a wrong generation (KIP-848).
const GROUP_ID_NOT_FOUND_VERSION: i16 = 9;

/// Decides every partition. A commit also shows that its member lives.
pub fn commit(
    shard: &mut GroupShard,
    context: &Context,
    request: &OffsetCommitRequest<'static>,
    now: Now,
    out: &mut Effects<Response, Event>,
) -> Outcome<OffsetCommitResponse<'static>> {
    if let Err(error) = validate(shard, context, request) {
        let topics = request.topics.iter().map(|topic| answer(topic, |_| error.code())).collect();
        return Outcome { records: Vec::new(), response: OffsetCommitResponse { topics, ..Default::default() } };
    }
    if let Some(group) = shard.groups.get(&*request.group_id)
        && matches!(group.phase(), Phase::Stable | Phase::PreparingRebalance(_))
    {
        let mut scope = Scope { config: &shard.config, timers: &mut shard.timers, now, out };
        restart_session(group, &mut scope, &request.member_id);
    }
    let max_units = shard.config.offset_metadata_max_bytes;
    let mut records = Vec::new();
    let topics = request.topics.iter().map(|topic| {
        answer(topic, |partition| {
            let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
            if metadata.encode_utf16().nth(max_units).is_some() {
                return ErrorCode::OFFSET_METADATA_TOO_LARGE;
            }
            records.push(record(request, topic, partition, now));
            ErrorCode::NONE
        })
    });
    let response = OffsetCommitResponse { topics: topics.collect(), ..Default::default() };
    Outcome { records, response }
}

fn validate(shard: &GroupShard, context: &Context, request: &OffsetCommitRequest<'static>) -> Result<(), GroupError> {
    let group_id = &*request.group_id;
    let generation = request.generation_id_or_member_epoch;
    let Some(group) = shard.groups.get(group_id) else {
        let max_groups = shard.config.max_groups;
        return match generation {
            // A consumer that assigns its partitions itself: the commit makes the group.
            i32::MIN..0 if shard.group_count() >= max_groups => {
                Err(GroupError::TooManyGroups { group_id: group_id.into(), max_groups })
            }
            i32::MIN..0 => Ok(()),
            0.. if context.version >= GROUP_ID_NOT_FOUND_VERSION => {
                Err(GroupError::GroupIdNotFound { group_id: group_id.into() })
            }
            0.. => Err(GroupError::IllegalGeneration { group_id: group_id.into(), generation, current: -1 }),
        };
    };
    if generation < 0 && group.is_empty() {
        return Ok(());
    }
    if generation < 0 && request.member_id.is_empty() && request.group_instance_id.is_none() {
        // Offsets of a group with members are its members' to commit.
        return Err(group.unknown_member(""));
    }
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    group.validate_generation(generation)?;
    if group.phase() == Phase::CompletingRebalance {
        return Err(GroupError::RebalanceInProgress { group_id: group_id.into() });
    }
    Ok(())
}

fn record(
    request: &OffsetCommitRequest<'static>,
    topic: &OffsetCommitRequestTopic<'static>,
    partition: &OffsetCommitRequestPartition<'static>,
    now: Now,
) -> Record {
    let expire_timestamp =
        if request.retention_time_ms < 0 { -1 } else { now.wall.0.saturating_add(request.retention_time_ms) };
    let key = OffsetCommitKey {
        group: request.group_id.clone(),
        topic: topic.name.clone(),
        partition: partition.partition_index,
    };
    let value = OffsetCommitValue {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.clone().unwrap_or_default(),
        commit_timestamp: now.wall.0,
        expire_timestamp,
        topic_id: topic.topic_id,
        ..Default::default()
    };
    Record::OffsetCommit { key, value: Some(value) }
}

fn answer(
    topic: &OffsetCommitRequestTopic<'static>,
    mut decide: impl FnMut(&OffsetCommitRequestPartition<'static>) -> ErrorCode,
) -> OffsetCommitResponseTopic<'static> {
    let partitions = topic.partitions.iter().map(|partition| OffsetCommitResponsePartition {
        partition_index: partition.partition_index,
        error_code: decide(partition),
        ..Default::default()
    });
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

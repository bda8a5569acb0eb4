//! OffsetDelete, and what becomes of the offsets of a deleted topic.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};
use barnabas_types::Uuid;

use super::state::{Committed, Offsets};
use crate::group::{ClassicGroup, Event, GroupError, Groups, Response};
use crate::record::{Record, offset_tombstone};
use crate::shard::{Effects, Outcome};

/// Decides every partition: topics that the group's members subscribe to keep their offsets.
pub fn delete(
    groups: &Groups,
    offsets: &Offsets,
    request: &OffsetDeleteRequest<'static>,
) -> Outcome<OffsetDeleteResponse<'static>> {
    let group = match validate(groups, &request.group_id) {
        Ok(group) => group,
        Err(error) => {
            let response = OffsetDeleteResponse { error_code: error.code(), ..Default::default() };
            return Outcome { records: Vec::new(), response };
        }
    };
    let mut records = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let is_subscribed = group.is_subscribed_to(&topic.name);
        let error_code = if is_subscribed { ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC } else { ErrorCode::NONE };
        if !is_subscribed {
            records.extend(tombstones(offsets, &request.group_id, topic));
        }
        let partitions = topic
            .partitions
            .iter()
            .map(|partition| OffsetDeleteResponsePartition { partition_index: partition.partition_index, error_code });
        topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: partitions.collect() });
    }
    Outcome { records, response: OffsetDeleteResponse { topics, ..Default::default() } }
}

fn validate<'a>(groups: &'a Groups, group_id: &str) -> Result<&'a ClassicGroup, GroupError> {
    let group = groups.get(group_id).ok_or_else(|| GroupError::GroupIdNotFound { group_id: group_id.into() })?;
    // Of other kinds of members it is not known what they read.
    if !group.is_empty() && !group.uses_consumer_protocol() {
        return Err(GroupError::NonEmptyGroup { group_id: group_id.into() });
    }
    Ok(group)
}

fn tombstones(offsets: &Offsets, group_id: &str, topic: &OffsetDeleteRequestTopic<'static>) -> Vec<Record> {
    let committed = offsets.of_group(group_id).and_then(|topics| topics.get(&*topic.name));
    let is_there = |partition: i32| {
        committed.is_some_and(|partitions| partitions.contains_key(&partition))
            || offsets.is_unstable(group_id, &topic.name, partition)
    };
    let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
    indexes.filter(|index| is_there(*index)).map(|index| offset_tombstone(group_id, &topic.name, index)).collect()
}

/// Tombstones for the offsets of topics that are gone. An offset that knows another topic id belongs to a newer topic.
pub fn topics_deleted(
    offsets: &Offsets,
    deleted: &[(Box<str>, Uuid)],
    out: &mut Effects<Response, Event>,
) -> Vec<Record> {
    let mut records = Vec::new();
    for (name, id) in deleted {
        let is_gone = |committed: &Committed| committed.topic_id.is_zero() || committed.topic_id == *id;
        for (group_id, topics) in offsets.groups() {
            let gone = topics.get(&**name).into_iter().flatten().filter(|(_, committed)| is_gone(committed));
            records.extend(gone.map(|(partition, _)| offset_tombstone(group_id, name, *partition)));
        }
        let open = offsets.open_partitions(name).filter(|(_, _, committed)| is_gone(committed));
        records.extend(open.map(|(group_id, partition, _)| offset_tombstone(group_id, name, partition)));
    }
    if !records.is_empty() {
        out.events.push(Event::OffsetsRemoved { count: records.len() });
    }
    records
}

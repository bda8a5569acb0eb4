//! OffsetFetch: where a group has got to. A group or partition that is not known has no offset, which is no error.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use barnabas_types::Uuid;

use super::state::{Committed, Offsets};
use crate::group::Groups;

/// Answers for one group: the partitions asked for, or all that it has.
pub fn fetch(
    groups: &Groups,
    offsets: &Offsets,
    request: &OffsetFetchRequestGroup<'static>,
    require_stable: bool,
) -> OffsetFetchResponseGroup<'static> {
    let group_id = &*request.group_id;
    let known = offsets.of_group(group_id).filter(|_| groups.contains_key(group_id));
    let answer = |topic: &str, partition: i32, committed: Option<&Committed>| {
        let is_unstable = require_stable && offsets.is_unstable(group_id, topic, partition);
        answer(partition, committed, is_unstable)
    };
    let topics = match &request.topics {
        None => known
            .into_iter()
            .flatten()
            .map(|(topic, partitions)| OffsetFetchResponseTopics {
                name: topic.to_string().into(),
                partitions: partitions.iter().map(|(&index, found)| answer(topic, index, Some(found))).collect(),
                ..Default::default()
            })
            .collect(),
        Some(topics) => topics
            .iter()
            .map(|topic| {
                let partitions = known.and_then(|topics| topics.get(&*topic.name));
                let find = |index: &i32| partitions.and_then(|partitions| partitions.get(index));
                let same_topic = |found: &&Committed| is_same_topic(found.topic_id, topic.topic_id);
                let indexes = topic.partition_indexes.iter();
                OffsetFetchResponseTopics {
                    name: topic.name.clone(),
                    topic_id: topic.topic_id,
                    partitions: indexes
                        .map(|index| answer(&topic.name, *index, find(index).filter(same_topic)))
                        .collect(),
                    ..Default::default()
                }
            })
            .collect(),
    };
    OffsetFetchResponseGroup { group_id: request.group_id.clone(), topics, ..Default::default() }
}

/// An offset of a deleted topic does not hold for a new one under the same name. Zero is an id that is not known.
fn is_same_topic(committed: Uuid, requested: Uuid) -> bool {
    committed.is_zero() || requested.is_zero() || committed == requested
}

fn answer(
    partition_index: i32,
    committed: Option<&Committed>,
    is_unstable: bool,
) -> OffsetFetchResponsePartitions<'static> {
    let nothing = OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some("".into()),
        ..Default::default()
    };
    match committed {
        _ if is_unstable => OffsetFetchResponsePartitions { error_code: ErrorCode::UNSTABLE_OFFSET_COMMIT, ..nothing },
        None => nothing,
        Some(committed) => OffsetFetchResponsePartitions {
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(committed.metadata.to_string().into()),
            ..nothing
        },
    }
}

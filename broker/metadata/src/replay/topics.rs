//! Records of topics and partitions.

use std::sync::Arc;

use barnabas_protocol::records::metadata::{PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};
use barnabas_types::{BrokerId, LeaderEpoch, TopicIdPartition, Uuid};

use super::ReplayError;
use crate::{ConfigResource, Image, Partition, RecoveryState, Topics, UnusualReplicas};

/// In a PartitionChangeRecord: the leader stays.
pub(crate) const LEADER_UNCHANGED: i32 = -2;

pub(super) fn topic(topics: &mut Topics, record: &TopicRecord<'_>) -> Result<(), ReplayError> {
    if topics.get(record.topic_id).is_some() || topics.named(&record.name).is_some() {
        return Err(ReplayError::TopicExists { name: record.name.as_ref().into(), topic_id: record.topic_id });
    }
    topics.insert(record.name.as_ref().into(), record.topic_id);
    Ok(())
}

pub(super) fn remove(image: &mut Image, record: &RemoveTopicRecord) -> Result<(), ReplayError> {
    let Some(topic) = image.topics.remove(record.topic_id) else {
        return Err(ReplayError::UnknownTopic { record: "RemoveTopicRecord", topic_id: record.topic_id });
    };
    // A topic's configuration goes with it: there is no record for that.
    image.configs.0.remove(&ConfigResource::topic(Arc::clone(&topic.name)));
    Ok(())
}

pub(super) fn partition(topics: &mut Topics, record: &PartitionRecord) -> Result<(), ReplayError> {
    let directories = directories(&record.directories, record.replicas.len());
    let (replicas, isr) = (broker_ids(&record.replicas), broker_ids(&record.isr));
    let mut partition = Partition::new(replicas, directories, isr, BrokerId(record.leader));
    partition.set_unusual(UnusualReplicas {
        removing: broker_ids(&record.removing_replicas),
        adding: broker_ids(&record.adding_replicas),
        eligible_leaders: broker_ids(record.eligible_leader_replicas.as_deref().unwrap_or_default()),
        last_known_eligible_leaders: broker_ids(record.last_known_elr.as_deref().unwrap_or_default()),
    });
    partition.leader_recovery_state = recovery_state("PartitionRecord", record.leader_recovery_state)?;
    partition.leader_epoch = LeaderEpoch(record.leader_epoch);
    partition.partition_epoch = record.partition_epoch;
    let key = TopicIdPartition { topic_id: record.topic_id, partition: record.partition_id };
    if topics.insert_partition(key, partition) {
        Ok(())
    } else {
        Err(ReplayError::UnknownTopic { record: "PartitionRecord", topic_id: record.topic_id })
    }
}

pub(super) fn change(topics: &mut Topics, record: &PartitionChangeRecord) -> Result<(), ReplayError> {
    let key = TopicIdPartition { topic_id: record.topic_id, partition: record.partition_id };
    let recovery = match record.leader_recovery_state {
        -1 => None,
        state => Some(recovery_state("PartitionChangeRecord", state)?),
    };
    let unknown = ReplayError::UnknownPartition { record: "PartitionChangeRecord", partition: key };
    let changed = topics.partition_mut(key).ok_or(unknown)?;
    replace(&mut changed.isr, record.isr.as_deref());
    replace(&mut changed.replicas, record.replicas.as_deref());
    let mut unusual = changed.unusual();
    replace(&mut unusual.removing, record.removing_replicas.as_deref());
    replace(&mut unusual.adding, record.adding_replicas.as_deref());
    replace(&mut unusual.eligible_leaders, record.eligible_leader_replicas.as_deref());
    replace(&mut unusual.last_known_eligible_leaders, record.last_known_elr.as_deref());
    changed.set_unusual(unusual);
    if record.directories.is_some() || record.replicas.is_some() {
        let assigned = record.directories.as_deref().unwrap_or(&changed.directories);
        changed.directories = directories(assigned, changed.replicas.len());
    }
    changed.leader_recovery_state = recovery.unwrap_or(changed.leader_recovery_state);
    if record.leader != LEADER_UNCHANGED {
        changed.leader = BrokerId(record.leader);
        changed.leader_epoch = LeaderEpoch(changed.leader_epoch.0.saturating_add(1));
    }
    changed.partition_epoch = changed.partition_epoch.saturating_add(1);
    Ok(())
}

fn replace<T: FromIterator<BrokerId>>(field: &mut T, ids: Option<&[i32]>) {
    if let Some(ids) = ids {
        *field = broker_ids(ids);
    }
}

fn broker_ids<T: FromIterator<BrokerId>>(ids: &[i32]) -> T {
    ids.iter().copied().map(BrokerId).collect()
}

/// One directory per replica: older records have none, which reads as not assigned.
fn directories(given: &[Uuid], replicas: usize) -> Arc<[Uuid]> {
    given.iter().copied().chain(std::iter::repeat(Uuid::ZERO)).take(replicas).collect()
}

fn recovery_state(record: &'static str, value: i8) -> Result<RecoveryState, ReplayError> {
    match value {
        0 => Ok(RecoveryState::Recovered),
        1 => Ok(RecoveryState::Recovering),
        value => Err(ReplayError::UnknownValue { record, field: "leaderRecoveryState", value: value.into() }),
    }
}

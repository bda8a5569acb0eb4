//! Records of topics and partitions.

use std::sync::Arc;

use barnabas_protocol::records::metadata::{
    ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use barnabas_types::{BrokerId, LeaderEpoch, PartitionId, TopicIdPartition, Uuid};

use super::ReplayError;
use crate::{ConfigResource, Image, Partition, RecoveryState, Topics, UnusualReplicas, directory_id};

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
    image.configs.remove(&ConfigResource::topic(Arc::clone(&topic.name)));
    Ok(())
}

pub(super) fn partition(topics: &mut Topics, record: &PartitionRecord) -> Result<(), ReplayError> {
    let given = record.directories.iter().copied();
    let directories = given.chain(std::iter::repeat(directory_id::MIGRATING)).take(record.replicas.len()).collect();
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
    let changed = topics.change_partition(key, |partition| merge(partition, record, recovery));
    changed.then_some(()).ok_or(ReplayError::UnknownPartition { record: "PartitionChangeRecord", partition: key })
}

/// `partition` after a change that was decided here.
pub(crate) fn changed(partition: &Partition, record: &PartitionChangeRecord<'_>) -> Partition {
    let mut partition = partition.clone();
    let recovery = recovery_state("PartitionChangeRecord", record.leader_recovery_state).ok();
    merge(&mut partition, record, recovery);
    partition
}

fn merge(partition: &mut Partition, record: &PartitionChangeRecord<'_>, recovery: Option<RecoveryState>) {
    partition.directories = changed_directories(partition, record);
    replace(&mut partition.isr, record.isr.as_deref());
    replace(&mut partition.replicas, record.replicas.as_deref());
    let mut unusual = partition.unusual();
    replace(&mut unusual.removing, record.removing_replicas.as_deref());
    replace(&mut unusual.adding, record.adding_replicas.as_deref());
    replace(&mut unusual.eligible_leaders, record.eligible_leader_replicas.as_deref());
    replace(&mut unusual.last_known_eligible_leaders, record.last_known_elr.as_deref());
    partition.set_unusual(unusual);
    partition.leader_recovery_state = recovery.unwrap_or(partition.leader_recovery_state);
    if record.leader != LEADER_UNCHANGED {
        partition.leader = BrokerId(record.leader);
        partition.leader_epoch = LeaderEpoch(partition.leader_epoch.0.saturating_add(1));
    }
    partition.partition_epoch = partition.partition_epoch.saturating_add(1);
}

/// The directories after `record`: those it names, else of each replica the one it had.
fn changed_directories(partition: &Partition, record: &PartitionChangeRecord<'_>) -> Arc<[Uuid]> {
    let given = record.directories.as_deref().filter(|given| !given.is_empty());
    match (given, record.replicas.as_deref()) {
        (Some(given), replicas) => {
            let replicas = replicas.map_or(partition.replicas.len(), <[i32]>::len);
            given.iter().copied().chain(std::iter::repeat(directory_id::MIGRATING)).take(replicas).collect()
        }
        (None, Some(replicas)) => {
            let had = |&replica: &i32| {
                let position = partition.replicas.iter().position(|had| had.0 == replica)?;
                partition.directories.get(position).copied()
            };
            replicas.iter().map(|replica| had(replica).unwrap_or(directory_id::UNASSIGNED)).collect()
        }
        (None, None) => Arc::clone(&partition.directories),
    }
}

/// Forgets who may be elected although out of sync, for one topic or, without a name, for all.
pub(super) fn clear_eligible_leaders(topics: &mut Topics, record: &ClearElrRecord<'_>) -> Result<(), ReplayError> {
    let ids: Vec<Uuid> = match record.topic_name.as_ref() {
        "" => topics.ids().collect(),
        name => match topics.named(name) {
            Some(topic) => vec![topic.id],
            None => return Err(ReplayError::UnknownTopicName { record: "ClearElrRecord", name: name.into() }),
        },
    };
    for topic_id in ids {
        let partitions = topics.get(topic_id).into_iter().flat_map(|topic| &topic.partitions);
        let tracked: Vec<PartitionId> = partitions
            .filter(|(_, partition)| {
                let unusual = partition.unusual();
                !unusual.eligible_leaders.is_empty() || !unusual.last_known_eligible_leaders.is_empty()
            })
            .map(|(&id, _)| id)
            .collect();
        for partition in tracked {
            let cleared = PartitionChangeRecord {
                topic_id,
                partition_id: partition,
                eligible_leader_replicas: Some(Vec::new()),
                last_known_elr: Some(Vec::new()),
                ..PartitionChangeRecord::default()
            };
            change(topics, &cleared)?;
        }
    }
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

fn recovery_state(record: &'static str, value: i8) -> Result<RecoveryState, ReplayError> {
    match value {
        0 => Ok(RecoveryState::Recovered),
        1 => Ok(RecoveryState::Recovering),
        value => Err(ReplayError::UnknownValue { record, field: "leaderRecoveryState", value: value.into() }),
    }
}

//! Who leads a partition when brokers and their directories come and go: the one place that decides it. Only a member of the ISR is
//! elected: electing anybody else could lose acknowledged records.

use barnabas_protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use barnabas_types::{BrokerId, PartitionId, Uuid};

use super::Controller;
use crate::{Partition, directory_id, replay};

/// Below 3.6-IV0 a broker takes a smaller ISR only together with a new leader epoch (KAFKA-15021).
const ISR_SHRINKS_ALONE: i16 = 12;

/// What happens to replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// The broker may lead nothing from here on.
    Leaves(BrokerId),
    /// It may lead again.
    Returns(BrokerId),
    /// What it has in one directory is not there any more.
    LosesDirectory(BrokerId, Uuid),
}

impl Controller {
    /// The changes of partitions that follow from a move.
    pub(super) fn partition_changes(&self, to: Move) -> Vec<MetadataRecord<'static>> {
        let mut records = Vec::new();
        for topic in self.head.topics.by_name() {
            for (&id, partition) in &topic.partitions {
                let change = self.partition_change(to, topic.id, id, partition);
                records.extend(change.map(MetadataRecord::PartitionChange));
            }
        }
        records
    }

    /// The change of one partition that follows from a move, if any does.
    pub(super) fn partition_change(
        &self,
        to: Move,
        topic_id: Uuid,
        partition_id: PartitionId,
        partition: &Partition,
    ) -> Option<PartitionChangeRecord<'static>> {
        let unchanged = PartitionChangeRecord {
            topic_id,
            partition_id,
            leader: replay::LEADER_UNCHANGED,
            ..PartitionChangeRecord::default()
        };
        match to {
            Move::Leaves(broker) => self.leave(broker, partition, unchanged),
            Move::LosesDirectory(broker, directory) => {
                let lies_there = partition.directory(broker) == Some(directory);
                lies_there.then(|| self.leave(broker, partition, unchanged)).flatten()
            }
            Move::Returns(broker) => {
                let eligible = partition.leader == BrokerId::NONE && partition.isr.contains(&broker);
                (eligible && self.is_there(broker, partition))
                    .then_some(PartitionChangeRecord { leader: broker.0, ..unchanged })
            }
        }
    }

    /// Takes `broker` out of the ISR, unless it is the last member: then it stays, and nobody leads until it is back.
    fn leave(
        &self,
        broker: BrokerId,
        partition: &Partition,
        mut change: PartitionChangeRecord<'static>,
    ) -> Option<PartitionChangeRecord<'static>> {
        if !partition.isr.contains(&broker) {
            return None;
        }
        let left: Vec<_> = partition.isr.iter().copied().filter(|&member| member != broker).collect();
        if !left.is_empty() {
            change.isr = Some(left.iter().map(|id| id.0).collect());
        }
        if partition.leader == broker {
            let may_lead = |id: &&BrokerId| left.contains(id) && self.may_lead(**id, partition);
            change.leader = partition.replicas.iter().find(may_lead).copied().unwrap_or(BrokerId::NONE).0;
        } else if change.isr.is_some() && self.head.features.metadata_version() < ISR_SHRINKS_ALONE {
            change.leader = partition.leader.0;
        }
        (change.isr.is_some() || change.leader != replay::LEADER_UNCHANGED).then_some(change)
    }

    /// True when `broker` is up and its replica's directory is online.
    fn may_lead(&self, broker: BrokerId, partition: &Partition) -> bool {
        self.head.brokers.is_active(broker) && self.is_there(broker, partition)
    }

    /// True unless the directory of the replica is known to be offline.
    fn is_there(&self, broker: BrokerId, partition: &Partition) -> bool {
        let position = partition.replicas.iter().position(|&replica| replica == broker);
        let directory = position.and_then(|position| partition.directories.get(position)).copied();
        match directory.unwrap_or(directory_id::UNASSIGNED) {
            directory_id::LOST => false,
            directory if directory_id::is_reserved(directory) => true,
            directory => self.head.brokers.get(broker).is_some_and(|registered| registered.has_online(directory)),
        }
    }

    /// True when `broker` leads a partition.
    pub(super) fn leads_any(&self, broker: BrokerId) -> bool {
        let mut partitions = self.head.topics.by_name().flat_map(|topic| topic.partitions.values());
        partitions.any(|partition| partition.leader == broker)
    }
}

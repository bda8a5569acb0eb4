//! Who leads a partition when brokers come and go. Only a member of the ISR is elected: electing anybody else could lose
//! acknowledged records.

use barnabas_protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use barnabas_types::{BrokerId, PartitionId, Uuid};

use super::Controller;
use crate::{Partition, replay};

/// What happens to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It may lead nothing from here on.
    Leaves,
    /// It may lead again.
    Returns,
}

impl Controller {
    /// The changes of partitions that follow from a broker's move.
    pub(super) fn partition_changes(&self, broker: BrokerId, to: Move) -> Vec<MetadataRecord<'static>> {
        let mut records = Vec::new();
        for topic in self.head.topics.by_name() {
            for (&id, partition) in &topic.partitions {
                let change = match to {
                    Move::Leaves => self.leave(broker, topic.id, id, partition),
                    Move::Returns => self.elect_returning(broker, topic.id, id, partition),
                };
                records.extend(change.map(MetadataRecord::PartitionChange));
            }
        }
        records
    }

    /// Takes `broker` out of the ISR, unless it is the last member: then it stays, and nobody leads until it is back.
    fn leave(
        &self,
        broker: BrokerId,
        topic_id: Uuid,
        partition_id: PartitionId,
        partition: &Partition,
    ) -> Option<PartitionChangeRecord<'static>> {
        if !partition.isr.contains(&broker) {
            return None;
        }
        let left: Vec<_> = partition.isr.iter().copied().filter(|&member| member != broker).collect();
        let mut change = unchanged(topic_id, partition_id);
        if !left.is_empty() {
            change.isr = Some(left.iter().map(|id| id.0).collect());
        }
        if partition.leader == broker {
            let next = partition.replicas.iter().find(|id| left.contains(id) && self.head.brokers.is_active(**id));
            change.leader = next.copied().unwrap_or(BrokerId::NONE).0;
        }
        (change.isr.is_some() || change.leader != replay::LEADER_UNCHANGED).then_some(change)
    }

    /// Lets `broker` lead what nobody leads, if it is in the ISR.
    fn elect_returning(
        &self,
        broker: BrokerId,
        topic_id: Uuid,
        partition_id: PartitionId,
        partition: &Partition,
    ) -> Option<PartitionChangeRecord<'static>> {
        let eligible = partition.leader == BrokerId::NONE && partition.isr.contains(&broker);
        eligible.then(|| PartitionChangeRecord { leader: broker.0, ..unchanged(topic_id, partition_id) })
    }

    /// True when `broker` leads a partition.
    pub(super) fn leads_any(&self, broker: BrokerId) -> bool {
        let mut partitions = self.head.topics.by_name().flat_map(|topic| topic.partitions.values());
        partitions.any(|partition| partition.leader == broker)
    }
}

fn unchanged(topic_id: Uuid, partition_id: PartitionId) -> PartitionChangeRecord<'static> {
    PartitionChangeRecord {
        topic_id,
        partition_id,
        leader: replay::LEADER_UNCHANGED,
        ..PartitionChangeRecord::default()
    }
}

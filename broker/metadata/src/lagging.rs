//! Which replicas of a broker do not count yet, though somebody is there from whom they can copy. Says nothing of replicas that nobody
//! waits for: those without a leader to copy from, those that a reassignment adds. Which directories have failed the broker itself knows.

use std::sync::Arc;

use barnabas_types::{BrokerId, TopicIdPartition};

use crate::{Image, Partition, Topic};

/// A replica outside the ISR that has a leader to copy from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaggingReplica {
    /// Its partition.
    pub key: TopicIdPartition,
    /// Its topic's name.
    pub topic: Arc<str>,
    /// Who leads it.
    pub leader: BrokerId,
}

/// Every replica of `broker` outside its partition's ISR, ordered by topic and number, whatever the reason.
pub(crate) fn out_of_sync(
    image: &Image,
    broker: BrokerId,
) -> impl Iterator<Item = (&Arc<Topic>, i32, &Arc<Partition>)> {
    let is_out = move |partition: &Partition| partition.replicas.contains(&broker) && !partition.isr.contains(&broker);
    image.topics.by_name().flat_map(move |topic| {
        let partitions = topic.partitions.iter().filter(move |(_, partition)| is_out(partition));
        partitions.map(move |(&id, partition)| (topic, id, partition))
    })
}

/// Every replica of `broker` that should be in sync and is not, ordered by topic and number, in whatever directory it is noted: on a new disk
/// each is noted in one that is gone, until the controller has been told where it lies now.
pub fn lagging_replicas(image: &Image, broker: BrokerId) -> impl Iterator<Item = LaggingReplica> {
    let lags =
        move |partition: &Partition| image.brokers.is_active(partition.leader) && !partition.adding().contains(&broker);
    let lagging = out_of_sync(image, broker).filter(move |(_, _, partition)| lags(partition));
    lagging.map(|(topic, partition, state)| LaggingReplica {
        key: TopicIdPartition { topic_id: topic.id, partition },
        topic: Arc::clone(&topic.name),
        leader: state.leader,
    })
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::records::metadata::{
        MetadataRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord, UnfenceBrokerRecord,
    };
    use barnabas_types::Uuid;

    use super::*;
    use crate::directory_id;

    const TOPIC: Uuid = Uuid::from_u128(500 << 64 | 1);
    const DISK: Uuid = Uuid::from_u128(200 << 64 | 1);

    /// Brokers 1 and 2 are up, 3 is fenced; topic `a` has one partition of three replicas, changed by `change`.
    fn image(change: impl FnOnce(&mut PartitionRecord<'_>)) -> Image {
        let registered = |id| RegisterBrokerRecord {
            broker_id: id,
            broker_epoch: 5,
            fenced: true,
            log_dirs: vec![DISK],
            ..Default::default()
        };
        let mut partition = PartitionRecord {
            partition_id: 0,
            topic_id: TOPIC,
            replicas: vec![1, 2, 3],
            isr: vec![1],
            leader: 1,
            directories: vec![DISK; 3],
            ..Default::default()
        };
        change(&mut partition);
        let mut records: Vec<MetadataRecord<'_>> = (1..4).map(|id| registered(id).into()).collect();
        records.extend((1..3).map(|id| UnfenceBrokerRecord { id, epoch: 5, ..Default::default() }.into()));
        records.push(TopicRecord { name: "a".into(), topic_id: TOPIC, ..Default::default() }.into());
        records.push(partition.into());
        let mut image = Image::default();
        records.iter().for_each(|record| image.replay(record).unwrap());
        image
    }

    fn lagging(image: &Image, broker: i32) -> Vec<(i32, i32)> {
        let all = lagging_replicas(image, BrokerId(broker));
        all.map(|one| (one.key.partition, one.leader.0)).collect()
    }

    #[test]
    fn a_replica_outside_the_isr_whose_leader_is_up_is_waited_for() {
        let image = image(|_| {});
        assert_eq!(lagging(&image, 2), [(0, 1)]);
        assert_eq!(lagging(&image, 3), [(0, 1)], "whether the broker itself is let in is asked apart");
        assert_eq!(lagging(&image, 1), [], "it is in sync");
        assert_eq!(lagging(&image, 4), [], "it has no replica");
    }

    #[test]
    fn nobody_waits_where_no_leader_can_be_copied_from() {
        let of_nobody = image(|partition| partition.leader = -1);
        assert_eq!(lagging(&of_nobody, 2), []);
        let of_a_fenced_one = image(|partition| (partition.leader, partition.isr) = (3, vec![3]));
        assert_eq!(lagging(&of_a_fenced_one, 2), []);
    }

    #[test]
    fn what_a_reassignment_adds_is_not_waited_for() {
        assert_eq!(lagging(&image(|partition| partition.adding_replicas = vec![2]), 2), []);
    }

    #[test]
    fn a_replica_is_waited_for_wherever_it_is_noted() {
        let other_disk = Uuid::from_u128(201 << 64 | 1);
        for noted in [other_disk, directory_id::UNASSIGNED, directory_id::LOST] {
            let image = image(|partition| partition.directories = vec![DISK, noted, DISK]);
            assert_eq!(lagging(&image, 2), [(0, 1)], "{noted}");
        }
    }
}

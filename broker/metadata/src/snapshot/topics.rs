//! Records of topics, partitions and their configuration.

use std::borrow::Cow;

use barnabas_protocol::records::metadata::{ConfigRecord, MetadataRecord, PartitionRecord, TopicRecord};
use barnabas_types::{BrokerId, PartitionId, Uuid};

use crate::{ConfigResource, Partition, Topic};

/// The record of a topic, without its partitions.
pub(crate) fn topic(topic: &Topic) -> MetadataRecord<'_> {
    let record = TopicRecord { name: Cow::Borrowed(&topic.name), topic_id: topic.id, ..TopicRecord::default() };
    MetadataRecord::Topic(record)
}

/// The record of a partition as it is.
pub(crate) fn partition(topic_id: Uuid, partition_id: PartitionId, state: &Partition) -> PartitionRecord<'static> {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|id| id.0).collect::<Vec<_>>();
    let some_ids = |brokers: &[BrokerId]| (!brokers.is_empty()).then(|| ids(brokers));
    let unusual = state.unusual();
    PartitionRecord {
        partition_id,
        topic_id,
        replicas: ids(&state.replicas),
        isr: ids(&state.isr),
        removing_replicas: ids(&unusual.removing),
        adding_replicas: ids(&unusual.adding),
        leader: state.leader.0,
        leader_recovery_state: state.leader_recovery_state.id(),
        leader_epoch: state.leader_epoch.0,
        partition_epoch: state.partition_epoch,
        directories: state.directories.to_vec(),
        eligible_leader_replicas: some_ids(&unusual.eligible_leaders),
        last_known_elr: some_ids(&unusual.last_known_eligible_leaders),
        ..PartitionRecord::default()
    }
}

/// The record of one key of a configuration.
pub(crate) fn config<'a>(resource: &'a ConfigResource, key: &'a str, value: &'a str) -> MetadataRecord<'a> {
    MetadataRecord::Config(ConfigRecord {
        resource_type: resource.resource_type.id(),
        resource_name: Cow::Borrowed(&resource.name),
        name: Cow::Borrowed(key),
        value: Some(Cow::Borrowed(value)),
        ..ConfigRecord::default()
    })
}

//! An image as the records that make it again, in the order in which they replay. Knows no file: the header, the footer and
//! the batches around them belong to whoever writes one.

use std::borrow::Cow;

use barnabas_protocol::records::metadata::register_broker::{BrokerEndpoint, BrokerFeature};
use barnabas_protocol::records::metadata::register_controller::{ControllerEndpoint, ControllerFeature};
use barnabas_protocol::records::metadata::{
    ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, TopicRecord,
};
use barnabas_types::{BrokerId, PartitionId, ProducerId, Uuid};

use crate::{BrokerRegistration, ControllerRegistration, Image, METADATA_VERSION, Partition, RecoveryState};

/// The records of `image`, made as they are asked for. The level of `metadata.version` comes first: it says how to read the rest.
pub fn records(image: &Image) -> impl Iterator<Item = MetadataRecord<'_>> {
    let (first, others): (Vec<_>, Vec<_>) = image.features.iter().partition(|(name, _)| *name == METADATA_VERSION);
    let features = first.into_iter().chain(others).map(|(name, level)| feature(name, level));
    let brokers = image.brokers.iter().map(|registered| broker(registered));
    let controllers = image.controllers.iter().map(|registered| controller(registered));
    let topics = image.topics.by_name().flat_map(|topic| {
        let made = TopicRecord { name: Cow::Borrowed(&topic.name), topic_id: topic.id, ..TopicRecord::default() };
        let partitions =
            topic.partitions.iter().map(|(&id, state)| MetadataRecord::Partition(partition(topic.id, id, state)));
        std::iter::once(MetadataRecord::Topic(made)).chain(partitions)
    });
    let configs = image.configs.iter().flat_map(|(resource, configs)| {
        configs.iter().map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: resource.resource_type.id(),
                resource_name: Cow::Borrowed(&resource.name),
                name: Cow::Borrowed(key),
                value: Some(Cow::Borrowed(value)),
                ..ConfigRecord::default()
            })
        })
    });
    let next = image.producer_ids;
    let producer_ids = (next.next_producer_id > ProducerId(0)).then(|| {
        MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: next.broker_id.0,
            broker_epoch: next.broker_epoch,
            next_producer_id: next.next_producer_id.0,
            ..ProducerIdsRecord::default()
        })
    });
    features.chain(brokers).chain(controllers).chain(topics).chain(configs).chain(producer_ids)
}

/// The record that finalises `level` of `name`.
pub(crate) fn feature(name: &str, feature_level: i16) -> MetadataRecord<'_> {
    MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: Cow::Borrowed(name),
        feature_level,
        ..FeatureLevelRecord::default()
    })
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
        leader_recovery_state: match state.leader_recovery_state {
            RecoveryState::Recovered => 0,
            RecoveryState::Recovering => 1,
        },
        leader_epoch: state.leader_epoch.0,
        partition_epoch: state.partition_epoch,
        directories: state.directories.to_vec(),
        eligible_leader_replicas: some_ids(&unusual.eligible_leaders),
        last_known_elr: some_ids(&unusual.last_known_eligible_leaders),
        ..PartitionRecord::default()
    }
}

/// The record of a broker as it is.
pub(crate) fn broker(broker: &BrokerRegistration) -> MetadataRecord<'_> {
    let endpoints = broker.endpoints.iter().map(|endpoint| BrokerEndpoint {
        name: Cow::Borrowed(&endpoint.name),
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
        ..BrokerEndpoint::default()
    });
    let features = broker.features.iter().map(|feature| BrokerFeature {
        name: Cow::Borrowed(&feature.name),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
        ..BrokerFeature::default()
    });
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: broker.id.0,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch,
        end_points: endpoints.collect(),
        features: features.collect(),
        rack: broker.rack.as_deref().map(Cow::Borrowed),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: broker.log_dirs.clone(),
        cordoned_log_dirs: broker.cordoned_log_dirs.clone(),
        ..RegisterBrokerRecord::default()
    })
}

/// The record of a controller as it is.
pub(crate) fn controller(controller: &ControllerRegistration) -> MetadataRecord<'_> {
    let endpoints = controller.endpoints.iter().map(|endpoint| ControllerEndpoint {
        name: Cow::Borrowed(&endpoint.name),
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
        ..ControllerEndpoint::default()
    });
    let features = controller.features.iter().map(|feature| ControllerFeature {
        name: Cow::Borrowed(&feature.name),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
        ..ControllerFeature::default()
    });
    MetadataRecord::RegisterController(RegisterControllerRecord {
        controller_id: controller.id.0,
        incarnation_id: controller.incarnation_id,
        zk_migration_ready: controller.zk_migration_ready,
        end_points: endpoints.collect(),
        features: features.collect(),
        ..RegisterControllerRecord::default()
    })
}

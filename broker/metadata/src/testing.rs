//! Records for tests, here and where snapshots become files. In nothing that is released.

use std::borrow::Cow;

use barnabas_protocol::records::metadata::client_quota::EntityData;
use barnabas_protocol::records::metadata::register_broker::{BrokerEndpoint, BrokerFeature};
use barnabas_protocol::records::metadata::register_controller::{ControllerEndpoint, ControllerFeature};
use barnabas_protocol::records::metadata::*;
use barnabas_types::Uuid;

use crate::directory_id;

/// The topic among [`every_kind`].
pub const TOPIC: Uuid = Uuid::from_u128(500 << 64 | 1);

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// One record of every kind that stays in an image, as a snapshot of Apache Kafka 4.3 says it.
#[must_use]
pub fn every_kind() -> Vec<MetadataRecord<'static>> {
    let mut records = features_and_nodes();
    records.extend(topics());
    records.extend(security());
    records
}

fn features_and_nodes() -> Vec<MetadataRecord<'static>> {
    let level = |name, feature_level| FeatureLevelRecord {
        name: Cow::Borrowed(name),
        feature_level,
        ..FeatureLevelRecord::default()
    };
    vec![
        level("metadata.version", 30).into(),
        level("group.version", 1).into(),
        RegisterBrokerRecord {
            broker_id: 1,
            incarnation_id: id(7),
            broker_epoch: 5,
            end_points: vec![BrokerEndpoint {
                name: "PLAINTEXT".into(),
                host: "broker".into(),
                port: 9092,
                ..BrokerEndpoint::default()
            }],
            features: vec![BrokerFeature {
                name: "metadata.version".into(),
                min_supported_version: 7,
                max_supported_version: 30,
                ..BrokerFeature::default()
            }],
            rack: Some("r".into()),
            fenced: false,
            in_controlled_shutdown: true,
            log_dirs: vec![id(200), id(201)],
            cordoned_log_dirs: Some(vec![id(201)]),
            ..RegisterBrokerRecord::default()
        }
        .into(),
        RegisterControllerRecord {
            controller_id: 3,
            incarnation_id: id(8),
            end_points: vec![ControllerEndpoint {
                name: "CONTROLLER".into(),
                host: "controller".into(),
                port: 9093,
                ..ControllerEndpoint::default()
            }],
            features: vec![ControllerFeature {
                name: "metadata.version".into(),
                min_supported_version: 7,
                max_supported_version: 30,
                ..ControllerFeature::default()
            }],
            ..RegisterControllerRecord::default()
        }
        .into(),
    ]
}

fn topics() -> Vec<MetadataRecord<'static>> {
    vec![
        TopicRecord { name: "t".into(), topic_id: TOPIC, ..TopicRecord::default() }.into(),
        PartitionRecord {
            partition_id: 0,
            topic_id: TOPIC,
            replicas: vec![1, 2, 3],
            isr: vec![1],
            removing_replicas: vec![3],
            adding_replicas: vec![2],
            leader: 1,
            leader_recovery_state: 1,
            leader_epoch: 4,
            partition_epoch: 9,
            directories: vec![id(200), directory_id::UNASSIGNED, directory_id::LOST],
            eligible_leader_replicas: Some(vec![2]),
            last_known_elr: Some(vec![3]),
            ..PartitionRecord::default()
        }
        .into(),
        ConfigRecord {
            resource_type: 2,
            resource_name: "t".into(),
            name: "retention.ms".into(),
            value: Some("1".into()),
            ..ConfigRecord::default()
        }
        .into(),
    ]
}

fn security() -> Vec<MetadataRecord<'static>> {
    let dimension = |entity_type, entity_name: Option<&'static str>| EntityData {
        entity_type: Cow::Borrowed(entity_type),
        entity_name: entity_name.map(Cow::Borrowed),
        ..EntityData::default()
    };
    vec![
        ClientQuotaRecord {
            entity: vec![dimension("client-id", None), dimension("user", Some("alice"))],
            key: "producer_byte_rate".into(),
            value: 1024.5,
            ..ClientQuotaRecord::default()
        }
        .into(),
        ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id: 3000, ..Default::default() }.into(),
        AccessControlEntryRecord {
            id: id(77),
            resource_type: 2,
            resource_name: "t".into(),
            pattern_type: 4,
            principal: "User:alice".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 2,
            ..AccessControlEntryRecord::default()
        }
        .into(),
        UserScramCredentialRecord {
            name: "alice".into(),
            mechanism: 2,
            salt: Cow::Borrowed(b"salt"),
            stored_key: Cow::Borrowed(b"stored"),
            server_key: Cow::Borrowed(b"server"),
            iterations: 8192,
            ..UserScramCredentialRecord::default()
        }
        .into(),
        DelegationTokenRecord {
            owner: "User:alice".into(),
            requester: "User:bob".into(),
            renewers: vec!["User:carol".into()],
            issue_timestamp: 1,
            max_timestamp: 3,
            expiration_timestamp: 2,
            token_id: "token".into(),
            ..DelegationTokenRecord::default()
        }
        .into(),
    ]
}

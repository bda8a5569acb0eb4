//! Every kind of record: replayed, said again by a snapshot, taken away again; and the hash that goes with it.

use barnabas_protocol::records::metadata::client_quota::EntityData;
use barnabas_protocol::records::metadata::*;
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use super::*;
use crate::image::hash::record_hash;
use crate::testing::{TOPIC, every_kind};
use crate::{Delta, History, QuotaEntity, ScramMechanism, directory_id};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn replayed(image: &Image, records: &[MetadataRecord<'_>]) -> Image {
    let mut image = image.clone();
    for record in records {
        image.replay(record).unwrap_or_else(|error| panic!("{record:?}: {error}"));
    }
    image
}

/// The hash as it is defined: over what a snapshot says. Partitions, which are many, are hashed without their record.
fn hash_of_everything_else(image: &Image) -> u64 {
    let others = records(image).filter(|record| !matches!(record, MetadataRecord::Partition(_)));
    others.map(|record| record_hash(&record)).fold(0, u64::wrapping_add)
}

#[test]
fn a_snapshot_says_every_kind_of_record_as_it_was_replayed() {
    let records_in = every_kind();
    let image = replayed(&Image::default(), &records_in);
    let out: Vec<_> = records(&image).collect();
    assert_eq!(out.len(), records_in.len());
    for record in &records_in {
        assert!(out.contains(record), "lost or changed: {record:?}\n{out:#?}");
    }
    let again = replayed(&Image::default(), &out);
    assert_eq!((&again, again.hash()), (&image, image.hash()));
}

#[test]
fn the_hash_follows_every_record_and_forgets_what_is_taken_away() {
    let mut image = Image::default();
    let mut hashes = vec![image.hash()];
    for record in every_kind() {
        image = replayed(&image, std::slice::from_ref(&record));
        assert!(!hashes.contains(&image.hash()), "{record:?} changes nothing");
        hashes.push(image.hash());
    }
    let removed: [MetadataRecord<'_>; 10] = [
        RemoveAccessControlEntryRecord { id: id(77), ..Default::default() }.into(),
        RemoveUserScramCredentialRecord { name: "alice".into(), mechanism: 2, ..Default::default() }.into(),
        RemoveDelegationTokenRecord { token_id: "token".into(), ..Default::default() }.into(),
        UnregisterBrokerRecord { broker_id: 1, broker_epoch: 5, ..Default::default() }.into(),
        FeatureLevelRecord { name: "group.version".into(), feature_level: 0, ..Default::default() }.into(),
        FeatureLevelRecord { name: "metadata.version".into(), feature_level: 0, ..Default::default() }.into(),
        RemoveTopicRecord { topic_id: TOPIC, ..Default::default() }.into(),
        ClientQuotaRecord {
            // In another order: the entity is the same.
            entity: vec![
                EntityData { entity_type: "user".into(), entity_name: Some("alice".into()), ..Default::default() },
                EntityData { entity_type: "client-id".into(), entity_name: None, ..Default::default() },
            ],
            key: "producer_byte_rate".into(),
            remove: true,
            ..Default::default()
        }
        .into(),
        NoOpRecord::default().into(),
        ZkMigrationStateRecord::default().into(),
    ];
    let mut image = replayed(&image, &removed);
    let left: Vec<_> = records(&image).map(|record| record.name()).collect();
    assert_eq!(left, ["RegisterControllerRecord", "ProducerIdsRecord"], "there is no record that takes these away");
    image.controllers = crate::Controllers::default();
    image.producer_ids = NextProducerId::default();
    assert_eq!((image.hash(), &image), (0, &Image::default()));
}

#[test]
fn every_field_of_a_partition_counts_for_the_hash() {
    let image = replayed(&Image::default(), &every_kind());
    let key = TopicIdPartition { topic_id: TOPIC, partition: 0 };
    let base = PartitionChangeRecord { topic_id: TOPIC, partition_id: 0, ..Default::default() };
    let changes = [
        base.clone(),
        PartitionChangeRecord { isr: Some(vec![1, 2]), ..base.clone() },
        PartitionChangeRecord { leader: 2, ..base.clone() },
        PartitionChangeRecord { replicas: Some(vec![3, 2, 1]), ..base.clone() },
        PartitionChangeRecord { removing_replicas: Some(vec![]), ..base.clone() },
        PartitionChangeRecord { adding_replicas: Some(vec![]), ..base.clone() },
        PartitionChangeRecord { leader_recovery_state: 0, ..base.clone() },
        PartitionChangeRecord { directories: Some(vec![id(200); 3]), ..base.clone() },
        PartitionChangeRecord { eligible_leader_replicas: Some(vec![]), ..base.clone() },
        PartitionChangeRecord { last_known_elr: Some(vec![2]), ..base.clone() },
    ];
    let mut hashes = vec![image.hash()];
    for change in changes {
        let changed = replayed(&image, &[change.clone().into()]);
        assert!(!hashes.contains(&changed.hash()), "{change:?}");
        hashes.push(changed.hash());
        assert_eq!(hash_of_everything_else(&changed), hash_of_everything_else(&image));
        let snapshot: Vec<_> = records(&changed).collect();
        assert_eq!(replayed(&Image::default(), &snapshot), changed, "{change:?}");
        assert_ne!(changed.topics.partition(key), image.topics.partition(key));
    }
}

#[test]
fn replicas_take_their_directories_along_when_they_change_place() {
    let image = replayed(&Image::default(), &every_kind());
    let change = PartitionChangeRecord {
        topic_id: TOPIC,
        partition_id: 0,
        replicas: Some(vec![4, 3, 1]),
        ..PartitionChangeRecord::default()
    };
    let changed = replayed(&image, &[change.into()]);
    let partition = changed.topics.partition(TopicIdPartition { topic_id: TOPIC, partition: 0 }).unwrap();
    assert_eq!(*partition.directories, [directory_id::UNASSIGNED, directory_id::LOST, id(200)]);
    assert_eq!(partition.directory(BrokerId(1)), Some(id(200)));
    assert_eq!(partition.directory(BrokerId(3)), None, "a reserved id is no directory");
}

#[test]
fn a_partition_that_was_written_without_directories_has_them_still_to_be_told() {
    let image = replayed(&Image::default(), &every_kind());
    let older = PartitionRecord { partition_id: 1, topic_id: TOPIC, replicas: vec![1, 2], ..Default::default() };
    let image = replayed(&image, &[older.into()]);
    let partition = image.topics.partition(TopicIdPartition { topic_id: TOPIC, partition: 1 }).unwrap();
    assert_eq!(*partition.directories, [directory_id::MIGRATING; 2]);
}

#[test]
fn eligible_leaders_are_forgotten_for_one_topic_or_for_all() {
    let image = replayed(&Image::default(), &every_kind());
    let key = TopicIdPartition { topic_id: TOPIC, partition: 0 };
    for name in ["t", ""] {
        let cleared = replayed(&image, &[ClearElrRecord { topic_name: name.into(), ..Default::default() }.into()]);
        let partition = cleared.topics.partition(key).unwrap();
        assert!(partition.unusual().eligible_leaders.is_empty());
        assert!(partition.unusual().last_known_eligible_leaders.is_empty());
        assert_eq!(*partition.unusual().adding, [BrokerId(2)], "a reassignment goes on");
        assert_eq!(partition.partition_epoch, 10);
        let again = replayed(&cleared, &[ClearElrRecord { topic_name: name.into(), ..Default::default() }.into()]);
        assert_eq!(again, cleared, "there is nothing left to change");
    }
    let unknown = ClearElrRecord { topic_name: "other".into(), ..Default::default() };
    assert!(image.clone().replay(&unknown.into()).is_err());
}

#[test]
fn a_delta_names_what_has_changed_of_every_kind() {
    let empty = Image::default();
    let full = replayed(&empty, &every_kind());
    let entity = QuotaEntity::new([("user", Some("alice")), ("client-id", None)]);
    for (old, new) in [(&empty, &full), (&full, &empty)] {
        let delta = Delta::between(old, new);
        assert_eq!(delta.changed_topics.len() + delta.removed_topics.len(), 1);
        assert_eq!(delta.changed_brokers, [BrokerId(1)]);
        assert_eq!(delta.changed_controllers, [BrokerId(3)]);
        assert_eq!(delta.changed_configs.len(), 1);
        assert_eq!(delta.changed_client_quotas, std::slice::from_ref(&entity));
        assert_eq!(delta.changed_acls, [id(77)]);
        assert_eq!(delta.changed_scram_credentials, [(ScramMechanism::Sha512, "alice".into())]);
        assert_eq!(delta.changed_delegation_tokens, ["token".into()]);
        assert!(delta.features_changed && delta.producer_ids_changed && !delta.is_empty());
    }
    assert!(Delta::between(&full, &full.clone()).is_empty());
}

#[test]
fn what_a_transaction_did_is_gone_with_its_end() {
    let mut history = History::new(Image::default());
    history.replay(&BeginTransactionRecord::default().into()).unwrap();
    for record in every_kind() {
        history.replay(&record).unwrap();
        assert_eq!(history.visible().hash(), 0, "an open transaction shows");
    }
    history.replay(&AbortTransactionRecord::default().into()).unwrap();
    assert_eq!(history, History::default());
}

#[test]
fn secrets_do_not_reach_debug_output() {
    let image = replayed(&Image::default(), &every_kind());
    let shown = format!("{:?}", image.scram_credentials);
    assert!(shown.contains("8192") && !shown.contains("115, 97, 108, 116") && !shown.contains("salt"), "{shown}");
}

//! What differs between two images, for whoever has to act on it. Shared structure is skipped, so that the cost follows the
//! number of changes. Acts on nothing.

use std::sync::Arc;

use barnabas_types::{BrokerId, PartitionId, Uuid};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::{ConfigResource, Image, Partition, QuotaEntity, ScramMechanism, Topic};

/// A topic that is new or has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicDelta {
    /// The topic as it is now.
    pub topic: Arc<Topic>,
    /// True when it was not there before.
    pub created: bool,
    /// Its partitions that are new or have changed, as they are now.
    pub partitions: Vec<(PartitionId, Arc<Partition>)>,
}

/// The difference between two images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// Topics that are gone, as they last were. One made again under the same name has another id, and is also changed.
    pub removed_topics: Vec<Arc<Topic>>,
    /// Topics that are new or have changed.
    pub changed_topics: Vec<TopicDelta>,
    /// Brokers that are new, have changed or are gone.
    pub changed_brokers: Vec<BrokerId>,
    /// Resources whose configuration is new, has changed or is gone.
    pub changed_configs: Vec<ConfigResource>,
    /// Controllers that are new or have changed.
    pub changed_controllers: Vec<BrokerId>,
    /// Entities whose quotas are new, have changed or are gone.
    pub changed_client_quotas: Vec<QuotaEntity>,
    /// Access control entries that are new or gone.
    pub changed_acls: Vec<Uuid>,
    /// Users whose credential for a mechanism is new, has changed or is gone.
    pub changed_scram_credentials: Vec<(ScramMechanism, Arc<str>)>,
    /// Delegation tokens that are new, have changed or are gone.
    pub changed_delegation_tokens: Vec<Arc<str>>,
    /// True when a feature's level has changed.
    pub features_changed: bool,
    /// True when a block of producer ids was given out.
    pub producer_ids_changed: bool,
}

impl Delta {
    /// What changed from `old` to `new`.
    #[must_use]
    pub fn between(old: &Image, new: &Image) -> Self {
        fn changed<K: Clone + Ord, V: PartialEq>(old: &OrdMap<K, V>, new: &OrdMap<K, V>) -> Vec<K> {
            old.diff(new).map(|item| key(&item).clone()).collect()
        }
        let mut delta = Self {
            changed_brokers: changed(&old.brokers.by_id, &new.brokers.by_id),
            changed_controllers: changed(&old.controllers.by_id, &new.controllers.by_id),
            changed_configs: changed(&old.configs.by_resource, &new.configs.by_resource),
            changed_client_quotas: changed(&old.client_quotas.by_entity, &new.client_quotas.by_entity),
            changed_acls: changed(&old.acls.by_id, &new.acls.by_id),
            changed_scram_credentials: changed(&old.scram_credentials.by_user, &new.scram_credentials.by_user),
            changed_delegation_tokens: changed(&old.delegation_tokens.by_id, &new.delegation_tokens.by_id),
            features_changed: old.features != new.features,
            producer_ids_changed: old.producer_ids != new.producer_ids,
            ..Self::default()
        };
        for item in old.topics.by_id().diff(new.topics.by_id()) {
            delta.topic(&item);
        }
        delta
    }

    /// True when nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn topic(&mut self, item: &DiffItem<'_, '_, Uuid, Arc<Topic>>) {
        match item {
            DiffItem::Remove(_, old) => self.removed_topics.push(Arc::clone(old)),
            DiffItem::Add(_, new) => {
                let partitions = new.partitions.iter().map(|(&id, partition)| (id, Arc::clone(partition)));
                self.changed_topics.push(TopicDelta {
                    topic: Arc::clone(new),
                    created: true,
                    partitions: partitions.collect(),
                });
            }
            DiffItem::Update { old: (_, old), new: (_, new) } => {
                let partitions = old.partitions.diff(&new.partitions).filter_map(|item| match item {
                    DiffItem::Add(id, partition) | DiffItem::Update { new: (id, partition), .. } => {
                        Some((*id, Arc::clone(partition)))
                    }
                    DiffItem::Remove(..) => None,
                });
                self.changed_topics.push(TopicDelta {
                    topic: Arc::clone(new),
                    created: false,
                    partitions: partitions.collect(),
                });
            }
        }
    }
}

fn key<'a, K, V>(item: &DiffItem<'a, 'a, K, V>) -> &'a K {
    match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => key,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use barnabas_protocol::records::metadata::{
        ConfigRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
    };

    use super::*;

    fn replayed(image: &Image, records: &[MetadataRecord<'_>]) -> Image {
        let mut image = image.clone();
        for record in records {
            image.replay(record).unwrap();
        }
        image
    }

    fn topic(name: &str, id: u128, partitions: i32) -> Vec<MetadataRecord<'_>> {
        let topic_id = Uuid::from_u128(id);
        let made = TopicRecord { name: Cow::Borrowed(name), topic_id, ..TopicRecord::default() };
        let partition = |partition_id| {
            let record =
                PartitionRecord { partition_id, topic_id, replicas: vec![1], isr: vec![1], ..Default::default() };
            MetadataRecord::Partition(record)
        };
        std::iter::once(MetadataRecord::Topic(made)).chain((0..partitions).map(partition)).collect()
    }

    #[test]
    fn only_what_changed_is_named() {
        let old = replayed(&Image::default(), &[topic("a", 1, 3), topic("b", 2, 1), topic("c", 3, 1)].concat());
        assert!(Delta::between(&old, &old.clone()).is_empty());
        let change = PartitionChangeRecord {
            partition_id: 2,
            topic_id: Uuid::from_u128(1),
            leader: 1,
            ..PartitionChangeRecord::default()
        };
        let gone = RemoveTopicRecord { topic_id: Uuid::from_u128(2), ..RemoveTopicRecord::default() };
        let config = ConfigRecord {
            resource_type: 2,
            resource_name: Cow::Borrowed("c"),
            name: Cow::Borrowed("k"),
            value: Some(Cow::Borrowed("v")),
            ..ConfigRecord::default()
        };
        let mut records = vec![
            MetadataRecord::PartitionChange(change),
            MetadataRecord::RemoveTopic(gone),
            MetadataRecord::Config(config),
        ];
        // The same name again, with another id.
        records.extend(topic("b", 9, 1));
        let new = replayed(&old, &records);
        let delta = Delta::between(&old, &new);
        assert_eq!(delta.removed_topics.iter().map(|topic| topic.id).collect::<Vec<_>>(), [Uuid::from_u128(2)]);
        let changed: Vec<_> = delta
            .changed_topics
            .iter()
            .map(|topic| {
                (topic.topic.name.as_ref(), topic.created, topic.partitions.iter().map(|(id, _)| *id).collect())
            })
            .collect::<Vec<(_, _, Vec<_>)>>();
        assert_eq!(changed, [("a", false, vec![2]), ("b", true, vec![0])]);
        assert_eq!(delta.changed_configs, [ConfigResource::topic("c")]);
        assert!(!delta.features_changed && delta.changed_brokers.is_empty());
    }
}

//! Which partitions a broker has to do with, so that its coming and going costs by its own partitions and not by all. Follows the
//! partitions of the controller's head, record by record; decides nothing, and is no part of the metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use crate::{Image, Partition, Topic};

/// Partitions of a topic that share an entry, as bits.
const CHUNK_BITS: i32 = 6;

/// A set of partitions. Numbers of a topic's partitions lie close together: up to 64 of them take one entry.
#[derive(Clone, Debug, Default, PartialEq)]
struct PartitionSet {
    chunks: BTreeMap<(Uuid, i32), u64>,
}

impl PartitionSet {
    fn place(key: TopicIdPartition) -> ((Uuid, i32), u64) {
        let bit = key.partition & ((1 << CHUNK_BITS) - 1);
        ((key.topic_id, key.partition >> CHUNK_BITS), 1 << bit)
    }

    /// True when it was not there.
    fn insert(&mut self, key: TopicIdPartition) -> bool {
        let (chunk, bit) = Self::place(key);
        let bits = self.chunks.entry(chunk).or_default();
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }

    /// True when it was there.
    fn remove(&mut self, key: TopicIdPartition) -> bool {
        let (chunk, bit) = Self::place(key);
        let Some(bits) = self.chunks.get_mut(&chunk) else { return false };
        let was_there = *bits & bit != 0;
        *bits &= !bit;
        if *bits == 0 {
            self.chunks.remove(&chunk);
        }
        was_there
    }

    fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// All of them, ordered by topic id and number.
    fn iter(&self) -> impl Iterator<Item = TopicIdPartition> {
        self.chunks.iter().flat_map(|(&(topic_id, chunk), &bits)| {
            let there = (0..1 << CHUNK_BITS).filter(move |bit| (bits >> bit) & 1 == 1);
            there.map(move |bit| TopicIdPartition { topic_id, partition: (chunk << CHUNK_BITS) | bit })
        })
    }
}

/// The sets that brokers have.
#[derive(Clone, Debug, Default, PartialEq)]
struct PartitionsByBroker {
    by_broker: BTreeMap<BrokerId, PartitionSet>,
}

impl PartitionsByBroker {
    fn insert(&mut self, broker: BrokerId, key: TopicIdPartition) {
        self.by_broker.entry(broker).or_default().insert(key);
    }

    fn remove(&mut self, broker: BrokerId, key: TopicIdPartition) {
        if let Some(set) = self.by_broker.get_mut(&broker) {
            set.remove(key);
            if set.is_empty() {
                self.by_broker.remove(&broker);
            }
        }
    }

    fn of(&self, broker: BrokerId) -> impl Iterator<Item = TopicIdPartition> {
        self.by_broker.get(&broker).into_iter().flat_map(PartitionSet::iter)
    }
}

/// What the index knows of a partition.
#[derive(PartialEq)]
pub(super) struct Standing {
    isr: Arc<[BrokerId]>,
    eligible: Box<[BrokerId]>,
    leader: BrokerId,
    has_preferred_leader: bool,
}

impl Standing {
    fn of(partition: &Partition) -> Self {
        Self {
            isr: Arc::clone(&partition.isr),
            eligible: partition.eligible_leaders().into(),
            leader: partition.leader,
            has_preferred_leader: partition.has_preferred_leader(),
        }
    }
}

/// What a record is about to change.
pub(super) enum Touched {
    /// Nothing that is indexed.
    Nothing,
    /// One partition, which was as the index has it.
    Partition(TopicIdPartition, Option<Standing>),
    /// All partitions of a topic, which goes.
    Topic(Arc<Topic>),
    /// Who is eligible, in one topic or in all.
    Eligible(Option<Uuid>),
}

/// Which partitions a broker has to do with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PartitionIndex {
    in_sync: PartitionsByBroker,
    eligible: PartitionsByBroker,
    /// How many partitions each broker leads.
    led: BTreeMap<BrokerId, usize>,
    leaderless: PartitionSet,
    /// Those that are not led by their first replica.
    unbalanced: PartitionSet,
    counts: PartitionCounts,
}

/// How many partitions are not as they should be, for who watches over a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionCounts {
    /// Nobody leads them.
    pub leaderless: usize,
    /// Their first replica does not lead them.
    pub unbalanced: usize,
}

impl PartitionIndex {
    /// The index of everything that `image` holds.
    pub(super) fn of(image: &Image) -> Self {
        let mut index = Self::default();
        for topic_id in image.topics.ids() {
            let partitions = image.topics.get(topic_id).into_iter().flat_map(|topic| &topic.partitions);
            for (&partition, state) in partitions {
                index.add(TopicIdPartition { topic_id, partition }, &Standing::of(state));
            }
        }
        index
    }

    /// What `record` is going to change, asked before it is replayed into `image`.
    pub(super) fn touched_by(record: &MetadataRecord<'_>, image: &Image) -> Touched {
        let partition = |topic_id, partition| {
            let key = TopicIdPartition { topic_id, partition };
            let before = image.topics.partition(key).map(|partition| Standing::of(partition));
            Touched::Partition(key, before)
        };
        match record {
            MetadataRecord::Partition(record) => partition(record.topic_id, record.partition_id),
            MetadataRecord::PartitionChange(record) => partition(record.topic_id, record.partition_id),
            MetadataRecord::RemoveTopic(record) => {
                image.topics.get(record.topic_id).map_or(Touched::Nothing, |topic| Touched::Topic(Arc::clone(topic)))
            }
            MetadataRecord::ClearElr(record) if record.topic_name.is_empty() => Touched::Eligible(None),
            MetadataRecord::ClearElr(record) => image
                .topics
                .named(&record.topic_name)
                .map_or(Touched::Nothing, |topic| Touched::Eligible(Some(topic.id))),
            _ => Touched::Nothing,
        }
    }

    /// Follows a record that was replayed into `image`.
    pub(super) fn follow(&mut self, touched: Touched, image: &Image) {
        match touched {
            Touched::Nothing => {}
            Touched::Partition(key, before) => {
                let after = image.topics.partition(key).map(|partition| Standing::of(partition));
                if before == after {
                    return;
                }
                if let Some(before) = before {
                    self.remove(key, &before);
                }
                if let Some(after) = after {
                    self.add(key, &after);
                }
            }
            Touched::Topic(topic) => {
                for (&partition, state) in &topic.partitions {
                    self.remove(TopicIdPartition { topic_id: topic.id, partition }, &Standing::of(state));
                }
            }
            Touched::Eligible(None) => self.eligible = PartitionsByBroker::default(),
            Touched::Eligible(Some(topic_id)) => {
                for set in self.eligible.by_broker.values_mut() {
                    set.chunks.retain(|(topic, _), _| *topic != topic_id);
                }
                self.eligible.by_broker.retain(|_, set| !set.is_empty());
            }
        }
    }

    fn add(&mut self, key: TopicIdPartition, standing: &Standing) {
        standing.isr.iter().for_each(|&broker| self.in_sync.insert(broker, key));
        standing.eligible.iter().for_each(|&broker| self.eligible.insert(broker, key));
        if standing.leader == BrokerId::NONE {
            self.counts.leaderless += usize::from(self.leaderless.insert(key));
        } else {
            *self.led.entry(standing.leader).or_default() += 1;
        }
        if !standing.has_preferred_leader {
            self.counts.unbalanced += usize::from(self.unbalanced.insert(key));
        }
    }

    fn remove(&mut self, key: TopicIdPartition, standing: &Standing) {
        standing.isr.iter().for_each(|&broker| self.in_sync.remove(broker, key));
        standing.eligible.iter().for_each(|&broker| self.eligible.remove(broker, key));
        let (leaderless, unbalanced) = (self.leaderless.remove(key), self.unbalanced.remove(key));
        self.counts.leaderless = self.counts.leaderless.saturating_sub(usize::from(leaderless));
        self.counts.unbalanced = self.counts.unbalanced.saturating_sub(usize::from(unbalanced));
        if let Some(led) = self.led.get_mut(&standing.leader) {
            *led = led.saturating_sub(1);
            if *led == 0 {
                self.led.remove(&standing.leader);
            }
        }
    }

    /// The partitions in whose ISR `broker` is.
    pub(super) fn in_sync(&self, broker: BrokerId) -> impl Iterator<Item = TopicIdPartition> {
        self.in_sync.of(broker)
    }

    /// The partitions that `broker` may still lead, although out of sync.
    pub(super) fn eligible(&self, broker: BrokerId) -> impl Iterator<Item = TopicIdPartition> {
        self.eligible.of(broker)
    }

    /// True when `broker` leads a partition.
    pub(super) fn leads_any(&self, broker: BrokerId) -> bool {
        self.led.contains_key(&broker)
    }

    /// How many partitions have no leader, or another than they should.
    pub(super) const fn counts(&self) -> PartitionCounts {
        self.counts
    }

    /// The partitions that nobody leads.
    pub(super) fn leaderless(&self) -> impl Iterator<Item = TopicIdPartition> {
        self.leaderless.iter()
    }

    /// True when there is a partition that nobody leads.
    pub(super) fn has_leaderless(&self) -> bool {
        !self.leaderless.is_empty()
    }

    /// The partitions that are not led by their first replica.
    pub(super) fn unbalanced(&self) -> impl Iterator<Item = TopicIdPartition> {
        self.unbalanced.iter()
    }

    /// True when there is a partition that is not led by its first replica.
    pub(super) fn has_unbalanced(&self) -> bool {
        !self.unbalanced.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_partitions_has_what_was_put_in_and_not_taken_out_in_order() {
        let key = |topic, partition| TopicIdPartition { topic_id: Uuid::from_u128(topic), partition };
        let mut set = PartitionSet::default();
        let numbers = [0, 1, 63, 64, 65, 127, 128, 1_000_000, i32::MAX];
        for partition in numbers.into_iter().rev() {
            set.insert(key(2, partition));
            set.insert(key(1, partition));
        }
        let expected: Vec<_> = [1, 2].into_iter().flat_map(|topic| numbers.map(|number| key(topic, number))).collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), expected);
        for partition in numbers {
            assert!(!set.insert(key(1, partition)), "it is there");
            assert!(set.remove(key(1, partition)));
            assert!(!set.remove(key(1, partition)), "it was taken out");
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), numbers.map(|number| key(2, number)));
        assert!(numbers.into_iter().all(|partition| set.remove(key(2, partition))));
        assert!(set.is_empty());
    }
}

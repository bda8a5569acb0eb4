//! Topics by id and by name, and the state of each partition.

use std::sync::Arc;

use barnabas_types::{BrokerId, LeaderEpoch, PartitionId, TopicIdPartition, Uuid};
use imbl::{OrdMap, OrdSet};

use super::hash::{ItemHash, SetHash, record_hash};
use crate::{directory_id, snapshot};

/// Whether a partition's leader may have lost records in an unclean election and has still to agree with its followers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RecoveryState {
    /// Nothing to recover.
    #[default]
    Recovered,
    /// Elected uncleanly; its followers have to truncate to it first.
    Recovering,
}

impl RecoveryState {
    /// Kafka's number.
    #[must_use]
    pub const fn id(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }
}

/// A partition as the controller last decided it. There may be very many: its lists have no room to grow, and the same
/// ones are there once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Arc<[BrokerId]>,
    /// The log directory of each replica, in the order of `replicas`; reserved ids say why there is none ([`directory_id`]).
    pub directories: Arc<[Uuid]>,
    /// The replicas that count for the high watermark.
    pub isr: Arc<[BrokerId]>,
    /// None where all of these lists are empty, as of most partitions.
    unusual: Option<Box<UnusualReplicas>>,
    /// Who leads, or [`BrokerId::NONE`].
    pub leader: BrokerId,
    /// Whether the leader was elected cleanly.
    pub leader_recovery_state: RecoveryState,
    /// Grows with every change of the leader.
    pub leader_epoch: LeaderEpoch,
    /// Grows with every change of the partition.
    pub partition_epoch: i32,
}

/// Replicas of a partition with which something is under way.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UnusualReplicas {
    /// Those that a reassignment removes.
    pub removing: Box<[BrokerId]>,
    /// Those that a reassignment adds.
    pub adding: Box<[BrokerId]>,
    /// Those outside the ISR that may still be elected without loss (KIP-966).
    pub eligible_leaders: Box<[BrokerId]>,
    /// The last members of an ISR that became empty (KIP-966).
    pub last_known_eligible_leaders: Box<[BrokerId]>,
}

impl Partition {
    /// Replicas with which something is under way.
    #[must_use]
    pub fn unusual(&self) -> UnusualReplicas {
        self.unusual.as_deref().cloned().unwrap_or_default()
    }

    pub(crate) fn set_unusual(&mut self, replicas: UnusualReplicas) {
        self.unusual = (!replicas.is_empty()).then(|| Box::new(replicas));
    }

    /// A partition on `replicas`, in `directories`, with nothing under way.
    pub(crate) fn new(
        replicas: Arc<[BrokerId]>,
        directories: Arc<[Uuid]>,
        isr: Arc<[BrokerId]>,
        leader: BrokerId,
    ) -> Self {
        let (leader_recovery_state, leader_epoch) = (RecoveryState::Recovered, LeaderEpoch(0));
        let (unusual, partition_epoch) = (None, 0);
        Self { replicas, directories, isr, unusual, leader, leader_recovery_state, leader_epoch, partition_epoch }
    }

    /// True while a reassignment is under way.
    #[must_use]
    pub fn is_reassigning(&self) -> bool {
        self.unusual.as_ref().is_some_and(|replicas| !replicas.removing.is_empty() || !replicas.adding.is_empty())
    }

    /// Those that a reassignment adds.
    #[must_use]
    pub fn adding(&self) -> &[BrokerId] {
        self.unusual.as_ref().map_or(&[], |unusual| &unusual.adding)
    }

    /// Those outside the ISR that may still be elected without loss.
    #[must_use]
    pub fn eligible_leaders(&self) -> &[BrokerId] {
        self.unusual.as_ref().map_or(&[], |unusual| &unusual.eligible_leaders)
    }

    /// True when somebody leads it.
    #[must_use]
    pub fn has_leader(&self) -> bool {
        self.leader != BrokerId::NONE
    }

    /// True when its first replica leads it.
    #[must_use]
    pub fn has_preferred_leader(&self) -> bool {
        self.replicas.first().is_some_and(|&preferred| preferred == self.leader)
    }

    /// Takes the lists of `other` that are the same: mostly partitions that follow each other lie on the same brokers, or all
    /// replicas are in sync.
    fn share(&mut self, other: Option<&Self>) {
        fn share<T: PartialEq>(list: &mut Arc<[T]>, with: &Arc<[T]>) {
            if list == with {
                *list = Arc::clone(with);
            }
        }
        if let Some(other) = other {
            share(&mut self.replicas, &other.replicas);
            share(&mut self.directories, &other.directories);
        }
        share(&mut self.isr, &self.replicas);
    }

    /// Once all replicas are in sync again there is one list of them again.
    fn share_isr(&mut self) {
        if self.isr == self.replicas {
            self.isr = Arc::clone(&self.replicas);
        }
    }

    /// The directory that holds the replica of `broker`, if it has one and it is assigned.
    #[must_use]
    pub fn directory(&self, broker: BrokerId) -> Option<Uuid> {
        Some(self.noted_directory(broker)).filter(|&directory| !directory_id::is_reserved(directory))
    }

    /// What is known of where the replica of `broker` lies: a directory, or an id that says why there is none ([`directory_id`]).
    #[must_use]
    pub fn noted_directory(&self, broker: BrokerId) -> Uuid {
        let position = self.replicas.iter().position(|&replica| replica == broker);
        position.and_then(|position| self.directories.get(position)).copied().unwrap_or(directory_id::UNASSIGNED)
    }

    /// What it adds to the hash of the image. Field by field, as there may be very many of them; in the order of its record.
    fn hash(&self, topic_id: Uuid, id: PartitionId) -> u64 {
        let mut hash = ItemHash::new(3);
        hash.bytes(&topic_id.0);
        hash.number(bits(id));
        hash.number(bits(self.leader.0));
        hash.number(bits(self.leader_epoch.0));
        hash.number(bits(self.partition_epoch));
        hash.number(u64::from(self.leader_recovery_state == RecoveryState::Recovering));
        let mut ids = |list: &[BrokerId]| {
            hash.number(list.len() as u64);
            list.iter().for_each(|id| hash.number(bits(id.0)));
        };
        ids(&self.replicas);
        ids(&self.isr);
        if let Some(unusual) = &self.unusual {
            ids(&unusual.removing);
            ids(&unusual.adding);
            ids(&unusual.eligible_leaders);
            ids(&unusual.last_known_eligible_leaders);
        }
        self.directories.iter().for_each(|directory| hash.bytes(&directory.0));
        hash.finish()
    }
}

fn bits(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

impl UnusualReplicas {
    fn is_empty(&self) -> bool {
        [&self.removing, &self.adding, &self.eligible_leaders, &self.last_known_eligible_leaders]
            .into_iter()
            .all(|list| list.is_empty())
    }
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub id: Uuid,
    /// Its partitions by number.
    pub partitions: OrdMap<PartitionId, Arc<Partition>>,
    /// What its partitions add to the hash of the image.
    partitions_hash: SetHash,
}

impl Topic {
    fn own_hash(&self) -> u64 {
        record_hash(&snapshot::topic(self))
    }
}

/// All topics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topics {
    by_id: OrdMap<Uuid, Arc<Topic>>,
    by_name: OrdMap<Arc<str>, Uuid>,
    /// Names that hold `.` or `_`, under the name with every `.` made `_`: metrics cannot tell such names apart.
    colliding: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    hash: SetHash,
}

impl Topics {
    /// The topic with `id`.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// The topic called `name`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// A partition by its topic's id.
    #[must_use]
    pub fn partition(&self, key: TopicIdPartition) -> Option<&Arc<Partition>> {
        self.get(key.topic_id)?.partitions.get(&key.partition)
    }

    /// All topics, ordered by name.
    pub fn by_name(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values().filter_map(|id| self.by_id.get(id))
    }

    /// The topics whose names are `from` or follow it, ordered by name.
    pub fn by_name_from(&self, from: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name
            .range::<_, str>((std::ops::Bound::Included(from), std::ops::Bound::Unbounded))
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when there is no topic.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// An existing topic whose name differs from `name` only in `.` against `_`.
    #[must_use]
    pub fn collision(&self, name: &str) -> Option<&Arc<str>> {
        self.colliding.get(collision_key(name)?.as_str())?.iter().find(|existing| existing.as_ref() != name)
    }

    /// The topics by id, for [`Delta`](crate::Delta).
    pub(crate) fn by_id(&self) -> &OrdMap<Uuid, Arc<Topic>> {
        &self.by_id
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    pub(crate) fn insert(&mut self, name: Arc<str>, id: Uuid) {
        if let Some(key) = collision_key(&name) {
            self.colliding.entry(key.into()).or_default().insert(Arc::clone(&name));
        }
        self.by_name.insert(Arc::clone(&name), id);
        let topic = Topic { name, id, partitions: OrdMap::new(), partitions_hash: SetHash::default() };
        self.hash.add(topic.own_hash());
        self.by_id.insert(id, Arc::new(topic));
    }

    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<Topic>> {
        let topic = self.by_id.remove(&id)?;
        self.hash.remove(topic.own_hash());
        self.hash.remove(topic.partitions_hash.value());
        self.by_name.remove(&topic.name);
        if let Some(key) = collision_key(&topic.name)
            && let Some(names) = self.colliding.get_mut(key.as_str())
        {
            names.remove(&topic.name);
            if names.is_empty() {
                self.colliding.remove(key.as_str());
            }
        }
        Some(topic)
    }

    /// Changes a partition where it is; it is copied first if another image shares it. Returns false when there is none.
    pub(crate) fn change_partition(&mut self, key: TopicIdPartition, change: impl FnOnce(&mut Partition)) -> bool {
        let Some(topic) = self.by_id.get_mut(&key.topic_id) else { return false };
        // Looked for first: who changes nothing copies nothing.
        if !topic.partitions.contains_key(&key.partition) {
            return false;
        }
        let topic = Arc::make_mut(topic);
        let Some(partition) = topic.partitions.get_mut(&key.partition) else { return false };
        let before = partition.hash(key.topic_id, key.partition);
        let partition = Arc::make_mut(partition);
        change(partition);
        partition.share_isr();
        let after = partition.hash(key.topic_id, key.partition);
        for hash in [&mut topic.partitions_hash, &mut self.hash] {
            hash.remove(before);
            hash.add(after);
        }
        true
    }

    /// Adds a partition, or puts it in the place of the one with its number. Returns false when there is no such topic.
    pub(crate) fn insert_partition(&mut self, key: TopicIdPartition, mut partition: Partition) -> bool {
        let Some(topic) = self.by_id.get_mut(&key.topic_id) else { return false };
        let topic = Arc::make_mut(topic);
        let neighbour = key.partition.checked_sub(1).and_then(|before| topic.partitions.get(&before));
        partition.share(neighbour.map(AsRef::as_ref));
        let hash = partition.hash(key.topic_id, key.partition);
        let replaced = topic.partitions.insert(key.partition, Arc::new(partition));
        let replaced = replaced.map_or(0, |before| before.hash(key.topic_id, key.partition));
        for sum in [&mut topic.partitions_hash, &mut self.hash] {
            sum.remove(replaced);
            sum.add(hash);
        }
        true
    }

    /// The ids of all topics, ordered.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Uuid> + use<'_> {
        self.by_id.keys().copied()
    }
}

/// The name with every `.` made `_`, for names that hold either.
fn collision_key(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Topics {
        let mut topics = Topics::default();
        for (id, name) in (1..).zip(names) {
            topics.insert((*name).into(), Uuid::from_u128(id));
        }
        topics
    }

    #[test]
    fn names_that_metrics_cannot_tell_apart_collide_until_one_is_removed() {
        let mut topics = topics(&["a.b", "plain"]);
        assert_eq!(topics.collision("a_b").map(AsRef::as_ref), Some("a.b"));
        assert_eq!(topics.collision("a.b"), None, "a name does not collide with itself");
        assert_eq!(topics.collision("plain"), None);
        topics.remove(Uuid::from_u128(1));
        assert_eq!(topics.collision("a_b"), None);
    }

    #[test]
    fn topics_are_listed_by_name_from_a_cursor() {
        let topics = topics(&["c", "a", "b"]);
        let names: Vec<_> = topics.by_name_from("b").map(|topic| topic.name.to_string()).collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(topics.by_name().count(), 3);
    }

    fn partition_on(brokers: [i32; 2]) -> Partition {
        let brokers = brokers.map(BrokerId);
        Partition::new(brokers.into(), Arc::default(), brokers.into(), brokers[0])
    }

    #[test]
    fn partitions_on_the_same_brokers_have_one_list_of_them_in_memory() {
        let topic_id = Uuid::from_u128(1);
        let mut topics = topics(&["t"]);
        for (partition, brokers) in (0..).zip([[1, 2], [1, 2], [2, 1]]) {
            assert!(topics.insert_partition(TopicIdPartition { topic_id, partition }, partition_on(brokers)));
        }
        let at = |partition| topics.partition(TopicIdPartition { topic_id, partition }).unwrap();
        assert!(Arc::ptr_eq(&at(0).replicas, &at(1).replicas) && Arc::ptr_eq(&at(1).replicas, &at(1).isr));
        assert_eq!(*at(2).replicas, [BrokerId(2), BrokerId(1)]);
        assert!(Arc::ptr_eq(&at(2).replicas, &at(2).isr));
    }

    #[test]
    fn a_partition_changed_in_one_image_stays_as_it_was_in_a_copy() {
        let key = TopicIdPartition { topic_id: Uuid::from_u128(1), partition: 0 };
        let mut now = topics(&["t"]);
        now.insert_partition(key, partition_on([1, 2]));
        let before = now.clone();
        assert!(now.change_partition(key, |partition| partition.partition_epoch = 7));
        assert_eq!(
            (before.partition(key).unwrap().partition_epoch, now.partition(key).unwrap().partition_epoch),
            (0, 7)
        );
        assert!(!now.change_partition(TopicIdPartition { partition: 1, ..key }, |_| unreachable!("there is none")));
        assert_ne!(before.hash(), now.hash());
    }

    #[test]
    fn a_reassignment_is_replayed_from_a_snapshot_and_takes_memory_while_it_lasts() {
        use barnabas_protocol::records::metadata::MetadataRecord;

        let topic_id = Uuid::from_u128(1);
        let key = TopicIdPartition { topic_id, partition: 0 };
        let mut partition = partition_on([1, 2]);
        let unusual = UnusualReplicas { adding: [BrokerId(3)].into(), ..UnusualReplicas::default() };
        partition.set_unusual(unusual.clone());
        let record = crate::snapshot::partition(topic_id, 0, &partition);
        let mut image = crate::Image { topics: topics(&["t"]), ..crate::Image::default() };
        image.replay(&MetadataRecord::Partition(record)).unwrap();
        let replayed = Arc::clone(image.topics.partition(key).unwrap());
        assert!(replayed.is_reassigning());
        assert_eq!(replayed.unusual(), unusual);
        assert!(image.topics.change_partition(key, |partition| partition.set_unusual(UnusualReplicas::default())));
        let replayed = image.topics.partition(key).unwrap();
        assert!(replayed.unusual.is_none() && !replayed.is_reassigning());
    }

    #[test]
    fn a_copy_keeps_what_the_original_loses() {
        let mut now = topics(&["a"]);
        let before = now.clone();
        now.remove(Uuid::from_u128(1));
        assert!(now.named("a").is_none() && before.named("a").is_some());
    }
}

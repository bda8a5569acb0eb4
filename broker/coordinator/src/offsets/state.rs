//! The offsets of one shard's groups, as their records say. Decides nothing: it changes only by replay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barnabas_protocol::records::coordinator::{OffsetCommitKey, OffsetCommitValue};
use barnabas_types::{ProducerId, Timestamp, Uuid};
use serde::{Deserialize, Serialize};

use crate::record::{Record, offset_tombstone};

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The offset of the next record to consume.
    pub offset: i64,
    /// The leader epoch of the last record consumed; -1 if unknown.
    pub leader_epoch: i32,
    /// Whatever the client wants to keep with it.
    pub metadata: Box<str>,
    /// When it was committed.
    pub commit_timestamp: Timestamp,
    /// When it expires, if its client was old enough to say so.
    pub expire_timestamp: Option<Timestamp>,
    /// The topic's id, or zero if the client knew only its name.
    pub topic_id: Uuid,
    /// Which of two commits is the later one in the log.
    sequence: u64,
}

/// One topic's partitions.
pub(crate) type Partitions = BTreeMap<i32, Committed>;
/// One group's topics.
pub(crate) type Topics = BTreeMap<Arc<str>, Partitions>;
/// Group, topic, partition.
pub(crate) type Key = (Arc<str>, Arc<str>, i32);

/// All committed offsets, and those that a transaction has yet to commit.
#[derive(Debug, Default)]
pub struct Offsets {
    by_group: BTreeMap<Arc<str>, Topics>,
    count: usize,
    replayed: u64,
    pending: BTreeMap<ProducerId, BTreeMap<Key, Committed>>,
    open: BTreeMap<Key, BTreeSet<ProducerId>>,
}

impl Offsets {
    /// How many offsets are committed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if no offset is committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn of_group(&self, group_id: &str) -> Option<&Topics> {
        self.by_group.get(group_id)
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Topics)> {
        self.by_group.iter()
    }

    /// True if the outcome of a transaction may change this offset.
    pub(crate) fn is_unstable(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        // Almost always there is no open transaction, and no key need be made.
        !self.open.is_empty() && self.open.contains_key(&(group_id.into(), topic.into(), partition))
    }

    /// Where the next commit is in the log, so that of two the later one is known.
    pub(crate) const fn replayed(&self) -> u64 {
        self.replayed
    }

    pub(crate) const fn set_replayed(&mut self, replayed: u64) {
        self.replayed = replayed;
    }

    /// What a group has in open transactions.
    pub(crate) fn pending_of<'a>(
        &'a self,
        group_id: &'a str,
    ) -> impl Iterator<Item = (ProducerId, &'a Key, &'a Committed)> {
        let of_group = move |pending: &'a BTreeMap<Key, Committed>| {
            pending.iter().filter(move |((group, _, _), _)| &**group == group_id)
        };
        self.pending
            .iter()
            .flat_map(move |(producer, pending)| of_group(pending).map(|(key, found)| (*producer, key, found)))
    }

    /// Puts these in the place of everything that the group has.
    pub(crate) fn replace(
        &mut self,
        group_id: &Arc<str>,
        topics: Topics,
        pending: Vec<(ProducerId, Arc<str>, i32, Committed)>,
    ) {
        let count = |topics: &Topics| topics.values().map(BTreeMap::len).sum::<usize>();
        self.count += count(&topics);
        let before = if topics.is_empty() {
            self.by_group.remove(group_id)
        } else {
            self.by_group.insert(Arc::clone(group_id), topics)
        };
        self.count -= before.as_ref().map_or(0, count);
        self.open.retain(|(group, _, _), _| group != group_id);
        self.pending.values_mut().for_each(|pending| pending.retain(|(group, _, _), _| group != group_id));
        self.pending.retain(|_, pending| !pending.is_empty());
        for (producer, topic, partition, committed) in pending {
            let key: Key = (Arc::clone(group_id), topic, partition);
            self.open.entry(key.clone()).or_default().insert(producer);
            self.pending.entry(producer).or_default().insert(key, committed);
        }
    }

    /// Every group that has an offset, committed or in an open transaction.
    pub(crate) fn group_ids(&self) -> BTreeSet<&Arc<str>> {
        self.by_group.keys().chain(self.open.keys().map(|(group, _, _)| group)).collect()
    }

    pub(crate) fn has_open_transactions(&self, group_id: &str) -> bool {
        self.open_of(group_id).next().is_some()
    }

    fn open_of<'a>(&'a self, group_id: &'a str) -> impl Iterator<Item = &'a Key> {
        let first: Key = (group_id.into(), "".into(), i32::MIN);
        self.open.range(first..).map(|(key, _)| key).take_while(move |(group, _, _)| &**group == group_id)
    }

    /// Tombstones for everything that the group has committed or has in an open transaction.
    pub(crate) fn tombstones_of(&self, group_id: &str) -> Vec<Record> {
        let committed = self.of_group(group_id).into_iter().flatten();
        let mut keys: BTreeSet<(&str, i32)> = committed
            .flat_map(|(topic, partitions)| partitions.keys().map(|partition| (&**topic, *partition)))
            .collect();
        keys.extend(self.open_of(group_id).map(|(_, topic, partition)| (&**topic, *partition)));
        keys.into_iter().map(|(topic, partition)| offset_tombstone(group_id, topic, partition)).collect()
    }

    /// Every partition of the topic that a group has an offset for, committed or in an open transaction.
    pub(crate) fn open_partitions<'a>(
        &'a self,
        topic: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<str>, i32, &'a Committed)> {
        let pending = self.pending.values().flatten();
        pending
            .filter(move |((_, name, _), _)| &**name == topic)
            .map(|((group, _, partition), committed)| (group, *partition, committed))
    }

    pub(crate) fn replay_commit(
        &mut self,
        key: &OffsetCommitKey<'_>,
        value: &OffsetCommitValue<'_>,
        producer_id: ProducerId,
    ) {
        self.replayed += 1;
        let some = |timestamp| Some(Timestamp(timestamp)).filter(|timestamp| *timestamp != Timestamp::NONE);
        let committed = Committed {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: (&*value.metadata).into(),
            commit_timestamp: Timestamp(value.commit_timestamp),
            expire_timestamp: some(value.expire_timestamp),
            topic_id: value.topic_id,
            sequence: self.replayed,
        };
        let key: Key = (key.group.as_ref().into(), key.topic.as_ref().into(), key.partition);
        if producer_id == ProducerId::NONE {
            self.put(key, committed);
        } else {
            self.open.entry(key.clone()).or_default().insert(producer_id);
            self.pending.entry(producer_id).or_default().insert(key, committed);
        }
    }

    pub(crate) fn replay_tombstone(&mut self, key: &OffsetCommitKey<'_>) {
        if let Some(topics) = self.by_group.get_mut(key.group.as_ref()) {
            if let Some(partitions) = topics.get_mut(key.topic.as_ref()) {
                self.count -= usize::from(partitions.remove(&key.partition).is_some());
                if partitions.is_empty() {
                    topics.remove(key.topic.as_ref());
                }
            }
            if topics.is_empty() {
                self.by_group.remove(key.group.as_ref());
            }
        }
        let key: Key = (key.group.as_ref().into(), key.topic.as_ref().into(), key.partition);
        for producer_id in self.open.remove(&key).into_iter().flatten() {
            if let Some(pending) = self.pending.get_mut(&producer_id) {
                pending.remove(&key);
            }
        }
    }

    /// The later of a transaction's commit and a plain one stays, by where they are in the log.
    pub(crate) fn replay_transaction_end(&mut self, producer_id: ProducerId, committed: bool) {
        for (key, pending) in self.pending.remove(&producer_id).into_iter().flatten() {
            if let Some(producers) = self.open.get_mut(&key) {
                producers.remove(&producer_id);
                if producers.is_empty() {
                    self.open.remove(&key);
                }
            }
            let existing = self.by_group.get(&key.0).and_then(|topics| topics.get(&key.1)?.get(&key.2));
            if committed && existing.is_none_or(|existing| existing.sequence < pending.sequence) {
                self.put(key, pending);
            }
        }
    }

    fn put(&mut self, (group_id, topic, partition): Key, committed: Committed) {
        let partitions = self.by_group.entry(group_id).or_default().entry(topic).or_default();
        self.count += usize::from(partitions.insert(partition, committed).is_none());
    }
}

//! What a broker tells the controller of the directories in which its replicas lie (KIP-858), and when: gathered for a moment, one request at
//! a time, again after an error. What the metadata says already is not told. Knows no disk and connects to nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use crate::record_version::DIRECTORY_ASSIGNMENT;
use crate::{Image, directory_id};

/// Replicas that one request names at most, as Kafka's.
const MOST_AT_ONCE: usize = 2250;
/// How long others are waited for that come at the same time.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// After several failures.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Far beyond `LONGEST_WAIT`.
const MOST_DOUBLINGS: u32 = 16;

/// Where the log of a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaPlace {
    /// In that directory.
    In(Uuid),
    /// It does not open while a directory is offline: it may be there.
    Missing,
}

/// What one broker still has to tell.
#[derive(Debug)]
pub struct DirectoryReports {
    broker: BrokerId,
    ready: BTreeMap<TopicIdPartition, ReplicaPlace>,
    /// What the controller is being told.
    in_flight: BTreeMap<TopicIdPartition, ReplicaPlace>,
    /// When the next request is due, by the monotonic clock.
    due: Option<Duration>,
    /// Requests that did not tell all they should, one after the other.
    failures: u32,
}

impl DirectoryReports {
    /// Nothing yet, of `broker`.
    #[must_use]
    pub const fn new(broker: BrokerId) -> Self {
        Self { broker, ready: BTreeMap::new(), in_flight: BTreeMap::new(), due: None, failures: 0 }
    }

    /// The replica lies there, and `image` is in force.
    pub fn noticed(&mut self, image: &Image, key: TopicIdPartition, place: ReplicaPlace, now: Duration) {
        // What the registration says counts when it is told: at a start, that of the process before is in force.
        let is_known = place != ReplicaPlace::Missing && self.to_tell(image, key, place).is_none();
        if is_known || self.in_flight.get(&key) == Some(&place) {
            self.ready.remove(&key);
            return;
        }
        self.ready.insert(key, place);
        self.schedule(now);
    }

    /// What the controller is to be told now, by directory; nothing while it has not answered what it was told before.
    pub fn next_request(&mut self, image: &Image, now: Duration) -> Vec<(Uuid, TopicIdPartition)> {
        if !self.in_flight.is_empty() || self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.due = None;
        let mut told = Vec::new();
        while told.len() < MOST_AT_ONCE
            && let Some((key, place)) = self.ready.pop_first()
        {
            if let Some(directory) = self.to_tell(image, key, place) {
                self.in_flight.insert(key, place);
                told.push((directory, key));
            }
        }
        told.sort_unstable();
        told
    }

    /// The controller has noted `done`, and nothing else of what it was told. Returns how many replicas that leaves out.
    pub fn answered(&mut self, done: &BTreeSet<TopicIdPartition>, now: Duration) -> usize {
        let mut left_out = 0;
        for (key, place) in std::mem::take(&mut self.in_flight) {
            if !done.contains(&key) {
                left_out += 1;
                // What was noticed meanwhile is newer.
                self.ready.entry(key).or_insert(place);
            }
        }
        self.failures = if left_out == 0 { 0 } else { self.failures.saturating_add(1) };
        self.due = None;
        if !self.ready.is_empty() {
            self.schedule(now);
        }
        left_out
    }

    /// When [`DirectoryReports::next_request`] has something to say if nothing else happens before; in time of the monotonic clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.due.filter(|_| self.in_flight.is_empty())
    }

    /// How many replicas the controller does not know the directory of yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ready.len() + self.in_flight.len()
    }

    /// True when it knows all of them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn schedule(&mut self, now: Duration) {
        let is_many = self.ready.len() >= MOST_AT_ONCE && self.failures == 0;
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.min(MOST_DOUBLINGS));
        let wait = if is_many { Duration::ZERO } else { doubled.min(LONGEST_WAIT) };
        let due = now.saturating_add(wait);
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    /// The directory that the controller is to note; none where that is noted, or where the replica is none of this broker's any more.
    fn to_tell(&self, image: &Image, key: TopicIdPartition, place: ReplicaPlace) -> Option<Uuid> {
        if image.features.metadata_version() < DIRECTORY_ASSIGNMENT {
            return None;
        }
        let partition = image.topics.partition(key)?;
        if !partition.replicas.contains(&self.broker) {
            return None;
        }
        let noted = partition.noted_directory(self.broker);
        let is_online = image.brokers.get(self.broker).is_some_and(|own| own.has_online(noted));
        match place {
            ReplicaPlace::In(directory) => (noted != directory).then_some(directory),
            // Of a directory that is known to be offline the controller expects nothing.
            ReplicaPlace::Missing => is_online.then_some(directory_id::LOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::records::metadata::{
        FeatureLevelRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord,
    };

    use super::*;
    use crate::{MAX_METADATA_VERSION, METADATA_VERSION};

    const TOPIC: Uuid = Uuid::from_u128(500 << 64 | 1);
    const DISK: Uuid = Uuid::from_u128(200 << 64 | 1);
    const OTHER_DISK: Uuid = Uuid::from_u128(201 << 64 | 1);
    const FAILED_DISK: Uuid = Uuid::from_u128(202 << 64 | 1);
    const START: Duration = Duration::from_secs(1000);

    fn key(partition: i32) -> TopicIdPartition {
        TopicIdPartition { topic_id: TOPIC, partition }
    }

    fn replay(image: &mut Image, record: impl Into<MetadataRecord<'static>>) {
        image.replay(&record.into()).unwrap();
    }

    /// Broker 1 with two directories, and `partitions` of which nobody has said where they lie on it.
    fn image(partitions: i32) -> Image {
        let mut image = Image::default();
        let level = |feature_level| FeatureLevelRecord {
            name: METADATA_VERSION.into(),
            feature_level,
            ..FeatureLevelRecord::default()
        };
        replay(&mut image, level(MAX_METADATA_VERSION));
        let log_dirs = vec![DISK, OTHER_DISK];
        replay(&mut image, RegisterBrokerRecord { broker_id: 1, broker_epoch: 5, log_dirs, ..Default::default() });
        replay(&mut image, TopicRecord { name: "a".into(), topic_id: TOPIC, ..Default::default() });
        for partition_id in 0..partitions {
            let record = PartitionRecord {
                partition_id,
                topic_id: TOPIC,
                replicas: vec![2, 1],
                isr: vec![2, 1],
                leader: 2,
                directories: vec![DISK, directory_id::UNASSIGNED],
                ..Default::default()
            };
            replay(&mut image, record);
        }
        image
    }

    fn note(image: &mut Image, partition_id: i32, directory: Uuid) {
        let directories = Some(vec![DISK, directory]);
        let (topic_id, leader) = (TOPIC, -2);
        replay(image, PartitionChangeRecord { topic_id, partition_id, leader, directories, ..Default::default() });
    }

    fn reports() -> DirectoryReports {
        DirectoryReports::new(BrokerId(1))
    }

    #[test]
    fn what_comes_within_a_moment_is_told_together_and_what_the_metadata_says_is_not_told() {
        let mut image = image(3);
        note(&mut image, 1, DISK);
        let mut reports = reports();
        for (partition, directory) in [(0, OTHER_DISK), (1, DISK), (2, DISK)] {
            reports.noticed(&image, key(partition), ReplicaPlace::In(directory), START);
        }
        assert_eq!((reports.len(), reports.next_deadline()), (2, Some(START + FIRST_WAIT)));
        assert_eq!(reports.next_request(&image, START), []);
        let told = reports.next_request(&image, START + FIRST_WAIT);
        assert_eq!(told, [(DISK, key(2)), (OTHER_DISK, key(0))]);
        assert_eq!(reports.next_deadline(), None, "one request at a time");
        assert_eq!(reports.answered(&[key(0), key(2)].into(), START + FIRST_WAIT), 0);
        assert!(reports.is_empty() && reports.next_deadline().is_none());
    }

    #[test]
    fn what_was_not_noted_is_told_again_after_longer_and_longer() {
        let image = image(1);
        let (mut reports, mut now) = (reports(), START);
        reports.noticed(&image, key(0), ReplicaPlace::In(DISK), now);
        for wait_ms in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            assert_eq!(reports.next_deadline(), Some(now + Duration::from_millis(wait_ms)));
            now += Duration::from_millis(wait_ms);
            assert_eq!(reports.next_request(&image, now), [(DISK, key(0))]);
            assert_eq!(reports.answered(&BTreeSet::new(), now), 1);
        }
        now = reports.next_deadline().unwrap();
        assert_eq!(reports.next_request(&image, now).len(), 1);
        assert_eq!(reports.answered(&[key(0)].into(), now), 0);
        reports.noticed(&image, key(0), ReplicaPlace::In(DISK), now);
        assert_eq!(reports.next_deadline(), Some(now + FIRST_WAIT), "the failures are forgotten");
    }

    #[test]
    fn where_a_replica_lies_now_counts_and_not_where_it_lay_when_it_was_told() {
        let mut image = image(2);
        let (mut reports, at) = (reports(), START + FIRST_WAIT);
        reports.noticed(&image, key(0), ReplicaPlace::In(DISK), START);
        assert_eq!(reports.next_request(&image, at), [(DISK, key(0))]);
        reports.noticed(&image, key(0), ReplicaPlace::In(DISK), at);
        assert_eq!(reports.len(), 1, "that is being told");
        reports.noticed(&image, key(0), ReplicaPlace::In(OTHER_DISK), at);
        assert_eq!(reports.next_request(&image, at + LONGEST_WAIT), [], "one request at a time");
        reports.answered(&BTreeSet::new(), at);
        let at = reports.next_deadline().unwrap();
        assert_eq!(reports.next_request(&image, at), [(OTHER_DISK, key(0))]);
        reports.answered(&BTreeSet::new(), at);
        note(&mut image, 0, OTHER_DISK);
        assert_eq!(reports.next_request(&image, at + LONGEST_WAIT), [], "the answer was lost, and it is noted");
        assert!(reports.is_empty());
    }

    #[test]
    fn a_request_names_no_more_than_kafkas_and_the_next_follows_it_at_once() {
        let partitions = i32::try_from(MOST_AT_ONCE * 2 + 1).unwrap();
        let (image, mut reports) = (image(partitions), reports());
        for partition in 0..partitions {
            reports.noticed(&image, key(partition), ReplicaPlace::In(DISK), START);
        }
        for (expected, wait) in [(MOST_AT_ONCE, Duration::ZERO), (MOST_AT_ONCE, Duration::ZERO), (1, FIRST_WAIT)] {
            let told = reports.next_request(&image, START + wait);
            assert_eq!(told.len(), expected);
            reports.answered(&told.into_iter().map(|(_, key)| key).collect(), START);
        }
        assert!(reports.is_empty());
    }

    #[test]
    fn a_replica_that_is_gone_and_a_level_without_directories_are_not_told_of() {
        let mut reports = reports();
        reports.noticed(&image(2), key(1), ReplicaPlace::In(DISK), START);
        assert_eq!(reports.next_request(&image(1), START + FIRST_WAIT), []);
        assert!(reports.is_empty());
        let mut old = image(1);
        let (name, feature_level) = (METADATA_VERSION.into(), DIRECTORY_ASSIGNMENT - 1);
        replay(&mut old, FeatureLevelRecord { name, feature_level, ..Default::default() });
        reports.noticed(&old, key(0), ReplicaPlace::In(DISK), START);
        assert!(reports.is_empty());
    }

    #[test]
    fn a_replica_that_is_missing_is_lost_unless_its_directory_is_known_to_be_offline() {
        for (noted, told) in [
            (directory_id::UNASSIGNED, Some(directory_id::LOST)),
            (directory_id::MIGRATING, Some(directory_id::LOST)),
            (DISK, Some(directory_id::LOST)),
            (FAILED_DISK, None),
            (directory_id::LOST, None),
        ] {
            let (mut image, mut reports) = (image(1), reports());
            note(&mut image, 0, noted);
            reports.noticed(&image, key(0), ReplicaPlace::Missing, START);
            let request = reports.next_request(&image, START + FIRST_WAIT);
            assert_eq!(request.first().map(|(directory, _)| *directory), told, "{noted}");
        }
    }
}

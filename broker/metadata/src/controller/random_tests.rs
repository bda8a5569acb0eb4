//! Random decisions, one after the other: what must always hold of the metadata holds after each. A seed repeats a run.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barnabas_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use barnabas_types::BrokerId;

use super::tests::{ControllerContext, topic};
use super::*;
use crate::{ConfigResource, Delta, Topic};

const BROKERS: i32 = 4;
/// Two of them collide.
const NAMES: [&str; 5] = ["a", "b.c", "b_c", "d", "e"];

/// Numbers that a seed repeats (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len() as u64) as usize]
    }

    fn broker(&mut self) -> i32 {
        1 + self.below(BROKERS as u64) as i32
    }
}

/// One decision, whichever; its records are applied.
fn step(context: &mut ControllerContext, numbers: &mut Numbers, incarnation: u128) {
    let name = numbers.name();
    let records = match numbers.below(7) {
        0 | 1 => {
            let (partitions, replicas) = (1 + numbers.below(4) as i32, 1 + numbers.below(3) as i16);
            context.create(vec![topic(name, partitions, replicas)]);
            return;
        }
        2 => context.controller.delete_topics(&[TopicSelector::Name(name.into())]).records,
        3 => {
            let count = 1 + numbers.below(8) as i32;
            let grown =
                CreatePartitionsTopic { name: Cow::Borrowed(name), count, assignments: None, ..Default::default() };
            let request = CreatePartitionsRequest { topics: vec![grown], ..Default::default() };
            context.decide(|controller, decision| controller.create_partitions(decision, &request)).records
        }
        4 => {
            let value = numbers.below(3).to_string();
            let operation = if value == "0" { ConfigOperation::Delete } else { ConfigOperation::Set(&value) };
            let resource = ConfigResource::topic(name);
            let altered = context.decide(|controller, decision| {
                controller.incremental_alter_configs(decision, &resource, &[("good", operation)])
            });
            altered.map(|outcome| outcome.records).unwrap_or_default()
        }
        5 => {
            context.fence(numbers.broker());
            return;
        }
        _ => {
            context.start_broker(numbers.broker(), incarnation);
            return;
        }
    };
    context.apply(&records);
}

/// The image read from its own snapshot is the same, and has the same hash, whatever the way to it was.
fn check_snapshot(image: &Image) {
    let mut read = Image::default();
    for record in crate::snapshot::records(image) {
        read.replay(&record).unwrap();
    }
    assert_eq!((&read, read.hash()), (image, image.hash()));
}

fn check(image: &Image) {
    let mut keys = BTreeSet::new();
    for topic in image.topics.by_name() {
        assert_eq!(image.topics.get(topic.id), Some(topic), "the two indexes differ");
        assert!(keys.insert(topic.name.replace('.', "_")), "{} collides", topic.name);
        assert!(topic.partitions.keys().copied().eq(0..topic.partitions.len() as i32), "{} has a gap", topic.name);
        for partition in topic.partitions.values() {
            let leads = partition.leader;
            assert!(!partition.isr.is_empty(), "an ISR is empty: {partition:?}");
            assert!(partition.isr.iter().all(|member| partition.replicas.contains(member)), "{partition:?}");
            assert!(
                leads == BrokerId::NONE || partition.isr.contains(&leads),
                "led from outside the ISR: {partition:?}"
            );
            assert!(leads == BrokerId::NONE || image.brokers.is_active(leads), "led by a fenced broker: {partition:?}");
            assert_eq!(partition.replicas.len(), partition.directories.len());
        }
    }
    assert_eq!(image.topics.len(), keys.len());
    for (resource, _) in image.configs.iter() {
        assert!(image.topics.named(&resource.name).is_some(), "{resource} is gone and its configuration is not");
    }
}

/// Epochs of partitions that live on never go back, and a new leader has a new epoch.
fn check_epochs(old: &Image, new: &Image) {
    for topic in old.topics.by_name() {
        let Some(now) = new.topics.get(topic.id) else { continue };
        for (id, before) in &topic.partitions {
            let after = &now.partitions[id];
            assert!(after.leader_epoch >= before.leader_epoch && after.partition_epoch >= before.partition_epoch);
            assert!(after.leader == before.leader || after.leader_epoch > before.leader_epoch, "{before:?} {after:?}");
            assert!(after == before || after.partition_epoch > before.partition_epoch, "{before:?} {after:?}");
        }
    }
}

/// What a follower of deltas knows is what the image says.
fn check_delta(known: &mut BTreeMap<Arc<str>, Arc<Topic>>, old: &Image, new: &Image) {
    let delta = Delta::between(old, new);
    for topic in &delta.removed_topics {
        assert_eq!(known.remove(&topic.name).map(|known| known.id), Some(topic.id));
    }
    for changed in &delta.changed_topics {
        let before = known.insert(Arc::clone(&changed.topic.name), Arc::clone(&changed.topic));
        assert_eq!(before.is_none(), changed.created);
        let same =
            |id: &i32| before.as_ref().and_then(|topic| topic.partitions.get(id)) == changed.topic.partitions.get(id);
        let different: Vec<_> = changed.topic.partitions.keys().filter(|id| !same(id)).copied().collect();
        assert_eq!(changed.partitions.iter().map(|(id, _)| *id).collect::<Vec<_>>(), different);
    }
    assert!(known.values().eq(new.topics.by_name()));
}

#[test]
fn whatever_is_decided_the_metadata_stays_sound() {
    for seed in 0..60 {
        println!("seed {seed}");
        let (mut numbers, mut context) = (Numbers(seed), ControllerContext::with_brokers(BROKERS));
        let mut known = BTreeMap::new();
        for number in 0..60 {
            let old = context.controller.head().clone();
            step(&mut context, &mut numbers, 1000 + number);
            let new = context.controller.head();
            check(new);
            check_snapshot(new);
            check_epochs(&old, new);
            check_delta(&mut known, &old, new);
        }
    }
}

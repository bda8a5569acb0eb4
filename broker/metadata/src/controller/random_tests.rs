//! Random decisions, one after the other: what must always hold of the metadata holds after each. A seed repeats a run.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barnabas_protocol::messages::alter_partition::{AlterPartitionRequest, BrokerState, PartitionData, TopicData};
use barnabas_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use barnabas_protocol::messages::elect_leaders::ElectLeadersRequest;
use barnabas_protocol::records::metadata::{FeatureLevelRecord, PartitionChangeRecord};
use barnabas_types::{BrokerId, TopicIdPartition};

use super::tests::{ControllerContext, SESSION, heartbeat, topic};
use super::*;
use crate::{ConfigResource, Delta, Partition, RecoveryState, Topic};

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
    match numbers.below(12) {
        0..=4 => change_topics(context, numbers),
        5 => context.fence(numbers.broker()),
        6 | 7 => restart(context, numbers, incarnation),
        8 => stop(context, numbers),
        9 => take_over(context),
        _ => change_partitions(context, numbers),
    }
}

/// A new process, with or without proof of what its predecessor has kept; one that may be heard of only later.
fn restart(context: &mut ControllerContext, numbers: &mut Numbers, incarnation: u128) {
    let broker = numbers.broker();
    let registered = context.controller.head().brokers.get(BrokerId(broker)).map_or(-1, |broker| broker.epoch);
    context.now += SESSION;
    let registration = Registration {
        previous_broker_epoch: if numbers.below(2) == 0 { registered } else { registered - 1 },
        ..ControllerContext::registration(broker, incarnation)
    };
    let epoch = context.register(registration).unwrap();
    if numbers.below(4) > 0 {
        context.beat(&heartbeat(broker, epoch, epoch));
    }
}

fn stop(context: &mut ControllerContext, numbers: &mut Numbers) {
    let broker = numbers.broker();
    let epoch = context.epoch(broker);
    let applied = context.next_offset();
    let before = led_by(context.controller.head(), broker);
    let (_, reply) = context.beat(&Heartbeat { want_shut_down: true, ..heartbeat(broker, epoch, applied) });
    let after = led_by(context.controller.head(), broker);
    assert!(after == 0 || reply.is_fenced, "{before} partitions led before, {after} after the handover");
}

fn led_by(image: &Image, broker: i32) -> usize {
    let partitions = image.topics.by_name().flat_map(|topic| topic.partitions.values());
    partitions.filter(|partition| partition.leader == BrokerId(broker)).count()
}

/// Another controller goes on with what is committed.
fn take_over(context: &mut ControllerContext) {
    context.controller = Controller::new(context.controller.head().clone());
    context.controller.activate(context.now, &PermitsBefore::since(context.now));
}

/// Any partition there is.
fn any_partition(context: &ControllerContext, numbers: &mut Numbers) -> Option<(TopicIdPartition, Partition)> {
    let topics = context.controller.head().topics.by_name();
    let all: Vec<_> =
        topics.flat_map(|topic| topic.partitions.iter().map(|(&id, partition)| (topic.id, id, partition))).collect();
    if all.is_empty() {
        return None;
    }
    let (topic_id, partition, state) = all[numbers.below(all.len() as u64) as usize];
    Some((TopicIdPartition { topic_id, partition }, state.as_ref().clone()))
}

/// What leaders, users and time do to partitions.
fn change_partitions(context: &mut ControllerContext, numbers: &mut Numbers) {
    let Some((key, partition)) = any_partition(context, numbers) else { return };
    let records = match numbers.below(6) {
        0 => {
            let request = ElectLeadersRequest { election_type: numbers.below(2) as i8, ..Default::default() };
            context.decide(|controller, context| controller.elect_leaders(context, &request)).unwrap().records
        }
        1 => {
            context.now += SESSION * numbers.below(100) as u32;
            context.decide(|controller, context| controller.elect_periodically(context)).records
        }
        2 if !partition.is_reassigning() => reassignment(numbers, key, &partition),
        _ => {
            // Asked by several leaders at once: none of them knows of the others.
            let topics: Vec<_> = (0..1 + numbers.below(3))
                .filter_map(|_| {
                    let (key, other) = any_partition(context, numbers)?;
                    (other.leader == partition.leader).then(|| proposed(context, numbers, key, &other))
                })
                .collect();
            let registered = context.controller.head().brokers.get(partition.leader);
            let request = AlterPartitionRequest {
                broker_id: partition.leader.0,
                broker_epoch: registered.map_or(-1, |registered| registered.epoch),
                topics,
                ..AlterPartitionRequest::default()
            };
            let altered = context.decide(|controller, context| controller.alter_partition(context, &request));
            altered.map(|outcome| outcome.records).unwrap_or_default()
        }
    };
    context.apply(&records);
}

/// An ISR that the leader of a partition may ask for, sensible or not.
fn proposed(
    context: &ControllerContext,
    numbers: &mut Numbers,
    key: TopicIdPartition,
    partition: &Partition,
) -> TopicData<'static> {
    let epoch = |broker: BrokerId| context.controller.head().brokers.get(broker).map_or(-1, |broker| broker.epoch);
    let mut isr = vec![partition.leader];
    for &replica in partition.replicas.iter().filter(|&&replica| replica != partition.leader) {
        if numbers.below(3) > 0 {
            isr.push(replica);
        }
    }
    if numbers.below(20) == 0 {
        isr.push(BrokerId(numbers.broker()));
    }
    let recovering = partition.leader_recovery_state == RecoveryState::Recovering && numbers.below(4) == 0;
    let data = PartitionData {
        partition_index: key.partition,
        leader_epoch: partition.leader_epoch.0 - i32::from(numbers.below(20) == 0),
        partition_epoch: partition.partition_epoch - i32::from(numbers.below(20) == 0),
        new_isr_with_epochs: isr
            .iter()
            .map(|&broker| BrokerState { broker_id: broker.0, broker_epoch: epoch(broker), ..BrokerState::default() })
            .collect(),
        leader_recovery_state: i8::from(recovering),
        ..PartitionData::default()
    };
    TopicData { topic_id: key.topic_id, partitions: vec![data], ..TopicData::default() }
}

/// One replica is to be replaced by another broker, if there is one.
fn reassignment(numbers: &mut Numbers, key: TopicIdPartition, partition: &Partition) -> Vec<MetadataRecord<'static>> {
    let adding = BrokerId(numbers.broker());
    if partition.replicas.contains(&adding) {
        return Vec::new();
    }
    let removing = partition.replicas[numbers.below(partition.replicas.len() as u64) as usize];
    let staying = partition.replicas.iter().copied().filter(|&replica| replica != removing);
    let replicas = std::iter::once(adding).chain(staying).chain([removing]);
    vec![
        PartitionChangeRecord {
            topic_id: key.topic_id,
            partition_id: key.partition,
            leader: crate::replay::LEADER_UNCHANGED,
            replicas: Some(replicas.map(|id| id.0).collect()),
            adding_replicas: Some(vec![adding.0]),
            removing_replicas: Some(vec![removing.0]),
            ..PartitionChangeRecord::default()
        }
        .into(),
    ]
}

fn change_topics(context: &mut ControllerContext, numbers: &mut Numbers) {
    let name = numbers.name();
    let records = match numbers.below(6) {
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
        _ => {
            let value = numbers.below(3).to_string();
            let key = if numbers.below(2) == 0 { "good" } else { "min.insync.replicas" };
            let operation = if value == "0" { ConfigOperation::Delete } else { ConfigOperation::Set(&value) };
            let resource = ConfigResource::topic(name);
            let altered = context.decide(|controller, decision| {
                controller.incremental_alter_configs(decision, &resource, &[(key, operation)])
            });
            altered.map(|outcome| outcome.records).unwrap_or_default()
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
        topic.partitions.values().for_each(|partition| check_partition(image, partition));
    }
    assert_eq!(image.topics.len(), keys.len());
    for (resource, _) in image.configs.iter() {
        assert!(image.topics.named(&resource.name).is_some(), "{resource} is gone and its configuration is not");
    }
}

fn check_partition(image: &Image, partition: &Partition) {
    let (leads, keeps_eligible) = (partition.leader, image.features.level("eligible.leader.replicas.version") == 1);
    let replicas: BTreeSet<_> = partition.replicas.iter().collect();
    assert_eq!(replicas.len(), partition.replicas.len(), "a replica twice: {partition:?}");
    assert_eq!(partition.replicas.len(), partition.directories.len());
    assert!(partition.isr.iter().all(|member| replicas.contains(member)), "in sync and no replica: {partition:?}");
    let in_sync: BTreeSet<_> = partition.isr.iter().collect();
    assert_eq!(in_sync.len(), partition.isr.len(), "in sync twice: {partition:?}");
    if leads == BrokerId::NONE {
        assert!(!in_sync.is_empty() || keeps_eligible, "an ISR is empty: {partition:?}");
    } else {
        assert!(in_sync.contains(&leads), "led from outside the ISR: {partition:?}");
        assert!(image.brokers.is_active(leads), "led by a fenced broker: {partition:?}");
        // The last member stays where it is; everybody else is in the ISR only while it is up.
        assert!(
            partition.isr.iter().all(|&member| image.brokers.is_active(member)),
            "a fenced broker in sync: {partition:?}"
        );
    }
    assert!(
        partition.leader_recovery_state == RecoveryState::Recovered || in_sync.len() <= 1,
        "followers in sync with a leader that recovers: {partition:?}"
    );
    let unusual = partition.unusual();
    for eligible in &unusual.eligible_leaders {
        assert!(keeps_eligible && !in_sync.contains(eligible), "eligible and in sync: {partition:?}");
    }
    assert!(unusual.last_known_eligible_leaders.is_empty() || leads == BrokerId::NONE, "{partition:?}");
}

/// A leader that may lack acknowledged records is elected only where that is allowed: never where nobody asked for it.
fn check_clean(old: &Image, new: &Image) {
    for topic in old.topics.by_name() {
        let Some(now) = new.topics.get(topic.id) else { continue };
        for (id, before) in &topic.partitions {
            let after = &now.partitions[id];
            let had_all = before.isr.contains(&after.leader) || before.eligible_leaders().contains(&after.leader);
            let is_led_anew = after.leader != BrokerId::NONE && after.leader != before.leader;
            let joined = !before.unusual().adding.is_empty() && !after.is_reassigning();
            assert!(
                !is_led_anew || had_all || joined || after.leader_recovery_state == RecoveryState::Recovering,
                "{before:?} {after:?}"
            );
        }
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
    for seed in 0..80 {
        println!("seed {seed}");
        let (mut numbers, mut context) = (Numbers(seed), ControllerContext::with_brokers(BROKERS));
        prepare(&mut context, seed);
        let mut known = BTreeMap::new();
        for number in 0..80 {
            let old = context.controller.head().clone();
            step(&mut context, &mut numbers, 1000 + number);
            let new = context.controller.head();
            check(new);
            check_snapshot(new);
            check_epochs(&old, new);
            check_clean(&old, new);
            check_delta(&mut known, &old, new);
        }
    }
}

/// Every other seed keeps replicas eligible, some lead at the price of records, some with an old level.
fn prepare(context: &mut ControllerContext, seed: u64) {
    let level = |name, feature_level| FeatureLevelRecord {
        name: Cow::Borrowed(name),
        feature_level,
        ..FeatureLevelRecord::default()
    };
    if seed.is_multiple_of(2) {
        context.apply(&[level("eligible.leader.replicas.version", 1).into()]);
        context.inherit("min.insync.replicas", "2");
    } else if seed % 5 == 1 {
        context.apply(&[level("metadata.version", 18).into()]);
    }
    if seed.is_multiple_of(3) {
        context.inherit("unclean.leader.election.enable", "true");
    }
}

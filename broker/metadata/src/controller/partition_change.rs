//! How one partition changes: from what is wanted of it to the record, with the leader that follows. The one place that elects, and that
//! decides when a leader epoch begins. Knows one partition; whom it may elect and what the configuration says it is told.

use barnabas_protocol::records::metadata::PartitionChangeRecord;
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use crate::bug::{Bug, Seeded};
use crate::record_version::DIRECTORY_ASSIGNMENT;
use crate::{Partition, RecoveryState, UnusualReplicas, replay};

/// Below 3.6-IV0 a broker takes a smaller ISR only together with a new leader epoch (KAFKA-15021).
const ISR_SHRINKS_ALONE: i16 = 12;

/// Whom an election looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// The first replica, where that costs no record; else as `Online`.
    Preferred,
    /// Whoever leads, as long as it may; else the first replica that has every acknowledged record.
    Online,
    /// As `Online`; where there is none, any replica that is up, at the price of records.
    Unclean,
}

/// What a change is decided under.
pub(super) struct Conditions<'a> {
    /// True for brokers that are up and have the replica on a directory that is online.
    pub(super) may_lead: &'a dyn Fn(BrokerId) -> bool,
    /// Where a new replica on a broker goes.
    pub(super) default_directory: &'a dyn Fn(BrokerId) -> Uuid,
    /// What is finalised.
    pub(super) metadata_version: i16,
    /// True when replicas that left the ISR under its minimum are kept eligible (KIP-966).
    pub(super) keeps_eligible: bool,
    /// The topic's `min.insync.replicas`, or its number of replicas if that is less.
    pub(super) min_isr: usize,
    /// A bug on purpose.
    pub(super) seeded: Seeded,
}

/// A change in the making: the partition as it is, and what is wanted of it.
pub(super) struct PartitionChange<'a> {
    partition: &'a Partition,
    before: UnusualReplicas,
    election: Election,
    /// The ISR.
    pub(super) isr: Vec<BrokerId>,
    replicas: Vec<BrokerId>,
    removing: Vec<BrokerId>,
    adding: Vec<BrokerId>,
    eligible: Vec<BrokerId>,
    /// Whether followers still have to agree with the leader.
    pub(super) recovery_state: RecoveryState,
    /// A replica that may have lost what it had: it counts as eligible no more.
    pub(super) lost_tail: Option<BrokerId>,
    /// A replica that has nothing of what it had: it is no last known leader any more either.
    pub(super) made_anew: Option<BrokerId>,
    /// The directory that a replica is in now.
    pub(super) directory: Option<(BrokerId, Uuid)>,
}

/// The record that changes nothing of `key`.
fn unchanged(key: TopicIdPartition) -> PartitionChangeRecord<'static> {
    PartitionChangeRecord {
        topic_id: key.topic_id,
        partition_id: key.partition,
        leader: replay::LEADER_UNCHANGED,
        ..PartitionChangeRecord::default()
    }
}

fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|id| id.0).collect()
}

impl<'a> PartitionChange<'a> {
    /// Begins with everything as it is.
    pub(super) fn new(partition: &'a Partition, election: Election) -> Self {
        let before = partition.unusual();
        Self {
            partition,
            election,
            isr: partition.isr.to_vec(),
            replicas: partition.replicas.to_vec(),
            removing: before.removing.to_vec(),
            adding: before.adding.to_vec(),
            eligible: before.eligible_leaders.to_vec(),
            recovery_state: partition.leader_recovery_state,
            lost_tail: None,
            made_anew: None,
            directory: None,
            before,
        }
    }

    /// Takes `broker` out of the ISR. Where nobody is kept eligible the last member stays all the same, and leads nothing, unless it was made
    /// anew: of that nothing is left, and to be elected for it would lose what was acknowledged.
    pub(super) fn without(mut self, broker: BrokerId) -> Self {
        self.isr.retain(|&member| member != broker);
        self
    }

    /// The record, if anything changes.
    pub(super) fn build(
        mut self,
        key: TopicIdPartition,
        conditions: &Conditions<'_>,
    ) -> Option<PartitionChangeRecord<'static>> {
        let mut record = unchanged(key);
        self.complete_reassignment();
        self.track_eligible(conditions);
        self.elect(conditions, &mut record);
        if record.leader == replay::LEADER_UNCHANGED && !contains_all(&self.replicas, &self.partition.replicas) {
            // Whoever is no replica any more must not be taken for one: the epoch ends its fetches.
            record.leader = self.partition.leader.0;
        }
        self.say_eligible(conditions, &mut record);
        let may_be_empty = conditions.keeps_eligible || self.made_anew.is_some();
        if record.isr.is_none() && (!self.isr.is_empty() || may_be_empty) && *self.isr != *self.partition.isr {
            record.isr = Some(ids(&self.isr));
        }
        self.begin_epoch_for_shrink(conditions, &mut record);
        self.say_last_known_leader(conditions, &mut record);
        self.say_assignment(conditions, &mut record);
        if self.recovery_state != self.partition.leader_recovery_state {
            record.leader_recovery_state = self.recovery_state.id();
        }
        (record != unchanged(key)).then_some(record)
    }

    /// A reassignment is complete when every replica that is to stay is in sync: then those that go, go.
    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let staying = |brokers: &[BrokerId]| -> Vec<BrokerId> {
            brokers.iter().copied().filter(|broker| !self.removing.contains(broker)).collect()
        };
        let (isr, replicas) = (staying(&self.isr), staying(&self.replicas));
        if isr.is_empty() || replicas.is_empty() || !contains_all(&isr, &replicas) {
            return;
        }
        (self.isr, self.replicas) = (isr, replicas);
        (self.removing, self.adding) = (Vec::new(), Vec::new());
    }

    /// Who leaves the ISR under its minimum has every record that was acknowledged, and nothing more is until the minimum is reached again.
    fn track_eligible(&mut self, conditions: &Conditions<'_>) {
        if !conditions.keeps_eligible {
            return;
        }
        if self.isr.len() >= conditions.min_isr || conditions.seeded.has(Bug::ForgetsEligible) {
            self.eligible.clear();
            return;
        }
        self.eligible.extend_from_slice(&self.partition.isr);
        self.eligible.retain(|broker| !self.isr.contains(broker) && self.lost_tail != Some(*broker));
        self.eligible.sort_unstable();
        self.eligible.dedup();
    }

    fn elect(&mut self, conditions: &Conditions<'_>, record: &mut PartitionChangeRecord<'static>) {
        let (elected, unclean) = self.elected(conditions);
        if elected == self.partition.leader {
            return;
        }
        if self.eligible.contains(&elected) {
            self.isr = vec![elected];
            self.eligible.retain(|&broker| broker != elected);
        }
        record.leader = elected.0;
        if unclean {
            // Nobody else has what it has.
            record.isr = Some(vec![elected.0]);
            if self.partition.leader_recovery_state != RecoveryState::Recovering {
                record.leader_recovery_state = RecoveryState::Recovering.id();
            }
        }
    }

    /// Who leads, and whether records may be lost by it.
    fn elected(&self, conditions: &Conditions<'_>) -> (BrokerId, bool) {
        let has_all =
            |broker: &BrokerId| self.isr.contains(broker) || (self.isr.is_empty() && self.eligible.contains(broker));
        let needs_all = !conditions.seeded.has(Bug::ElectsOutsideIsr);
        let valid = |broker: &BrokerId| (has_all(broker) || !needs_all) && (conditions.may_lead)(*broker);
        let first = self.replicas.first().filter(|_| self.election == Election::Preferred);
        let clean = first.into_iter().chain([&self.partition.leader]).chain(&self.replicas);
        if let Some(&broker) = clean.into_iter().find(|broker| valid(broker)) {
            return (broker, false);
        }
        if let Some(broker) = self.last_known_leader(conditions) {
            return (broker, true);
        }
        let any = self.replicas.iter().filter(|_| self.election == Election::Unclean);
        let any = any.copied().find(|&broker| (conditions.may_lead)(broker));
        any.map_or((BrokerId::NONE, false), |broker| (broker, true))
    }

    /// Who led last, where nobody is left that has everything: it has most.
    fn last_known_leader(&self, conditions: &Conditions<'_>) -> Option<BrokerId> {
        if !conditions.keeps_eligible || !self.isr.is_empty() || !self.eligible.is_empty() {
            return None;
        }
        match *self.before.last_known_eligible_leaders {
            [last] => Some(last).filter(|&last| self.made_anew != Some(last) && (conditions.may_lead)(last)),
            _ => None,
        }
    }

    fn say_eligible(&mut self, conditions: &Conditions<'_>, record: &mut PartitionChangeRecord<'static>) {
        let is_unclean = record.isr.is_some();
        if is_unclean || !conditions.keeps_eligible {
            self.eligible.clear();
        }
        if *self.eligible != *self.before.eligible_leaders {
            record.eligible_leader_replicas = Some(ids(&self.eligible));
        }
    }

    fn begin_epoch_for_shrink(&self, conditions: &Conditions<'_>, record: &mut PartitionChangeRecord<'static>) {
        if conditions.metadata_version >= ISR_SHRINKS_ALONE || record.leader != replay::LEADER_UNCHANGED {
            return;
        }
        let shrinks = |isr: &Vec<i32>| self.partition.isr.iter().any(|member| !isr.contains(&member.0));
        if record.isr.as_ref().is_some_and(shrinks) {
            record.leader = self.partition.leader.0;
        }
    }

    /// Remembers who led when the ISR became empty, until somebody leads again.
    fn say_last_known_leader(&self, conditions: &Conditions<'_>, record: &mut PartitionChangeRecord<'static>) {
        if !conditions.keeps_eligible {
            return;
        }
        let known = &self.before.last_known_eligible_leaders;
        let leader = self.partition.leader;
        let becomes_empty = record.isr.as_ref().is_some_and(Vec::is_empty);
        let has_nothing = |broker: &BrokerId| self.made_anew == Some(*broker);
        if becomes_empty && leader != BrokerId::NONE && !has_nothing(&leader) && **known != [leader] {
            record.last_known_elr = Some(vec![leader.0]);
            return;
        }
        let is_led = match record.leader {
            replay::LEADER_UNCHANGED => leader != BrokerId::NONE,
            elected => elected >= 0,
        };
        if (is_led || known.iter().any(has_nothing)) && !known.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn say_assignment(&self, conditions: &Conditions<'_>, record: &mut PartitionChangeRecord<'static>) {
        if conditions.metadata_version >= DIRECTORY_ASSIGNMENT && !self.replicas.is_empty() {
            let directory = |&broker: &BrokerId| self.directory_of(broker, conditions);
            let directories: Vec<Uuid> = self.replicas.iter().map(directory).collect();
            if *directories != *self.partition.directories {
                record.directories = Some(directories);
            }
        }
        if *self.replicas != *self.partition.replicas {
            record.replicas = Some(ids(&self.replicas));
        }
        if *self.removing != *self.before.removing {
            record.removing_replicas = Some(ids(&self.removing));
        }
        if *self.adding != *self.before.adding {
            record.adding_replicas = Some(ids(&self.adding));
        }
    }

    fn directory_of(&self, broker: BrokerId, conditions: &Conditions<'_>) -> Uuid {
        if let Some((_, directory)) = self.directory.filter(|(of, _)| *of == broker) {
            return directory;
        }
        let position = self.partition.replicas.iter().position(|&replica| replica == broker);
        let known = position.and_then(|position| self.partition.directories.get(position)).copied();
        known.unwrap_or_else(|| (conditions.default_directory)(broker))
    }
}

/// True when every broker of `some` is among `all`.
fn contains_all(all: &[BrokerId], some: &[BrokerId]) -> bool {
    some.iter().all(|broker| all.contains(broker))
}

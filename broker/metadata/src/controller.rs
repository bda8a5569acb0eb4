//! The controller: requests in, records and a response out. It decides on `head`, which runs ahead of what is committed, and
//! changes it only by replaying the records it returned. Who may ask is checked before; what becomes of the records is not its
//! business.

mod alter_partition;
#[cfg(test)]
mod broker_tests;
mod caught_up;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod directories;
#[cfg(test)]
mod directory_tests;
mod elect_leaders;
mod elections;
mod failure_detector;
#[cfg(test)]
mod feature_tests;
mod features;
mod format;
mod heartbeat;
mod min_isr;
mod partition_change;
mod partition_index;
mod periodic_elections;
mod producer_ids;
#[cfg(test)]
mod random_tests;
mod registration;
#[cfg(test)]
mod replication_tests;
mod sessions;
mod stop_permit;
#[cfg(test)]
mod tests;

pub use alter_partition::{AlterPartitionError, AlteredPartition, PartitionState, alter_partition_response};
pub use caught_up::{CatchingUp, catching_up};
pub use configs::{AlterConfigsError, ConfigOperation, ConfigRules, InvalidConfig};
pub use create_partitions::CreatePartitionsError;
pub use create_topics::{AssignmentError, CreateTopicError, CreatedTopic};
pub use delete_topics::{DeleteTopicError, TopicSelector};
pub use directories::{AssignReplicaError, AssignReplicasError};
pub use elect_leaders::{ElectLeaderError, ElectLeadersError, ElectedPartition, ElectionType, elect_leaders_response};
pub use failure_detector::{
    ASK_INTERVAL, DetectorEffect, DetectorInput, Evidence, FailureDetector, Finding, Lead, LeaderSilence, LeaderWatch,
    PROBE_TIMEOUT, PULSE_FEATURE, PULSE_INTERVAL, ProbeOutcome, WATCH_INTERVAL, WatchedBroker,
};
pub use features::{FeatureUpdate, UpdateFeaturesError, UpgradeType};
pub use format::{bootstrap_records, first_batch, level_records};
pub use heartbeat::{Heartbeat, HeartbeatReply, StaleBrokerEpoch};
pub use min_isr::MinIsrError;
pub use partition_index::PartitionCounts;
pub use periodic_elections::{MAX_PERIODIC_ELECTIONS, PeriodicElection};
pub use producer_ids::{AllocateProducerIdsError, PRODUCER_ID_BLOCK, ProducerIdBlock};
pub use registration::{
    BrokerNotRegistered, ControllerRegistrationUnsupported, Registered, Registration, RegistrationError,
};
pub use stop_permit::{
    HinderingPartition, Hindrance, MAX_NAMED_PARTITIONS, PermitsBefore, STOP_PERMIT, StopDecision, StopRefusal,
};

use std::collections::BTreeSet;
use std::time::Duration;

use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_types::{BrokerId, Offset, Uuid};

use crate::bug::Seeded;
use crate::{BrokerRegistration, ELIGIBLE_LEADER_REPLICAS, Image, ReplayError};
use min_isr::MinIsrInForce;
use partition_index::PartitionIndex;
use periodic_elections::{PeriodicElections, key_of};
use sessions::Sessions;
use stop_permit::StopPermits;

/// The request of a user makes no more records than this, so that they fit one batch. What a broker's coming or going changes may be more: each of
/// those records holds by itself, and they are appended in as many batches as they need.
pub const MAX_RECORDS_PER_REQUEST: usize = 10_000;

/// What a decision needs beside the image.
pub struct Context<'a> {
    /// Which configurations are valid.
    pub rules: &'a dyn ConfigRules,
    /// 128 random bits at a time.
    pub random: &'a mut dyn FnMut() -> u128,
    /// `num.partitions`.
    pub default_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// The offset that the next record will get.
    pub next_offset: Offset,
    /// The time, by a clock that never goes back.
    pub now: Duration,
    /// `broker.session.timeout.ms`.
    pub broker_session_timeout: Duration,
    /// `leader.imbalance.check.interval.seconds`; None where `auto.leader.rebalance.enable` is false.
    pub leader_imbalance_check_interval: Option<Duration>,
    /// `unclean.leader.election.interval.ms`.
    pub unclean_leader_election_interval: Duration,
}

impl Context<'_> {
    /// A random id that is none of Kafka's reserved ones.
    fn new_id(&mut self) -> Uuid {
        loop {
            let id = Uuid::from_random((self.random)().to_be_bytes());
            if !id.looks_like_a_flag() {
                return id;
            }
        }
    }

    /// 64 random bits.
    fn random_bits(&mut self) -> u64 {
        u64::try_from((self.random)() & u128::from(u64::MAX)).unwrap_or(0)
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<R> {
    /// The records to append: up to [`MAX_RECORDS_PER_REQUEST`] as one batch or not at all.
    pub records: Vec<MetadataRecord<'static>>,
    /// What to answer once they are committed and applied.
    pub response: R,
}

/// Decides on the newest state there is.
#[derive(Clone, Debug, Default)]
pub struct Controller {
    head: Image,
    /// Follows `head`.
    index: PartitionIndex,
    /// Soft: what only the active controller knows, and its successor learns anew.
    sessions: Sessions,
    /// Soft, too.
    periodic: PeriodicElections,
    /// Soft, too.
    permits: StopPermits,
    /// Soft, too.
    min_isr_in_force: MinIsrInForce,
    /// A bug on purpose.
    seeded: Seeded,
}

impl Controller {
    /// Takes over from `head`, the committed image.
    #[must_use]
    pub fn new(head: Image) -> Self {
        let index = PartitionIndex::of(&head);
        Self { head, index, ..Self::default() }
    }

    /// Puts a bug in, for a simulation to find.
    #[cfg(any(test, feature = "seeded-bugs"))]
    pub fn put_in(&mut self, bug: crate::Bug) {
        self.seeded = Seeded::with(bug);
    }

    /// Begins to decide, at `now`: every broker that may lead gets a whole session to be heard of. `before` is what this node knows of the
    /// permits that others have given.
    pub fn activate(&mut self, now: Duration, before: &PermitsBefore) {
        self.periodic = PeriodicElections::begin(now);
        // The controller before may have changed it a moment ago.
        self.min_isr_in_force.changes();
        // A cluster whose log is empty had no controller that could have given one.
        let is_first = self.head.features.metadata_version() == 0;
        self.permits = if is_first { StopPermits::default() } else { StopPermits::after(before) };
        self.sessions = Sessions::default();
        for broker in self.head.brokers.iter().filter(|broker| !broker.fenced) {
            self.sessions.touch(broker.id, broker.epoch, now, None);
        }
    }

    /// When to call [`Controller::fence_silent`], at the latest; None while there is nobody to fence.
    #[must_use]
    pub fn session_deadline(&self, broker_session_timeout: Duration) -> Option<Duration> {
        self.sessions.deadline(broker_session_timeout)
    }

    /// How many partitions have no leader, or another than they should; counted as they change.
    #[must_use]
    pub const fn partition_counts(&self) -> PartitionCounts {
        self.index.counts()
    }

    /// The state with everything that was decided, committed or not.
    #[must_use]
    pub const fn head(&self) -> &Image {
        &self.head
    }

    /// Applies a record that was appended.
    ///
    /// # Errors
    /// The record was not decided on this head.
    pub fn replay(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        let touched = PartitionIndex::touched_by(record, &self.head);
        self.head.replay(record)?;
        self.index.follow(touched, &self.head);
        self.written(record);
        Ok(())
    }

    /// What is soft and goes with a record changes with it: a decision need not be written, for want of room.
    fn written(&mut self, record: &MetadataRecord<'_>) {
        match record {
            MetadataRecord::BrokerRegistrationChange(change) if change.fenced > 0 => {
                self.sessions.fenced(BrokerId(change.broker_id));
            }
            MetadataRecord::UnregisterBroker(record) => self.sessions.forget(BrokerId(record.broker_id)),
            MetadataRecord::PartitionChange(change) => self.periodic.written(key_of(change)),
            MetadataRecord::NoOp(record) => self.permits.written(record),
            MetadataRecord::ClearElr(_) => self.min_isr_in_force.changes(),
            MetadataRecord::FeatureLevel(level) if level.name == ELIGIBLE_LEADER_REPLICAS => {
                self.min_isr_in_force.changes()
            }
            _ => {}
        }
    }

    /// Of the records of a decision only the first were written, by `now`: each of them holds by itself. Whoever asked asks again, as after a
    /// refusal; what nobody asks for again is looked at.
    pub fn broke_off(&mut self, now: Duration) {
        self.periodic.look_soon(now);
    }

    /// The members of `replicas` that may lead.
    fn active(&self, replicas: &[BrokerId]) -> Vec<BrokerId> {
        replicas.iter().copied().filter(|&id| self.head.brokers.is_active(id)).collect()
    }

    /// The directory for a new replica on `broker`: its only one, or zero (the broker chooses and says so later).
    fn default_directory(&self, broker: BrokerId) -> Uuid {
        let Some(registered) = self.head.brokers.get(broker) else { return Uuid::ZERO };
        let cordoned = registered.cordoned_log_dirs.as_deref().unwrap_or_default();
        let mut open = registered.log_dirs.iter().filter(|directory| !cordoned.contains(directory));
        match (open.next(), open.next()) {
            (Some(&only), None) => only,
            _ => Uuid::ZERO,
        }
    }

    fn registered(&self, broker: BrokerId, epoch: i64) -> Option<&BrokerRegistration> {
        self.head.brokers.get(broker).map(AsRef::as_ref).filter(|registered| registered.epoch == epoch)
    }
}

/// The names that occur more than once.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut once = BTreeSet::new();
    names.filter(|name| !once.insert(*name)).collect()
}

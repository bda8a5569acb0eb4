//! Whether a broker may stop now: what stopping it would take from its partitions, and the permit that one broker of the cluster holds at a
//! time. The permit is in no image, and ends by itself; a record that changes nothing tells the next controller of it. It moves no leader and
//! fences nobody, which the broker asks for when it stops.

use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::own_tags;
use barnabas_protocol::records::metadata::{MetadataRecord, NoOpRecord};
use barnabas_types::{BrokerId, Offset, Uuid};

use super::{Context, Controller, Outcome, StaleBrokerEpoch};
use crate::{NotedPermit, Partition};

/// For how long a permit is good. Until then the broker has to have begun its controlled shutdown, which everybody sees.
pub const STOP_PERMIT: Duration = Duration::from_secs(30);
/// Partitions that a refusal names at most; it counts all of them.
pub const MAX_NAMED_PARTITIONS: usize = 20;

/// Why a partition keeps its broker from stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// Nobody else who has every record could lead it.
    LosesLeader,
    /// It is at its minimum of replicas in sync, and would take no more records with acks=all.
    FallsBelowMinIsr {
        /// `min.insync.replicas`.
        min_isr: usize,
    },
}

/// A partition that keeps its broker from stopping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HinderingPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Who is in sync now.
    pub isr: Arc<[BrokerId]>,
    /// Why.
    pub hindrance: Hindrance,
}

/// Why a broker may not stop now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopRefusal {
    /// A permit may be good for this long yet of which this controller has not read: its log began with a snapshot a moment ago.
    MayBeHeld {
        /// For how long.
        for_another: Duration,
    },
    /// Another broker may.
    Held {
        /// Which one.
        by: BrokerId,
        /// For how long, unless it stops before.
        for_another: Duration,
    },
    /// It would take something from partitions.
    Partitions {
        /// Some of them, in the order of the topics' ids.
        named: Vec<HinderingPartition>,
        /// How many there are.
        count: usize,
    },
}

/// Whether a broker may stop, and which metadata that was decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopDecision {
    /// Everything before it was looked at.
    pub metadata_end: Offset,
    /// For how long it may, or why it may not.
    pub permit: Result<Duration, StopRefusal>,
}

/// A permit that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Permit {
    broker: BrokerId,
    epoch: i64,
    until: Duration,
}

/// The permit that somebody has, as the active controller alone knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct StopPermits {
    given: Option<Permit>,
    /// What the record says that was decided last and may not be written; None in it for a permit that is taken back.
    decided: Option<Option<Permit>>,
    /// Until then one of the controller before may be good.
    not_before: Duration,
}

/// What a node that follows the log knows of the permits that controllers give, so that it need not wait when it becomes one: each was in the
/// log before its broker heard of it. A permit that it has read ends no later than [`STOP_PERMIT`] after that; one that was before all that
/// it has read, no later than that after it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermitsBefore {
    since: Duration,
    last: Option<(NotedPermit, Duration)>,
}

impl PermitsBefore {
    /// Of a node that reads everything that is committed from `now` on, what was before as a whole.
    #[must_use]
    pub const fn since(now: Duration) -> Self {
        Self { since: now, last: None }
    }

    /// `noted` is what the log said last by `now`.
    pub fn read(&mut self, noted: Option<NotedPermit>, now: Duration) {
        if noted != self.last.map(|(permit, _)| permit) {
            self.last = noted.map(|permit| (permit, now));
        }
    }
}

impl StopPermits {
    /// Those of a controller that takes over.
    pub(super) fn after(before: &PermitsBefore) -> Self {
        let given = before.last.map(|(NotedPermit { broker, broker_epoch: epoch, .. }, read)| {
            let until = read.saturating_add(STOP_PERMIT);
            Permit { broker, epoch, until }
        });
        Self { given, decided: None, not_before: before.since.saturating_add(STOP_PERMIT) }
    }

    /// What was decided counts once the log says it.
    pub(super) fn written(&mut self, record: &NoOpRecord<'_>) {
        let Some(said) = own_tags::read_stop_permit(&record.unknown_tags) else { return };
        let is_that =
            |decided: &mut Option<Permit>| said == decided.map_or(NOBODY, |permit| (permit.broker.0, permit.epoch));
        if let Some(decided) = self.decided.take_if(is_that) {
            self.given = decided;
        }
    }
}

/// How a record says that nobody holds the permit.
const NOBODY: (i32, i64) = (-1, -1);

/// The record that tells the next controller who holds the permit.
fn told((broker, epoch): (i32, i64)) -> MetadataRecord<'static> {
    NoOpRecord { unknown_tags: own_tags::stop_permit(broker, epoch) }.into()
}

impl Controller {
    /// Gives `broker` the permit to stop, or again to who has it. The response of one that is given leaves once the record that says so is
    /// committed: a controller that has lost its quorum without knowing gives none, and the next one knows of it.
    ///
    /// # Errors
    /// The registration is not current.
    pub fn permit_stop(
        &mut self,
        context: &Context<'_>,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> Result<Outcome<StopDecision>, StaleBrokerEpoch> {
        self.registered(broker, broker_epoch).ok_or(StaleBrokerEpoch { broker, epoch: broker_epoch })?;
        let shares = self.shares_partitions(broker);
        let permit = if shares { self.may_stop(context, broker) } else { Ok(STOP_PERMIT) };
        let records = match permit {
            // Nobody has to wait for it, nor it for anybody.
            Ok(_) if !shares => vec![NoOpRecord::default().into()],
            Ok(_) => {
                let until = context.now + STOP_PERMIT;
                self.permits.decided = Some(Some(Permit { broker, epoch: broker_epoch, until }));
                vec![told((broker.0, broker_epoch))]
            }
            // It had asked before, and things have changed since.
            Err(_) => self.release(broker),
        };
        Ok(Outcome { records, response: StopDecision { metadata_end: context.next_offset, permit } })
    }

    /// Takes back the permit of `broker`, if it has one.
    ///
    /// # Errors
    /// The registration is not current.
    pub fn release_stop_permit(
        &mut self,
        context: &Context<'_>,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> Result<Outcome<Offset>, StaleBrokerEpoch> {
        self.registered(broker, broker_epoch).ok_or(StaleBrokerEpoch { broker, epoch: broker_epoch })?;
        Ok(Outcome { records: self.release(broker), response: context.next_offset })
    }

    /// Where the metadata ends now: nothing that was decided before lies behind it. As with a permit, only a controller that has its
    /// quorum can say so.
    #[must_use]
    pub fn metadata_end(&self, context: &Context<'_>) -> Outcome<Offset> {
        let end = context.next_offset;
        Outcome { records: vec![NoOpRecord::default().into()], response: end }
    }

    fn may_stop(&self, context: &Context<'_>, broker: BrokerId) -> Result<Duration, StopRefusal> {
        let left = |until: Duration| Some(until.saturating_sub(context.now)).filter(|left| !left.is_zero());
        let others = self.head.brokers.iter().any(|other| other.id != broker && !other.fenced);
        if let Some(for_another) = left(self.permits.not_before).filter(|_| others) {
            return Err(StopRefusal::MayBeHeld { for_another });
        }
        let other = self.permits.given.filter(|permit| permit.broker != broker && self.is_needed(*permit));
        if let Some((permit, for_another)) = other.and_then(|permit| Some((permit, left(permit.until)?))) {
            return Err(StopRefusal::Held { by: permit.broker, for_another });
        }
        match self.hindering(context, broker) {
            (_, 0) => Ok(STOP_PERMIT),
            (named, count) => Err(StopRefusal::Partitions { named, count }),
        }
    }

    /// True when `broker` is in sync with a partition that others have, too.
    fn shares_partitions(&self, broker: BrokerId) -> bool {
        let mut partitions = self.index.in_sync(broker).filter_map(|key| self.find_partition(key));
        partitions.any(|(_, partition)| partition.replicas.len() > 1)
    }

    /// A broker that has stopped, or has come back since, needs none: the ISRs say of themselves what it has left.
    fn is_needed(&self, permit: Permit) -> bool {
        self.registered(permit.broker, permit.epoch).is_some_and(|broker| !broker.fenced)
    }

    /// The records that say so, if it had one.
    fn release(&mut self, broker: BrokerId) -> Vec<MetadataRecord<'static>> {
        if self.permits.given.is_none_or(|permit| permit.broker != broker) {
            return Vec::new();
        }
        self.permits.decided = Some(None);
        vec![told(NOBODY)]
    }

    /// The partitions that keep `broker` from stopping: the first of them, and how many there are.
    fn hindering(&self, context: &Context<'_>, broker: BrokerId) -> (Vec<HinderingPartition>, usize) {
        let (mut named, mut count) = (Vec::new(), 0);
        let mut last: Option<(Uuid, usize)> = None;
        for key in self.index.in_sync(broker) {
            let Some((topic, partition)) = self.find_partition(key) else { continue };
            let min_isr = match last {
                Some((id, min_isr)) if id == topic.id => min_isr,
                _ => last.insert((topic.id, self.min_isr(context, topic))).1,
            };
            let Some(hindrance) = self.hindrance(broker, partition, min_isr) else { continue };
            count += 1;
            if named.len() < MAX_NAMED_PARTITIONS {
                let (topic, isr) = (Arc::clone(&topic.name), Arc::clone(&partition.isr));
                named.push(HinderingPartition { topic, partition: key.partition, isr, hindrance });
            }
        }
        (named, count)
    }

    /// What the partition would lose without `broker`, which is in its ISR. One without another replica hinders nobody, and one that needs
    /// all of its replicas no more than by its leader: staying would never end it.
    fn hindrance(&self, broker: BrokerId, partition: &Partition, min_isr: usize) -> Option<Hindrance> {
        let replicas = partition.replicas.len();
        if replicas < 2 {
            return None;
        }
        let others: Vec<BrokerId> = partition.isr.iter().copied().filter(|&member| member != broker).collect();
        let heirs = if others.is_empty() { partition.eligible_leaders() } else { &others };
        let may_lead = |heir: &BrokerId| *heir != broker && self.may_lead(*heir, partition);
        if partition.leader != BrokerId::NONE && !heirs.iter().any(may_lead) {
            return Some(Hindrance::LosesLeader);
        }
        let is_at_minimum = partition.isr.len() >= min_isr && others.len() < min_isr;
        (is_at_minimum && min_isr < replicas).then_some(Hindrance::FallsBelowMinIsr { min_isr })
    }
}

#[cfg(test)]
mod tests;

//! Elections that nobody asks for: leadership goes back to first replicas, and partitions that nobody leads are looked at again, for replicas
//! that may lead meanwhile or, where that is allowed, at the price of records. Some of them at a time, so that others get their turn.

use std::time::Duration;

use barnabas_protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use barnabas_types::TopicIdPartition;

use super::elections::RulesInTurn;
use super::partition_change::{Election, PartitionChange};
use super::{Context, Controller, Outcome};

/// How many partitions change at a time; if there are more, the next follow at once.
pub const MAX_PERIODIC_ELECTIONS: usize = 1_000;
/// How long until elections are made again that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// What was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodicElection {
    /// Leaders for partitions that have none.
    Leaderless,
    /// First replicas as leaders.
    Preferred,
}

/// When to look for elections. Soft: a new controller begins anew.
#[derive(Clone, Debug, Default)]
pub(super) struct PeriodicElections {
    leaderless: Option<Duration>,
    preferred: Option<Duration>,
    /// What was elected last, by the first of its partitions, and when to look again once that is written.
    elected: Option<(TopicIdPartition, PeriodicElection, Duration)>,
}

impl PeriodicElections {
    /// Partitions without a leader are looked at once at `now`: the controller before may have been cut off while it elected.
    pub(super) const fn begin(now: Duration) -> Self {
        Self { leaderless: Some(now), preferred: None, elected: None }
    }

    /// The log says that this partition has changed.
    pub(super) fn written(&mut self, key: TopicIdPartition) {
        if let Some((_, election, due)) = self.elected.take_if(|(first, _, _)| *first == key) {
            *self.due(election) = Some(due);
        }
    }

    /// Partitions without a leader are looked at again soon after `now`: of what would have elected some a part was not written.
    pub(super) fn look_soon(&mut self, now: Duration) {
        let soon = now.saturating_add(RETRY);
        self.leaderless = Some(self.leaderless.map_or(soon, |due| due.min(soon)));
    }

    const fn due(&mut self, election: PeriodicElection) -> &mut Option<Duration> {
        match election {
            PeriodicElection::Leaderless => &mut self.leaderless,
            PeriodicElection::Preferred => &mut self.preferred,
        }
    }

    /// `records` were decided, and the next look is due after `interval`; soon, if they cannot be written.
    fn decided(
        &mut self,
        election: PeriodicElection,
        records: &[MetadataRecord<'_>],
        now: Duration,
        interval: Duration,
    ) {
        let due = if records.len() >= MAX_PERIODIC_ELECTIONS { now } else { now.saturating_add(interval) };
        let first = records.iter().find_map(|record| match record {
            MetadataRecord::PartitionChange(change) => Some(key_of(change)),
            _ => None,
        });
        self.elected = first.map(|first| (first, election, due));
        *self.due(election) = Some(if first.is_some() { now.saturating_add(RETRY) } else { due });
    }
}

/// The partition that a record changes.
pub(super) const fn key_of(change: &PartitionChangeRecord<'_>) -> TopicIdPartition {
    TopicIdPartition { topic_id: change.topic_id, partition: change.partition_id }
}

/// True when it is time. What there is to do waits for an interval from when it was first seen.
fn is_due(due: &mut Option<Duration>, is_needed: bool, now: Duration, interval: Duration) -> bool {
    if !is_needed {
        *due = None;
        return false;
    }
    *due.get_or_insert(now.saturating_add(interval)) <= now
}

impl Controller {
    /// When to call [`Controller::elect_periodically`] again, at the latest; None while there is nothing to elect.
    #[must_use]
    pub fn election_deadline(&self) -> Option<Duration> {
        self.periodic.leaderless.into_iter().chain(self.periodic.preferred).min()
    }

    /// Elects what is due; the response names it. To be asked after every change: it notes when there is something to do.
    pub fn elect_periodically(&mut self, context: &Context<'_>) -> Outcome<Option<PeriodicElection>> {
        let now = context.now;
        let interval = context.unclean_leader_election_interval;
        if is_due(&mut self.periodic.leaderless, self.index.has_leaderless(), now, interval) {
            let records = self.leaderless_elections(context);
            self.periodic.decided(PeriodicElection::Leaderless, &records, now, interval);
            return Outcome { records, response: Some(PeriodicElection::Leaderless) };
        }
        let enabled = context.leader_imbalance_check_interval;
        let interval = enabled.unwrap_or_default();
        let is_needed = enabled.is_some() && self.index.has_unbalanced();
        if is_due(&mut self.periodic.preferred, is_needed, now, interval) {
            let records = self.preferred_elections(context);
            self.periodic.decided(PeriodicElection::Preferred, &records, now, interval);
            return Outcome { records, response: Some(PeriodicElection::Preferred) };
        }
        Outcome { records: Vec::new(), response: None }
    }

    fn leaderless_elections(&self, context: &Context<'_>) -> Vec<MetadataRecord<'static>> {
        let mut rules = RulesInTurn::default();
        let changes = self.index.leaderless().filter_map(|key| {
            let (topic, partition) = self.find_partition(key)?;
            let rules = rules.of(self, context, topic);
            self.build(PartitionChange::new(partition, rules.election), (key, partition), rules)
        });
        changes.take(MAX_PERIODIC_ELECTIONS).map(MetadataRecord::PartitionChange).collect()
    }

    fn preferred_elections(&self, context: &Context<'_>) -> Vec<MetadataRecord<'static>> {
        let mut rules = RulesInTurn::default();
        let changes = self.index.unbalanced().filter_map(|key| {
            let (topic, partition) = self.find_partition(key)?;
            let rules = rules.of(self, context, topic);
            self.build(PartitionChange::new(partition, Election::Preferred), (key, partition), rules)
        });
        changes.take(MAX_PERIODIC_ELECTIONS).map(MetadataRecord::PartitionChange).collect()
    }
}

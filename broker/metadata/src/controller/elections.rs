//! What becomes of partitions when brokers and their directories come and go, and when somebody asks for another leader. Looks only at the
//! partitions concerned (`partition_index.rs`); each one's change is made elsewhere (`partition_change.rs`).

use barnabas_protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use super::partition_change::{Conditions, Election, PartitionChange};
use super::{Context, Controller};
use crate::bug::Bug;
use crate::{ConfigResource, ELIGIBLE_LEADER_REPLICAS, Partition, Topic};

/// Whether records may be lost to keep a partition led.
const UNCLEAN_LEADER_ELECTION: &str = "unclean.leader.election.enable";

/// What happens to replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move<'a> {
    /// The broker may lead nothing from here on.
    Leaves(BrokerId),
    /// It may lead again.
    Returns(BrokerId),
    /// It was there, and cannot show that it has kept everything since.
    MayHaveLost(BrokerId),
    /// What it has in these directories is not there any more.
    LosesDirectories(BrokerId, &'a [Uuid]),
}

impl Move<'_> {
    /// Who may lead nothing, whatever its registration still says.
    const fn leaving(self) -> Option<BrokerId> {
        match self {
            Self::Leaves(broker) | Self::MayHaveLost(broker) | Self::LosesDirectories(broker, _) => Some(broker),
            Self::Returns(_) => None,
        }
    }

    /// Who may lead, whatever its registration still says.
    const fn returning(self) -> Option<BrokerId> {
        match self {
            Self::Returns(broker) => Some(broker),
            Self::Leaves(_) | Self::MayHaveLost(_) | Self::LosesDirectories(..) => None,
        }
    }
}

/// What the configuration of a topic says of elections in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ElectionRules {
    pub(super) min_isr: usize,
    /// Whom to look for where nobody asked for anybody in particular.
    pub(super) election: Election,
}

/// The rules of the topics that are come across, each looked up once as long as its partitions follow each other.
#[derive(Default)]
pub(super) struct RulesInTurn {
    last: Option<(Uuid, ElectionRules)>,
}

impl RulesInTurn {
    pub(super) fn of(&mut self, controller: &Controller, context: &Context<'_>, topic: &Topic) -> ElectionRules {
        match self.last {
            Some((id, rules)) if id == topic.id => rules,
            _ => self.last.insert((topic.id, controller.election_rules(context, topic))).1,
        }
    }
}

impl Controller {
    /// The changes of partitions that follow from a move: as many as the broker has to do with, which may be more than one batch takes. Each
    /// of them holds by itself, so that they may be appended in parts.
    pub(super) fn partition_changes(&self, context: &Context<'_>, to: Move<'_>) -> Vec<MetadataRecord<'static>> {
        match to {
            Move::Leaves(broker) => self.changes_of(context, to, self.index.in_sync(broker)),
            Move::Returns(_) => self.changes_of(context, to, self.index.leaderless()),
            Move::MayHaveLost(broker) => {
                let in_sync = self.index.in_sync(broker);
                self.changes_of(context, to, in_sync.chain(self.index.eligible(broker)))
            }
            Move::LosesDirectories(..) if self.seeded.has(Bug::IgnoresLostDirectories) => Vec::new(),
            Move::LosesDirectories(broker, lost) => {
                let lies_there = |key: &TopicIdPartition| {
                    let partition = self.head.topics.partition(*key);
                    let directory = partition.and_then(|partition| partition.directory(broker));
                    directory.is_some_and(|directory| lost.contains(&directory))
                };
                self.changes_of(context, to, self.index.in_sync(broker).filter(lies_there))
            }
        }
    }

    fn changes_of(
        &self,
        context: &Context<'_>,
        to: Move<'_>,
        keys: impl Iterator<Item = TopicIdPartition>,
    ) -> Vec<MetadataRecord<'static>> {
        let mut rules = RulesInTurn::default();
        let mut records = Vec::new();
        for key in keys {
            let Some((topic, partition)) = self.find_partition(key) else { continue };
            let rules = rules.of(self, context, topic);
            let mut change = PartitionChange::new(partition, rules.election);
            let stays = self.seeded.has(Bug::KeepsFencedInSync) && matches!(to, Move::Leaves(_));
            if let Some(leaving) = to.leaving().filter(|_| !stays) {
                change = change.without(leaving);
            }
            if let Move::MayHaveLost(broker) = to
                && !self.seeded.has(Bug::KeepsEligible)
            {
                change.lost_tail = Some(broker);
            }
            let record = self.build_while(Some(to), change, (key, partition), rules);
            records.extend(record.map(MetadataRecord::PartitionChange));
        }
        records
    }

    pub(super) fn find_partition(&self, key: TopicIdPartition) -> Option<(&Topic, &Partition)> {
        let topic = self.head.topics.get(key.topic_id)?;
        Some((topic, topic.partitions.get(&key.partition)?))
    }

    /// The record of a change that nothing happens beside.
    pub(super) fn build(
        &self,
        change: PartitionChange<'_>,
        of: (TopicIdPartition, &Partition),
        rules: ElectionRules,
    ) -> Option<PartitionChangeRecord<'static>> {
        self.build_while(None, change, of, rules)
    }

    /// The record of a change while something happens.
    pub(super) fn build_while(
        &self,
        happens: Option<Move<'_>>,
        change: PartitionChange<'_>,
        (key, partition): (TopicIdPartition, &Partition),
        rules: ElectionRules,
    ) -> Option<PartitionChangeRecord<'static>> {
        let (leaving, returning) = (happens.and_then(Move::leaving), happens.and_then(Move::returning));
        let elects_fenced = self.seeded.has(Bug::ElectsFenced);
        let assigned = change.directory;
        let is_there = |broker: BrokerId| match assigned.filter(|(of, _)| *of == broker) {
            Some((_, directory)) => self.is_online(broker, directory),
            None => self.is_there(broker, partition),
        };
        let may_lead = |broker: BrokerId| {
            elects_fenced
                || Some(broker) != leaving
                    && (Some(broker) == returning || self.head.brokers.is_active(broker))
                    && is_there(broker)
        };
        let conditions = Conditions {
            may_lead: &may_lead,
            default_directory: &|broker| self.default_directory(broker),
            metadata_version: self.head.features.metadata_version(),
            keeps_eligible: self.keeps_eligible(),
            min_isr: rules.min_isr,
            seeded: self.seeded,
        };
        change.build(key, &conditions)
    }

    /// True when replicas that leave the ISR under its minimum are kept eligible.
    pub(super) fn keeps_eligible(&self) -> bool {
        self.head.features.level(ELIGIBLE_LEADER_REPLICAS) >= 1
    }

    pub(super) fn election_rules(&self, context: &Context<'_>, topic: &Topic) -> ElectionRules {
        let value = |key: &str| self.topic_config(context, topic, key);
        let unclean = value(UNCLEAN_LEADER_ELECTION).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        // Asked for only where something hangs on it.
        let min_isr = if self.keeps_eligible() { self.min_isr(context, topic) } else { 1 };
        let replicas = topic.partitions.values().next().map_or(usize::MAX, |partition| partition.replicas.len());
        let election = if unclean { Election::Unclean } else { Election::Online };
        ElectionRules { min_isr: replicas.min(min_isr), election }
    }

    /// What is in force for the topic under `key`.
    pub(super) fn topic_config(&self, context: &Context<'_>, topic: &Topic, key: &str) -> Option<String> {
        let resource = ConfigResource::topic(std::sync::Arc::clone(&topic.name));
        match self.head.configs.value(&resource, key) {
            Some(value) => Some(value.to_owned()),
            None => context.rules.inherited(&resource, key),
        }
    }

    /// True when `broker` is up and has its replica on a directory that is online.
    pub(super) fn may_lead(&self, broker: BrokerId, partition: &Partition) -> bool {
        self.head.brokers.is_active(broker) && self.is_there(broker, partition)
    }

    /// True unless the directory of the replica is known to be offline.
    fn is_there(&self, broker: BrokerId, partition: &Partition) -> bool {
        self.is_online(broker, partition.noted_directory(broker))
    }

    fn is_online(&self, broker: BrokerId, directory: Uuid) -> bool {
        self.head.brokers.get(broker).is_some_and(|registered| registered.has_online(directory))
    }

    /// True when `broker` leads a partition.
    pub(super) fn leads_any(&self, broker: BrokerId) -> bool {
        self.index.leads_any(broker)
    }
}

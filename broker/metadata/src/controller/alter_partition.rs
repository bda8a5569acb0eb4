//! AlterPartition: the leader of a partition says who is in sync, and the controller agrees, or says why not (KIP-497, KIP-841, KIP-903).
//! Each partition succeeds or fails by itself.

use std::collections::BTreeSet;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, PartitionData, PartitionDataResult, TopicDataResult,
};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_types::{BrokerId, LeaderEpoch, PartitionId, TopicIdPartition, Uuid};

use super::elections::RulesInTurn;
use super::min_isr::MIN_IN_SYNC_REPLICAS;
use super::partition_change::PartitionChange;
use super::{Context, Controller, Outcome, StaleBrokerEpoch};
use crate::bug::{Bug, Seeded};
use crate::{Partition, RecoveryState, replay};

/// Why the in-sync replicas of a partition stay, or that somebody else leads now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterPartitionError {
    /// No such topic.
    #[error("there is no topic with this id")]
    UnknownTopic,
    /// No such partition.
    #[error("the topic has no such partition")]
    UnknownPartition,
    /// The leader knows a later epoch: it is this controller that is behind.
    #[error(
        "the leader knows leader epoch {leader_epoch} and partition epoch {partition_epoch}, which are not known here: ask another controller"
    )]
    NewerEpoch {
        /// The leader epoch that it knows.
        leader_epoch: LeaderEpoch,
        /// The partition epoch that it knows.
        partition_epoch: i32,
    },
    /// Somebody has been elected since.
    #[error("leader epoch {given} has passed: {current} is the present one")]
    FencedLeaderEpoch {
        /// The epoch it leads in.
        given: LeaderEpoch,
        /// The present one.
        current: LeaderEpoch,
    },
    /// Another broker leads.
    #[error("{leader} leads the partition, not the broker that asks")]
    NotTheLeader {
        /// Who leads.
        leader: BrokerId,
    },
    /// The partition has changed since.
    #[error("partition epoch {given} has passed: {current} is the present one")]
    StalePartitionEpoch {
        /// The epoch it knows.
        given: i32,
        /// The present one.
        current: i32,
    },
    /// Somebody who is no replica, or named twice.
    #[error("the ISR {isr:?} names a broker twice, or one that is no replica")]
    InvalidIsr {
        /// What was asked for.
        isr: Vec<BrokerId>,
    },
    /// The leader is always in sync.
    #[error("the ISR {isr:?} lacks the leader")]
    WithoutLeader {
        /// What was asked for.
        isr: Vec<BrokerId>,
    },
    /// A recovery state that means nothing, or that cannot follow the present one.
    #[error(
        "the leader recovery state cannot be {given} with {members} in sync: 1 is for a leader alone that was elected uncleanly, 0 for any other"
    )]
    InvalidRecoveryState {
        /// What was given.
        given: i8,
        /// How many would be in sync.
        members: usize,
    },
    /// Somebody who is not up, or not as the leader has seen it.
    #[error("broker {broker} may not be in the ISR: {why}")]
    Ineligible {
        /// Who.
        broker: BrokerId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It may take fewer for enough than the controller does, and would acknowledge what those miss who are eligible.
    #[error("broker {leader} has not applied the present {MIN_IN_SYNC_REPLICAS} yet, or has not said so: try again")]
    OldMinimum {
        /// Who leads.
        leader: BrokerId,
    },
    /// The change was made, and completed a reassignment that leaves the leader out.
    #[error("the change was made, and {leader} leads now")]
    NewLeader {
        /// Who leads now.
        leader: BrokerId,
    },
}

impl AlterPartitionError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownTopic => ErrorCode::UNKNOWN_TOPIC_ID,
            Self::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::NewerEpoch { .. } => ErrorCode::NOT_CONTROLLER,
            Self::FencedLeaderEpoch { .. } => ErrorCode::FENCED_LEADER_EPOCH,
            Self::StalePartitionEpoch { .. } => ErrorCode::INVALID_UPDATE_VERSION,
            Self::NotTheLeader { .. }
            | Self::InvalidIsr { .. }
            | Self::WithoutLeader { .. }
            | Self::InvalidRecoveryState { .. } => ErrorCode::INVALID_REQUEST,
            Self::Ineligible { .. } => ErrorCode::INELIGIBLE_REPLICA,
            Self::OldMinimum { .. } => ErrorCode::OPERATION_NOT_ATTEMPTED,
            Self::NewLeader { .. } => ErrorCode::NEW_LEADER_ELECTED,
        }
    }
}

/// A partition as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Who leads.
    pub leader: BrokerId,
    /// Since which epoch.
    pub leader_epoch: LeaderEpoch,
    /// Who is in sync.
    pub isr: Vec<BrokerId>,
    /// Whether followers still have to agree with the leader.
    pub leader_recovery_state: RecoveryState,
    /// Grows with every change.
    pub partition_epoch: i32,
}

/// What became of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredPartition {
    /// Which.
    pub key: TopicIdPartition,
    /// How it is now, or why it stays.
    pub result: Result<PartitionState, AlterPartitionError>,
}

/// A member of the ISR that is asked for, and its broker epoch as the leader saw it; -1 where that is not said.
type Member = (BrokerId, i64);

impl Controller {
    /// Changes the in-sync replicas of the partitions that a broker leads; one result each, in the order of the request, of either version
    /// (2 names brokers, 3 their epochs, too). A reassignment that is complete by it is completed.
    ///
    /// # Errors
    /// The registration of the broker that asks is not current.
    pub fn alter_partition(
        &self,
        context: &Context<'_>,
        request: &AlterPartitionRequest<'_>,
    ) -> Result<Outcome<Vec<AlteredPartition>>, StaleBrokerEpoch> {
        let (broker, epoch) = (BrokerId(request.broker_id), request.broker_epoch);
        self.registered(broker, epoch).ok_or(StaleBrokerEpoch { broker, epoch })?;
        let mut rules = RulesInTurn::default();
        let (mut records, mut response) = (Vec::new(), Vec::new());
        let mut changed = BTreeSet::new();
        for topic in &request.topics {
            for data in &topic.partitions {
                let key = TopicIdPartition { topic_id: topic.topic_id, partition: data.partition_index };
                let result = match changed.insert(key) {
                    true => self.alter_isr(context, &mut rules, broker, key, data, &mut records),
                    // Of two changes in one request the second does not know of the first.
                    false => Err(self.stale_epoch(key, data)),
                };
                response.push(AlteredPartition { key, result });
            }
        }
        Ok(Outcome { records, response })
    }

    fn alter_isr(
        &self,
        context: &Context<'_>,
        rules: &mut RulesInTurn,
        broker: BrokerId,
        key: TopicIdPartition,
        data: &PartitionData<'_>,
        records: &mut Vec<MetadataRecord<'static>>,
    ) -> Result<PartitionState, AlterPartitionError> {
        let topic = self.head.topics.get(key.topic_id).ok_or(AlterPartitionError::UnknownTopic)?;
        let partition = topic.partitions.get(&key.partition).ok_or(AlterPartitionError::UnknownPartition)?;
        check_epochs(broker, partition, data, self.seeded)?;
        let members = members(data);
        let isr: Vec<BrokerId> = members.iter().map(|&(member, _)| member).collect();
        check_isr(partition, &isr)?;
        let recovery_state = check_recovery(partition, data.leader_recovery_state, isr.len())?;
        members.iter().try_for_each(|&member| self.check_eligible(member, partition))?;

        let rules = rules.of(self, context, topic);
        let leaves = partition.isr.iter().any(|member| !isr.contains(member));
        if leaves && self.keeps_eligible() && isr.len() < rules.min_isr && !self.knows_min_isr(broker) {
            return Err(AlterPartitionError::OldMinimum { leader: broker });
        }
        let mut change = PartitionChange::new(partition, rules.election);
        (change.isr, change.recovery_state) = (isr, recovery_state);
        let Some(record) = self.build(change, (key, partition), rules) else { return Ok(state(partition)) };
        let now = replay::changed(partition, &record);
        let elected = record.leader;
        records.push(MetadataRecord::PartitionChange(record));
        if elected != replay::LEADER_UNCHANGED && elected != broker.0 {
            return Err(AlterPartitionError::NewLeader { leader: BrokerId(elected) });
        }
        Ok(state(&now))
    }

    fn stale_epoch(&self, key: TopicIdPartition, data: &PartitionData<'_>) -> AlterPartitionError {
        let current = self.head.topics.partition(key).map_or(data.partition_epoch, |now| now.partition_epoch);
        AlterPartitionError::StalePartitionEpoch { given: data.partition_epoch, current: current.saturating_add(1) }
    }

    fn check_eligible(&self, (broker, epoch): Member, partition: &Partition) -> Result<(), AlterPartitionError> {
        let why = match self.head.brokers.get(broker) {
            None => "it is not registered",
            Some(registered) if registered.in_controlled_shutdown => "it is shutting down",
            Some(registered) if registered.fenced && !self.seeded.has(Bug::TakesFencedMembers) => "it is fenced",
            Some(registered)
                if epoch != -1 && registered.epoch != epoch && !self.seeded.has(Bug::IgnoresMemberEpochs) =>
            {
                "it has registered anew since"
            }
            // Its leader has not heard of that yet, or it does not say yet where it lies now. Kafka takes it, and acknowledgements wait for it.
            Some(registered) if !registered.has_online(partition.noted_directory(broker)) => {
                "its directory is not online"
            }
            Some(_) => return Ok(()),
        };
        Err(AlterPartitionError::Ineligible { broker, why })
    }
}

/// What version 2 and what version 3 says.
fn members(data: &PartitionData<'_>) -> Vec<Member> {
    let with_epochs = data.new_isr_with_epochs.iter().map(|state| (BrokerId(state.broker_id), state.broker_epoch));
    with_epochs.chain(data.new_isr.iter().map(|&id| (BrokerId(id), -1))).collect()
}

/// In Kafka's order: who knows more than this controller is told so before anything else.
fn check_epochs(
    broker: BrokerId,
    partition: &Partition,
    data: &PartitionData<'_>,
    seeded: Seeded,
) -> Result<(), AlterPartitionError> {
    let leader_epoch = LeaderEpoch(data.leader_epoch);
    if leader_epoch > partition.leader_epoch || data.partition_epoch > partition.partition_epoch {
        return Err(AlterPartitionError::NewerEpoch { leader_epoch, partition_epoch: data.partition_epoch });
    }
    if seeded.has(Bug::IgnoresLeaderEpochs) {
        return Ok(());
    }
    if leader_epoch < partition.leader_epoch {
        return Err(AlterPartitionError::FencedLeaderEpoch { given: leader_epoch, current: partition.leader_epoch });
    }
    if partition.leader != broker {
        return Err(AlterPartitionError::NotTheLeader { leader: partition.leader });
    }
    if data.partition_epoch < partition.partition_epoch && !seeded.has(Bug::IgnoresPartitionEpochs) {
        let (given, current) = (data.partition_epoch, partition.partition_epoch);
        return Err(AlterPartitionError::StalePartitionEpoch { given, current });
    }
    Ok(())
}

fn check_isr(partition: &Partition, isr: &[BrokerId]) -> Result<(), AlterPartitionError> {
    let mut once = BTreeSet::new();
    if !isr.iter().all(|member| partition.replicas.contains(member) && once.insert(*member)) {
        return Err(AlterPartitionError::InvalidIsr { isr: isr.to_vec() });
    }
    if !isr.contains(&partition.leader) {
        return Err(AlterPartitionError::WithoutLeader { isr: isr.to_vec() });
    }
    Ok(())
}

fn check_recovery(partition: &Partition, given: i8, members: usize) -> Result<RecoveryState, AlterPartitionError> {
    match given {
        0 => Ok(RecoveryState::Recovered),
        1 if members == 1 && partition.leader_recovery_state == RecoveryState::Recovering => {
            Ok(RecoveryState::Recovering)
        }
        _ => Err(AlterPartitionError::InvalidRecoveryState { given, members }),
    }
}

fn state(partition: &Partition) -> PartitionState {
    PartitionState {
        leader: partition.leader,
        leader_epoch: partition.leader_epoch,
        isr: partition.isr.to_vec(),
        leader_recovery_state: partition.leader_recovery_state,
        partition_epoch: partition.partition_epoch,
    }
}

/// The answer to the leader: results of one topic that follow each other stand together.
#[must_use]
pub fn alter_partition_response(altered: &[AlteredPartition]) -> AlterPartitionResponse<'static> {
    let topics = altered.chunk_by(|one, next| one.key.topic_id == next.key.topic_id).map(|results| TopicDataResult {
        topic_id: results.first().map_or(Uuid::ZERO, |one| one.key.topic_id),
        partitions: results.iter().map(|one| partition_result(one.key.partition, &one.result)).collect(),
        ..TopicDataResult::default()
    });
    AlterPartitionResponse { topics: topics.collect(), ..AlterPartitionResponse::default() }
}

fn partition_result(
    partition_index: PartitionId,
    result: &Result<PartitionState, AlterPartitionError>,
) -> PartitionDataResult<'static> {
    match result {
        Ok(now) => PartitionDataResult {
            partition_index,
            leader_id: now.leader.0,
            leader_epoch: now.leader_epoch.0,
            isr: now.isr.iter().map(|id| id.0).collect(),
            leader_recovery_state: now.leader_recovery_state.id(),
            partition_epoch: now.partition_epoch,
            ..PartitionDataResult::default()
        },
        Err(error) => {
            PartitionDataResult { partition_index, error_code: error.code(), ..PartitionDataResult::default() }
        }
    }
}

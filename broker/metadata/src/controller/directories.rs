//! AssignReplicasToDirs: a broker says in which of its directories its replicas lie (KIP-858).

use barnabas_protocol::ErrorCode;
use barnabas_protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use super::elections::{Move, RulesInTurn};
use super::partition_change::PartitionChange;
use super::{Context, Controller, MAX_RECORDS_PER_REQUEST, Outcome, StaleBrokerEpoch};
use crate::BrokerRegistration;
use crate::record_version::DIRECTORY_ASSIGNMENT;

/// Why no replica was assigned at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignReplicasError {
    /// The broker's registration is not current.
    #[error(transparent)]
    StaleBrokerEpoch(#[from] StaleBrokerEpoch),
    /// The finalised metadata.version knows no directories.
    #[error(
        "replicas are assigned to directories from metadata.version {DIRECTORY_ASSIGNMENT} on, and {metadata_version} is finalised"
    )]
    Unsupported {
        /// What is finalised.
        metadata_version: i16,
    },
    /// More than one batch holds.
    #[error("the request assigns more than {MAX_RECORDS_PER_REQUEST} replicas; assign fewer at a time")]
    TooLarge,
}

impl AssignReplicasError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::StaleBrokerEpoch(_) => ErrorCode::STALE_BROKER_EPOCH,
            Self::Unsupported { .. } => ErrorCode::UNSUPPORTED_VERSION,
            Self::TooLarge => ErrorCode::INVALID_REQUEST,
        }
    }
}

/// Why one replica was not assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignReplicaError {
    /// No such topic.
    #[error("there is no topic with this id")]
    UnknownTopic,
    /// No such partition.
    #[error("the topic has no such partition")]
    UnknownPartition,
    /// The broker does not hold it.
    #[error("the broker is not a replica of the partition")]
    NotAReplica,
}

impl AssignReplicaError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::UnknownTopic => ErrorCode::UNKNOWN_TOPIC_ID,
            Self::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::NotAReplica => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        }
    }
}

impl Controller {
    /// Notes the directory of each replica; one result each, in order. A replica in a directory that is known to be offline leaves the
    /// ISR at once. One whose former directory is gone counts for nothing that it had, and leaves the ISR even as its last member: Kafka may elect it with an
    /// empty log.
    ///
    /// # Errors
    /// The registration is not current, the level knows no directories, or there are too many.
    pub fn assign_replicas(
        &self,
        context: &Context<'_>,
        broker: BrokerId,
        broker_epoch: i64,
        replicas: &[(Uuid, TopicIdPartition)],
    ) -> Result<Outcome<Vec<Result<(), AssignReplicaError>>>, AssignReplicasError> {
        let metadata_version = self.head.features.metadata_version();
        if metadata_version < DIRECTORY_ASSIGNMENT {
            return Err(AssignReplicasError::Unsupported { metadata_version });
        }
        let stale = StaleBrokerEpoch { broker, epoch: broker_epoch };
        let registered = self.registered(broker, broker_epoch).ok_or(stale)?;
        if replicas.len() > MAX_RECORDS_PER_REQUEST {
            return Err(AssignReplicasError::TooLarge);
        }
        let mut rules = RulesInTurn::default();
        let mut records = Vec::new();
        let mut response = Vec::new();
        for &(directory, key) in replicas {
            let leaves = (!registered.has_online(directory)).then_some(Move::Leaves(broker));
            let assigned = self.assign_replica(context, &mut rules, (registered, directory), key, leaves);
            response.push(assigned.map(|record| records.extend(record.map(MetadataRecord::PartitionChange))));
        }
        Ok(Outcome { records, response })
    }

    fn assign_replica(
        &self,
        context: &Context<'_>,
        rules: &mut RulesInTurn,
        (registered, directory): (&BrokerRegistration, Uuid),
        key: TopicIdPartition,
        leaves: Option<Move<'_>>,
    ) -> Result<Option<PartitionChangeRecord<'static>>, AssignReplicaError> {
        let broker = registered.id;
        let topic = self.head.topics.get(key.topic_id).ok_or(AssignReplicaError::UnknownTopic)?;
        let partition = topic.partitions.get(&key.partition).ok_or(AssignReplicaError::UnknownPartition)?;
        if !partition.replicas.contains(&broker) {
            return Err(AssignReplicaError::NotAReplica);
        }
        let rules = rules.of(self, context, topic);
        let mut change = PartitionChange::new(partition, rules.election);
        change.directory = Some((broker, directory));
        // The log was made anew: what the former directory held is not there. Of a partition's only replica there is nothing better.
        let is_gone = |before| before != directory && !registered.has_online(before);
        if partition.replicas.len() > 1 && partition.directory(broker).is_some_and(is_gone) {
            change = change.without(broker);
            (change.lost_tail, change.made_anew) = (Some(broker), Some(broker));
        }
        if leaves.is_some() {
            change = change.without(broker);
        }
        Ok(self.build_while(leaves, change, (key, partition), rules))
    }
}

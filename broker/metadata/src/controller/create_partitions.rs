//! CreatePartitions: more partitions for existing topics. Each topic succeeds or fails by itself.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use barnabas_protocol::records::metadata::MetadataRecord;

use super::create_topics::AssignmentError;
use super::{Context, Controller, MAX_RECORDS_PER_REQUEST, Outcome, twice};
use crate::placement::{self, PlacementError};
use crate::{Partition, snapshot};

/// Why a topic did not grow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreatePartitionsError {
    /// No such topic.
    #[error("This server does not host this topic-partition.")]
    UnknownTopic,
    /// Named twice in one request.
    #[error("the topic is named more than once in the request")]
    Duplicate,
    /// It already has that many.
    #[error("Topic already has {current} partition(s).")]
    Unchanged {
        /// How many it has.
        current: usize,
    },
    /// Partitions are never taken away.
    #[error("the topic has {current} partitions; {asked} would be fewer, and partitions cannot be taken away")]
    Fewer {
        /// How many it has.
        current: usize,
        /// How many were asked for.
        asked: i32,
    },
    /// An assignment for each new partition, or none.
    #[error("{additional} partitions are to be added, but {given} assignments are given")]
    AssignmentCount {
        /// How many partitions are new.
        additional: usize,
        /// How many assignments there are.
        given: usize,
    },
    /// An assignment that cannot be carried out.
    #[error("{0}")]
    Assignment(#[from] AssignmentError),
    /// No place for the replicas.
    #[error("{0}")]
    Placement(#[from] PlacementError),
    /// More than one batch holds.
    #[error("the request makes more than {MAX_RECORDS_PER_REQUEST} records; add fewer partitions at a time")]
    TooLarge,
}

impl CreatePartitionsError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownTopic => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::Duplicate => ErrorCode::INVALID_REQUEST,
            Self::Unchanged { .. } | Self::Fewer { .. } => ErrorCode::INVALID_PARTITIONS,
            Self::AssignmentCount { .. } | Self::Assignment(_) => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            Self::Placement(_) => ErrorCode::INVALID_REPLICATION_FACTOR,
            Self::TooLarge => ErrorCode::POLICY_VIOLATION,
        }
    }
}

impl Controller {
    /// Grows the topics of `request`; one result per topic, in order. With `validate_only` there are no records.
    pub fn create_partitions(
        &self,
        context: &mut Context<'_>,
        request: &CreatePartitionsRequest<'_>,
    ) -> Outcome<Vec<Result<(), CreatePartitionsError>>> {
        let mut records = Vec::new();
        let mut response = Vec::new();
        let twice = twice(request.topics.iter().map(|topic| topic.name.as_ref()));
        for topic in &request.topics {
            let named_twice = twice.contains(topic.name.as_ref());
            let result = if named_twice {
                Err(CreatePartitionsError::Duplicate)
            } else {
                self.grow(context, topic, &mut records)
            };
            response.push(result);
        }
        if request.validate_only {
            records.clear();
        }
        Outcome { records, response }
    }

    fn grow(
        &self,
        context: &mut Context<'_>,
        request: &CreatePartitionsTopic<'_>,
        records: &mut Vec<MetadataRecord<'static>>,
    ) -> Result<(), CreatePartitionsError> {
        let topic = self.head.topics.named(&request.name).ok_or(CreatePartitionsError::UnknownTopic)?;
        let current = topic.partitions.len();
        let asked = usize::try_from(request.count).unwrap_or(0);
        if asked == current {
            return Err(CreatePartitionsError::Unchanged { current });
        }
        let Some(additional) = asked.checked_sub(current) else {
            return Err(CreatePartitionsError::Fewer { current, asked: request.count });
        };
        if records.len().saturating_add(additional) > MAX_RECORDS_PER_REQUEST {
            return Err(CreatePartitionsError::TooLarge);
        }
        let first = i32::try_from(current).unwrap_or(i32::MAX);
        let replication_factor = topic.partitions.values().next().map_or(1, |partition| partition.replicas.len());
        let partitions = match &request.assignments {
            Some(given) if given.len() != additional => {
                return Err(CreatePartitionsError::AssignmentCount { additional, given: given.len() });
            }
            Some(given) => {
                let mut partitions = Vec::new();
                for (id, assignment) in (first..).zip(given) {
                    let replicas = self.check_assignment(id, &assignment.broker_ids, Some(replication_factor))?;
                    let none_active = AssignmentError::NoneActive { partition: id };
                    partitions.push(self.new_partition(replicas).ok_or(none_active)?);
                }
                partitions
            }
            None => self.place_more(context, additional, replication_factor)?,
        };
        let new = (first..).zip(&partitions).map(|(id, partition)| snapshot::partition(topic.id, id, partition));
        records.extend(new.map(MetadataRecord::Partition));
        Ok(())
    }

    fn place_more(
        &self,
        context: &mut Context<'_>,
        additional: usize,
        replication_factor: usize,
    ) -> Result<Vec<Partition>, PlacementError> {
        let placed = placement::place(&self.head.brokers, additional, replication_factor, context.random_bits())?;
        Ok(placed.into_iter().filter_map(|replicas| self.new_partition(replicas)).collect())
    }
}

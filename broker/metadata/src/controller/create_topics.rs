//! CreateTopics: names, placement and configuration of new topics. Each topic succeeds or fails by itself; all that succeed
//! are one batch.

use std::borrow::Cow;
use std::collections::BTreeMap;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use barnabas_protocol::records::metadata::{ConfigRecord, MetadataRecord, TopicRecord};
use barnabas_types::{BrokerId, Uuid};

use super::{Context, Controller, InvalidConfig, MAX_RECORDS_PER_REQUEST, Outcome, twice};
use crate::placement::{self, PlacementError};
use crate::topic_name::{self, TopicNameError};
use crate::{ConfigResource, Partition, ResourceType, snapshot};

/// A topic that was made, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub topic_id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each of them has.
    pub replication_factor: i16,
    /// What was set on it.
    pub configs: BTreeMap<Box<str>, Box<str>>,
}

/// Why a topic was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateTopicError {
    /// A name that no topic may have.
    #[error("{0}")]
    Name(#[from] TopicNameError),
    /// The metadata log is not a topic to be made.
    #[error("the topic {name} is the cluster's own and cannot be made")]
    Reserved {
        /// The name.
        name: Box<str>,
    },
    /// Named twice in one request.
    #[error("topic '{name}' is named more than once in the request")]
    Duplicate {
        /// The name.
        name: Box<str>,
    },
    /// Metrics could not tell the two apart.
    #[error("topic '{name}' differs from the existing topic '{existing}' only in '.' against '_'")]
    Collision {
        /// The name.
        name: Box<str>,
        /// The topic it collides with.
        existing: Box<str>,
    },
    /// There is one already.
    #[error("Topic '{name}' already exists.")]
    Exists {
        /// The name.
        name: Box<str>,
    },
    /// An assignment leaves nothing to choose.
    #[error("a replica assignment excludes a {what}: leave it at -1")]
    AssignmentAndNumber {
        /// "number of partitions" or "replication factor".
        what: &'static str,
    },
    /// An assignment that cannot be carried out.
    #[error("{0}")]
    Assignment(#[from] AssignmentError),
    /// Not a number of replicas.
    #[error("a replication factor of {given} is not possible; it is 1 or more, or -1 for the default")]
    ReplicationFactor {
        /// What was asked for.
        given: i16,
    },
    /// Not a number of partitions.
    #[error("{given} partitions are not possible; it is 1 or more, or -1 for the default")]
    Partitions {
        /// What was asked for.
        given: i32,
    },
    /// No place for the replicas.
    #[error("{0}")]
    Placement(#[from] PlacementError),
    /// A value that is not allowed.
    #[error("{0}")]
    Config(#[from] InvalidConfig),
    /// More than one batch holds.
    #[error(
        "the request makes more than {MAX_RECORDS_PER_REQUEST} records; ask for fewer topics or partitions at a time"
    )]
    TooLarge,
}

/// Why a manual assignment is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// No replica.
    #[error("the assignment of partition {partition} names no broker")]
    Empty {
        /// The partition.
        partition: i32,
    },
    /// A broker that is not there.
    #[error("the assignment of partition {partition} names broker {broker}, which is not registered")]
    UnknownBroker {
        /// The partition.
        partition: i32,
        /// The broker.
        broker: BrokerId,
    },
    /// Two replicas on one broker.
    #[error("the assignment of partition {partition} names broker {broker} more than once")]
    DuplicateBroker {
        /// The partition.
        partition: i32,
        /// The broker.
        broker: BrokerId,
    },
    /// Partitions differ.
    #[error("the assignment of partition {partition} has {given} replicas where the other partitions have {expected}")]
    OtherReplicationFactor {
        /// The partition.
        partition: i32,
        /// Its replicas.
        given: usize,
        /// Those of the others.
        expected: usize,
    },
    /// Nobody could lead.
    #[error("every broker in the assignment of partition {partition} is fenced or shutting down")]
    NoneActive {
        /// The partition.
        partition: i32,
    },
    /// A partition is missing or named twice.
    #[error("the assigned partitions are not 0 to {last}, each once")]
    NotConsecutive {
        /// The highest number expected.
        last: usize,
    },
}

impl CreateTopicError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Name(_) | Self::Collision { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
            Self::Reserved { .. } | Self::Duplicate { .. } | Self::AssignmentAndNumber { .. } => {
                ErrorCode::INVALID_REQUEST
            }
            Self::Exists { .. } => ErrorCode::TOPIC_ALREADY_EXISTS,
            Self::Assignment(_) => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            Self::ReplicationFactor { .. } | Self::Placement(_) => ErrorCode::INVALID_REPLICATION_FACTOR,
            Self::Partitions { .. } => ErrorCode::INVALID_PARTITIONS,
            Self::Config(_) => ErrorCode::INVALID_CONFIG,
            Self::TooLarge => ErrorCode::POLICY_VIOLATION,
        }
    }
}

impl Controller {
    /// Makes the topics of `request`; one result per topic, in the order of the request. With `validate_only` there are no records.
    pub fn create_topics(
        &self,
        context: &mut Context<'_>,
        request: &CreateTopicsRequest<'_>,
    ) -> Outcome<Vec<Result<CreatedTopic, CreateTopicError>>> {
        let mut records = Vec::new();
        let mut response = Vec::new();
        let twice = twice(request.topics.iter().map(|topic| topic.name.as_ref()));
        for topic in &request.topics {
            let result = if twice.contains(topic.name.as_ref()) {
                Err(CreateTopicError::Duplicate { name: topic.name.as_ref().into() })
            } else {
                self.create_topic(context, topic, &mut records)
            };
            response.push(result);
        }
        if request.validate_only {
            records.clear();
        }
        Outcome { records, response }
    }

    /// Adds the records of one topic, or none.
    fn create_topic(
        &self,
        context: &mut Context<'_>,
        topic: &CreatableTopic<'_>,
        records: &mut Vec<MetadataRecord<'static>>,
    ) -> Result<CreatedTopic, CreateTopicError> {
        self.check_name(&topic.name)?;
        let configs = self.check_configs(context, topic)?;
        let partitions = self.new_partitions(context, topic, MAX_RECORDS_PER_REQUEST.saturating_sub(records.len()))?;
        if records.len() + 1 + configs.len() + partitions.len() > MAX_RECORDS_PER_REQUEST {
            return Err(CreateTopicError::TooLarge);
        }
        let topic_id = context.new_id();
        let created = CreatedTopic {
            topic_id,
            partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: partitions
                .first()
                .map_or(0, |first| i16::try_from(first.replicas.len()).unwrap_or(i16::MAX)),
            configs,
        };
        let name = topic.name.to_string();
        records.push(MetadataRecord::Topic(TopicRecord { name: Cow::Owned(name), topic_id, ..TopicRecord::default() }));
        for (key, value) in &created.configs {
            records.push(config_record(&topic.name, key, value));
        }
        for (id, partition) in (0..).zip(&partitions) {
            records.push(MetadataRecord::Partition(snapshot::partition(topic_id, id, partition)));
        }
        Ok(created)
    }

    fn check_name(&self, name: &str) -> Result<(), CreateTopicError> {
        if name == "__cluster_metadata" {
            return Err(CreateTopicError::Reserved { name: name.into() });
        }
        topic_name::validate(name)?;
        if self.head.topics.named(name).is_some() {
            return Err(CreateTopicError::Exists { name: name.into() });
        }
        match self.head.topics.collision(name) {
            Some(existing) => {
                Err(CreateTopicError::Collision { name: name.into(), existing: existing.as_ref().into() })
            }
            None => Ok(()),
        }
    }

    /// The configuration of the new topic, checked as a whole.
    fn check_configs(
        &self,
        context: &Context<'_>,
        topic: &CreatableTopic<'_>,
    ) -> Result<BTreeMap<Box<str>, Box<str>>, CreateTopicError> {
        let mut configs = BTreeMap::new();
        for config in &topic.configs {
            let Some(value) = &config.value else {
                return Err(InvalidConfig::null_value(&config.name).into());
            };
            configs.insert(config.name.as_ref().into(), value.as_ref().into());
        }
        context.rules.validate(&ConfigResource::topic(topic.name.as_ref()), &configs)?;
        Ok(configs)
    }

    fn new_partitions(
        &self,
        context: &mut Context<'_>,
        topic: &CreatableTopic<'_>,
        most: usize,
    ) -> Result<Vec<Partition>, CreateTopicError> {
        if !topic.assignments.is_empty() {
            if topic.replication_factor != -1 {
                return Err(CreateTopicError::AssignmentAndNumber { what: "replication factor" });
            }
            if topic.num_partitions != -1 {
                return Err(CreateTopicError::AssignmentAndNumber { what: "number of partitions" });
            }
            return Ok(self.assigned_partitions(&topic.assignments)?);
        }
        let replication_factor = match topic.replication_factor {
            -1 => context.default_replication_factor,
            given => given,
        };
        let partitions = match topic.num_partitions {
            -1 => context.default_partitions,
            given => given,
        };
        let replicas = usize::try_from(replication_factor).ok().filter(|&replicas| replicas > 0);
        let replicas = replicas.ok_or(CreateTopicError::ReplicationFactor { given: replication_factor })?;
        let count = usize::try_from(partitions).ok().filter(|&count| count > 0);
        let count = count.ok_or(CreateTopicError::Partitions { given: partitions })?;
        if count > most {
            return Err(CreateTopicError::TooLarge);
        }
        let placed = placement::place(&self.head.brokers, count, replicas, context.random_bits())?;
        Ok(placed.into_iter().filter_map(|replicas| self.new_partition(replicas)).collect())
    }

    fn assigned_partitions(
        &self,
        assignments: &[CreatableReplicaAssignment<'_>],
    ) -> Result<Vec<Partition>, AssignmentError> {
        let mut by_partition = BTreeMap::new();
        let mut replication_factor = None;
        for assignment in assignments {
            let partition = assignment.partition_index;
            let replicas = self.check_assignment(partition, &assignment.broker_ids, replication_factor)?;
            replication_factor = Some(replicas.len());
            by_partition.insert(partition, replicas);
        }
        if by_partition.len() != assignments.len() || !by_partition.keys().copied().eq((0..).take(assignments.len())) {
            return Err(AssignmentError::NotConsecutive { last: assignments.len().saturating_sub(1) });
        }
        by_partition
            .into_iter()
            .map(|(partition, replicas)| self.new_partition(replicas).ok_or(AssignmentError::NoneActive { partition }))
            .collect()
    }

    /// Checks one manual assignment.
    pub(super) fn check_assignment(
        &self,
        partition: i32,
        broker_ids: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<Vec<BrokerId>, AssignmentError> {
        let mut replicas = Vec::new();
        for broker in broker_ids.iter().copied().map(BrokerId) {
            if self.head.brokers.get(broker).is_none() {
                return Err(AssignmentError::UnknownBroker { partition, broker });
            }
            if replicas.contains(&broker) {
                return Err(AssignmentError::DuplicateBroker { partition, broker });
            }
            replicas.push(broker);
        }
        match replication_factor {
            _ if replicas.is_empty() => Err(AssignmentError::Empty { partition }),
            Some(expected) if expected != replicas.len() => {
                Err(AssignmentError::OtherReplicationFactor { partition, given: replicas.len(), expected })
            }
            _ => Ok(replicas),
        }
    }

    /// A new partition on `replicas`, led by the first that may lead; None when none may.
    pub(super) fn new_partition(&self, replicas: Vec<BrokerId>) -> Option<Partition> {
        let isr = self.active(&replicas);
        let leader = *isr.first()?;
        let directories = replicas.iter().map(|&broker| self.default_directory(broker)).collect();
        Some(Partition::new(replicas.into(), directories, isr.into(), leader))
    }
}

fn config_record(topic: &str, key: &str, value: &str) -> MetadataRecord<'static> {
    MetadataRecord::Config(ConfigRecord {
        resource_type: ResourceType::Topic.id(),
        resource_name: Cow::Owned(topic.to_owned()),
        name: Cow::Owned(key.to_owned()),
        value: Some(Cow::Owned(value.to_owned())),
        ..ConfigRecord::default()
    })
}

//! ElectLeaders: a user asks for preferred leaders, or for any where there is none. Each partition succeeds or fails by itself.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use barnabas_protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use barnabas_types::{PartitionId, TopicIdPartition};
use std::sync::Arc;

use super::elections::RulesInTurn;
use super::partition_change::{Election, PartitionChange};
use super::{Context, Controller, MAX_RECORDS_PER_REQUEST, Outcome};
use crate::Topic;

/// Whom to elect, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica (0).
    Preferred,
    /// Any replica that is up, in sync or not, where nobody leads (1).
    Unclean,
}

impl ElectionType {
    /// The type with Kafka's number `id`.
    #[must_use]
    pub const fn from_id(id: i8) -> Option<Self> {
        match id {
            0 => Some(Self::Preferred),
            1 => Some(Self::Unclean),
            _ => None,
        }
    }
}

/// Why nothing was elected at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElectLeadersError {
    /// Not a kind of election.
    #[error("Unknown election type {id}: 0 is preferred, 1 unclean")]
    UnknownType {
        /// What was given.
        id: i8,
    },
    /// More than one batch holds.
    #[error("more than {MAX_RECORDS_PER_REQUEST} partitions would get another leader; ask for fewer at a time")]
    TooLarge,
}

impl ElectLeadersError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownType { .. } => ErrorCode::INVALID_REQUEST,
            Self::TooLarge => ErrorCode::POLICY_VIOLATION,
        }
    }
}

/// Why one partition gets no other leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElectLeaderError {
    /// No such topic.
    #[error("there is no topic of this name")]
    UnknownTopic,
    /// No such partition.
    #[error("the topic has no such partition")]
    UnknownPartition,
    /// It has the leader that was asked for.
    #[error("the partition has such a leader already")]
    NotNeeded,
    /// The first replica is down or out of sync.
    #[error("the first replica is not up, or not in sync")]
    PreferredNotAvailable,
    /// No replica is up.
    #[error("no replica is up")]
    NoneAvailable,
}

impl ElectLeaderError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::UnknownTopic | Self::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::NotNeeded => ErrorCode::ELECTION_NOT_NEEDED,
            Self::PreferredNotAvailable => ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
            Self::NoneAvailable => ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
        }
    }
}

/// What became of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectedPartition {
    /// Its topic's name.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: PartitionId,
    /// Elected, or why not.
    pub result: Result<(), ElectLeaderError>,
}

impl Controller {
    /// Elects leaders for the partitions of `request`, in its order; for all partitions that need one if it names none.
    ///
    /// # Errors
    /// The request is not understood, or changes too much.
    pub fn elect_leaders(
        &self,
        context: &Context<'_>,
        request: &ElectLeadersRequest<'_>,
    ) -> Result<Outcome<Vec<ElectedPartition>>, ElectLeadersError> {
        let unknown = ElectLeadersError::UnknownType { id: request.election_type };
        let election_type = ElectionType::from_id(request.election_type).ok_or(unknown)?;
        let mut elections = Elections { records: Vec::new(), response: Vec::new() };
        let mut rules = RulesInTurn::default();
        match &request.topic_partitions {
            Some(topics) => {
                for topic in topics {
                    let found = self.head.topics.named(&topic.topic);
                    let name = found.map_or_else(|| topic.topic.as_ref().into(), |found| Arc::clone(&found.name));
                    for &partition in &topic.partitions {
                        let elected = found
                            .ok_or(ElectLeaderError::UnknownTopic)
                            .and_then(|topic| self.elect_leader(context, &mut rules, election_type, topic, partition));
                        elections.add(&name, partition, elected)?;
                    }
                }
            }
            None => {
                let keys: Box<dyn Iterator<Item = TopicIdPartition>> = match election_type {
                    ElectionType::Preferred => Box::new(self.index.unbalanced()),
                    ElectionType::Unclean => Box::new(self.index.leaderless()),
                };
                for key in keys {
                    let Some(topic) = self.head.topics.get(key.topic_id) else { continue };
                    let elected = self.elect_leader(context, &mut rules, election_type, topic, key.partition);
                    elections.add(&topic.name, key.partition, elected)?;
                }
            }
        }
        Ok(Outcome { records: elections.records, response: elections.response })
    }

    fn elect_leader(
        &self,
        context: &Context<'_>,
        rules: &mut RulesInTurn,
        election_type: ElectionType,
        topic: &Topic,
        id: PartitionId,
    ) -> Result<PartitionChangeRecord<'static>, ElectLeaderError> {
        let partition = topic.partitions.get(&id).ok_or(ElectLeaderError::UnknownPartition)?;
        let (is_needed, election, unavailable) = match election_type {
            ElectionType::Preferred => {
                (!partition.has_preferred_leader(), Election::Preferred, ElectLeaderError::PreferredNotAvailable)
            }
            ElectionType::Unclean => (!partition.has_leader(), Election::Unclean, ElectLeaderError::NoneAvailable),
        };
        if !is_needed {
            return Err(ElectLeaderError::NotNeeded);
        }
        let rules = rules.of(self, context, topic);
        let key = TopicIdPartition { topic_id: topic.id, partition: id };
        self.build(PartitionChange::new(partition, election), (key, partition), rules).ok_or(unavailable)
    }
}

/// Records and results as they come.
struct Elections {
    records: Vec<MetadataRecord<'static>>,
    response: Vec<ElectedPartition>,
}

impl Elections {
    fn add(
        &mut self,
        topic: &Arc<str>,
        partition: PartitionId,
        elected: Result<PartitionChangeRecord<'static>, ElectLeaderError>,
    ) -> Result<(), ElectLeadersError> {
        if self.records.len() == MAX_RECORDS_PER_REQUEST && elected.is_ok() {
            return Err(ElectLeadersError::TooLarge);
        }
        let result = elected.map(|record| self.records.push(MetadataRecord::PartitionChange(record)));
        self.response.push(ElectedPartition { topic: Arc::clone(topic), partition, result });
        Ok(())
    }
}

/// The answer to a client: results of one topic that follow each other stand together.
#[must_use]
pub fn elect_leaders_response(elected: &[ElectedPartition]) -> ElectLeadersResponse<'static> {
    let topics = elected.chunk_by(|one, next| one.topic == next.topic).map(|results| {
        let result = |one: &ElectedPartition| PartitionResult {
            partition_id: one.partition,
            error_code: one.result.map_or_else(ElectLeaderError::code, |()| ErrorCode::NONE),
            error_message: one.result.err().map(|error| error.to_string().into()),
            ..PartitionResult::default()
        };
        ReplicaElectionResult {
            topic: results.first().map(|one| one.topic.to_string()).unwrap_or_default().into(),
            partition_result: results.iter().map(result).collect(),
            ..ReplicaElectionResult::default()
        }
    });
    ElectLeadersResponse { replica_election_results: topics.collect(), ..ElectLeadersResponse::default() }
}

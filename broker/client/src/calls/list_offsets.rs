//! ListOffsets: where partitions begin and end, or the offset that belongs to a time. Each leader is asked for its own partitions; those whose
//! leader has moved are asked again.

use std::collections::{BTreeMap, BTreeSet};

use barnabas_protocol::messages::ListOffsetsRequest;
use barnabas_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use barnabas_protocol::{ApiKey, ErrorCode, VersionRange};
use barnabas_types::TopicPartition;

use crate::{Client, ClientError};

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetQuery {
    /// The first offset in the log.
    Earliest,
    /// The offset after the last committed record.
    Latest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The first record of this time or later, in milliseconds since 1970.
    At(i64),
}

impl OffsetQuery {
    fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::At(timestamp) => timestamp,
        }
    }

    /// The versions that know the query: -3 came with version 7.
    fn versions(self) -> VersionRange {
        let lowest = if self == Self::MaxTimestamp { 7 } else { 1 };
        VersionRange::new(lowest, ApiKey::ListOffsets.versions().max)
    }
}

/// An offset that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset; -1 when no record is so late.
    pub offset: i64,
    /// The record's timestamp in milliseconds since 1970; -1 when it was not asked for by time.
    pub timestamp: i64,
    /// The record's leader epoch; -1 when it is not known.
    pub leader_epoch: i32,
}

/// What is known so far.
#[derive(Debug, Default)]
struct Progress {
    answers: BTreeMap<TopicPartition, Result<FoundOffset, ErrorCode>>,
    /// Partitions to ask again, with what was wrong.
    again: BTreeMap<TopicPartition, ErrorCode>,
}

impl Progress {
    /// Takes note of an error; a passing one is asked again.
    fn fail(&mut self, partition: TopicPartition, code: ErrorCode) {
        let error = ClientError::Refused { api: ApiKey::ListOffsets, what: String::new(), code, message: None };
        if error.is_retriable() {
            self.again.insert(partition, code);
        } else {
            self.answers.insert(partition, Err(code));
        }
    }
}

impl Client {
    /// The offset that `query` asks for, in each of `partitions`; for one that cannot be answered, the reason.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn list_offsets(
        &self,
        partitions: &[TopicPartition],
        query: OffsetQuery,
    ) -> Result<BTreeMap<TopicPartition, Result<FoundOffset, ErrorCode>>, ClientError> {
        let mut progress = Progress::default();
        let mut pending: BTreeSet<TopicPartition> = partitions.iter().cloned().collect();
        let mut retry = self.retry();
        while !pending.is_empty() {
            if let Err(error) = self.try_list_offsets(&pending, query, &mut progress).await {
                pending.retain(|partition| !progress.answers.contains_key(partition));
                progress.again.clear();
                retry.after(error).await?;
                continue;
            }
            let again = std::mem::take(&mut progress.again);
            pending = again.keys().cloned().collect();
            let Some((partition, code)) = again.first_key_value() else { break };
            let error = ClientError::Refused {
                api: ApiKey::ListOffsets,
                what: partition.to_string(),
                code: *code,
                message: None,
            };
            if retry.after(error).await.is_err() {
                progress.answers.extend(again.into_iter().map(|(partition, code)| (partition, Err(code))));
                break;
            }
        }
        Ok(progress.answers)
    }

    async fn try_list_offsets(
        &self,
        pending: &BTreeSet<TopicPartition>,
        query: OffsetQuery,
        progress: &mut Progress,
    ) -> Result<(), ClientError> {
        for (leader, partitions) in self.by_leader(pending, progress).await? {
            let request =
                ListOffsetsRequest { replica_id: -1, topics: by_topic(&partitions, query), ..Default::default() };
            let response = self.call_node(leader, &request, query.versions()).await?;
            for topic in response.topics {
                for row in topic.partitions {
                    let partition = TopicPartition::new(topic.name.as_ref(), row.partition_index);
                    if row.error_code.is_none() {
                        let found = FoundOffset {
                            offset: row.offset,
                            timestamp: row.timestamp,
                            leader_epoch: row.leader_epoch,
                        };
                        progress.answers.insert(partition, Ok(found));
                    } else {
                        progress.fail(partition, row.error_code);
                    }
                }
            }
        }
        let unanswered = |partition: &&TopicPartition| {
            !progress.answers.contains_key(*partition) && !progress.again.contains_key(*partition)
        };
        match pending.iter().find(unanswered) {
            Some(partition) => Err(ClientError::Missing { api: ApiKey::ListOffsets, what: partition.to_string() }),
            None => Ok(()),
        }
    }

    /// The partitions by the broker that leads them. Those without a leader are noted.
    async fn by_leader(
        &self,
        pending: &BTreeSet<TopicPartition>,
        progress: &mut Progress,
    ) -> Result<BTreeMap<i32, Vec<TopicPartition>>, ClientError> {
        let names: BTreeSet<&str> = pending.iter().map(|partition| &*partition.topic).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let metadata = self.try_metadata(Some(&names)).await?;
        let mut topics = BTreeMap::new();
        let mut leaders = BTreeMap::new();
        for topic in &metadata.topics {
            let name = topic.name.as_deref().unwrap_or_default();
            topics.insert(name, topic.error_code);
            leaders.extend(topic.partitions.iter().map(|row| ((name, row.partition_index), row.leader_id)));
        }
        let mut by_leader: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
        for partition in pending {
            let refused = topics.get(&*partition.topic).filter(|code| !code.is_none());
            match (leaders.get(&(&*partition.topic, partition.partition)), refused) {
                (_, Some(&code)) => progress.fail(partition.clone(), code),
                (None, None) => progress.fail(partition.clone(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                (Some(&leader), None) if leader < 0 => {
                    progress.fail(partition.clone(), ErrorCode::LEADER_NOT_AVAILABLE)
                }
                (Some(&leader), None) => by_leader.entry(leader).or_default().push(partition.clone()),
            }
        }
        Ok(by_leader)
    }
}

fn by_topic(partitions: &[TopicPartition], query: OffsetQuery) -> Vec<ListOffsetsTopic<'static>> {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition<'static>>> = BTreeMap::new();
    for partition in partitions {
        let asked = ListOffsetsPartition {
            partition_index: partition.partition,
            timestamp: query.timestamp(),
            ..Default::default()
        };
        topics.entry(&partition.topic).or_default().push(asked);
    }
    let topics = topics.into_iter();
    topics
        .map(|(name, partitions)| ListOffsetsTopic { name: name.to_owned().into(), partitions, ..Default::default() })
        .collect()
}

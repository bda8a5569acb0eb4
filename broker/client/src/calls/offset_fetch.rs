//! OffsetFetch: how far one group has read.

use barnabas_protocol::messages::OffsetFetchRequest;
use barnabas_protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchResponseGroup};
use barnabas_protocol::{ApiKey, VersionRange};
use barnabas_types::TopicPartition;

use crate::calls::only;
use crate::{Client, ClientError};

/// How far a group has read in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the last record read; -1 when it is not known.
    pub leader_epoch: i32,
    /// The text kept with the offset.
    pub metadata: String,
}

impl Client {
    /// All offsets that `group` has stored; none for a group that does not exist.
    ///
    /// # Errors
    /// When no broker answers in time or the coordinator refuses.
    pub async fn offset_fetch(&self, group: &str) -> Result<Vec<CommittedOffset>, ClientError> {
        let asked = OffsetFetchRequestGroup { group_id: group.into(), topics: None, ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![asked], ..Default::default() };
        // Version 8 brought groups; version 10 would answer with topic ids in place of names.
        let wanted = VersionRange::new(8, 9);
        let mut retry = self.retry();
        loop {
            let attempt = self.call_coordinator(group, &request, wanted).await;
            match attempt.and_then(|response| committed(group, only(ApiKey::OffsetFetch, group, response.groups)?)) {
                Ok(offsets) => return Ok(offsets),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

fn committed(group: &str, response: OffsetFetchResponseGroup<'_>) -> Result<Vec<CommittedOffset>, ClientError> {
    ClientError::check(ApiKey::OffsetFetch, group, response.error_code, None)?;
    let mut offsets = Vec::new();
    for topic in response.topics {
        for row in topic.partitions {
            let partition = TopicPartition::new(topic.name.as_ref(), row.partition_index);
            ClientError::check(ApiKey::OffsetFetch, &format!("{group} in {partition}"), row.error_code, None)?;
            if row.committed_offset >= 0 {
                offsets.push(CommittedOffset {
                    partition,
                    offset: row.committed_offset,
                    leader_epoch: row.committed_leader_epoch,
                    metadata: row.metadata.map(Into::into).unwrap_or_default(),
                });
            }
        }
    }
    Ok(offsets)
}

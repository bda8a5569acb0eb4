//! DescribeQuorum: the quorum of the metadata log, as its leader sees it.

use barnabas_protocol::messages::describe_quorum::{PartitionData, TopicData};
use barnabas_protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use barnabas_protocol::{ApiKey, VersionRange};

use crate::calls::only;
use crate::{Client, ClientError};

/// The one partition that a quorum is of.
const METADATA_TOPIC: &str = "__cluster_metadata";

impl Client {
    /// Describes the quorum: one topic with one partition, both without an error. Asks once: a broker asks the leader, but a
    /// controller that does not lead says so (NOT_LEADER_OR_FOLLOWER), and another one is to be asked.
    ///
    /// # Errors
    /// When no node answers, or the one that does is not the leader and reaches none.
    pub async fn describe_quorum(&self) -> Result<DescribeQuorumResponse<'static>, ClientError> {
        let partitions = vec![PartitionData { partition_index: 0, ..Default::default() }];
        let topics = vec![TopicData { topic_name: METADATA_TOPIC.into(), partitions, ..Default::default() }];
        let request = DescribeQuorumRequest { topics, ..Default::default() };
        // From version 2 on replicas are told apart by their directories.
        let wanted = VersionRange::new(0, ApiKey::DescribeQuorum.versions().max);
        let mut response = self.call_any(&request, wanted).await?;
        let check =
            |code, message: Option<&str>| ClientError::check(ApiKey::DescribeQuorum, "the quorum", code, message);
        check(response.error_code, response.error_message.as_deref())?;
        let mut topic = only(ApiKey::DescribeQuorum, "the quorum", std::mem::take(&mut response.topics))?;
        let partition = only(ApiKey::DescribeQuorum, "the quorum", std::mem::take(&mut topic.partitions))?;
        check(partition.error_code, partition.error_message.as_deref())?;
        topic.partitions = vec![partition];
        response.topics = vec![topic];
        Ok(response)
    }
}

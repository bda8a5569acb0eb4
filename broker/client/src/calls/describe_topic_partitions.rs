//! DescribeTopicPartitions: partitions with their leaders and replicas, page by page.

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::DescribeTopicPartitionsRequest;
use barnabas_protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsResponseTopic, TopicRequest,
};

use crate::{Client, ClientError};

impl Client {
    /// The topics of these names, all for none. A topic that is not there has its error code. One with more partitions than a page holds
    /// comes in several parts, one after the other.
    ///
    /// # Errors
    /// When no broker answers in time, or none serves this.
    pub async fn describe_topic_partitions(
        &self,
        topics: &[&str],
    ) -> Result<Vec<DescribeTopicPartitionsResponseTopic<'static>>, ClientError> {
        let named = |name: &&str| TopicRequest { name: (*name).to_owned().into(), ..Default::default() };
        let (mut described, mut cursor) = (Vec::new(), None);
        loop {
            let request = DescribeTopicPartitionsRequest {
                topics: topics.iter().map(named).collect(),
                cursor: cursor.clone(),
                ..Default::default()
            };
            let mut retry = self.retry();
            let response = loop {
                match self.call_any(&request, ApiKey::DescribeTopicPartitions.versions()).await {
                    Ok(response) => break response,
                    Err(error) => retry.after(error).await?,
                }
            };
            described.extend(response.topics);
            let next: Option<Cursor<'static>> = response.next_cursor;
            // A cursor that does not move would never end.
            if next.is_none() || next == cursor {
                return Ok(described);
            }
            cursor = next;
        }
    }
}

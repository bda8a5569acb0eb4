//! CreatePartitions: grows one topic.

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::CreatePartitionsRequest;
use barnabas_protocol::messages::create_partitions::CreatePartitionsTopic;

use crate::calls::only;
use crate::{Client, ClientError};

/// How long the cluster may take, in milliseconds.
const TIMEOUT_MS: i32 = 30_000;

impl Client {
    /// Gives `topic` more partitions, `count` in all, or only finds out whether it would work. The controller places them.
    ///
    /// # Errors
    /// When no broker answers in time or the cluster refuses.
    pub async fn create_partitions(&self, topic: &str, count: i32, validate_only: bool) -> Result<(), ClientError> {
        let grown = CreatePartitionsTopic { name: topic.into(), count, assignments: None, ..Default::default() };
        let request = CreatePartitionsRequest {
            topics: vec![grown],
            timeout_ms: TIMEOUT_MS,
            validate_only,
            ..Default::default()
        };
        let mut retry = self.retry();
        loop {
            let attempt = self.call_any(&request, ApiKey::CreatePartitions.versions()).await.and_then(|response| {
                let result = only(ApiKey::CreatePartitions, topic, response.results)?;
                ClientError::check(ApiKey::CreatePartitions, topic, result.error_code, result.error_message.as_deref())
            });
            match attempt {
                Ok(()) => return Ok(()),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

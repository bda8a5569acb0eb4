//! DeleteTopics: deletes one topic.

use barnabas_protocol::messages::DeleteTopicsRequest;
use barnabas_protocol::messages::delete_topics::DeleteTopicState;
use barnabas_protocol::{ApiKey, VersionRange};
use barnabas_types::Uuid;

use crate::calls::only;
use crate::{Client, ClientError};

/// How long the cluster may take, in milliseconds.
const TIMEOUT_MS: i32 = 30_000;

impl Client {
    /// Deletes the topic `name`.
    ///
    /// # Errors
    /// When no broker answers in time or the cluster refuses.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        let topic = DeleteTopicState { name: Some(name.to_owned().into()), ..Default::default() };
        self.delete(name, topic).await
    }

    /// Deletes the topic of this id, and no other that was made under its name since.
    ///
    /// # Errors
    /// When no broker answers in time or the cluster refuses.
    pub async fn delete_topic_by_id(&self, topic_id: Uuid) -> Result<(), ClientError> {
        self.delete(&topic_id.to_string(), DeleteTopicState { topic_id, ..Default::default() }).await
    }

    async fn delete(&self, what: &str, topic: DeleteTopicState<'_>) -> Result<(), ClientError> {
        let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
        let mut retry = self.retry();
        loop {
            // Version 6 has one form for names and ids.
            let attempt = self.call_any(&request, VersionRange::new(6, 6)).await.and_then(|response| {
                let result = only(ApiKey::DeleteTopics, what, response.responses)?;
                ClientError::check(ApiKey::DeleteTopics, what, result.error_code, result.error_message.as_deref())
            });
            match attempt {
                Ok(()) => return Ok(()),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

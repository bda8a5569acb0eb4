//! CreateTopics: makes one topic.

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::CreateTopicsRequest;
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicResult};

use crate::calls::only;
use crate::{Client, ClientError};

/// How long the cluster may take, in milliseconds.
const TIMEOUT_MS: i32 = 30_000;

impl Client {
    /// Makes `topic`, or only finds out whether it would work. When the answer to an earlier attempt was lost, a topic that was made reports
    /// TOPIC_ALREADY_EXISTS.
    ///
    /// # Errors
    /// When no broker answers in time or the cluster refuses.
    pub async fn create_topic(
        &self,
        topic: &CreatableTopic<'_>,
        validate_only: bool,
    ) -> Result<CreatableTopicResult<'static>, ClientError> {
        let topics = vec![topic.clone()];
        let request = CreateTopicsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only, ..Default::default() };
        let mut retry = self.retry();
        loop {
            let attempt = self.call_any(&request, ApiKey::CreateTopics.versions()).await.and_then(|response| {
                let result = only(ApiKey::CreateTopics, &topic.name, response.topics)?;
                ClientError::check(
                    ApiKey::CreateTopics,
                    &topic.name,
                    result.error_code,
                    result.error_message.as_deref(),
                )?;
                Ok(result)
            });
            match attempt {
                Ok(result) => return Ok(result),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

//! Metadata: topics, their partitions and leaders. Never creates a topic by asking for it.

use barnabas_protocol::messages::{MetadataRequest, MetadataResponse, metadata::MetadataRequestTopic};
use barnabas_protocol::{ApiKey, VersionRange};

use crate::{Client, ClientError};

impl Client {
    /// The topics of these names, all for `None`. A topic that is not there has its error code in the response.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn metadata(&self, topics: Option<&[&str]>) -> Result<MetadataResponse<'static>, ClientError> {
        let mut retry = self.retry();
        loop {
            match self.try_metadata(topics).await {
                Ok(response) => return Ok(response),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    pub(crate) async fn try_metadata(&self, topics: Option<&[&str]>) -> Result<MetadataResponse<'static>, ClientError> {
        let named = |name: &&str| MetadataRequestTopic { name: Some((*name).to_owned().into()), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|topics| topics.iter().map(named).collect()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        // From version 4 on a broker can be told not to create what it is asked for.
        let response = self.call_any(&request, VersionRange::new(4, ApiKey::Metadata.versions().max)).await?;
        ClientError::check(ApiKey::Metadata, "the cluster", response.error_code, None)?;
        Ok(response)
    }
}

//! DescribeCluster: the brokers, the cluster's id, and where administrative requests go.

use barnabas_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use barnabas_protocol::{ApiKey, VersionRange};

use crate::{Client, ClientError};

impl Client {
    /// The cluster with its live brokers, and the fenced ones too when asked (from version 2 on).
    ///
    /// # Errors
    /// When no broker answers in time or it refuses.
    pub async fn describe_cluster(
        &self,
        include_fenced: bool,
    ) -> Result<DescribeClusterResponse<'static>, ClientError> {
        let request = DescribeClusterRequest { include_fenced_brokers: include_fenced, ..Default::default() };
        let lowest = if include_fenced { 2 } else { 0 };
        let wanted = VersionRange::new(lowest, ApiKey::DescribeCluster.versions().max);
        let mut retry = self.retry();
        loop {
            let attempt = self.call_any(&request, wanted).await.and_then(|response| {
                let message = response.error_message.as_deref();
                ClientError::check(ApiKey::DescribeCluster, "the cluster", response.error_code, message)?;
                Ok(response)
            });
            match attempt {
                Ok(response) => return Ok(response),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

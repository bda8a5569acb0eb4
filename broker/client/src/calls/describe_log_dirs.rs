//! DescribeLogDirs: the disks of one broker and the logs on them.

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::DescribeLogDirsRequest;
use barnabas_protocol::messages::describe_log_dirs::DescribeLogDirsResult;

use crate::{Client, ClientError};

impl Client {
    /// The log directories of broker `node_id` with all logs. A directory that failed has its error code.
    ///
    /// # Errors
    /// When the broker does not answer in time or refuses.
    pub async fn describe_log_dirs(&self, node_id: i32) -> Result<Vec<DescribeLogDirsResult<'static>>, ClientError> {
        let request = DescribeLogDirsRequest { topics: None, ..Default::default() };
        let mut retry = self.retry();
        loop {
            let attempt = self.call_node(node_id, &request, ApiKey::DescribeLogDirs.versions()).await;
            let attempt = attempt.and_then(|response| {
                let what = format!("broker {node_id}");
                ClientError::check(ApiKey::DescribeLogDirs, &what, response.error_code, None)?;
                Ok(response.results)
            });
            match attempt {
                Ok(directories) => return Ok(directories),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

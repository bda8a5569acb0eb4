//! DescribeGroups: one classic group with its members.

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::DescribeGroupsRequest;
use barnabas_protocol::messages::describe_groups::DescribedGroup;

use crate::calls::only;
use crate::{Client, ClientError};

impl Client {
    /// The group `group` with its members. One that does not exist is GROUP_ID_NOT_FOUND, or in the state `Dead` when the coordinator answers
    /// in a version below 6.
    ///
    /// # Errors
    /// When no broker answers in time or the coordinator refuses.
    pub async fn describe_group(&self, group: &str) -> Result<DescribedGroup<'static>, ClientError> {
        let request = DescribeGroupsRequest { groups: vec![group.into()], ..Default::default() };
        let mut retry = self.retry();
        loop {
            let attempt = self.call_coordinator(group, &request, ApiKey::DescribeGroups.versions()).await;
            let attempt = attempt.and_then(|response| {
                let described = only(ApiKey::DescribeGroups, group, response.groups)?;
                let message = described.error_message.as_deref();
                ClientError::check(ApiKey::DescribeGroups, group, described.error_code, message)?;
                Ok(described)
            });
            match attempt {
                Ok(described) => return Ok(described),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

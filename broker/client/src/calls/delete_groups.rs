//! DeleteGroups: deletes one group without members.

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::DeleteGroupsRequest;

use crate::calls::only;
use crate::{Client, ClientError};

impl Client {
    /// Deletes `group` with its offsets.
    ///
    /// # Errors
    /// When no broker answers in time or the coordinator refuses: NON_EMPTY_GROUP while it has members.
    pub async fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequest { groups_names: vec![group.into()], ..Default::default() };
        let mut retry = self.retry();
        loop {
            let attempt = self.call_coordinator(group, &request, ApiKey::DeleteGroups.versions()).await;
            let attempt = attempt.and_then(|response| {
                let result = only(ApiKey::DeleteGroups, group, response.results)?;
                ClientError::check(ApiKey::DeleteGroups, group, result.error_code, None)
            });
            match attempt {
                Ok(()) => return Ok(()),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

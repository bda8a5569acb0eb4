//! ListGroups: all groups of the cluster. Every broker knows those that it coordinates, so all are asked.

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::ListGroupsRequest;
use barnabas_protocol::messages::list_groups::ListedGroup;

use crate::{Client, ClientError};

impl Client {
    /// The groups of all live brokers.
    ///
    /// # Errors
    /// When a broker does not answer in time or refuses: a list that lacks some groups would look whole.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup<'static>>, ClientError> {
        let mut retry = self.retry();
        loop {
            match self.try_list_groups().await {
                Ok(groups) => return Ok(groups),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    async fn try_list_groups(&self) -> Result<Vec<ListedGroup<'static>>, ClientError> {
        let mut groups = Vec::new();
        for node in self.refresh_nodes().await? {
            let request = ListGroupsRequest::default();
            let response = self.call_node(node.node_id, &request, ApiKey::ListGroups.versions()).await?;
            ClientError::check(ApiKey::ListGroups, &format!("broker {}", node.node_id), response.error_code, None)?;
            groups.extend(response.groups);
        }
        Ok(groups)
    }
}

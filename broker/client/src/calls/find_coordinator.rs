//! FindCoordinator: which broker coordinates a group. Asked before every call to a coordinator: groups are many, and a list of them would
//! have no bound.

use barnabas_protocol::messages::FindCoordinatorRequest;
use barnabas_protocol::{ApiKey, Request, VersionRange};

use crate::calls::only;
use crate::{Client, ClientError};

/// What the key names.
const GROUP: i8 = 0;

impl Client {
    /// The id of the broker that coordinates `group`.
    ///
    /// # Errors
    /// When no broker answers in time or the cluster refuses.
    pub async fn find_coordinator(&self, group: &str) -> Result<i32, ClientError> {
        let mut retry = self.retry();
        loop {
            match self.try_find_coordinator(group).await {
                Ok(node_id) => return Ok(node_id),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    async fn try_find_coordinator(&self, group: &str) -> Result<i32, ClientError> {
        let coordinator_keys = vec![group.into()];
        let request = FindCoordinatorRequest { key_type: GROUP, coordinator_keys, ..Default::default() };
        // Keys are a list from version 4 on; later versions than 4 change nothing for groups.
        let wanted = VersionRange::new(4, ApiKey::FindCoordinator.versions().max);
        let response = self.call_any(&request, wanted).await?;
        let found = only(ApiKey::FindCoordinator, group, response.coordinators)?;
        ClientError::check(ApiKey::FindCoordinator, group, found.error_code, found.error_message.as_deref())?;
        Ok(found.node_id)
    }

    /// Asks the coordinator of `group`.
    pub(crate) async fn call_coordinator<Q: Request>(
        &self,
        group: &str,
        request: &Q,
        wanted: VersionRange,
    ) -> Result<Q::Response<'static>, ClientError> {
        let node_id = self.try_find_coordinator(group).await?;
        self.call_node(node_id, request, wanted).await
    }
}

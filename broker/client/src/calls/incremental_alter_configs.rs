//! IncrementalAlterConfigs: changes single configurations of one resource.

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::IncrementalAlterConfigsRequest;
use barnabas_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};

use crate::calls::describe_configs::ConfigResource;
use crate::calls::only;
use crate::{Client, ClientError};

/// One change of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Gives it this value.
    Set(String),
    /// Takes its own value away, so that the default counts.
    Delete,
    /// Adds this to a list.
    Append(String),
    /// Takes this out of a list.
    Subtract(String),
}

impl ConfigChange {
    /// The operation's number and value on the wire.
    fn to_wire(&self) -> (i8, Option<&str>) {
        match self {
            Self::Set(value) => (0, Some(value)),
            Self::Delete => (1, None),
            Self::Append(value) => (2, Some(value)),
            Self::Subtract(value) => (3, Some(value)),
        }
    }
}

impl Client {
    /// Makes all `changes` (name and change) to `resource` or none, or only finds out whether it would work.
    ///
    /// # Errors
    /// When no broker answers in time or the cluster refuses.
    pub async fn incremental_alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[(String, ConfigChange)],
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let configs = changes.iter().map(|(name, change)| {
            let (config_operation, value) = change.to_wire();
            AlterableConfig { name: name.into(), config_operation, value: value.map(Into::into), ..Default::default() }
        });
        let altered = AlterConfigsResource {
            resource_type: resource.resource_type(),
            resource_name: resource.resource_name().into(),
            configs: configs.collect(),
            ..Default::default()
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![altered], validate_only, ..Default::default() };
        let what = resource.to_string();
        let wanted = ApiKey::IncrementalAlterConfigs.versions();
        let mut retry = self.retry();
        loop {
            let attempt = match resource {
                ConfigResource::Broker(node_id) => self.call_node(*node_id, &request, wanted).await,
                _ => self.call_any(&request, wanted).await,
            };
            let attempt = attempt.and_then(|response| {
                let result = only(ApiKey::IncrementalAlterConfigs, &what, response.responses)?;
                let message = result.error_message.as_deref();
                ClientError::check(ApiKey::IncrementalAlterConfigs, &what, result.error_code, message)
            });
            match attempt {
                Ok(()) => return Ok(()),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

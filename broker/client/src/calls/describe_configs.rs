//! DescribeConfigs: the configurations of one resource, and what a resource is.

use std::fmt;

use barnabas_protocol::ApiKey;
use barnabas_protocol::messages::DescribeConfigsRequest;
use barnabas_protocol::messages::describe_configs::{DescribeConfigsResource, DescribeConfigsResourceResult};

use crate::calls::only;
use crate::{Client, ClientError};

/// What has configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigResource {
    /// A topic, by its name.
    Topic(String),
    /// One broker, by its id. Asked of that broker itself.
    Broker(i32),
    /// What all brokers share.
    AllBrokers,
    /// A group, by its id.
    Group(String),
}

impl ConfigResource {
    /// The number of the kind on the wire.
    pub(crate) fn resource_type(&self) -> i8 {
        match self {
            Self::Topic(_) => 2,
            Self::Broker(_) | Self::AllBrokers => 4,
            Self::Group(_) => 32,
        }
    }

    /// The name on the wire.
    pub(crate) fn resource_name(&self) -> String {
        match self {
            Self::Topic(name) | Self::Group(name) => name.clone(),
            Self::Broker(node_id) => node_id.to_string(),
            Self::AllBrokers => String::new(),
        }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Broker(node_id) => write!(f, "broker {node_id}"),
            Self::AllBrokers => f.write_str("all brokers"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

impl Client {
    /// The configurations of `resource`, those named by `keys` or all, with where each value comes from.
    ///
    /// # Errors
    /// When no broker answers in time or the cluster refuses.
    pub async fn describe_configs(
        &self,
        resource: &ConfigResource,
        keys: Option<&[&str]>,
    ) -> Result<Vec<DescribeConfigsResourceResult<'static>>, ClientError> {
        let described = DescribeConfigsResource {
            resource_type: resource.resource_type(),
            resource_name: resource.resource_name().into(),
            configuration_keys: keys.map(|keys| keys.iter().map(|key| (*key).to_owned().into()).collect()),
            ..Default::default()
        };
        let request = DescribeConfigsRequest { resources: vec![described], ..Default::default() };
        let what = resource.to_string();
        let mut retry = self.retry();
        loop {
            let attempt = match resource {
                ConfigResource::Broker(node_id) => {
                    self.call_node(*node_id, &request, ApiKey::DescribeConfigs.versions()).await
                }
                _ => self.call_any(&request, ApiKey::DescribeConfigs.versions()).await,
            };
            let attempt = attempt.and_then(|response| {
                let result = only(ApiKey::DescribeConfigs, &what, response.results)?;
                ClientError::check(ApiKey::DescribeConfigs, &what, result.error_code, result.error_message.as_deref())?;
                Ok(result.configs)
            });
            match attempt {
                Ok(configs) => return Ok(configs),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

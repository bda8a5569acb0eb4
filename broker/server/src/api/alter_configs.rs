//! AlterConfigs: replaces everything that is set on a resource. Kept for old clients; newer ones change single keys.

use barnabas_protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::RequestContext;
use super::config_resources::{Altered, Wanted, alter};

/// A key and its new value.
type Change = (String, Option<String>);

/// Replaces the configuration of resources, each for itself.
pub async fn handle(context: &RequestContext, request: AlterConfigsRequest<'_>) -> AlterConfigsResponse<'static> {
    let wanted = request.resources.iter().map(wanted).collect();
    let altered =
        alter(context, request.validate_only, wanted, |controller, decision, resource, changes: &Vec<Change>| {
            let configs: Vec<_> = changes.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
            controller.alter_configs(decision, resource, &configs)
        });
    let responses = altered.await.into_iter().map(answer).collect();
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

fn wanted(resource: &AlterConfigsResource<'_>) -> Wanted<Vec<Change>> {
    let change =
        resource.configs.iter().map(|config| (config.name.to_string(), config.value.as_ref().map(ToString::to_string)));
    Wanted {
        resource_type: resource.resource_type,
        name: resource.resource_name.to_string(),
        changes: change.collect(),
    }
}

fn answer(altered: Altered) -> AlterConfigsResourceResponse<'static> {
    AlterConfigsResourceResponse {
        error_code: altered.error_code,
        error_message: altered.error_message.map(Into::into),
        resource_type: altered.resource_type,
        resource_name: altered.name.into(),
        ..AlterConfigsResourceResponse::default()
    }
}

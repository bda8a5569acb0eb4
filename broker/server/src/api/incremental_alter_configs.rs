//! IncrementalAlterConfigs: sets, deletes, appends to and subtracts from single keys of resources.

use barnabas_metadata::ConfigOperation;
use barnabas_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::RequestContext;
use super::config_resources::{Altered, Wanted, alter};

/// A key, Kafka's number of what to do with it, and the value to do it with.
type Change = (String, i8, Option<String>);

/// Changes the configuration of resources, each for itself.
pub async fn handle(
    context: &RequestContext,
    request: IncrementalAlterConfigsRequest<'_>,
) -> IncrementalAlterConfigsResponse<'static> {
    let wanted = request.resources.iter().map(wanted).collect();
    let altered =
        alter(context, request.validate_only, wanted, |controller, decision, resource, changes: &Vec<Change>| {
            let mut operations = Vec::new();
            for (key, code, value) in changes {
                operations.push((key.as_str(), ConfigOperation::parse(*code, key, value.as_deref())?));
            }
            controller.incremental_alter_configs(decision, resource, &operations)
        });
    let responses = altered.await.into_iter().map(answer).collect();
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

fn wanted(resource: &AlterConfigsResource<'_>) -> Wanted<Vec<Change>> {
    let change = resource.configs.iter().map(|config| {
        (config.name.to_string(), config.config_operation, config.value.as_ref().map(ToString::to_string))
    });
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

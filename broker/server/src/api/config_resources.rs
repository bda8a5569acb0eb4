//! What AlterConfigs and IncrementalAlterConfigs share: resources are changed each for itself, all in one decision.

use std::collections::BTreeSet;
use std::time::Duration;

use barnabas_metadata::{AlterConfigsError, ConfigResource, Context, Controller, Outcome, ResourceType};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::records::metadata::MetadataRecord;

use super::RequestContext;

/// These requests carry no time limit of their own; this is the clients' usual one.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A resource that is to be changed, as the request names it.
pub struct Wanted<C> {
    /// Kafka's number of its kind.
    pub resource_type: i8,
    /// Its name.
    pub name: String,
    /// What is to become of it.
    pub changes: C,
}

/// What became of a resource.
pub struct Altered {
    /// Kafka's number of its kind.
    pub resource_type: i8,
    /// Its name.
    pub name: String,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words.
    pub error_message: Option<String>,
}

type Decided = Vec<Result<(), AlterConfigsError>>;

/// Changes every resource of a request; one result each, in order. With `validate_only` nothing is kept.
pub async fn alter<C, D>(
    context: &RequestContext,
    validate_only: bool,
    wanted: Vec<Wanted<C>>,
    decide: D,
) -> Vec<Altered>
where
    C: Send + 'static,
    D: Fn(&Controller, &Context<'_>, &ConfigResource, &C) -> Result<Outcome<()>, AlterConfigsError> + Send + 'static,
{
    let named: Vec<_> = wanted.iter().map(|one| (one.resource_type, one.name.clone())).collect();
    let deadline = context.node.runtime.deadline(TIMEOUT);
    let decided = context.node.controller.decide(deadline, move |controller, decision| {
        let mut records: Vec<MetadataRecord<'static>> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut response = Decided::new();
        for one in &wanted {
            let altered = resource(one).and_then(|resource| {
                if !seen.insert(resource.clone()) {
                    return Err(AlterConfigsError::DuplicateResource { resource });
                }
                decide(controller, decision, &resource, &one.changes)
            });
            response.push(altered.map(|outcome| records.extend(outcome.records)));
        }
        if validate_only {
            records.clear();
        }
        Outcome { records, response }
    });
    let results = match decided.await {
        Ok(results) => {
            results.into_iter().map(|result| result.map_err(|error| (error.code(), error.to_string()))).collect()
        }
        Err(error) => vec![Err((error.code(), error.to_string())); named.len()],
    };
    named.into_iter().zip(results).map(|((resource_type, name), result)| told(resource_type, name, result)).collect()
}

fn resource<C>(wanted: &Wanted<C>) -> Result<ConfigResource, AlterConfigsError> {
    let code = wanted.resource_type;
    let resource_type = ResourceType::from_id(code).ok_or(AlterConfigsError::UnknownResourceType { code })?;
    Ok(ConfigResource { resource_type, name: wanted.name.as_str().into() })
}

fn told(resource_type: i8, name: String, result: Result<(), (ErrorCode, String)>) -> Altered {
    let (error_code, error_message) = match result {
        Ok(()) => (ErrorCode::NONE, None),
        Err((code, message)) => (code, Some(message)),
    };
    Altered { resource_type, name, error_code, error_message }
}

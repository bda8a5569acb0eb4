//! The user's PodTemplateSpec: decoded strictly, kept away from what the operator has to decide, merged over the operator's
//! own. Knows nothing of what a broker's pod looks like.

use crate::cluster::validate::Invalid;
use crate::crd::schema::RawPodTemplate;
use crate::k8s::{labels, names};
use k8s_openapi::DeepMerge as _;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;

/// Merges by Kubernetes' own rules: containers by name, ports by number, maps by key, everything else by field.
pub fn merge(base: &mut PodTemplateSpec, user: &PodTemplateSpec) {
    base.merge_from(user.clone());
}

/// Decodes a template strictly: a misspelt field would otherwise be dropped in silence.
///
/// # Errors
/// What is no PodTemplateSpec, holds a field that Kubernetes does not know, or sets what the operator has to set.
pub fn decode(pool: &str, raw: &RawPodTemplate) -> Result<Box<PodTemplateSpec>, Invalid> {
    let value = Value::Object(raw.0.clone());
    let malformed = |e: serde_json::Error| Invalid::TemplateMalformed { pool: pool.to_owned(), reason: e.to_string() };
    let template: PodTemplateSpec = serde_json::from_value(with_containers(value.clone())).map_err(malformed)?;
    let understood = serde_json::to_value(&template).map_err(malformed)?;
    if let Some(path) = lost_path(&value, &understood, "") {
        return Err(Invalid::TemplateFieldUnknown { pool: pool.to_owned(), path });
    }
    check(pool, &template)?;
    Ok(Box::new(template))
}

/// Kubernetes' type demands a list of containers, an override does not.
fn with_containers(mut value: Value) -> Value {
    if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
        spec.entry("containers").or_insert_with(|| Value::Array(Vec::new()));
    }
    value
}

/// The first path of `written` that is missing in `understood`.
fn lost_path(written: &Value, understood: &Value, path: &str) -> Option<String> {
    match (written, understood) {
        (Value::Object(written), Value::Object(understood)) => written.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match understood.get(key) {
                Some(found) => lost_path(value, found, &path),
                None if value.is_null() => None,
                None => Some(path),
            }
        }),
        (Value::Array(written), Value::Array(understood)) => written
            .iter()
            .zip(understood)
            .enumerate()
            .find_map(|(index, (written, understood))| lost_path(written, understood, &format!("{path}[{index}]"))),
        _ => None,
    }
}

fn check(pool: &str, template: &PodTemplateSpec) -> Result<(), Invalid> {
    let refuse = |path, reason| Err(Invalid::TemplateFieldOwned { pool: pool.to_owned(), path, reason });
    let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
    if labels.is_some_and(|labels| labels.contains_key(labels::CLUSTER) || labels.contains_key(labels::POOL)) {
        return refuse("metadata.labels", "barnabas.dev/cluster and barnabas.dev/pool select the pods");
    }
    let Some(spec) = &template.spec else { return Ok(()) };
    if spec.hostname.is_some() || spec.subdomain.is_some() || spec.hostname_override.is_some() {
        return refuse("spec.hostname", "the host name carries the node id");
    }
    if spec.restart_policy.as_deref().is_some_and(|policy| policy != "Always") {
        return refuse("spec.restartPolicy", "a broker is always restarted");
    }
    let owned = [names::DATA_VOLUME, "config", "nodes"];
    if spec.volumes.iter().flatten().any(|volume| owned.contains(&volume.name.as_str())) {
        return refuse("spec.volumes", "data, config and nodes are the operator's own volumes");
    }
    let formatter = spec.init_containers.iter().flatten().find(|container| container.name == names::FORMAT_CONTAINER);
    if formatter.is_some_and(|formatter| formatter.args.is_some() || formatter.command.is_some()) {
        return refuse("spec.initContainers[format].args", "they say what becomes of an empty volume");
    }
    let broker = spec.containers.iter().find(|container| container.name == names::BROKER_CONTAINER);
    if broker.is_some_and(|broker| broker.args.is_some()) {
        return refuse("spec.containers[broker].args", "they tell the broker which cluster and node it is");
    }
    Ok(())
}

#[cfg(test)]
mod tests;

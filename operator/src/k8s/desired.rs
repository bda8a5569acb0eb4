//! One object as it should be, and whether a live one already is. Pure: the writing is done elsewhere.

use crate::k8s::{labels, quantity};
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::core::ApiResource;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// An object to apply. Its JSON holds only the fields that this operator owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Kind and version, for the request.
    pub resource: ApiResource,
    /// The object's name.
    pub name: String,
    /// The object.
    pub value: Value,
}

impl Desired {
    /// Wraps a typed object and marks it with the digest of its content.
    ///
    /// # Errors
    /// The object cannot be written as JSON; that would be a defect of its type.
    pub fn new<K>(object: &K) -> Result<Self, serde_json::Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize,
    {
        let mut value = serde_json::to_value(object)?;
        let resource = ApiResource::erase::<K>(&());
        let applied = digest(&value);
        if let Some(object) = value.as_object_mut() {
            object.insert("apiVersion".to_owned(), Value::from(resource.api_version.clone()));
            object.insert("kind".to_owned(), Value::from(resource.kind.clone()));
        }
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert(labels::APPLIED.to_owned(), Value::from(applied));
            }
        }
        Ok(Self { resource, name: object.meta().name.clone().unwrap_or_default(), value })
    }

    /// True when a live object carries every field of this one. Fields that others set, and defaults that the API server
    /// filled in, are none of our business.
    pub fn is_satisfied_by(&self, live: &Value) -> bool {
        covers(live, &self.value)
    }
}

/// True when `live` holds everything that `wanted` holds.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).map_or(is_empty(value), |found| covers(found, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        // The API server writes quantities in its own way: 1000m comes back as 1.
        (Value::String(live), Value::String(wanted)) => quantity::same(live, wanted),
        (live, wanted) => live == wanted,
    }
}

/// The API server drops empty maps and lists of some fields.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A short name for content: 10 hexadecimal digits would do, 16 leave no doubt. The same in every release, because pods are
/// restarted when it changes.
pub fn digest(value: &Value) -> String {
    digest_of_bytes(value.to_string().as_bytes())
}

/// [`digest`] of plain bytes.
pub fn digest_of_bytes(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn config_map(value: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta { name: Some("a".to_owned()), ..ObjectMeta::default() },
            data: Some(BTreeMap::from([("k".to_owned(), value.to_owned())])),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn a_live_object_with_more_fields_needs_no_write() {
        let desired = Desired::new(&config_map("v")).unwrap();
        let mut live = desired.value.clone();
        live["metadata"]["resourceVersion"] = json!("17");
        live["metadata"]["labels"] = json!({ "team": "blue" });
        assert!(desired.is_satisfied_by(&live));
    }

    #[test]
    fn a_changed_field_needs_a_write() {
        let desired = Desired::new(&config_map("v")).unwrap();
        let mut live = desired.value.clone();
        live["data"]["k"] = json!("w");
        assert!(!desired.is_satisfied_by(&live));
    }

    #[test]
    fn a_field_that_is_no_longer_set_changes_the_digest_and_needs_a_write() {
        let mut with_label = config_map("v");
        with_label.metadata.labels = Some(BTreeMap::from([("l".to_owned(), "1".to_owned())]));
        let live = Desired::new(&with_label).unwrap().value;
        assert!(!Desired::new(&config_map("v")).unwrap().is_satisfied_by(&live));
    }

    #[test]
    fn digests_never_change_between_releases() {
        assert_eq!(digest(&json!({ "b": 1, "a": [true, null, "x"] })), "54a65415ad370228");
    }
}

//! The definitions as the API server will see them.

use super::*;
use serde_json::Value;
use std::path::PathBuf;

/// `kubectl apply` keeps the whole object in an annotation, and fails above 262,144 bytes.
const LARGEST_BYTES: usize = 200_000;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crds")
}

#[test]
fn the_crds_directory_holds_what_the_code_generates() {
    let mut expected: Vec<String> = Vec::new();
    for (file, text) in manifests().unwrap() {
        let path = directory().join(&file);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{} is out of step: run `barnabas-operator crds --out crds`", path.display());
        expected.push(file);
    }
    let mut found: Vec<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()) && name.contains("barnabas.dev"))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "crds/ holds a definition that no type stands for");
}

#[test]
fn every_definition_is_small_enough_for_kubectl_apply() {
    for (file, text) in manifests().unwrap() {
        assert!(text.len() < LARGEST_BYTES, "{file} has {} bytes", text.len());
    }
}

#[test]
fn a_new_object_is_not_taken_for_a_finished_one() {
    for definition in definitions() {
        let value = serde_json::to_value(&definition).unwrap();
        let status = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        assert_eq!(status["default"]["conditions"][0]["status"], "Unknown");
        assert_eq!(status["default"]["observedGeneration"], -1);
        let keys = &status["properties"]["conditions"]["x-kubernetes-list-map-keys"];
        assert_eq!(keys[0], "type", "conditions of {} have to be a map by type", value["metadata"]["name"]);
    }
}

#[test]
fn every_property_is_described() {
    fn walk(path: &str, schema: &Value, missing: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, property) in properties {
                let path = format!("{path}.{name}");
                // The API server describes metadata itself; kube gives no description to spec and status.
                if property["description"].is_null() && path.matches('.').count() > 1 {
                    missing.push(path.clone());
                }
                walk(&path, property, missing);
            }
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                walk(path, &schema[inner], missing);
            }
        }
    }
    for definition in definitions() {
        let value = serde_json::to_value(&definition).unwrap();
        let mut missing = Vec::new();
        walk("", &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut missing);
        assert_eq!(missing, Vec::<String>::new(), "{} has properties without a description", value["metadata"]["name"]);
    }
}

#[test]
fn short_names_do_not_collide_with_those_of_other_operators() {
    let taken = ["k", "kt", "ku", "kc", "knp", "kr", "rp"];
    for definition in definitions() {
        for name in definition.spec.names.short_names.unwrap_or_default() {
            assert!(!taken.contains(&name.as_str()), "{name} belongs to another operator");
        }
        assert_eq!(definition.spec.names.categories, Some(vec!["barnabas".to_owned()]));
    }
}

#[test]
fn what_the_user_leaves_out_gets_the_documented_default() {
    let cluster: kafka_cluster::KafkaClusterSpec = serde_json::from_str("{}").unwrap();
    assert_eq!((cluster.replicas, cluster.listeners[0].port), (1, 9092));
    assert_eq!((cluster.storage.size.as_str(), cluster.storage.delete_claim), ("10Gi", false));
    let topic: topic::TopicSpec = serde_json::from_str(r#"{"clusterRef":{"name":"a"},"config":{"x":null}}"#).unwrap();
    assert_eq!(topic.config.get("x"), Some(&None), "null means: leave this key alone");
}

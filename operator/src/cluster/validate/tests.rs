//! What a spec may say, and what it is turned into.

use super::*;
use crate::cluster::fixture::Fixture;

fn refusal(spec: &str) -> Invalid {
    Fixture::new(spec).resolve().unwrap_err()
}

#[test]
fn the_cluster_id_is_the_resources_own_uid_in_kafkas_writing() {
    let resolved = Fixture::new("{}").resolve().unwrap();
    assert_eq!(resolved.cluster_id, "ASNFZ4mrze8BI0VniavN7w");
}

#[test]
fn the_cluster_id_on_a_claim_that_was_left_behind_is_taken_over() {
    let old = Fixture::running("{}");
    let mut new = Fixture::new("{}");
    new.cluster.metadata.uid = Some("ffffffff-ffff-ffff-ffff-ffffffffffff".to_owned());
    new.observed.claims = old.observed.claims.clone();
    let resolved = new.resolve().unwrap();
    assert_eq!(resolved.cluster_id, "ASNFZ4mrze8BI0VniavN7w");
    assert!(resolved.formed.contains(&0), "its volume holds data and must not be formatted");
}

#[test]
fn more_than_one_node_is_refused_over_all_pools_together() {
    assert_eq!(refusal("{replicas: 2}"), Invalid::ReplicationUnsupported { nodes: 2 });
    let two = "{replicas: 1, pools: [{name: big, replicas: 1, firstNodeId: 10}]}";
    assert_eq!(refusal(two), Invalid::ReplicationUnsupported { nodes: 2 });
    assert!(Fixture::new("{replicas: 0, pools: [{name: big, replicas: 1, firstNodeId: 10}]}").resolve().is_ok());
}

#[test]
fn node_ids_are_unique_over_pools_even_when_a_pool_is_empty() {
    let overlap = refusal("{replicas: 0, pools: [{name: a, replicas: 1, firstNodeId: 0}]}");
    assert_eq!(overlap.reason(), "NodeIdsOverlap");
}

#[test]
fn a_node_that_was_formed_is_not_replaced_by_another() {
    let mut fixture = Fixture::running("{}");
    fixture.spec(|spec| {
        spec.replicas = 0;
        spec.pools = serde_yaml::from_str("[{name: big, replicas: 1, firstNodeId: 10}]").unwrap();
    });
    let expected = Invalid::NodeSetChanged { id: 0, pool: "broker".to_owned() };
    assert_eq!(fixture.resolve().unwrap_err(), expected);
    fixture.spec(|spec| spec.pools.clear());
    assert!(fixture.resolve().is_ok(), "stopping the node is no replacement");
}

#[test]
fn keys_that_follow_from_other_fields_are_refused_with_the_field_to_use() {
    let refused = refusal("{config: {advertised.listeners: x}}");
    assert_eq!(refused, Invalid::ConfigKeyOwned { key: "advertised.listeners".to_owned(), instead: "listeners" });
    assert_eq!(refusal("{config: {'a b': x}}").reason(), "ConfigKeyMalformed");
}

#[test]
fn internal_topics_keep_the_replication_that_the_cluster_began_with() {
    let mut fixture = Fixture::running("{}");
    let first = fixture.resolve().unwrap().internal_topics;
    assert_eq!((first.replication_factor, first.min_in_sync_replicas), (1, 1));
    fixture.cluster.status.as_mut().unwrap().internal_topics =
        Some(InternalTopics { replication_factor: 3, min_in_sync_replicas: 2 });
    assert_eq!(fixture.resolve().unwrap().internal_topics.replication_factor, 3, "never lowered later");
}

#[test]
fn the_image_stays_when_the_operator_gets_a_newer_default() {
    let fixture = Fixture::running("{}");
    let newer = Settings { broker_image: "barnabas:2".to_owned(), ..crate::cluster::fixture::settings() };
    assert_eq!(validate(&fixture.cluster, &fixture.observed, &newer).unwrap().image, "barnabas:1");
    assert_eq!(validate(&Fixture::new("{}").cluster, &Observed::default(), &newer).unwrap().image, "barnabas:2");
}

#[test]
fn listeners_and_pools_whose_services_would_share_a_name_are_refused() {
    // demo-a-1 twice: node 1 on listener a, and the first connection of a listener called ... cannot happen; but listeners
    // `x` and `x-0` meet in demo-x-0-bootstrap and demo-x-0.
    let spec = "{listeners: [{name: i, port: 9092}, {name: x, type: NodePort, port: 9094}, {name: x, type: NodePort, port: 9095}]}";
    assert_eq!(refusal(spec).reason(), "NamesClash");
}

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
fn a_quorum_has_one_three_or_five_controllers_over_all_pools_together() {
    for (spec, controllers) in [
        ("{replicas: 2}", 2),
        ("{replicas: 4}", 4),
        ("{replicas: 7}", 7),
        ("{replicas: 1, pools: [{name: big, replicas: 1, firstNodeId: 10}]}", 2),
        ("{replicas: 3, roles: [Broker]}", 0),
    ] {
        assert_eq!(refusal(spec), Invalid::ControllerCount { controllers }, "{spec}");
    }
    for spec in [
        "{replicas: 0}",
        "{replicas: 3}",
        "{replicas: 5}",
        "{replicas: 0, pools: [{name: big, replicas: 1, firstNodeId: 10}]}",
        "{replicas: 4, roles: [Broker], pools: [{name: c, replicas: 3, roles: [Controller], firstNodeId: 10}]}",
        "{replicas: 3, pools: [{name: more, replicas: 6, roles: [Broker], firstNodeId: 10}]}",
    ] {
        assert!(Fixture::new(spec).resolve().is_ok(), "{spec}");
    }
}

#[test]
fn directory_ids_are_made_of_the_clusters_id_and_differ_by_node() {
    let made = |fixture: &Fixture| fixture.resolve().unwrap().initial_controllers;
    let first = made(&Fixture::new("{replicas: 5}"));
    assert_eq!(first, made(&Fixture::new("{replicas: 5}")), "no crash before they are recorded makes others");
    let distinct: BTreeSet<&String> = first.iter().map(|controller| &controller.directory_id).collect();
    assert_eq!(distinct.len(), 5);
    assert!(first.iter().all(|controller| controller.directory_id.parse::<Uuid>().is_ok()));
    assert_eq!(first[0].directory_id, "xq0trqX2Tse9MkM4lAubdA", "the same in every release: volumes carry them");
    assert_eq!(made(&Fixture::new("{}")), [], "a lone node forms its quorum by itself");
}

#[test]
fn while_a_quorum_is_being_formed_its_controllers_stay_who_they_are() {
    let mut fixture = Fixture::new("{replicas: 3}");
    fixture.pass();
    fixture.spec(|spec| spec.replicas = 5);
    assert!(fixture.resolve().is_ok(), "nobody has been told yet");
    fixture.spec(|spec| spec.replicas = 3);
    fixture.pass();
    fixture.spec(|spec| spec.replicas = 5);
    assert_eq!(fixture.resolve().unwrap_err(), Invalid::QuorumForming { forming: "0, 1, 2".to_owned() });
    let mut lone = Fixture::new("{}");
    lone.pass();
    lone.spec(|spec| spec.replicas = 3);
    assert_eq!(lone.resolve().unwrap_err(), Invalid::QuorumForming { forming: "0".to_owned() });
}

#[test]
fn a_pool_is_not_taken_out_of_the_spec_while_it_has_nodes() {
    let mut fixture =
        Fixture::running("{replicas: 3, pools: [{name: more, replicas: 1, roles: [Broker], firstNodeId: 10}]}");
    let pools = fixture.cluster.spec.pools.clone();
    fixture.spec(|spec| spec.pools.clear());
    assert_eq!(fixture.resolve().unwrap_err(), Invalid::PoolGone { pool: "more".to_owned() });
    fixture.spec(|spec| spec.pools = pools);
    fixture.spec(|spec| spec.pools[0].replicas = 0);
    fixture.settle();
    fixture.spec(|spec| spec.pools.clear());
    assert!(fixture.resolve().is_ok());
}

#[test]
fn node_ids_are_unique_over_pools_even_when_a_pool_is_empty() {
    let overlap = refusal("{replicas: 0, pools: [{name: a, replicas: 1, firstNodeId: 0}]}");
    assert_eq!(overlap.reason(), "NodeIdsOverlap");
}

#[test]
fn a_node_that_is_the_quorum_is_not_replaced_by_another_while_it_is_stopped() {
    let mut fixture = Fixture::running("{}");
    fixture.spec(|spec| spec.replicas = 0);
    fixture.settle();
    fixture.spec(|spec| spec.pools = serde_yaml::from_str("[{name: big, replicas: 1, firstNodeId: 10}]").unwrap());
    let expected = Invalid::NodeSetChanged { id: 0, pool: "broker".to_owned() };
    assert_eq!(fixture.resolve().unwrap_err(), expected);
    fixture.spec(|spec| spec.pools.clear());
    assert!(fixture.resolve().is_ok(), "stopping the node is no replacement");
}

#[test]
fn of_a_quorum_that_was_stopped_a_majority_has_to_come_back() {
    let mut fixture = Fixture::running("{replicas: 3}");
    fixture.spec(|spec| spec.replicas = 0);
    fixture.settle();
    fixture.spec(|spec| spec.replicas = 1);
    assert_eq!(fixture.resolve().unwrap_err(), Invalid::NodeSetChanged { id: 1, pool: "broker".to_owned() });
    fixture.spec(|spec| spec.replicas = 3);
    fixture.settle();
    assert_eq!(fixture.ready().0, "True");
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

fn copies(replication_factor: i32, min_in_sync_replicas: i32) -> InternalTopics {
    InternalTopics { replication_factor, min_in_sync_replicas }
}

#[test]
fn a_cluster_that_is_made_with_three_brokers_has_three_copies_of_which_two_are_in_sync() {
    for (spec, expected) in [
        ("{replicas: 3}", copies(3, 2)),
        ("{replicas: 5}", copies(3, 2)),
        ("{replicas: 1, pools: [{name: more, replicas: 2, roles: [Broker], firstNodeId: 10}]}", copies(3, 2)),
        (
            "{replicas: 2, roles: [Broker], pools: [{name: c, replicas: 3, roles: [Controller], firstNodeId: 10}]}",
            copies(1, 1),
        ),
        ("{}", copies(1, 1)),
    ] {
        let resolved = Fixture::new(spec).resolve().unwrap();
        assert_eq!((resolved.internal_topics, resolved.topic_defaults()), (expected, expected), "{spec}");
    }
}

#[test]
fn what_topics_get_is_shown_as_the_configuration_says_it() {
    let fixture = Fixture::running("{replicas: 3, config: {default.replication.factor: 2, min.insync.replicas: '1'}}");
    let status = fixture.cluster.status.clone().unwrap();
    assert_eq!((status.internal_topics, status.topic_defaults), (Some(copies(3, 2)), Some(copies(2, 1))));
    let file =
        fixture.observed.config_maps.values().find_map(|map| map.data.as_ref()?.get("server.properties")).unwrap();
    assert!(file.contains("default.replication.factor=2\n") && file.contains("min.insync.replicas=1\n"), "{file}");
}

#[test]
fn a_cluster_of_an_earlier_release_keeps_its_configuration_to_the_letter() {
    let mut fixture = Fixture::new("{replicas: 3}");
    fixture.cluster.status.get_or_insert_default().internal_topics = Some(copies(1, 1));
    fixture.settle();
    let file =
        fixture.observed.config_maps.values().find_map(|map| map.data.as_ref()?.get("server.properties")).unwrap();
    assert!(!file.contains("default.replication.factor") && !file.contains("min.insync.replicas"), "{file}");
    assert!(!file.contains("barnabas.shutdown.grace.ms"), "{file}");
    assert!(file.contains("offsets.topic.replication.factor=1\n"), "{file}");
}

#[test]
fn a_cluster_that_is_made_stopped_is_made_when_it_gets_its_brokers() {
    let mut fixture = Fixture::running("{replicas: 0}");
    assert_eq!(fixture.cluster.status.as_ref().unwrap().internal_topics, None);
    fixture.spec(|spec| spec.replicas = 3);
    fixture.settle();
    assert_eq!(fixture.cluster.status.as_ref().unwrap().internal_topics, Some(copies(3, 2)));
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

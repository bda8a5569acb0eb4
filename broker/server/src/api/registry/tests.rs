//! What is known and not advertised is refused, and `broker/APIS.md` says what the two tables say. `BARNABAS_BLESS=1` writes it anew.

use std::fmt::Write;

use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, ErrorCode, Listener, Message, Reader, ResponseHeader, VersionRange};

use super::{SERVED, SERVED_BY_CONTROLLER};
use crate::testing::Broker;

#[tokio::test]
async fn a_version_that_is_known_and_not_advertised_closes_the_connection() {
    let broker = Broker::start().await;
    let group = DeleteGroupsRequest { groups_names: vec!["g".into()], ..Default::default() };
    let mut client = broker.connect().await;
    assert!(client.exchange(2, &group).await.is_ok());
    let error = client.exchange(3, &group).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    let unstable = InitProducerIdRequest { transaction_timeout_ms: 1000, ..Default::default() };
    let error = broker.connect().await.exchange(6, &unstable).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn an_api_versions_request_of_a_later_release_is_answered_in_version_0_with_the_table() {
    let broker = Broker::start().await;
    let request = ApiVersionsRequest::default();
    let reply = broker.connect().await.exchange(5, &request).await.unwrap();
    let mut reader = Reader::new(&reply);
    ResponseHeader::decode(&mut reader, ApiKey::ApiVersions, 0).unwrap();
    let response = ApiVersionsResponse::decode(&mut reader, 0).unwrap();
    reader.finish().unwrap();
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    let served: Vec<_> = response.api_keys.iter().map(|row| row.api_key).collect();
    assert_eq!(served, SERVED.iter().map(|key| key.number()).collect::<Vec<_>>());
    let own = response.api_keys.iter().find(|row| row.api_key == ApiKey::ApiVersions.number()).unwrap();
    assert_eq!((own.min_version, own.max_version), (0, 4));
}

#[test]
fn nothing_is_served_where_kafka_4_3_1_does_not_have_it() {
    for key in SERVED {
        assert!(!key.answered_versions().is_empty(), "{key}");
        assert!(matches!(key.listener(), Listener::Broker | Listener::Both), "{key}");
    }
    for key in SERVED_BY_CONTROLLER {
        assert!(!key.answered_versions().is_empty(), "{key}");
        assert!(matches!(key.listener(), Listener::Controller | Listener::Both), "{key}");
    }
}

#[test]
fn the_document_of_all_apis_says_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../APIS.md");
    let expected = document();
    if std::env::var_os("BARNABAS_BLESS").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "broker/APIS.md is out of step: BARNABAS_BLESS=1 cargo test -p barnabas-server document"
    );
}

fn document() -> String {
    let mut text = String::from(INTRODUCTION);
    for key in ApiKey::all() {
        let listener = match key.listener() {
            Listener::Neither => "",
            Listener::Broker => "broker",
            Listener::Controller => "controller",
            Listener::Both => "broker, controller",
        };
        let flexible = key.flexible_versions();
        let flexible = if flexible.is_empty() { String::new() } else { flexible.min.to_string() };
        let mark = |is: bool| if is { "yes" } else { "" };
        let (number, known, kafka) = (key.number(), range(key.versions()), range(key.advertised_versions()));
        let (forwarded, cluster) = (mark(key.is_forwarded()), mark(key.is_cluster_action()));
        let served = match (SERVED.contains(&key), SERVED_BY_CONTROLLER.contains(&key)) {
            (true, true) => "broker, controller",
            (true, false) => "broker",
            (false, true) => "controller",
            (false, false) => "",
        };
        let row = format!(
            "| {number} | {key} | {known} | {kafka} | {flexible} | {listener} | {forwarded} | {cluster} | {served} |"
        );
        writeln!(text, "{row}").unwrap();
    }
    text
}

fn range(versions: VersionRange) -> String {
    if versions.is_empty() { String::new() } else { format!("{}–{}", versions.min, versions.max) }
}

const INTRODUCTION: &str = "# The APIs of Kafka

Made from `broker/protocol/src/api_key.rs` and `broker/server/src/api/registry.rs` by a test of the server, which fails when this page is out
of step; `BARNABAS_BLESS=1 cargo test -p barnabas-server document` writes it anew.

*Known* versions can be read and written: those of Kafka 4.3.1, unstable ones too, and of 4.4.0. *Kafka 4.3.1* are those that Kafka lists in
ApiVersions, and so this broker for what it serves; a request in any other version is refused. Produce is listed from 0 for the sake of old
librdkafka, and refused below 3. *Flexible* versions, with compact lengths and tagged fields, begin at the one named. *Listener* says which
kinds of listeners answer in Kafka; *forwarded* requests are passed on to the active controller by brokers; *cluster action* means that only
nodes of the cluster ask. *Served* says which kinds of listeners answer here. An API without versions has been removed from Kafka.

| key | name | known | Kafka 4.3.1 | flexible from | listener | forwarded | cluster action | served |
|--:|--|--|--|--|--|--|--|--|
";

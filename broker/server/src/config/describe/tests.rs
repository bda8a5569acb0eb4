//! What is told of topics and brokers, and that it is what Apache Kafka tells.

use super::super::settings::{Origin, Settings};
use super::*;

fn dynamic(pairs: &[(&str, &str)]) -> ResourceConfigs {
    pairs.iter().map(|(key, value)| (Box::from(*key), std::sync::Arc::from(*value))).collect()
}

fn find(described: &[DescribedConfig], name: &str) -> DescribedConfig {
    described.iter().find(|config| config.name == name).unwrap().clone()
}

fn shown(config: &DescribedConfig) -> Vec<(i8, String, Option<String>)> {
    config.synonyms.iter().map(|one| (one.source.id(), one.name.clone(), one.value.clone())).collect()
}

fn entry(source: i8, name: &str, value: &str) -> (i8, String, Option<String>) {
    (source, name.into(), Some(value.into()))
}

#[test]
fn a_topics_own_value_stands_before_the_brokers() {
    let mut settings = Settings::default();
    settings.set("log.segment.bytes", "2000000", Origin::Flag);
    let cluster = dynamic(&[("log.segment.bytes", "3000000")]);
    let own = dynamic(&[("segment.bytes", "4000000")]);
    let layers = Layers { broker: None, cluster: Some(&cluster), settings: &settings };
    let config = find(&describe_topic(Some(&own), layers), "segment.bytes");
    assert_eq!((config.value.as_deref(), config.source), (Some("4000000"), ConfigSource::Topic));
    assert_eq!(
        shown(&config),
        [
            entry(1, "segment.bytes", "4000000"),
            entry(3, "log.segment.bytes", "3000000"),
            entry(4, "log.segment.bytes", "2000000"),
            entry(5, "log.segment.bytes", "1073741824"),
        ]
    );
    assert!(!config.read_only && !config.documentation.is_empty());
    let inherited = find(&describe_topic(None, layers), "segment.bytes");
    assert_eq!((inherited.value.as_deref(), inherited.source), (Some("3000000"), ConfigSource::DynamicDefaultBroker));
}

#[test]
fn a_default_in_another_unit_is_no_synonym() {
    let settings = Settings::default();
    let layers = Layers { broker: None, cluster: None, settings: &settings };
    let config = find(&describe_topic(None, layers), "retention.ms");
    assert_eq!((config.value.as_deref(), config.source), (Some("604800000"), ConfigSource::Default));
    assert_eq!(shown(&config), []);
    let own = dynamic(&[("retention.ms", "5")]);
    let config = find(&describe_topic(Some(&own), layers), "retention.ms");
    assert_eq!(shown(&config), [entry(1, "retention.ms", "5")]);
}

#[test]
fn a_topic_shows_kafkas_33_keys_and_ours() {
    let settings = Settings::default();
    let layers = Layers { broker: None, cluster: None, settings: &settings };
    let described = describe_topic(None, layers);
    assert_eq!(described.len(), 33 + 1);
    assert!(described.iter().all(|config| config.name != "max.decompressed.message.bytes"));
}

#[test]
fn a_broker_shows_what_is_set_and_hides_passwords() {
    let mut settings = Settings::default();
    settings.set("ssl.key.password", "hunter2", Origin::Flag);
    settings.set("super.users", "User:a", Origin::Flag);
    settings.set("log.retention.minutes", "5", Origin::Flag);
    let layers = Layers { broker: None, cluster: None, settings: &settings };
    let described = describe_broker(layers);
    let password = find(&described, "ssl.key.password");
    assert_eq!((password.value.as_deref(), password.is_sensitive), (None, true));
    assert!(!format!("{described:?}").contains("hunter2"));
    assert!(find(&described, "super.users").is_sensitive);
    assert_eq!(find(&described, "log.retention.ms").value, None);
    assert!(find(&described, "node.id").read_only && !find(&described, "log.retention.ms").read_only);
    let hours = find(&described, "log.retention.hours");
    assert_eq!(shown(&hours), [entry(5, "log.retention.hours", "168")]);
    assert_eq!(described.iter().filter(|config| config.name.starts_with("barnabas.")).count(), 10);
}

#[test]
fn the_default_of_all_brokers_shows_only_what_is_set_there() {
    let settings = Settings::default();
    let cluster = dynamic(&[("min.insync.replicas", "1")]);
    let layers = Layers { broker: None, cluster: Some(&cluster), settings: &settings };
    let described = describe_all_brokers(layers);
    assert_eq!(described.len(), 1);
    assert_eq!(shown(&described[0]), [entry(3, "min.insync.replicas", "1")]);
}

/// What the recording was made with.
const SERVER_PROPERTIES: &str = "process.roles=broker,controller\nnode.id=1\n\
    controller.quorum.bootstrap.servers=127.0.0.1:9093\n\
    listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\ncontroller.listener.names=CONTROLLER\n\
    listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\nlog.dirs=/data\n\
    offsets.topic.replication.factor=1\nlog.segment.bytes=2000000\nlog.retention.hours=2\nlog.roll.hours=3\n\
    super.users=User:a\n";

/// Where we differ, and why.
const KNOWN_DIFFERENCES: &[(&str, &str)] = &[
    // Kafka shows its default as the value beside the file's value as its source.
    ("BROKER 1", "log.roll.hours"),
];

fn line(resource: &str, config: &DescribedConfig) -> String {
    const TYPES: [&str; 10] =
        ["UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"];
    let source = |source: ConfigSource| match source {
        ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::Group => "GROUP_CONFIG",
    };
    let null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".into());
    let synonym = |one: &DescribedSynonym| format!("{}:{}={}", source(one.source), one.name, null(&one.value));
    let synonyms: Vec<String> = config.synonyms.iter().map(synonym).collect();
    [
        resource.to_owned(),
        config.name.clone(),
        null(&config.value),
        source(config.source).to_owned(),
        config.read_only.to_string(),
        config.is_sensitive.to_string(),
        TYPES[usize::try_from(config.config_type).unwrap()].to_owned(),
        synonyms.join(" "),
    ]
    .join("\t")
}

#[test]
fn what_is_described_is_what_kafka_describes() {
    let mut settings = Settings::default();
    for property in super::super::properties::parse(SERVER_PROPERTIES).unwrap() {
        settings.set(
            property.key,
            property.value,
            Origin::File { file: "server.properties".into(), line: property.line },
        );
    }
    // Booting gives either name the other's value.
    settings.set("broker.id", "1", Origin::Derived("node.id"));
    let cluster = dynamic(&[("log.segment.bytes", "3000000"), ("log.roll.ms", "5000"), ("min.insync.replicas", "1")]);
    let own = dynamic(&[("segment.bytes", "4000000"), ("retention.ms", "5")]);
    let layers = Layers { broker: None, cluster: Some(&cluster), settings: &settings };
    let all = [
        ("TOPIC t", describe_topic(Some(&own), layers)),
        ("TOPIC u", describe_topic(None, layers)),
        ("BROKER 1", describe_broker(layers)),
        ("BROKER ", describe_all_brokers(layers)),
    ];
    let is_compared = |line: &str| {
        let mut columns = line.split('\t');
        let (resource, key) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        !key.starts_with("barnabas.") && !line.starts_with('#') && !KNOWN_DIFFERENCES.contains(&(resource, key))
    };
    let ours: BTreeSet<String> = all
        .iter()
        .flat_map(|(resource, configs)| configs.iter().map(|config| line(resource, config)))
        .filter(|line| is_compared(line))
        .collect();
    let recording = include_str!("../../../testdata/describe-configs-kafka-4.3.1.tsv");
    let kafkas: BTreeSet<String> = recording.lines().filter(|line| is_compared(line)).map(str::to_owned).collect();
    let missing: Vec<&String> = kafkas.difference(&ours).collect();
    let extra: Vec<&String> = ours.difference(&kafkas).collect();
    assert!(missing.is_empty() && extra.is_empty(), "only Kafka: {missing:#?}\nonly here: {extra:#?}");
    assert!(ours.len() > 400, "{}", ours.len());
}

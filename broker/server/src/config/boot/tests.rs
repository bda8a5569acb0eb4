//! Configurations as people write them, the common images' among them.

use std::path::Path;

use super::*;
use crate::config::Listener;
use crate::config::Roles;

/// A machine, an environment and a file to boot from.
#[derive(Default)]
struct Bench {
    file: String,
    environment: BTreeMap<String, String>,
    overrides: Vec<String>,
    strict: bool,
    host: HostFacts,
}

impl Bench {
    fn file(text: &str) -> Self {
        Self { file: text.into(), ..Self::default() }.named("this-host")
    }

    fn environment(variables: &[(&str, &str)]) -> Self {
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { environment, ..Self::default() }.named("this-host")
    }

    fn named(mut self, host_name: &str) -> Self {
        self.host.host_name = host_name.into();
        self
    }

    fn flag(mut self, flag: &str) -> Self {
        self.overrides.push(flag.into());
        self
    }

    fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    fn container(mut self, mounts: &[&str]) -> Self {
        self.host.in_container = true;
        self.host.data_mounts = mounts.iter().map(PathBuf::from).collect();
        self
    }

    fn boot(&self) -> Result<Boot, ConfigError> {
        boot(BootInput {
            files: &[SourceFile { name: "server.properties".into(), text: self.file.clone() }],
            environment: &self.environment,
            overrides: &self.overrides,
            strict: self.strict,
            host: &self.host,
        })
    }

    fn booted(&self) -> Boot {
        self.boot().unwrap_or_else(|error| panic!("{error}"))
    }

    fn refusal(&self) -> String {
        self.boot().expect_err("refused").to_string()
    }
}

fn shown(listeners: &[Listener]) -> Vec<String> {
    listeners.iter().map(|one| format!("{}://{}:{}", one.name, one.host, one.port)).collect()
}

fn warned(boot: &Boot) -> String {
    boot.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_at_all_is_a_node_by_itself() {
    let boot = Bench::file("").booted();
    assert_eq!(boot.config.node_id, Some(BrokerId(1)));
    assert_eq!(shown(&boot.config.listeners), ["PLAINTEXT://:9092"]);
    assert_eq!(shown(&boot.config.advertised_listeners), ["PLAINTEXT://this-host:9092"]);
    assert_eq!(boot.config.inter_broker_listener_name, "PLAINTEXT");
    assert!(boot.config.controller_listeners.is_empty());
    assert_eq!(boot.config.log_dirs, [Path::new("/tmp/kafka-logs")]);
    assert_eq!(boot.config.offsets_topic_replication_factor, None, "as many as there are brokers");
    assert_eq!(boot.warnings, []);
}

#[test]
fn kafkas_own_server_properties_boot() {
    let boot = Bench::file(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\n\
         num.network.threads=3\nlog.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\nlog.retention.hours=168\n",
    )
    .booted();
    assert_eq!(shown(&boot.config.listeners), ["PLAINTEXT://:9092"]);
    assert_eq!(shown(&boot.config.controller_listeners), ["CONTROLLER://:9093"]);
    assert_eq!(shown(&boot.config.advertised_listeners), ["PLAINTEXT://localhost:9092"]);
    assert_eq!(boot.config.log_dirs, [Path::new("/tmp/kraft-combined-logs")]);
}

#[test]
fn confluents_single_broker_compose_settings_boot() {
    let boot = Bench::environment(&[
        ("KAFKA_NODE_ID", "1"),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT"),
        ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://broker:29092,PLAINTEXT_HOST://localhost:9092"),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
        ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
        ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
        ("KAFKA_JMX_PORT", "9101"),
        ("KAFKA_JMX_HOSTNAME", "localhost"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@broker:29093"),
        ("KAFKA_LISTENERS", "PLAINTEXT://broker:29092,CONTROLLER://broker:29093,PLAINTEXT_HOST://0.0.0.0:9092"),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "PLAINTEXT"),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_LOG_DIRS", "/tmp/kraft-combined-logs"),
        ("CLUSTER_ID", "MkU3OEVBNTcwNTJENDM2Qk"),
    ])
    .container(&[])
    .strict()
    .booted();
    assert_eq!(boot.config.node_id, Some(BrokerId(1)));
    assert_eq!(shown(&boot.config.listeners), ["PLAINTEXT://broker:29092", "PLAINTEXT_HOST://0.0.0.0:9092"]);
    assert_eq!(shown(&boot.config.controller_listeners), ["CONTROLLER://broker:29093"]);
    let advertised = ["PLAINTEXT://broker:29092", "PLAINTEXT_HOST://localhost:9092"];
    assert_eq!(shown(&boot.config.advertised_listeners), advertised);
    assert_eq!(boot.config.groups.group_initial_rebalance_delay_ms, 0);
    assert_eq!(boot.config.quorum_voters.len(), 1);
    assert_eq!(boot.cluster_id.as_deref(), Some("MkU3OEVBNTcwNTJENDM2Qk"));
}

#[test]
fn bitnamis_single_broker_compose_settings_boot() {
    let boot = Bench::environment(&[
        ("KAFKA_CFG_NODE_ID", "0"),
        ("KAFKA_CFG_PROCESS_ROLES", "controller,broker"),
        ("KAFKA_CFG_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("KAFKA_CFG_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
        ("KAFKA_CFG_CONTROLLER_QUORUM_VOTERS", "0@kafka:9093"),
        ("KAFKA_CFG_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("ALLOW_PLAINTEXT_LISTENER", "yes"),
        ("KAFKA_HEAP_OPTS", "-Xmx1g"),
    ])
    .named("kafka")
    .container(&["/bitnami/kafka"])
    .strict()
    .booted();
    assert_eq!(boot.config.node_id, Some(BrokerId(0)));
    assert_eq!(shown(&boot.config.advertised_listeners), ["PLAINTEXT://kafka:9092"]);
    assert_eq!(boot.config.log_dirs, [Path::new("/bitnami/kafka/data")]);
    assert_eq!(boot.config.offsets_topic_replication_factor, None);
}

#[test]
fn wurstmeisters_single_broker_compose_settings_boot() {
    let boot = Bench::environment(&[
        ("KAFKA_ADVERTISED_HOST_NAME", "192.168.99.100"),
        ("KAFKA_ADVERTISED_PORT", "9092"),
        ("KAFKA_CREATE_TOPICS", "Topic1:1:1,Topic2:2:1:compact"),
        ("KAFKA_ZOOKEEPER_CONNECT", "zookeeper:2181"),
        ("KAFKA_VERSION", "2.8.1"),
        ("KAFKA_HOME", "/opt/kafka"),
    ])
    .container(&["/kafka"])
    .booted();
    assert_eq!(shown(&boot.config.advertised_listeners), ["PLAINTEXT://192.168.99.100:9092"]);
    assert_eq!(boot.config.log_dirs, [Path::new("/kafka/data")]);
    assert_eq!(boot.create_topics.len(), 2);
    let warnings = warned(&boot);
    assert!(warnings.contains("ALONE"), "{warnings}");
    assert!(warnings.contains("advertised.host.name was removed in Kafka 3.0: use advertised.listeners"), "{warnings}");
}

#[test]
fn wurstmeisters_inside_and_outside_listeners_boot() {
    let boot = Bench::environment(&[
        ("KAFKA_BROKER_ID", "3"),
        ("KAFKA_ADVERTISED_LISTENERS", "INSIDE://kafka:9093,OUTSIDE://localhost:9092"),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT"),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "INSIDE"),
        ("KAFKA_ZOOKEEPER_CONNECT", "zookeeper:2181/kafka"),
    ])
    .booted();
    assert_eq!(boot.config.node_id, Some(BrokerId(3)));
    assert_eq!(shown(&boot.config.listeners), ["INSIDE://:9093", "OUTSIDE://:9092"], "derived from the advertised");
    assert_eq!(boot.config.inter_broker_listener_name, "INSIDE");
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let mut bench = Bench::environment(&[("KAFKA_NUM_PARTITIONS", "2"), ("KAFKA_DEFAULT_REPLICATION_FACTOR", "2")]);
    bench.file = "num.partitions=1\ndefault.replication.factor=1\nfetch.max.bytes=2048".into();
    let boot = bench.flag("num.partitions=3").booted();
    assert_eq!(boot.config.topics.num_partitions, 3);
    assert_eq!(boot.config.topics.default_replication_factor, 2);
    assert_eq!(boot.config.network.fetch_max_bytes, 2048);
    assert_eq!(boot.settings.get("num.partitions").unwrap().origin, Origin::Flag);
    assert_eq!(
        boot.settings.get("fetch.max.bytes").unwrap().origin,
        Origin::File { file: "server.properties".into(), line: 3 }
    );
}

#[test]
fn an_invalid_value_is_an_error_that_names_key_value_place_and_what_is_allowed() {
    assert_eq!(
        Bench::file("\nnum.partitions=0").refusal(),
        "Invalid value 0 for configuration num.partitions: must be at least 1 (set in server.properties, line 2)"
    );
    assert_eq!(
        Bench::environment(&[("KAFKA_LOG_SEGMENT_BYTES", "many")]).refusal(),
        "Invalid value many for configuration log.segment.bytes: not a number of type INT \
         (set in environment variable KAFKA_LOG_SEGMENT_BYTES)"
    );
    let overridden = Bench::file("num.partitions=0").flag("num.partitions=2");
    assert_eq!(overridden.booted().config.topics.num_partitions, 2, "what is overridden does not count");
    assert_eq!(Bench::file("").flag("num.partitions").refusal(), "--override num.partitions: expected key=value");
}

#[test]
fn an_unknown_key_is_a_warning_and_under_strict_an_error() {
    let bench = Bench::file("log.retention.hour=1\nsomething.else.entirely=2");
    let boot = bench.booted();
    assert!(boot.settings.get("log.retention.hour").is_none());
    assert_eq!(
        warned(&boot),
        "unknown configuration log.retention.hour in server.properties, line 1: did you mean log.retention.hours?\n\
         unknown configuration something.else.entirely in server.properties, line 2"
    );
    assert!(bench.strict().refusal().contains("did you mean log.retention.hours?"));
}

#[test]
fn keys_without_effect_are_named_once_in_one_line() {
    let boot =
        Bench::file("super.users=User:a\nlistener.name.internal.ssl.key.password=x\nrsm.config.a=b\nnum.io.threads=4")
            .booted();
    let warnings = warned(&boot);
    assert_eq!(boot.warnings.len(), 1, "{warnings}");
    for key in ["super.users", "listener.name.internal.ssl.key.password", "rsm.config.a", "num.io.threads"] {
        assert!(warnings.contains(key), "{warnings}");
    }
}

#[test]
fn old_listen_keys_still_say_where_to_listen() {
    let boot = Bench::file("host.name=10.0.0.5\nport=9999\nadvertised.host.name=kafka.example.com").booted();
    assert_eq!(shown(&boot.config.listeners), ["PLAINTEXT://10.0.0.5:9999"]);
    assert_eq!(shown(&boot.config.advertised_listeners), ["PLAINTEXT://kafka.example.com:9999"]);
    assert!(Bench::file("advertised.port=many").refusal().contains("must be a port"));
}

#[test]
fn several_zookeepers_are_refused_with_what_to_add() {
    let refusal = Bench::file("zookeeper.connect=zk1:2181,zk2:2181/kafka").refusal();
    assert!(refusal.contains("controller.quorum.voters=<node.id>@<host>:9093"), "{refusal}");
    let with_quorum = "zookeeper.connect=zk1:2181,zk2:2181\nprocess.roles=broker,controller\nnode.id=1\n";
    Bench::file(with_quorum).booted();
}

#[test]
fn what_this_release_does_not_serve_is_refused() {
    let quorum = "process.roles=broker,controller\nnode.id=1\n";
    for (text, expected) in [
        ("process.roles=broker\nnode.id=1".to_owned(), "controller.quorum.bootstrap.servers must be set"),
        ("controller.quorum.voters=1@a:9093".to_owned(), "process.roles must be set"),
        ("process.roles=broker,controller".to_owned(), "node.id must be set"),
        (format!("{quorum}controller.quorum.voters=1@a:9093,2@b:9093"), "controller.listener.names must be set"),
        (format!("{quorum}controller.quorum.voters=2@a:9093"), "node 1 is a controller"),
        ("process.roles=broker\nnode.id=1\ncontroller.quorum.voters=1@a:1".to_owned(), "it must not be named here"),
        (format!("{quorum}controller.quorum.bootstrap.servers=a:1,b:1"), "controller.listener.names must be set"),
        (format!("{quorum}controller.quorum.bootstrap.servers=a"), "entries are host:port"),
        ("listeners=SSL://:9092".to_owned(), "this release serves PLAINTEXT only"),
        ("authorizer.class.name=org.example.Authorizer".to_owned(), "enforces no ACLs"),
        ("remote.log.storage.system.enable=true".to_owned(), "no tiered storage"),
        ("broker.id=1\nnode.id=2".to_owned(), "must be the same as node.id"),
    ] {
        let refusal = Bench::file(&text).refusal();
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

#[test]
fn listeners_that_contradict_each_other_are_refused() {
    for (text, expected) in [
        ("listeners=PLAINTEXT://0.0.0.0:9092", "clients cannot connect to '0.0.0.0'"),
        ("advertised.listeners=SSL://a:1\nlisteners=PLAINTEXT://:9092", "listeners has no SSL"),
        ("inter.broker.listener.name=INSIDE", "must be one of the listeners: PLAINTEXT://:9092"),
        ("controller.listener.names=PLAINTEXT\nlisteners=PLAINTEXT://:9092", "a listener that is not the quorum's"),
        ("controller.listener.names=QUORUM\nlisteners=PLAINTEXT://:9092", "add QUORUM://:9093"),
    ] {
        let refusal = Bench::file(text).refusal();
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

#[test]
fn the_quorums_listener_is_added_where_no_listeners_are_set() {
    let boot = Bench::file(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
         controller.quorum.voters=1@a:19093\nadvertised.listeners=PLAINTEXT://a:19092",
    )
    .booted();
    assert_eq!(shown(&boot.config.listeners), ["PLAINTEXT://:19092"]);
    assert_eq!(shown(&boot.config.controller_listeners), ["CONTROLLER://:19093"]);
}

#[test]
fn a_node_may_be_a_broker_or_a_controller_of_a_quorum_of_several() {
    let quorum = "controller.quorum.voters=1@a:9093,2@b:9094\ncontroller.listener.names=CONTROLLER\n";
    let controller = Bench::file(&format!("{quorum}process.roles=controller\nnode.id=2")).booted().config;
    assert_eq!(controller.roles, Roles { broker: false, controller: true });
    assert!(controller.listeners.is_empty() && controller.advertised_listeners.is_empty());
    assert_eq!(shown(&controller.advertised_controller_listeners), ["CONTROLLER://b:9093"], "as the voters name it");
    let mut given = Bench::file(&format!("{quorum}process.roles=broker")).booted();
    assert_eq!((given.config.node_id, given.settings.get("node.id")), (None, None), "the controller gives it one");
    given.be_given(BrokerId(1001));
    let ids = ["node.id", "broker.id"].map(|key| given.settings.explicit(key).unwrap());
    assert_eq!((given.config.node_id, ids), (Some(BrokerId(1001)), ["1001", "1001"]));
    let broker = Bench::file(&format!("{quorum}process.roles=broker\nnode.id=7")).booted().config;
    assert_eq!(shown(&broker.listeners), ["PLAINTEXT://:9092"]);
    assert!(broker.controller_listeners.is_empty());
    let both = "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=a:1,[::1]:2\n\
                controller.listener.names=CONTROLLER\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
                advertised.listeners=PLAINTEXT://a:9092,CONTROLLER://a:19093";
    let both = Bench::file(both).booted().config;
    assert_eq!(both.quorum_bootstrap_servers, [("a".to_owned(), 1), ("::1".to_owned(), 2)]);
    assert_eq!(shown(&both.advertised_controller_listeners), ["CONTROLLER://a:19093"]);
    for (text, expected) in [
        (
            "process.roles=controller\nnode.id=1\nlisteners=CONTROLLER://:1,PLAINTEXT://:2",
            "serves no clients: remove PLAINTEXT://:2",
        ),
        (
            "process.roles=broker\nnode.id=7\nlisteners=CONTROLLER://:1,PLAINTEXT://:2",
            "has no listener of the quorum: remove CONTROLLER://:1",
        ),
    ] {
        let refusal = Bench::file(&format!("{quorum}{text}")).refusal();
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

#[test]
fn data_goes_to_log_dirs_then_to_a_mount_then_to_the_default_with_a_warning_in_a_container() {
    let directory = |bench: Bench| bench.booted().config.log_dirs;
    assert_eq!(
        directory(Bench::file("log.dirs=/a,/b\nlog.dir=/c").container(&["/kafka"])),
        [Path::new("/a"), Path::new("/b")]
    );
    assert_eq!(directory(Bench::file("log.dir=/c").container(&["/kafka"])), [Path::new("/c")]);
    assert_eq!(directory(Bench::file("").container(&["/var/lib/kafka/data"])), [Path::new("/var/lib/kafka/data")]);
    let boot = Bench::file("").container(&[]).booted();
    assert!(warned(&boot).contains("is lost with it"));
    assert!(Bench::file("log.dirs=/a,/a").refusal().contains("each once"));
    assert!(Bench::file("log.dirs=").refusal().contains("one directory or more"));
}

#[test]
fn directories_may_be_cordoned_all_of_them_too_but_none_that_is_not_there() {
    let boot = Bench::file("log.dirs=/a,/b,/c\ncordoned.log.dirs=/c,/a").booted();
    assert_eq!(boot.config.cordoned_log_dirs, [Path::new("/c"), Path::new("/a")]);
    for all in ["/a,/b", "*"] {
        let boot = Bench::file(&format!("log.dirs=/a,/b\ncordoned.log.dirs={all}")).booted();
        assert_eq!(boot.config.cordoned_log_dirs, [Path::new("/a"), Path::new("/b")]);
    }
    assert!(Bench::file("log.dirs=/a\ncordoned.log.dirs=/b").refusal().contains("directories of log.dirs"));
}

#[test]
fn passwords_do_not_get_into_errors() {
    let error = Bench::file("ssl.key.password=secret\nnum.partitions=x").refusal();
    assert!(!error.contains("secret"), "{error}");
}

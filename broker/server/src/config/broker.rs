//! A broker's own configuration as types, read once when it starts. What a topic inherits and what may change at run time
//! is in `topic` and `layers`.

use std::path::PathBuf;

use barnabas_types::BrokerId;

use super::boot::ConfigError;
use super::listeners::{Listener, QuorumVoter};
use super::settings::Settings;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* #[doc = concat!("`", $key, "`")] pub $field: $type,)*
        }

        impl $name {
            fn read(settings: &Settings) -> Result<Self, ConfigError> {
                Ok(Self { $($field: settings.read($key)?,)* })
            }

            #[cfg(test)]
            const KEYS: &[&str] = &[$($key),*];
        }
    };
}

section! {
    /// Connections and requests.
    NetworkConfig {
        socket_request_max_bytes: usize = "socket.request.max.bytes",
        max_connections: usize = "max.connections",
        max_connections_per_ip: usize = "max.connections.per.ip",
        connections_max_idle_ms: i64 = "connections.max.idle.ms",
        /// -1 lets the broker choose.
        queued_max_request_bytes: i64 = "queued.max.request.bytes",
        fetch_max_bytes: usize = "fetch.max.bytes",
        max_incremental_fetch_session_cache_slots: usize = "max.incremental.fetch.session.cache.slots",
        max_request_partition_size_limit: usize = "max.request.partition.size.limit",
    }
}

section! {
    /// Topics that are made without saying how.
    TopicDefaults {
        num_partitions: i32 = "num.partitions",
        default_replication_factor: i16 = "default.replication.factor",
        auto_create_topics_enable: bool = "auto.create.topics.enable",
        delete_topic_enable: bool = "delete.topic.enable",
    }
}

section! {
    /// Work on the logs of all topics.
    StorageConfig {
        /// Below 0 lets the broker choose.
        log_dir_reserve_bytes: i64 = "barnabas.log.dir.reserve.bytes",
        log_dir_sync_timeout_ms: i64 = "barnabas.log.dir.sync.timeout.ms",
        log_retention_check_interval_ms: i64 = "log.retention.check.interval.ms",
        replica_high_watermark_checkpoint_interval_ms: i64 = "replica.high.watermark.checkpoint.interval.ms",
        /// 0 for never.
        barnabas_log_scrub_bytes_per_second: u64 = "barnabas.log.scrub.bytes.per.second",
    }
}

section! {
    /// Replication between brokers.
    ReplicationConfig {
        lag_time_max_ms: u64 = "replica.lag.time.max.ms",
        fetch_backoff_ms: u64 = "replica.fetch.backoff.ms",
        fetch_max_bytes: i32 = "replica.fetch.max.bytes",
        fetch_min_bytes: i32 = "replica.fetch.min.bytes",
        fetch_response_max_bytes: i32 = "replica.fetch.response.max.bytes",
        fetch_wait_max_ms: i32 = "replica.fetch.wait.max.ms",
    }
}

section! {
    /// Groups and their offsets.
    GroupsConfig {
        group_min_session_timeout_ms: i32 = "group.min.session.timeout.ms",
        group_max_session_timeout_ms: i32 = "group.max.session.timeout.ms",
        group_initial_rebalance_delay_ms: i32 = "group.initial.rebalance.delay.ms",
        group_max_size: usize = "group.max.size",
        offset_metadata_max_bytes: usize = "offset.metadata.max.bytes",
        offsets_retention_minutes: i64 = "offsets.retention.minutes",
        offsets_retention_check_interval_ms: i64 = "offsets.retention.check.interval.ms",
        offsets_commit_timeout_ms: i64 = "offsets.commit.timeout.ms",
        offsets_load_buffer_size: u32 = "offsets.load.buffer.size",
        /// Kafka's number of a codec.
        offsets_topic_compression_codec: i32 = "offsets.topic.compression.codec",
        offsets_topic_num_partitions: i32 = "offsets.topic.num.partitions",
        offsets_topic_segment_bytes: u32 = "offsets.topic.segment.bytes",
    }
}

section! {
    /// The metadata log, and the brokers that live by it.
    MetadataLogConfig {
        metadata_log_segment_bytes: u32 = "metadata.log.segment.bytes",
        metadata_log_max_record_bytes_between_snapshots: i64 = "metadata.log.max.record.bytes.between.snapshots",
        /// 0 for never.
        metadata_log_max_snapshot_interval_ms: i64 = "metadata.log.max.snapshot.interval.ms",
        /// 0 for never.
        metadata_max_idle_interval_ms: i64 = "metadata.max.idle.interval.ms",
        broker_session_timeout_ms: i64 = "broker.session.timeout.ms",
        broker_heartbeat_interval_ms: i64 = "broker.heartbeat.interval.ms",
        /// 0 for not at all.
        shutdown_grace_ms: i64 = "barnabas.shutdown.grace.ms",
        auto_leader_rebalance_enable: bool = "auto.leader.rebalance.enable",
        leader_imbalance_check_interval_seconds: i64 = "leader.imbalance.check.interval.seconds",
        unclean_leader_election_interval_ms: i64 = "unclean.leader.election.interval.ms",
    }
}

section! {
    /// The quorum's times and sizes.
    QuorumConfig {
        auto_join: bool = "controller.quorum.auto.join.enable",
        election_timeout_ms: u64 = "controller.quorum.election.timeout.ms",
        election_backoff_max_ms: u64 = "controller.quorum.election.backoff.max.ms",
        fetch_timeout_ms: u64 = "controller.quorum.fetch.timeout.ms",
        request_timeout_ms: u64 = "controller.quorum.request.timeout.ms",
        retry_backoff_ms: u64 = "controller.quorum.retry.backoff.ms",
        fetch_max_bytes: i32 = "controller.quorum.fetch.max.bytes",
        fetch_snapshot_max_bytes: i32 = "controller.quorum.fetch.snapshot.max.bytes",
    }
}

/// `process.roles`: one or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Serves clients.
    pub broker: bool,
    /// May be a voter of the quorum, and the active controller.
    pub controller: bool,
}

/// How the broker writes its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormatSetting {
    /// A line that a person reads.
    Text,
    /// A JSON object a line.
    Json,
}

/// `barnabas.failure.detection`: how the death of a broker is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureDetection {
    /// By what is heard of it and what comes of asking it, too.
    Fast,
    /// By `broker.session.timeout.ms` alone.
    Kafka,
}

/// Everything that a broker reads once.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    /// `node.id`; none of a broker that is still to be given one by the active controller.
    pub node_id: Option<BrokerId>,
    /// `broker.rack`
    pub rack: Option<String>,
    /// Listeners for clients and brokers, as they are bound.
    pub listeners: Vec<Listener>,
    /// Listeners of the quorum, as they are bound; none where a node is by itself and nobody asked for one.
    pub controller_listeners: Vec<Listener>,
    /// What clients are told, a listener for each of `listeners`. Port 0 stands for the port that was bound.
    pub advertised_listeners: Vec<Listener>,
    /// The listener among brokers.
    pub inter_broker_listener_name: String,
    /// `process.roles`
    pub roles: Roles,
    /// What other nodes are told of `controller_listeners`.
    pub advertised_controller_listeners: Vec<Listener>,
    /// The first of `controller.listener.names`, by which the nodes of the quorum reach each other; none where there is only one.
    pub controller_listener_name: Option<String>,
    /// `controller.quorum.voters`; empty where the voters are in the metadata log.
    pub quorum_voters: Vec<QuorumVoter>,
    /// `controller.quorum.bootstrap.servers`, as host and port.
    pub quorum_bootstrap_servers: Vec<(String, u16)>,
    /// Directories of the data, one or more.
    pub log_dirs: Vec<PathBuf>,
    /// Those of them where no new partition is placed.
    pub cordoned_log_dirs: Vec<PathBuf>,
    /// Directory of the metadata log: one of the former or another.
    pub metadata_log_dir: PathBuf,
    /// `barnabas.recordings.dir`, or that of the metadata log.
    pub recordings_dir: PathBuf,
    /// `barnabas.admin.listener` as `host:port`; none where it is empty.
    pub admin_listener: Option<String>,
    /// `barnabas.failure.detection`
    pub failure_detection: FailureDetection,
    /// `barnabas.log.format`
    pub log_format: LogFormatSetting,
    /// `barnabas.log.level`
    pub log_level: String,
    /// Connections and requests.
    pub network: NetworkConfig,
    /// Topics that are made without saying how.
    pub topics: TopicDefaults,
    /// Work on the logs of all topics.
    pub storage: StorageConfig,
    /// Replication between brokers.
    pub replication: ReplicationConfig,
    /// Groups and their offsets.
    pub groups: GroupsConfig,
    /// `offsets.topic.replication.factor`; None where it is not set, which is not the same as its default.
    pub offsets_topic_replication_factor: Option<i16>,
    /// The metadata log.
    pub metadata_log: MetadataLogConfig,
    /// The quorum.
    pub quorum: QuorumConfig,
}

/// What was worked out from several settings at once.
pub(super) struct Derived {
    pub(super) node_id: Option<BrokerId>,
    pub(super) listeners: Vec<Listener>,
    pub(super) controller_listeners: Vec<Listener>,
    pub(super) advertised_listeners: Vec<Listener>,
    pub(super) inter_broker_listener_name: String,
    pub(super) roles: Roles,
    pub(super) advertised_controller_listeners: Vec<Listener>,
    pub(super) controller_listener_name: Option<String>,
    pub(super) quorum_voters: Vec<QuorumVoter>,
    pub(super) quorum_bootstrap_servers: Vec<(String, u16)>,
    pub(super) log_dirs: Vec<PathBuf>,
    pub(super) cordoned_log_dirs: Vec<PathBuf>,
}

impl BrokerConfig {
    pub(super) fn read(settings: &Settings, derived: Derived) -> Result<Self, ConfigError> {
        let metadata_log_dir = match settings.explicit("metadata.log.dir") {
            Some(directory) => directory.into(),
            None => derived.log_dirs.first().cloned().unwrap_or_default(),
        };
        let admin_listener: String = settings.read("barnabas.admin.listener")?;
        let recordings_dir: String = settings.read("barnabas.recordings.dir")?;
        let log_format = match settings.effective("barnabas.log.format") {
            Some("json") => LogFormatSetting::Json,
            _ => LogFormatSetting::Text,
        };
        let failure_detection = match settings.effective("barnabas.failure.detection") {
            Some("kafka") => FailureDetection::Kafka,
            _ => FailureDetection::Fast,
        };
        Ok(Self {
            node_id: derived.node_id,
            rack: settings.read("broker.rack")?,
            listeners: derived.listeners,
            controller_listeners: derived.controller_listeners,
            advertised_listeners: derived.advertised_listeners,
            inter_broker_listener_name: derived.inter_broker_listener_name,
            roles: derived.roles,
            advertised_controller_listeners: derived.advertised_controller_listeners,
            controller_listener_name: derived.controller_listener_name,
            quorum_voters: derived.quorum_voters,
            quorum_bootstrap_servers: derived.quorum_bootstrap_servers,
            log_dirs: derived.log_dirs,
            cordoned_log_dirs: derived.cordoned_log_dirs,
            recordings_dir: match recordings_dir.is_empty() {
                true => metadata_log_dir.clone(),
                false => recordings_dir.into(),
            },
            metadata_log_dir,
            admin_listener: (!admin_listener.is_empty()).then_some(admin_listener),
            failure_detection,
            log_format,
            log_level: settings.read("barnabas.log.level")?,
            network: NetworkConfig::read(settings)?,
            topics: TopicDefaults::read(settings)?,
            storage: StorageConfig::read(settings)?,
            replication: ReplicationConfig::read(settings)?,
            groups: GroupsConfig::read(settings)?,
            offsets_topic_replication_factor: settings.read_explicit("offsets.topic.replication.factor")?,
            metadata_log: MetadataLogConfig::read(settings)?,
            quorum: QuorumConfig::read(settings)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::broker_key;
    use super::*;

    #[test]
    fn every_section_reads_its_defaults_and_names_keys_that_have_an_effect() {
        let settings = Settings::default();
        assert_eq!(NetworkConfig::read(&settings).unwrap().socket_request_max_bytes, 104_857_600);
        assert!(TopicDefaults::read(&settings).unwrap().auto_create_topics_enable);
        assert_eq!(StorageConfig::read(&settings).unwrap().log_retention_check_interval_ms, 300_000);
        assert_eq!(GroupsConfig::read(&settings).unwrap().offsets_topic_num_partitions, 50);
        assert_eq!(MetadataLogConfig::read(&settings).unwrap().metadata_max_idle_interval_ms, 500);
        let sections = [
            NetworkConfig::KEYS,
            TopicDefaults::KEYS,
            StorageConfig::KEYS,
            ReplicationConfig::KEYS,
            GroupsConfig::KEYS,
            MetadataLogConfig::KEYS,
            QuorumConfig::KEYS,
        ];
        for key in sections.concat() {
            assert!(
                broker_key(key).is_some_and(|row| row.has_effect()),
                "{key} is read, and its row says that it has no effect"
            );
        }
    }
}

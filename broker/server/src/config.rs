//! Configuration: the keys and their rows, the settings that a broker starts with, and what topics and brokers have in
//! force once what was changed at run time lies on top. Pure: texts and maps in, types out; nothing here opens a file, reads
//! a variable or writes to a log.

pub mod boot;
mod broker;
mod cleaner;
mod describe;
mod environment;
pub mod keys;
mod layers;
mod listeners;
mod properties;
mod rules;
mod settings;
mod topic;

pub use boot::{Boot, BootInput, ConfigError, DATA_MOUNTS, HostFacts, SourceFile, TopicToCreate, Warning, boot};
pub use broker::{
    BrokerConfig, FailureDetection, GroupsConfig, LogFormatSetting, MetadataLogConfig, NetworkConfig, QuorumConfig,
    Roles, StorageConfig, TopicDefaults,
};
pub use cleaner::CleanerConfig;
pub use describe::{
    DescribedConfig, DescribedSynonym, describe_all_brokers, describe_broker, describe_group, describe_topic,
};
pub use layers::{ConfigSource, Layers};
pub use listeners::{Listener, QuorumVoter, SecurityProtocol};
pub use rules::Rules;
pub use settings::{FromSetting, Origin, Setting, Settings};
pub use topic::TopicConfig;

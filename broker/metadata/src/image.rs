//! What the cluster's metadata is at one offset: a persistent map, so that a copy costs nothing and shares all that did not
//! change. Holds state and answers lookups; decides nothing, and changes only through `replay`.

mod brokers;
mod configs;
mod controllers;
mod features;
mod producer_ids;
mod topics;

pub use brokers::{BrokerEndpoint, BrokerRegistration, Brokers, FeatureRange};
pub use configs::{ConfigResource, Configs, ResourceConfigs, ResourceType};
pub use controllers::{ControllerRegistration, Controllers};
pub use features::{Features, METADATA_VERSION};
pub use producer_ids::NextProducerId;
pub use topics::{Partition, RecoveryState, Topic, Topics, UnusualReplicas};

/// The cluster's metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// Topics and their partitions.
    pub topics: Topics,
    /// Registered brokers.
    pub brokers: Brokers,
    /// Registered controllers.
    pub controllers: Controllers,
    /// Dynamic configuration.
    pub configs: Configs,
    /// Finalised feature levels.
    pub features: Features,
    /// The next block of producer ids.
    pub producer_ids: NextProducerId,
}

//! What the cluster's metadata is at one offset: a persistent map, so that a copy costs nothing and shares all that did not
//! change. Holds state and answers lookups; decides nothing, and changes only through `replay`.

mod acls;
mod brokers;
mod client_quotas;
mod configs;
mod controllers;
mod delegation_tokens;
mod features;
pub(crate) mod hash;
mod producer_ids;
mod scram_credentials;
mod topics;

pub use acls::{AccessControlEntry, Acls};
pub use brokers::{BrokerEndpoint, BrokerRegistration, Brokers, FeatureRange};
pub use client_quotas::{ClientQuotas, EntityQuotas, QuotaEntity, QuotaValue};
pub use configs::{ConfigResource, Configs, ResourceConfigs, ResourceType};
pub use controllers::{ControllerRegistration, Controllers};
pub use delegation_tokens::{DelegationToken, DelegationTokens};
pub use features::{Features, METADATA_VERSION};
pub use producer_ids::NextProducerId;
pub use scram_credentials::{ScramCredential, ScramCredentials, ScramMechanism};
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
    /// Client quotas.
    pub client_quotas: ClientQuotas,
    /// Access control entries.
    pub acls: Acls,
    /// SCRAM credentials.
    pub scram_credentials: ScramCredentials,
    /// Delegation tokens.
    pub delegation_tokens: DelegationTokens,
}

impl Image {
    /// The same for equal images, and for different ones different but with a chance of 1 in 2^64. It is kept up with every change, so
    /// that asking costs nothing. Two nodes that have applied the log up to the same offset must say the same.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let parts = [
            self.topics.hash(),
            self.brokers.hash(),
            self.controllers.hash(),
            self.configs.hash(),
            self.features.hash(),
            self.producer_ids.hash(),
            self.client_quotas.hash(),
            self.acls.hash(),
            self.scram_credentials.hash(),
            self.delegation_tokens.hash(),
        ];
        parts.into_iter().fold(0, u64::wrapping_add)
    }
}

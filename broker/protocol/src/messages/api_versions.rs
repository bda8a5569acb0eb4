//! ApiVersions (key 18): which APIs and versions a node serves, and the feature levels of the cluster (KIP-35, KIP-511, KIP-584, KIP-1242).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks what the node serves. The first request on most connections.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ApiVersions, response = ApiVersionsResponse)]
pub struct ApiVersionsRequest<'a> {
    /// The client library's name: letters, digits, `-` and `.`, beginning and ending with a letter or digit.
    #[field(versions = "3+", ignorable)]
    pub client_software_name: Cow<'a, str>,
    /// The client library's version, of the same characters.
    #[field(versions = "3+", ignorable)]
    pub client_software_version: Cow<'a, str>,
    /// The id of the cluster that the client means to talk to; null when it does not know. New in Kafka 4.4.0.
    #[field(versions = "5+", nullable = "5+", default = null, ignorable)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The id of the node that the client means to talk to, told together with the cluster's; -1 when it does not know. New in Kafka
    /// 4.4.0.
    #[field(versions = "5+", default = -1, ignorable)]
    pub node_id: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What the node serves. Written in version 0 when the request came in a version that the node does not know.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ApiVersions)]
pub struct ApiVersionsResponse<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The APIs served, by key.
    pub api_keys: Vec<ApiVersion<'a>>,
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The features this node is able to run. Below version 4 those whose lowest level is 0 are left out, since clients cannot read
    /// them.
    #[field(versions = "3+", tag = 0, ignorable)]
    pub supported_features: Vec<SupportedFeatureKey<'a>>,
    /// Grows with every change of the finalised features; -1 when they are not known.
    #[field(versions = "3+", tag = 1, default = -1, ignorable)]
    pub finalized_features_epoch: i64,
    /// The levels at which the cluster runs; of use only when the epoch is not -1.
    #[field(versions = "3+", tag = 2, ignorable)]
    pub finalized_features: Vec<FinalizedFeatureKey<'a>>,
    /// Left from the migration away from ZooKeeper; false.
    #[field(versions = "3+", tag = 3, ignorable)]
    pub zk_migration_ready: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One API and the range of versions in which it is served.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ApiVersion<'a> {
    /// The API's number.
    pub api_key: i16,
    /// The lowest version served.
    pub min_version: i16,
    /// The highest version served.
    pub max_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A feature and the levels that this node is able to run.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct SupportedFeatureKey<'a> {
    /// The feature's name, such as `metadata.version`.
    #[field(versions = "3+")]
    pub name: Cow<'a, str>,
    /// The lowest level this node is able to run.
    #[field(versions = "3+")]
    pub min_version: i16,
    /// The highest level this node is able to run.
    #[field(versions = "3+")]
    pub max_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A feature and the level at which the cluster runs.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct FinalizedFeatureKey<'a> {
    /// The feature's name, such as `metadata.version`.
    #[field(versions = "3+")]
    pub name: Cow<'a, str>,
    /// The level at which the cluster runs.
    #[field(versions = "3+")]
    pub max_version_level: i16,
    /// The lowest level that every node may assume.
    #[field(versions = "3+")]
    pub min_version_level: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

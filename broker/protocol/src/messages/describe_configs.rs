//! DescribeConfigs (key 32): configurations with their sources, synonyms and documentation (KIP-133, KIP-226, KIP-569).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for the configurations of resources.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeConfigs, response = DescribeConfigsResponse)]
pub struct DescribeConfigsRequest<'a> {
    /// By resource.
    pub resources: Vec<DescribeConfigsResource<'a>>,
    /// Whether to tell all places that could set a configuration.
    pub include_synonyms: bool,
    /// Whether to tell what each configuration is for.
    #[field(versions = "3+")]
    pub include_documentation: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A resource, and which of its configurations.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeConfigsResource<'a> {
    /// What kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name: of a topic its name, of a broker its id, empty for all brokers.
    pub resource_name: Cow<'a, str>,
    /// The configurations asked for; null for all.
    #[field(nullable = "0+")]
    pub configuration_keys: Option<Vec<Cow<'a, str>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The configurations by resource.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeConfigs)]
pub struct DescribeConfigsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By resource.
    pub results: Vec<DescribeConfigsResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The configurations of one resource.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeConfigsResult<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// What kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name: of a topic its name, of a broker its id, empty for all brokers.
    pub resource_name: Cow<'a, str>,
    /// The configurations.
    pub configs: Vec<DescribeConfigsResourceResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One configuration.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeConfigsResourceResult<'a> {
    /// The configuration's name.
    pub name: Cow<'a, str>,
    /// Its value; null when it is sensitive or has none.
    #[field(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
    /// True when it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Where the value comes from: 1 the topic, 2 the broker, 3 the default of all brokers, 4 the broker's file, 5 Kafka's default, 6
    /// the broker's logger, 7 a client metrics subscription, 8 the group; -1 not known.
    #[field(default = -1, ignorable)]
    pub config_source: i8,
    /// True for passwords and the like, whose value is never told.
    pub is_sensitive: bool,
    /// The places that could set the configuration, the strongest first; empty when it was not asked.
    #[field(ignorable)]
    pub synonyms: Vec<DescribeConfigsSynonym<'a>>,
    /// The type of the value: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password; 0 not known.
    #[field(versions = "3+", ignorable)]
    pub config_type: i8,
    /// What the configuration is for; null when it was not asked.
    #[field(versions = "3+", nullable = "3+", ignorable)]
    pub documentation: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A place that could set the configuration; the first that does wins.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeConfigsSynonym<'a> {
    /// The name that the configuration has there.
    pub name: Cow<'a, str>,
    /// The value there; null when it is sensitive or has none.
    #[field(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
    /// The place, numbered as `config_source`.
    pub source: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

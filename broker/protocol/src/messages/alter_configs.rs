//! AlterConfigs (key 33): replaces all configurations of a resource (KIP-133). Deprecated since it loses what it does not name.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Replaces all configurations, each resource for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AlterConfigs, response = AlterConfigsResponse)]
pub struct AlterConfigsRequest<'a> {
    /// By resource.
    pub resources: Vec<AlterConfigsResource<'a>>,
    /// True to find out whether it would work, without doing it.
    pub validate_only: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A resource and its changes.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterConfigsResource<'a> {
    /// What kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name: of a topic its name, of a broker its id, empty for all brokers.
    pub resource_name: Cow<'a, str>,
    /// The configurations.
    pub configs: Vec<AlterableConfig<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A configuration that the resource shall have.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterableConfig<'a> {
    /// The configuration's name.
    pub name: Cow<'a, str>,
    /// The value.
    #[field(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each resource.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AlterConfigs)]
pub struct AlterConfigsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By resource.
    pub responses: Vec<AlterConfigsResourceResponse<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterConfigsResourceResponse<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// What kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name: of a topic its name, of a broker its id, empty for all brokers.
    pub resource_name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

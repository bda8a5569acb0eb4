//! ListConfigResources (key 74): the resources that have configurations of their own (KIP-714, KIP-1142).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for resources by their kind. Version 0 asks for client metrics subscriptions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ListConfigResources, response = ListConfigResourcesResponse)]
pub struct ListConfigResourcesRequest<'a> {
    /// The kinds asked for: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group; empty for all.
    #[field(versions = "1+")]
    pub resource_types: Vec<i8>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The resources.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ListConfigResources)]
pub struct ListConfigResourcesResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The resources.
    pub config_resources: Vec<ConfigResource<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ConfigResource<'a> {
    /// The resource's name: of a topic, subscription or group its name, of a broker its id.
    pub resource_name: Cow<'a, str>,
    /// What kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group. Version 0 means 16.
    #[field(versions = "1+", default = 16, ignorable)]
    pub resource_type: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

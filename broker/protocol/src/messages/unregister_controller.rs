//! UnregisterController (key 94): removes the registration of a controller that is gone for good (KIP-1312). New in Kafka 4.4.0.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Names the controller.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = UnregisterController, response = UnregisterControllerResponse)]
pub struct UnregisterControllerRequest<'a> {
    /// The controller's id.
    pub controller_id: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether it is gone.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = UnregisterController)]
pub struct UnregisterControllerResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

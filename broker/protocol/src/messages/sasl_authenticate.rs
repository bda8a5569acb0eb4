//! SaslAuthenticate (key 36): one step of a SASL exchange, at login or to renew a session (KIP-152, KIP-368).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// One token of the client.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = SaslAuthenticate, response = SaslAuthenticateResponse)]
pub struct SaslAuthenticateRequest<'a> {
    /// The token, in the form of the mechanism.
    pub auth_bytes: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The server's token in reply.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = SaslAuthenticate)]
pub struct SaslAuthenticateResponse<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// The token, in the form of the mechanism; empty on an error.
    pub auth_bytes: Cow<'a, [u8]>,
    /// After how long the client must have logged in anew, in milliseconds; 0 for never (KIP-368).
    #[field(versions = "1+", ignorable)]
    pub session_lifetime_ms: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

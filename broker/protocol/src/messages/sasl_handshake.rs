//! SaslHandshake (key 17): the client names the SASL mechanism it wants to log in with (KIP-43, KIP-152). Never flexible.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::ErrorCode;

/// Names the mechanism. In version 0 the exchange follows as bare bytes, in version 1 as SaslAuthenticate.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = SaslHandshake, response = SaslHandshakeResponse)]
pub struct SaslHandshakeRequest<'a> {
    /// The SASL mechanism, such as `SCRAM-SHA-512`.
    pub mechanism: Cow<'a, str>,
}

/// Whether the mechanism will do.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = SaslHandshake)]
pub struct SaslHandshakeResponse<'a> {
    /// UNSUPPORTED_SASL_MECHANISM when the server does not offer the mechanism, or NONE.
    pub error_code: ErrorCode,
    /// The mechanisms that the server offers.
    pub mechanisms: Vec<Cow<'a, str>>,
}

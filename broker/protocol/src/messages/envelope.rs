//! Envelope (key 58): a broker forwards a client's request to the controller, with the client's principal and address (KIP-590).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// A request inside a request.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = Envelope, response = EnvelopeResponse)]
pub struct EnvelopeRequest<'a> {
    /// The request as the client sent it: header and message, without the length.
    pub request_data: Cow<'a, [u8]>,
    /// The client's principal, as the broker's principal builder writes it; null when the client has none.
    #[field(nullable = "0+")]
    pub request_principal: Option<Cow<'a, [u8]>>,
    /// The client's address: 4 bytes of IPv4 or 16 of IPv6.
    pub client_host_address: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The response inside a response.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = Envelope)]
pub struct EnvelopeResponse<'a> {
    /// The response for the client: header and message, without the length; null on an error.
    #[field(nullable = "0+", default = null)]
    pub response_data: Option<Cow<'a, [u8]>>,
    /// What went wrong with the envelope itself, or NONE. What went wrong with the request stands in its response.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

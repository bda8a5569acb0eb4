//! CreateDelegationToken (key 38): issues a delegation token, for oneself or for another principal (KIP-48, KIP-373).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for a token.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = CreateDelegationToken, response = CreateDelegationTokenResponse)]
pub struct CreateDelegationTokenRequest<'a> {
    /// The type of the principal that shall own the token, such as `User`; null for the client itself.
    #[field(versions = "3+", nullable = "3+")]
    pub owner_principal_type: Option<Cow<'a, str>>,
    /// The name of the principal that shall own the token; null for the client itself.
    #[field(versions = "3+", nullable = "3+")]
    pub owner_principal_name: Option<Cow<'a, str>>,
    /// Who may renew the token, beside its owner.
    pub renewers: Vec<CreatableRenewers<'a>>,
    /// How long the token may live however often it is renewed, in milliseconds; -1 for the broker's maximum.
    pub max_lifetime_ms: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A principal that may renew the token, beside its owner.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatableRenewers<'a> {
    /// The type of the principal, such as `User`.
    pub principal_type: Cow<'a, str>,
    /// The principal's name.
    pub principal_name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The token.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = CreateDelegationToken)]
pub struct CreateDelegationTokenResponse<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The type of the owner, such as `User`.
    pub principal_type: Cow<'a, str>,
    /// The owner's name.
    pub principal_name: Cow<'a, str>,
    /// The type of the principal that asked for the token.
    #[field(versions = "3+")]
    pub token_requester_principal_type: Cow<'a, str>,
    /// The name of the principal that asked for the token.
    #[field(versions = "3+")]
    pub token_requester_principal_name: Cow<'a, str>,
    /// When the token was issued, in milliseconds since 1970.
    pub issue_timestamp_ms: i64,
    /// When the token expires unless it is renewed, in milliseconds since 1970.
    pub expiry_timestamp_ms: i64,
    /// When the token expires however often it is renewed, in milliseconds since 1970.
    pub max_timestamp_ms: i64,
    /// The token's id, with which to log in.
    pub token_id: Cow<'a, str>,
    /// The token's HMAC: the password that belongs to the id.
    pub hmac: Cow<'a, [u8]>,
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

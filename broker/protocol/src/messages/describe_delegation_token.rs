//! DescribeDelegationToken (key 41): the delegation tokens that the client may see (KIP-48, KIP-373).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for tokens by their owners.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeDelegationToken, response = DescribeDelegationTokenResponse)]
pub struct DescribeDelegationTokenRequest<'a> {
    /// The owners asked for; null for all.
    #[field(nullable = "0+")]
    pub owners: Option<Vec<DescribeDelegationTokenOwner<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A principal that owns tokens.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeDelegationTokenOwner<'a> {
    /// The type of the principal, such as `User`.
    pub principal_type: Cow<'a, str>,
    /// The principal's name.
    pub principal_name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The tokens.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeDelegationToken)]
pub struct DescribeDelegationTokenResponse<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The tokens.
    pub tokens: Vec<DescribedDelegationToken<'a>>,
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribedDelegationToken<'a> {
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
    pub issue_timestamp: i64,
    /// When the token expires unless it is renewed, in milliseconds since 1970.
    pub expiry_timestamp: i64,
    /// When the token expires however often it is renewed, in milliseconds since 1970.
    pub max_timestamp: i64,
    /// The token's id, with which to log in.
    pub token_id: Cow<'a, str>,
    /// The token's HMAC: the password that belongs to the id.
    pub hmac: Cow<'a, [u8]>,
    /// Who may renew the token, beside its owner.
    pub renewers: Vec<DescribedDelegationTokenRenewer<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A principal that may renew the token, beside its owner.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribedDelegationTokenRenewer<'a> {
    /// The type of the principal, such as `User`.
    pub principal_type: Cow<'a, str>,
    /// The principal's name.
    pub principal_name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! DelegationToken (record type 10): a delegation token was made or renewed (KIP-900).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A delegation token. Its secret is not here: every node computes it from the id.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DelegationTokenRecord<'a> {
    /// The principal that the token stands for, such as `User:alice`.
    pub owner: Cow<'a, str>,
    /// The principal that asked for it.
    pub requester: Cow<'a, str>,
    /// The principals that may renew it, besides the owner.
    pub renewers: Vec<Cow<'a, str>>,
    /// When it was made, in milliseconds since 1970.
    pub issue_timestamp: i64,
    /// Until when it can be renewed, in milliseconds since 1970.
    pub max_timestamp: i64,
    /// When it expires unless it is renewed, in milliseconds since 1970.
    pub expiration_timestamp: i64,
    /// The token's id.
    pub token_id: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! RemoveDelegationToken (record type 26): a delegation token has expired or was taken away (KIP-900).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A token that is gone.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RemoveDelegationTokenRecord<'a> {
    /// The token's id.
    pub token_id: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! RemoveUserScramCredential (record type 22): a user's SCRAM credential was taken away (KIP-900).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A credential that is gone.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RemoveUserScramCredentialRecord<'a> {
    /// The user's name.
    pub name: Cow<'a, str>,
    /// The mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

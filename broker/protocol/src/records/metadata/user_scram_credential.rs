//! UserScramCredential (record type 11): a user's SCRAM credential was set (KIP-631, KIP-900).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// What the broker needs to check a password that it does not know.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct UserScramCredentialRecord<'a> {
    /// The user's name.
    pub name: Cow<'a, str>,
    /// The mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// The salt.
    pub salt: Cow<'a, [u8]>,
    /// What the client's proof is checked with.
    pub stored_key: Cow<'a, [u8]>,
    /// What the broker proves with that it knows the user.
    pub server_key: Cow<'a, [u8]>,
    /// How often the password is hashed.
    pub iterations: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

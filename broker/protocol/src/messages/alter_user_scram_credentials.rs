//! AlterUserScramCredentials (key 51): sets and removes SCRAM credentials of users (KIP-554).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Changes credentials, of each user at most one. Each user for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AlterUserScramCredentials, response = AlterUserScramCredentialsResponse)]
pub struct AlterUserScramCredentialsRequest<'a> {
    /// The credentials to remove.
    pub deletions: Vec<ScramCredentialDeletion<'a>>,
    /// The credentials to set.
    pub upsertions: Vec<ScramCredentialUpsertion<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A credential to remove.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ScramCredentialDeletion<'a> {
    /// The user's name.
    pub name: Cow<'a, str>,
    /// The mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A credential to set, whether there is one or not.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ScramCredentialUpsertion<'a> {
    /// The user's name.
    pub name: Cow<'a, str>,
    /// The mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// How often the password was hashed.
    pub iterations: i32,
    /// The salt, which the client drew at random.
    pub salt: Cow<'a, [u8]>,
    /// The password after salt and iterations; the password itself is never sent.
    pub salted_password: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each user's changes.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AlterUserScramCredentials)]
pub struct AlterUserScramCredentialsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By user.
    pub results: Vec<AlterUserScramCredentialsResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one user's changes.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterUserScramCredentialsResult<'a> {
    /// The user's name.
    pub user: Cow<'a, str>,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

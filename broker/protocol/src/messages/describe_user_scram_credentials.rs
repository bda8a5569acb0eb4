//! DescribeUserScramCredentials (key 50): which SCRAM credentials users have, without their secrets (KIP-554).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for the credentials of users.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeUserScramCredentials, response = DescribeUserScramCredentialsResponse)]
pub struct DescribeUserScramCredentialsRequest<'a> {
    /// The users asked for; null or empty for all.
    #[field(nullable = "0+")]
    pub users: Option<Vec<UserName<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct UserName<'a> {
    /// The user's name.
    pub name: Cow<'a, str>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The credentials.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeUserScramCredentials)]
pub struct DescribeUserScramCredentialsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong with the whole request, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// By user.
    pub results: Vec<DescribeUserScramCredentialsResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The credentials of one user.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeUserScramCredentialsResult<'a> {
    /// The user's name.
    pub user: Cow<'a, str>,
    /// What went wrong for this user, such as RESOURCE_NOT_FOUND, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// The user's credentials.
    pub credential_infos: Vec<CredentialInfo<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A credential, without its secrets.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CredentialInfo<'a> {
    /// The mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// How often the password is hashed.
    pub iterations: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! DefaultPrincipalData: a principal, as a broker passes it on in Envelope (KIP-590).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A principal.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DefaultPrincipalData<'a> {
    /// The kind of principal, `User` as a rule.
    pub r#type: Cow<'a, str>,
    /// The principal's name.
    pub name: Cow<'a, str>,
    /// True when the client came with a delegation token.
    pub token_authenticated: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

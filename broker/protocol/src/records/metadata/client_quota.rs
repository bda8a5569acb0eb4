//! ClientQuota (record type 14): a quota was set or taken away (KIP-546).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A quota.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ClientQuotaRecord<'a> {
    /// Whom the quota is for; one entry for each dimension.
    pub entity: Vec<EntityData<'a>>,
    /// The quota, such as `producer_byte_rate`.
    pub key: Cow<'a, str>,
    /// Its value; without meaning when it is taken away.
    pub value: f64,
    /// True when it is taken away.
    pub remove: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One dimension of whom a quota is for.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EntityData<'a> {
    /// The dimension: `user`, `client-id` or `ip`.
    pub entity_type: Cow<'a, str>,
    /// Its value; null for the default of all that have no quota of their own.
    #[field(nullable = "0+")]
    pub entity_name: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! AlterClientQuotas (key 49): sets and removes quotas of users, client ids and addresses (KIP-546).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Changes quotas, each entity for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AlterClientQuotas, response = AlterClientQuotasResponse)]
pub struct AlterClientQuotasRequest<'a> {
    /// The changes by entity.
    pub entries: Vec<EntryData<'a>>,
    /// True to find out whether it would work, without doing it.
    pub validate_only: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The changes for one entity.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EntryData<'a> {
    /// The parts of the entity, such as a user and a client id.
    pub entity: Vec<EntityData<'a>>,
    /// The changes.
    pub ops: Vec<OpData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One part of an entity.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EntityData<'a> {
    /// What the name belongs to: `user`, `client-id` or `ip`.
    pub entity_type: Cow<'a, str>,
    /// The user, client id or address; null for the default of all.
    #[field(nullable = "0+")]
    pub entity_name: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OpData<'a> {
    /// The quota's name, such as `producer_byte_rate`.
    pub key: Cow<'a, str>,
    /// The value to set, in the unit of the quota; of no meaning when the quota is removed.
    pub value: f64,
    /// True to remove the quota, false to set it.
    pub remove: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each entity's quotas.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AlterClientQuotas)]
pub struct AlterClientQuotasResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// The results by entity.
    pub entries: Vec<EntryDataResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one entity's quotas.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EntryDataResult<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// The parts of the entity, such as a user and a client id.
    pub entity: Vec<EntityData<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! DescribeClientQuotas (key 48): the quotas of users, client ids and addresses that match a filter (KIP-546).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for the quotas that match every component.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeClientQuotas, response = DescribeClientQuotasResponse)]
pub struct DescribeClientQuotasRequest<'a> {
    /// The components; without any, all quotas match.
    pub components: Vec<ComponentData<'a>>,
    /// True to leave out entities that have parts which no component names.
    pub strict: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What one part of the entity must be like.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ComponentData<'a> {
    /// What the component is about: `user`, `client-id` or `ip`.
    pub entity_type: Cow<'a, str>,
    /// 0: has exactly this name. 1: is the default. 2: has any name or is the default.
    pub match_type: i8,
    /// The name, for match type 0; null for the others.
    #[field(nullable = "0+")]
    pub r#match: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The quotas found.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeClientQuotas)]
pub struct DescribeClientQuotasResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// The quotas by entity; null on an error.
    #[field(nullable = "0+")]
    pub entries: Option<Vec<EntryData<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The quotas of one entity.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EntryData<'a> {
    /// The parts of the entity, such as a user and a client id.
    pub entity: Vec<EntityData<'a>>,
    /// The quotas.
    pub values: Vec<ValueData<'a>>,
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

/// One quota.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ValueData<'a> {
    /// The quota's name, such as `producer_byte_rate`.
    pub key: Cow<'a, str>,
    /// Its value, in the unit of the quota.
    pub value: f64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! Config (record type 4): a configuration was set or taken away.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A configuration of a resource.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct ConfigRecord<'a> {
    /// What kind of resource: 2 topic, 4 broker, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name; empty for all brokers.
    pub resource_name: Cow<'a, str>,
    /// The configuration's name.
    pub name: Cow<'a, str>,
    /// Its value; null when it is taken away.
    #[field(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

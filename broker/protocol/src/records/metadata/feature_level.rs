//! FeatureLevel (record type 12): a feature was finalised at a level.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// A feature's level.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct FeatureLevelRecord<'a> {
    /// The feature's name.
    pub name: Cow<'a, str>,
    /// The level; 0 means that the feature is off.
    pub feature_level: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

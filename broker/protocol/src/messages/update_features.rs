//! UpdateFeatures (key 57): raises, lowers or removes finalised feature levels of the cluster (KIP-584, KIP-778, KIP-1022).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Changes feature levels, all or none.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = UpdateFeatures, response = UpdateFeaturesResponse)]
pub struct UpdateFeaturesRequest<'a> {
    /// How long to wait for it to be done, in milliseconds.
    #[field(default = 60000)]
    pub timeout_ms: i32,
    /// The changes.
    pub feature_updates: Vec<FeatureUpdateKey<'a>>,
    /// True to find out whether it would work, without doing it.
    #[field(versions = "1+")]
    pub validate_only: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A feature and its new level.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct FeatureUpdateKey<'a> {
    /// The feature's name, such as `metadata.version`.
    pub feature: Cow<'a, str>,
    /// The new level; below 1 removes the feature.
    pub max_version_level: i16,
    /// Whether the level may be lowered; in version 0 only, which has no upgrade type.
    #[field(versions = "0")]
    pub allow_downgrade: bool,
    /// What is allowed: 1 raising the level, 2 also lowering it where nothing is lost, 3 also lowering it where something is.
    #[field(versions = "1+", default = 1)]
    pub upgrade_type: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of the changes.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = UpdateFeatures)]
pub struct UpdateFeaturesResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong with the whole request, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// By feature, up to version 1.
    #[field(versions = "0-1", ignorable)]
    pub results: Vec<UpdatableFeatureResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one change, up to version 1.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct UpdatableFeatureResult<'a> {
    /// The feature's name.
    pub feature: Cow<'a, str>,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

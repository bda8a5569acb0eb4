//! GetTelemetrySubscriptions (key 71): a client asks which of its metrics the cluster wants (KIP-714).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Asks what to send.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = GetTelemetrySubscriptions, response = GetTelemetrySubscriptionsResponse)]
pub struct GetTelemetrySubscriptionsRequest<'a> {
    /// The id that the broker gave the client's instance; zero in the first request.
    pub client_instance_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What to send, how often and in which form.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = GetTelemetrySubscriptions)]
pub struct GetTelemetrySubscriptionsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The id for the client's instance: a new one when the request had none, otherwise that of the request.
    pub client_instance_id: Uuid,
    /// Stands for this set of subscriptions; changes with it.
    pub subscription_id: i32,
    /// The compression types that the broker takes, the best first: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub accepted_compression_types: Vec<i8>,
    /// How often to send, in milliseconds.
    pub push_interval_ms: i32,
    /// The most bytes of metrics that one PushTelemetry may carry, compressed.
    pub telemetry_max_bytes: i32,
    /// True for counters as differences since the last push, false for counters since the start.
    pub delta_temporality: bool,
    /// How the names of the wanted metrics begin; empty for none, one empty text for all.
    pub requested_metrics: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

//! PushTelemetry (key 72): a client sends the metrics that the cluster wants (KIP-714).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// The metrics.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = PushTelemetry, response = PushTelemetryResponse)]
pub struct PushTelemetryRequest<'a> {
    /// The id of the client's instance.
    pub client_instance_id: Uuid,
    /// The set of subscriptions that this answers.
    pub subscription_id: i32,
    /// True for the last push before the client stops.
    pub terminating: bool,
    /// The compression of the metrics: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub compression_type: i8,
    /// OpenTelemetry's MetricsData v1 as protobuf, compressed.
    pub metrics: Cow<'a, [u8]>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether the metrics were taken.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = PushTelemetry)]
pub struct PushTelemetryResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

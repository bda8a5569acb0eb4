//! RenewDelegationToken (key 39): lets a delegation token live longer, up to its maximum lifetime (KIP-48).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Names a token and its new period.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = RenewDelegationToken, response = RenewDelegationTokenResponse)]
pub struct RenewDelegationTokenRequest<'a> {
    /// The HMAC of the token.
    pub hmac: Cow<'a, [u8]>,
    /// How long the token shall live from now on, in milliseconds, as far as `delegation.token.expiry.time.ms` and its maximum
    /// lifetime allow; 0 or less for as long as they do.
    pub renew_period_ms: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// When the token expires now.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = RenewDelegationToken)]
pub struct RenewDelegationTokenResponse<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// When the token expires, in milliseconds since 1970.
    pub expiry_timestamp_ms: i64,
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

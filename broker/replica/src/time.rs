//! Milliseconds of the monotonic clock. Reads no clock: time comes in with every input.

use std::time::Duration;

/// Milliseconds of the monotonic clock.
pub(crate) type Millis = u64;

/// Rounds down, so that a driver that ticks exactly at the deadline finds it passed.
pub(crate) fn millis(monotonic: Duration) -> Millis {
    u64::try_from(monotonic.as_millis()).unwrap_or(u64::MAX)
}

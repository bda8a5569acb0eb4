//! Numbers with a meaning. The inner value is public: a newtype keeps an epoch from being passed as an offset, it hides nothing.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

number! {
    /// A broker's or controller's `node.id`, 0 or more; -1 means none.
    BrokerId(i32)
}
number! {
    /// The position of a record in a partition, from 0. -1 means unknown.
    Offset(i64)
}
number! {
    /// How often a partition (or the quorum) has changed its leader. -1 means unknown.
    LeaderEpoch(i32)
}
number! {
    /// Identifies an idempotent producer; given out once and never again. -1 means none.
    ProducerId(i64)
}
number! {
    /// Fences older instances of the same producer id. -1 means none.
    ProducerEpoch(i16)
}
number! {
    /// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. -1 means none.
    Timestamp(i64)
}

impl BrokerId {
    /// No broker: a partition without a leader, a request from a client.
    pub const NONE: Self = Self(-1);
}

impl Offset {
    /// The offset `count` records further. Saturates, so that a hostile count cannot overflow.
    #[must_use]
    pub const fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl LeaderEpoch {
    /// The epoch is not known.
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// The batch has no producer id: neither idempotent nor transactional.
    pub const NONE: Self = Self(-1);
}

impl Timestamp {
    /// No timestamp.
    pub const NONE: Self = Self(-1);
}

/// The two clocks: timers and deadlines use `monotonic`; record timestamps, retention and expiry use `wall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Now {
    /// Time since an arbitrary start; never goes back.
    pub monotonic: Duration,
    /// The calendar's time; may jump either way.
    pub wall: Timestamp,
}

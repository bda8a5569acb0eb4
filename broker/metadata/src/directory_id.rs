//! Ids of log directories that are none: reserved by Kafka to say why a replica has no directory (KIP-858). Knows no directory.

use barnabas_types::Uuid;

/// No directory yet: the broker chooses one and says which.
pub const UNASSIGNED: Uuid = Uuid::from_u128(0);
/// One that is offline, and of which no more is known.
pub const LOST: Uuid = Uuid::from_u128(1);
/// One that was chosen before directories had ids; the broker says which it is.
pub const MIGRATING: Uuid = Uuid::from_u128(2);

/// Ids below are reserved.
const FIRST_USABLE: u128 = 100;

/// True when no directory may have `id`.
#[must_use]
pub const fn is_reserved(id: Uuid) -> bool {
    u128::from_be_bytes(id.0) < FIRST_USABLE
}

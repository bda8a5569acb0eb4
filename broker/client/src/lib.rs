//! A small async client for Kafka's protocol: connections, version negotiation, routing and retries, and a typed call for each API that brokers,
//! the operator and tools need. Produces and consumes no records, keeps no group membership, caches no topic.

mod calls;
mod client;
mod connection;
mod error;
mod retry;
mod settings;
#[cfg(test)]
mod tests;

pub use calls::describe_configs::ConfigResource;
pub use calls::incremental_alter_configs::ConfigChange;
pub use calls::list_offsets::{FoundOffset, OffsetQuery};
pub use calls::offset_fetch::CommittedOffset;
pub use client::{Client, Node};
pub use connection::{Connection, address};
pub use error::ClientError;
pub use settings::Settings;

//! Replication of partitions: what a replica leads, follows, counts as kept and fetches, as a pure function of its inputs.
//!
//! A [`Replica`] is one partition on one broker: leadership, in-sync replicas and the high watermark. A [`fetcher::Fetcher`] is what one broker
//! fetches from one other. Both take an input and the time and return effects, which a driver executes in order. They refuse to touch a
//! file, a socket, a clock or a random number, and never see the bytes of a record. Rules follow KIP-101, 207, 227, 279, 320, 392, 497, 841,
//! 903, 951 and 966.

mod around;
mod bug;
mod effect;
pub mod fetcher;
mod input;
mod isr;
mod leader;
mod offsets;
mod peer;
mod queries;
mod replica;
mod time;
mod watermark;

pub use around::{Around, BrokerState, Brokers, Durability, Settings};
#[cfg(any(test, feature = "seeded-bugs"))]
pub use bug::Bug;
pub use effect::{Effect, InSyncMember};
pub use input::{AlterAnswer, AlterRefusal, Assigned, Fetched, Input, LeaderRecoveryState, Opened};
pub use peer::FollowerFacts;
pub use queries::Refusal;
pub use replica::Replica;

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod testscripts;
#[cfg(test)]
mod world;

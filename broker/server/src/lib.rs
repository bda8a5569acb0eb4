//! The broker as a library: listeners, one handler per API, the drivers of the pure cores, configuration, metrics. The
//! binary only parses arguments. Start order and stop order are on one page, `node`.

mod active_controller;
pub mod admin;
pub mod api;
mod bug;
#[cfg(test)]
mod client_tests;
pub mod config;
pub mod connection;
pub mod coordinator;
#[cfg(test)]
mod detection_tests;
#[cfg(test)]
mod directory_tests;
#[cfg(test)]
mod fixture_tests;
pub mod format;
#[cfg(test)]
mod leaving_tests;
pub mod logging;
pub mod memory;
pub mod metadata;
pub mod metrics;
pub mod node;
#[cfg(test)]
mod quorum_tests;
pub mod raft;
pub mod recordings;
pub mod replica;
#[cfg(test)]
mod replication_tests;
mod run;
pub mod runtime;
pub mod storage;
#[cfg(test)]
mod testing;
pub mod waiting;

#[cfg(feature = "simulated")]
pub use bug::{Bug as ServerBug, Seeded};
pub use node::FormatPolicy;
pub use run::run;

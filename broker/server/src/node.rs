//! One node: what handlers reach for, put together in start order and taken apart in stop order. Decides nothing.

use std::sync::Arc;

use arc_swap::ArcSwap;
use barnabas_metadata::Image;

use crate::api::FetchSessions;
use crate::connection::OpenConnections;
use crate::coordinator::GroupCoordinators;
use crate::memory::MemoryBudget;
use crate::metrics::Metrics;
use crate::replica::Replicas;
use crate::runtime::Runtime;

/// Everything a handler may use. Shared by all connections.
pub struct Node {
    /// Clocks, randomness, tasks.
    pub runtime: Runtime,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Memory for requests in flight.
    pub request_memory: MemoryBudget,
    /// Open connections, counted.
    pub open_connections: Arc<OpenConnections>,
    /// The partitions hosted here.
    pub replicas: Arc<Replicas>,
    /// Consumer groups.
    pub groups: Arc<GroupCoordinators>,
    /// What fetching clients want.
    pub fetch_sessions: FetchSessions,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: usize,
    /// The metadata this node has applied.
    pub published: ArcSwap<Image>,
}

impl Node {
    /// The metadata that this node has applied. A handler takes it once.
    #[must_use]
    pub fn image(&self) -> Arc<Image> {
        self.published.load_full()
    }
}

/// Whether an empty data directory may be formatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatPolicy {
    /// A directory that holds nothing becomes a new cluster's.
    IfEmpty,
    /// An empty directory means that data is missing: refuse to start.
    Never,
}

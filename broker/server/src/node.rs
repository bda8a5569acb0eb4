//! One node: what handlers reach for, put together in start order and taken apart in stop order. Decides nothing.

use std::sync::Arc;

use crate::connection::OpenConnections;
use crate::memory::MemoryBudget;
use crate::metrics::Metrics;
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
}

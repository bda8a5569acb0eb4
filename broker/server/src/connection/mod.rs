//! Client connections: accepted within limits, one request executed at a time, replies in the order of requests.

mod accept;
mod placement;
mod receive;
mod send;
mod serve;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use accept::{Listener, OpenConnections, accept};
pub use placement::Placement;

use crate::metrics::ListenerMetrics;

/// Limits of connections, from the configuration.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// `max.connections`: open at once, over all listeners.
    pub max_connections: usize,
    /// `max.connections.per.ip`: open at once from one address.
    pub max_connections_per_ip: usize,
    /// `connections.max.idle.ms`: a connection that asks nothing for so long is closed.
    pub max_idle: Duration,
    /// `socket.request.max.bytes`: the longest request.
    pub max_request_bytes: usize,
    /// The longest request of the controller's listener: one must not take all the memory that there is for those.
    pub max_control_request_bytes: usize,
}

/// Whom a listener is for: each kind serves APIs of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// Clients and brokers.
    Broker,
    /// The quorum, brokers that speak to the controller, and tools with `--bootstrap-controller` (KIP-919).
    Controller,
}

/// Who is connected, by which listener.
#[derive(Debug)]
pub struct Connection {
    /// No other connection of this process has it; 0 for what this node asks itself.
    pub number: u64,
    /// The listener's name, upper case, as in `listeners`.
    pub listener: Arc<str>,
    /// Whom the listener is for.
    pub kind: ListenerKind,
    /// The client's address.
    pub peer: SocketAddr,
    /// The listener's figures.
    pub metrics: ListenerMetrics,
    /// When it was accepted, by the clock that never goes back.
    pub opened_at: Duration,
    /// Whether a broker of the cluster has fetched by it, as a follower.
    pub of_follower: AtomicBool,
}

impl Connection {
    /// What it asks from now on has memory of its own.
    pub fn is_followers(&self) -> bool {
        self.of_follower.load(Ordering::Relaxed)
    }

    /// The client's address without its port, in one form for IPv4.
    #[must_use]
    pub fn host(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }
}

//! Accepts connections on one listener, within the node's limits. Knows no request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use barnabas_net::Acceptor;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::serve::ConnectionError;
use super::serve::{Served, Stream, serve};
use super::{Connection, ConnectionLimits, ListenerKind, Placement};
use crate::node::Node;

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    /// Its name, as in `listeners`.
    pub name: Arc<str>,
    /// Whom it is for.
    pub kind: ListenerKind,
    /// Its socket.
    pub socket: Acceptor,
}

/// Open connections, to hold `max.connections` and `max.connections.per.ip`.
#[derive(Debug, Default)]
pub struct OpenConnections {
    counts: Mutex<Counts>,
    /// How many there ever were.
    numbers: AtomicU64,
}

/// `total` is the sum of `by_host`, kept so that accepting one costs the same however many hosts there are.
#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_host: HashMap<IpAddr, usize>,
}

impl OpenConnections {
    /// Counts one more from `host`, or refuses.
    fn admit(self: &Arc<Self>, host: IpAddr, limits: &ConnectionLimits) -> Option<Admitted> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.by_host.get(&host).copied().unwrap_or(0);
        if counts.total >= limits.max_connections || count >= limits.max_connections_per_ip {
            return None;
        }
        counts.total += 1;
        counts.by_host.insert(host, count + 1);
        Some(Admitted { connections: Arc::clone(self), host })
    }
}

impl OpenConnections {
    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// One counted connection.
struct Admitted {
    connections: Arc<OpenConnections>,
    host: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.connections.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(count) = counts.by_host.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                counts.by_host.remove(&self.host);
            }
        }
    }
}

/// Accepts until `stopping` turns true, then waits until every connection has answered what it had begun.
pub async fn accept(
    node: Arc<Node>,
    listener: Listener,
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<bool>,
) {
    let metrics = node.metrics.connections.listener(&listener.name);
    let mut served = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = served.join_next(), if !served.is_empty() => continue,
            accepted = listener.socket.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, most likely: those that wait stay in the backlog.
                tracing::warn!(listener = %listener.name, %error, "cannot accept a connection; trying again in 100 ms");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let (number, name) = (node.open_connections.next_number(), Arc::clone(&listener.name));
        let (kind, opened_at) = (listener.kind, node.runtime.now().monotonic);
        let (metrics_of, of_follower) = (metrics.clone(), false.into());
        let connection = Connection { number, listener: name, kind, peer, metrics: metrics_of, opened_at, of_follower };
        let Some(admitted) = node.open_connections.admit(connection.host(), &limits) else {
            metrics.rejected.inc();
            tracing::debug!(listener = %listener.name, %peer, "connection refused: a limit of connections is reached");
            continue;
        };
        metrics.opened.inc();
        metrics.open.inc();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot switch off delayed sending");
        }
        let stream = stream.detach().map(Stream::new);
        let (node, limits, stopping) = (Arc::clone(&node), limits.clone(), stopping.clone());
        served.spawn(async move {
            let metrics = connection.metrics.clone();
            serve_one(node, connection, stream, limits, stopping).await;
            metrics.open.dec();
            drop(admitted);
        });
    }
    // Who connects from now on is refused at once, and goes elsewhere, instead of waiting for somebody who accepts it.
    drop(listener);
    while served.join_next().await.is_some() {}
}

/// Serves one connection to its end, on whichever threads it is placed.
async fn serve_one(
    node: Arc<Node>,
    connection: Connection,
    stream: std::io::Result<Stream>,
    limits: ConnectionLimits,
    stopping: watch::Receiver<bool>,
) {
    let (peer, listener) = (connection.peer, Arc::clone(&connection.listener));
    let (kind, number) = (connection.kind, connection.number);
    let connection = Arc::new(connection);
    let seat = match kind {
        ListenerKind::Broker => node.placement.seat(),
        ListenerKind::Controller => Placement::fixed_seat(),
    };
    let mut next = stream.map_err(ConnectionError::Send);
    let result = loop {
        let stream = match next {
            Ok(stream) => stream,
            Err(error) => break Err(error),
        };
        let thread = seat.thread();
        let serving = serve(
            Arc::clone(&node),
            Arc::clone(&connection),
            (stream, Arc::clone(&seat), thread),
            limits.clone(),
            stopping.clone(),
        );
        // Nodes have to hear of each other even when the data threads wait for a disk.
        let serving = match kind {
            ListenerKind::Broker => node.runtime.spawn_connection(thread, serving),
            ListenerKind::Controller => node.runtime.spawn_control(serving),
        };
        next = match serving.await {
            Ok(Ok(Served::Moves(stream))) => Ok(stream),
            Ok(Ok(Served::Ended)) => break Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ConnectionError::Panic),
        };
    };
    node.detection.ended(number);
    match result {
        Ok(()) => {}
        Err(error) if error.is_peers_choice() => tracing::debug!(%listener, %peer, %error, "connection closed"),
        Err(error) => tracing::warn!(%listener, %peer, %error, "connection closed"),
    }
}

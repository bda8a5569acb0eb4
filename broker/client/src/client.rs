//! The client: which nodes there are, one connection to each, and how a request finds the one that must answer it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barnabas_protocol::messages::MetadataRequest;
use barnabas_protocol::{ApiKey, Request, VersionRange};
use tokio::time::{Instant, timeout_at};

use crate::connection::{Connection, address};
use crate::retry::Retry;
use crate::{ClientError, Settings};

/// A live broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub node_id: i32,
    /// Its address on the listener that this client uses, `host:port`.
    pub address: String,
    /// Its rack.
    pub rack: Option<String>,
}

/// A connection in waiting, or none. Whoever calls takes it out, so that a call that is given up leaves nothing half read behind.
type Slot = tokio::sync::Mutex<Option<Connection>>;

/// What the client has learnt. Bounded by the size of the cluster.
#[derive(Debug, Default)]
struct Known {
    nodes: BTreeMap<i32, Node>,
    slots: BTreeMap<String, Arc<Slot>>,
    /// Turns with every call that any node may answer.
    turn: usize,
}

/// A client of one cluster. Calls may be made at the same time; those to one node take turns.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    known: Mutex<Known>,
}

impl Client {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// [`ClientError::NoBootstrapServers`].
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        if settings.bootstrap_servers.is_empty() {
            return Err(ClientError::NoBootstrapServers);
        }
        Ok(Self { settings, known: Mutex::default() })
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry::new(self.settings.call_timeout)
    }

    /// Asks any node that answers.
    pub(crate) async fn call_any<Q: Request>(
        &self,
        request: &Q,
        wanted: VersionRange,
    ) -> Result<Q::Response<'static>, ClientError> {
        let mut failure = ClientError::NoBootstrapServers;
        for address in self.addresses() {
            match self.call_address(&address, request, wanted).await {
                // A node that cannot be reached says nothing about the others; one that was asked may have done it already.
                Err(error @ ClientError::Connect { .. }) => failure = error,
                Err(ClientError::Timeout { address, api: ApiKey::ApiVersions, timeout }) => {
                    failure = ClientError::Timeout { address, api: ApiKey::ApiVersions, timeout };
                }
                done => return done,
            }
        }
        self.known().nodes.clear();
        Err(failure)
    }

    /// Asks node `node_id`, looking up its address first where it is not known.
    pub(crate) async fn call_node<Q: Request>(
        &self,
        node_id: i32,
        request: &Q,
        wanted: VersionRange,
    ) -> Result<Q::Response<'static>, ClientError> {
        let address = match self.address_of(node_id) {
            Some(address) => address,
            None => {
                self.refresh_nodes().await?;
                self.address_of(node_id).ok_or(ClientError::NoSuchNode { node_id })?
            }
        };
        let result = self.call_address(&address, request, wanted).await;
        if matches!(result, Err(ClientError::Connect { .. })) {
            // It may be back at another address.
            self.known().nodes.remove(&node_id);
        }
        result
    }

    async fn call_address<Q: Request>(
        &self,
        address: &str,
        request: &Q,
        wanted: VersionRange,
    ) -> Result<Q::Response<'static>, ClientError> {
        let slot = Arc::clone(self.known().slots.entry(address.to_owned()).or_default());
        let timeout = self.settings.request_timeout;
        let call = async {
            let mut waiting = slot.lock().await;
            let mut connection = match waiting.take() {
                Some(connection) => connection,
                None => self.connect(address).await?,
            };
            let result = connection.call(request, wanted).await;
            if matches!(result, Ok(_) | Err(ClientError::NoCommonVersion { .. } | ClientError::Encode { .. })) {
                *waiting = Some(connection);
            }
            result
        };
        match timeout_at(Instant::now() + timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout { address: address.to_owned(), api: Q::KEY, timeout }),
        }
    }

    async fn connect(&self, address: &str) -> Result<Connection, ClientError> {
        let timeout = self.settings.connect_timeout;
        match timeout_at(Instant::now() + timeout, Connection::open(address, &self.settings)).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout { address: address.to_owned(), api: ApiKey::ApiVersions, timeout }),
        }
    }

    /// The live brokers, as the cluster tells now.
    ///
    /// # Errors
    /// When no node answers in time.
    pub async fn nodes(&self) -> Result<Vec<Node>, ClientError> {
        let mut retry = self.retry();
        loop {
            match self.refresh_nodes().await {
                Ok(nodes) => return Ok(nodes),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    /// Asks once for the live brokers, and drops the connections to those that are gone.
    pub(crate) async fn refresh_nodes(&self) -> Result<Vec<Node>, ClientError> {
        let request =
            MetadataRequest { topics: Some(Vec::new()), allow_auto_topic_creation: false, ..Default::default() };
        // An empty list means no topics from version 1 on.
        let response = self.call_any(&request, VersionRange::new(4, ApiKey::Metadata.versions().max)).await?;
        ClientError::check(ApiKey::Metadata, "the cluster", response.error_code, None)?;
        let nodes = response.brokers.into_iter().map(|broker| {
            let address = address(&broker.host, broker.port);
            (broker.node_id, Node { node_id: broker.node_id, address, rack: broker.rack.map(Into::into) })
        });
        let mut known = self.known();
        known.nodes = nodes.collect();
        let Known { nodes, slots, .. } = &mut *known;
        slots.retain(|address, _| {
            self.settings.bootstrap_servers.contains(address) || nodes.values().any(|node| node.address == *address)
        });
        Ok(nodes.values().cloned().collect())
    }

    /// All addresses to try, known nodes first and those in turn.
    fn addresses(&self) -> Vec<String> {
        let mut known = self.known();
        known.turn = known.turn.wrapping_add(1);
        let mut addresses: Vec<String> = known.nodes.values().map(|node| node.address.clone()).collect();
        if let Some(turn) = known.turn.checked_rem(addresses.len()) {
            addresses.rotate_left(turn);
        }
        let unknown = self.settings.bootstrap_servers.iter().filter(|address| !addresses.contains(address));
        let unknown: Vec<String> = unknown.cloned().collect();
        addresses.extend(unknown);
        addresses
    }

    fn address_of(&self, node_id: i32) -> Option<String> {
        self.known().nodes.get(&node_id).map(|node| node.address.clone())
    }

    /// What is known. Nothing is left half changed when a holder panics, so a poisoned lock is taken all the same.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The quorum replica's connections to other nodes: one request to an address at a time, and what comes of it. Decides and repeats
//! nothing, as the engine does both; only a connection that was left open and turns out to be dead is replaced.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barnabas_client::{ClientError, Connection, Settings, address};
use barnabas_metadata::KRAFT_VERSION;
use barnabas_raft::{Config, Destination, KRaftVersionRange, Request, RequestFailure, Response};

use super::rpc::{self, RpcError};

/// Connections that wait for their next request, at most. There are as many as voters and bootstrap servers; names that have changed
/// must not add up for ever.
const MAX_IDLE: usize = 64;
/// What an answer may hold beside its records, in bytes.
const MAX_OVERHEAD_BYTES: usize = 1024 * 1024;

/// In an order that is no matter of chance: with the node they are closed in it, and a simulation plays one history for one seed.
type Idle = Arc<Mutex<BTreeMap<(Box<str>, u16), Connection>>>;

/// See the module.
#[derive(Clone)]
pub struct Peers {
    settings: Arc<Settings>,
    /// By which the others are reached: the addresses in their answers are of that.
    listener: Arc<str>,
    idle: Idle,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error("it does not serve {0}")]
    Unserved(&'static str),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl Failed {
    fn kind(&self) -> RequestFailure {
        match self {
            Self::Client(ClientError::Connect { source, .. }) if source.kind() == ErrorKind::ConnectionRefused => {
                RequestFailure::Refused
            }
            Self::Client(_) | Self::Timeout(_) => RequestFailure::Unreachable,
            Self::Rpc(error) => error.failure(),
            Self::Unserved(_) => RequestFailure::UnsupportedVersion,
        }
    }

    /// True when the connection was dead before anything was asked, as far as one can tell.
    const fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Client(ClientError::Write { .. } | ClientError::Read { .. } | ClientError::Closed { .. }))
    }
}

impl Peers {
    /// The connections of `replica`.
    pub fn new(replica: &Config) -> Self {
        let answer = replica.fetch_max_bytes.max(replica.fetch_snapshot_max_bytes);
        let settings = Settings {
            request_timeout: Duration::from_millis(replica.request_timeout_ms),
            max_response_bytes: usize::try_from(answer).unwrap_or(0).saturating_add(MAX_OVERHEAD_BYTES),
            ..Settings::new(Vec::new(), &format!("raft-client-{}", replica.key.id))
        };
        Self { settings: Arc::new(settings), listener: replica.listener.as_ref().into(), idle: Arc::default() }
    }

    /// Sends `request`; the future is the answer with its bytes, or why there is none.
    pub fn ask(
        &self,
        to: Destination,
        request: Request,
    ) -> impl Future<Output = Result<(Response, Vec<u8>), RequestFailure>> + Send + use<> {
        let peers = self.clone();
        async move {
            let timeout = peers.settings.request_timeout;
            let asked = tokio::time::timeout(timeout, peers.ask_in_time(&to, &request)).await;
            asked.unwrap_or(Err(Failed::Timeout(timeout))).map_err(|error| {
                let (host, port, api) = (&to.host, to.port, rpc::key(&request));
                tracing::debug!(%error, "node {host}:{port} gave no answer to {api}");
                error.kind()
            })
        }
    }

    async fn ask_in_time(&self, to: &Destination, request: &Request) -> Result<(Response, Vec<u8>), Failed> {
        let waiting = self.take(to);
        if matches!(request, Request::ApiVersions) {
            // The node may have been replaced by a newer release since it was last asked.
            let connection = self.open(to).await?;
            let supported = connection.supported(KRAFT_VERSION);
            let level = |level: i16| u16::try_from(level).unwrap_or(0);
            let levels = supported.map(|levels| KRaftVersionRange { min: level(levels.min), max: level(levels.max) });
            self.give_back(to, connection);
            return Ok((Response::ApiVersions(levels), Vec::new()));
        }
        if let Some(connection) = waiting {
            match self.exchange(to, connection, request).await {
                Err(error) if error.is_lost_connection() => {}
                answered => return answered,
            }
        }
        let connection = self.open(to).await?;
        self.exchange(to, connection, request).await
    }

    async fn open(&self, to: &Destination) -> Result<Connection, Failed> {
        Ok(Connection::open(&address(&to.host, to.port), &self.settings).await?)
    }

    async fn exchange(
        &self,
        to: &Destination,
        mut connection: Connection,
        request: &Request,
    ) -> Result<(Response, Vec<u8>), Failed> {
        let api = rpc::key(request);
        let common = api.answered_versions().intersect(connection.served(api));
        if common.is_empty() {
            self.give_back(to, connection);
            return Err(Failed::Unserved(api.name()));
        }
        let version = common.max;
        let body = rpc::encode_request(request, version)?;
        let answer = connection.call_encoded(api, version, body).await?;
        self.give_back(to, connection);
        Ok(rpc::decode_response(api, version, &answer, &self.listener)?)
    }

    fn take(&self, to: &Destination) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.remove(&(to.host.clone(), to.port))
    }

    fn give_back(&self, to: &Destination, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MAX_IDLE {
            idle.clear();
        }
        idle.insert((to.host.clone(), to.port), connection);
    }
}

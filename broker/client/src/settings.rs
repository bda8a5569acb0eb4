//! What a client is told when it is made.

use std::time::Duration;

/// How to reach a cluster, and how long to try.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to begin with, `host:port`; one that answers is enough.
    pub bootstrap_servers: Vec<String>,
    /// `client.id`, for the cluster's logs and quotas.
    pub client_id: String,
    /// How long a connection may take to be made, version negotiation included.
    pub connect_timeout: Duration,
    /// How long one request may take, the wait for its turn on the connection included.
    pub request_timeout: Duration,
    /// How long a call tries again before it reports its last error.
    pub call_timeout: Duration,
    /// The largest response that is read, in bytes.
    pub max_response_bytes: usize,
}

impl Settings {
    /// Kafka's usual times: 10 s to connect, 30 s for a request, 60 s for a call; responses up to 100 MiB.
    #[must_use]
    pub fn new(bootstrap_servers: Vec<String>, client_id: &str) -> Self {
        Self {
            bootstrap_servers,
            client_id: client_id.to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60),
            max_response_bytes: 100 << 20,
        }
    }
}

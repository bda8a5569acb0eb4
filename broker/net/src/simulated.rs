//! The seam to a network in memory, for builds that simulate whole nodes in one thread. Which network a task is on is a matter of the
//! thread that polls it: whoever polls enters the network first. Moves no byte itself, and is in nothing that is released.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

/// What arrives.
pub trait Input: AsyncRead + Debug + Send + Sync + Unpin {}
impl<T: AsyncRead + Debug + Send + Sync + Unpin> Input for T {}

/// What is sent.
pub trait Output: AsyncWrite + Debug + Send + Sync + Unpin {}
impl<T: AsyncWrite + Debug + Send + Sync + Unpin> Output for T {}

/// A connection in memory.
#[derive(Debug)]
pub struct Stream {
    /// What arrives.
    pub input: Box<dyn Input>,
    /// What is sent.
    pub output: Box<dyn Output>,
}

/// Accepts connections in memory.
pub trait Acceptor: Debug + Send + Sync {
    /// The next connection, and who made it.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>>;
}

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// A network, as one machine sees it.
pub trait Network: Debug + Send + Sync {
    /// Accepts what is sent to `host` and `port` from now on; port 0 lets the network choose.
    ///
    /// # Errors
    /// Somebody does already.
    fn bind(&self, host: &str, port: u16) -> io::Result<(Box<dyn Acceptor>, SocketAddr)>;
    /// Connects to `address`, host and port.
    fn connect(&self, address: String) -> Connecting;
}

thread_local! {
    static NETWORK: RefCell<Option<Arc<dyn Network>>> = const { RefCell::new(None) };
}

/// The network of the task that runs on this thread; None for the system's.
#[must_use]
pub fn network() -> Option<Arc<dyn Network>> {
    NETWORK.with_borrow(Clone::clone)
}

/// What runs on this thread is on `network`, until the guard is dropped.
pub fn enter(network: Arc<dyn Network>) -> Entered {
    Entered(NETWORK.with_borrow_mut(|entered| entered.replace(network)))
}

/// See [`enter`]. Holds the network from before.
#[derive(Debug)]
pub struct Entered(Option<Arc<dyn Network>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        NETWORK.with_borrow_mut(|entered| *entered = before);
    }
}

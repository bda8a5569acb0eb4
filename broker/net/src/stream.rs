//! A connection's bytes: a TCP socket of the system, or, in builds for a simulation, one in the simulation's memory. In any other build
//! there is only the first, and nothing is decided where bytes pass. Knows no frame.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

#[cfg(feature = "simulated")]
use crate::simulated;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Of the system.
    Tcp(TcpStream),
    /// In memory.
    #[cfg(feature = "simulated")]
    Simulated(simulated::Stream),
}

/// What arrives on a connection.
#[derive(Debug)]
pub enum ReadHalf {
    /// Of the system.
    Tcp(OwnedReadHalf),
    /// In memory.
    #[cfg(feature = "simulated")]
    Simulated(Box<dyn simulated::Input>),
}

/// What is sent on a connection.
#[derive(Debug)]
pub enum WriteHalf {
    /// Of the system.
    Tcp(OwnedWriteHalf),
    /// In memory.
    #[cfg(feature = "simulated")]
    Simulated(Box<dyn simulated::Output>),
}

/// A connection that no runtime looks after, on its way from one thread to another.
#[derive(Debug)]
pub enum Detached {
    /// Of the system.
    Tcp(std::net::TcpStream),
    /// In memory.
    #[cfg(feature = "simulated")]
    Simulated(simulated::Stream),
}

/// What accepts connections.
#[derive(Debug)]
pub enum Acceptor {
    /// A socket of the system.
    Tcp(TcpListener),
    /// In memory.
    #[cfg(feature = "simulated")]
    Simulated(Box<dyn simulated::Acceptor>),
}

impl Stream {
    /// Connects to `address`, host and port.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn connect(address: &str) -> io::Result<Self> {
        #[cfg(feature = "simulated")]
        if let Some(network) = simulated::network() {
            return network.connect(address.to_owned()).await.map(Self::Simulated);
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Sends what is written at once, or no longer.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(nodelay),
            #[cfg(feature = "simulated")]
            Self::Simulated(_) => Ok(()),
        }
    }

    /// Takes it from its runtime.
    ///
    /// # Errors
    /// The system refuses.
    pub fn detach(self) -> io::Result<Detached> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Detached::Tcp),
            #[cfg(feature = "simulated")]
            Self::Simulated(stream) => Ok(Detached::Simulated(stream)),
        }
    }

    /// Gives it to the runtime of this thread.
    ///
    /// # Errors
    /// The system refuses.
    pub fn attach(detached: Detached) -> io::Result<Self> {
        match detached {
            Detached::Tcp(stream) => TcpStream::from_std(stream).map(Self::Tcp),
            #[cfg(feature = "simulated")]
            Detached::Simulated(stream) => Ok(Self::Simulated(stream)),
        }
    }

    /// Its two directions.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Tcp(stream) => {
                let (input, output) = stream.into_split();
                (ReadHalf::Tcp(input), WriteHalf::Tcp(output))
            }
            #[cfg(feature = "simulated")]
            Self::Simulated(simulated::Stream { input, output }) => {
                (ReadHalf::Simulated(input), WriteHalf::Simulated(output))
            }
        }
    }

    /// The connection whose two directions these are.
    ///
    /// # Errors
    /// They are of two connections.
    pub fn reunite(input: ReadHalf, output: WriteHalf) -> io::Result<Self> {
        match (input, output) {
            (ReadHalf::Tcp(input), WriteHalf::Tcp(output)) => {
                input.reunite(output).map(Self::Tcp).map_err(|error| io::Error::other(error.to_string()))
            }
            #[cfg(feature = "simulated")]
            (ReadHalf::Simulated(input), WriteHalf::Simulated(output)) => {
                Ok(Self::Simulated(simulated::Stream { input, output }))
            }
            #[cfg(feature = "simulated")]
            _ => Err(io::Error::other("these are halves of two connections")),
        }
    }
}

impl Acceptor {
    /// The next connection, and who made it.
    ///
    /// # Errors
    /// The system's.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(socket) => socket.accept().await.map(|(stream, peer)| (Stream::Tcp(stream), peer)),
            #[cfg(feature = "simulated")]
            Self::Simulated(acceptor) => {
                let (stream, peer) = std::future::poll_fn(|context| acceptor.poll_accept(context)).await?;
                Ok((Stream::Simulated(stream), peer))
            }
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_read(context, buffer),
            #[cfg(feature = "simulated")]
            Self::Simulated(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(feature = "simulated")]
            Self::Simulated(stream) => Pin::new(&mut stream.input).poll_read(context, buffer),
        }
    }
}

/// Passes every method of `AsyncWrite` on to what `$of` finds in the simulated case, and to the socket in the other.
macro_rules! passes_writes_on {
    ($type:ident, $of:path) => {
        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Tcp(socket) => Pin::new(socket).poll_write(context, bytes),
                    #[cfg(feature = "simulated")]
                    Self::Simulated(simulated) => Pin::new($of(simulated)).poll_write(context, bytes),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(context, pieces),
                    #[cfg(feature = "simulated")]
                    Self::Simulated(simulated) => Pin::new($of(simulated)).poll_write_vectored(context, pieces),
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    Self::Tcp(socket) => socket.is_write_vectored(),
                    #[cfg(feature = "simulated")]
                    Self::Simulated(_) => false,
                }
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Tcp(socket) => Pin::new(socket).poll_flush(context),
                    #[cfg(feature = "simulated")]
                    Self::Simulated(simulated) => Pin::new($of(simulated)).poll_flush(context),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
                    #[cfg(feature = "simulated")]
                    Self::Simulated(simulated) => Pin::new($of(simulated)).poll_shutdown(context),
                }
            }
        }
    };
}

passes_writes_on!(WriteHalf, std::convert::identity);
passes_writes_on!(Stream, output);

#[cfg(feature = "simulated")]
fn output(stream: &mut simulated::Stream) -> &mut Box<dyn simulated::Output> {
    &mut stream.output
}

//! Listening sockets. Refuses to share a port: a second broker on the same address is an error, not a surprise.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, lookup_host};

use crate::Acceptor;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listening {
    /// Accepts.
    pub socket: Acceptor,
    /// The bound address; its port is real even where 0 was asked for.
    pub address: SocketAddr,
}

/// Binds `host:port`. An empty host means every address, IPv6 and IPv4 where both exist; port 0 lets the system choose.
///
/// # Errors
/// The name does not resolve, or no address of it can be bound (in use, not of this machine, no permission).
pub async fn bind(host: &str, port: u16) -> io::Result<Listening> {
    #[cfg(feature = "simulated")]
    if let Some(network) = crate::simulated::network() {
        let (acceptor, address) = network.bind(host, port)?;
        return Ok(Listening { socket: Acceptor::Simulated(acceptor), address });
    }
    let hosts: &[&str] = if host.is_empty() { &["::", "0.0.0.0"] } else { &[host] };
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, format!("{host} has no address"));
    for candidate in hosts {
        let name = candidate.trim_start_matches('[').trim_end_matches(']');
        for address in lookup_host((name, port)).await? {
            match listen(address) {
                Ok(listening) => return Ok(listening),
                Err(error) => failure = error,
            }
        }
    }
    Err(failure)
}

fn listen(address: SocketAddr) -> io::Result<Listening> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?;
    let address = socket.local_addr()?;
    Ok(Listening { socket: Acceptor::Tcp(socket), address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_zero_is_told_as_the_port_it_became() {
        let listening = bind("127.0.0.1", 0).await.unwrap();
        assert_ne!(listening.address.port(), 0);
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error() {
        let first = bind("127.0.0.1", 0).await.unwrap();
        let second = bind("127.0.0.1", first.address.port()).await;
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}

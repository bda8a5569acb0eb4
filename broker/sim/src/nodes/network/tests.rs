//! What comes over the network, when, and what does not.

use std::time::Duration;

use barnabas_net::simulated::{Acceptor, Network as _, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;

const PORT: u16 = 7;

fn network() -> Network {
    Network::new(Random::new(1))
}

async fn connected(network: &Network) -> (Stream, Stream) {
    let interface = |place| Interface { network: network.clone(), place };
    let (acceptor, _) = interface(2).bind("", PORT).unwrap();
    let one = interface(1).connect(format!("{}:{PORT}", Network::host(2))).await.unwrap();
    let (other, _) = accepted(&*acceptor).await;
    (one, other)
}

async fn accepted(acceptor: &dyn Acceptor) -> (Stream, SocketAddr) {
    std::future::poll_fn(|context| acceptor.poll_accept(context)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn bytes_arrive_in_order_and_after_a_while() {
    let network = network();
    let (mut one, mut other) = connected(&network).await;
    network.set_slow((1, 2), Some(Duration::from_secs(9)));
    let began = Instant::now();
    for byte in 0..100 {
        one.output.write_all(&[byte]).await.unwrap();
    }
    drop(one);
    let mut read = Vec::new();
    other.input.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, (0..100).collect::<Vec<u8>>());
    assert!(began.elapsed() > Duration::from_secs(1) && began.elapsed() <= Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_over_a_cut_way_arrives_when_it_is_free() {
    let network = network();
    let (mut one, mut other) = connected(&network).await;
    network.set_cut((1, 2), true);
    one.output.write_all(b"x").await.unwrap();
    let mut byte = [0];
    let read = other.input.read_exact(&mut byte);
    assert!(tokio::time::timeout(Duration::from_secs(60), read).await.is_err());
    network.heal();
    other.input.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, *b"x");
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_power_is_silent_until_it_has_power_again() {
    let network = network();
    let (mut one, other) = connected(&network).await;
    network.set_power(2, false);
    drop(other);
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(60), one.input.read_exact(&mut byte)).await;
    assert!(read.is_err(), "nobody says that it is gone");
    network.set_power(2, true);
    assert_eq!(one.input.read_exact(&mut byte).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_listens_a_connection_is_refused() {
    let interface = Interface { network: network(), place: 1 };
    let refused = interface.connect(format!("{}:{PORT}", Network::host(2))).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_fails_on_both_sides() {
    let network = network();
    let (mut one, mut other) = connected(&network).await;
    network.lose_connections(2);
    let mut byte = [0];
    assert_eq!(one.input.read_exact(&mut byte).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(other.output.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

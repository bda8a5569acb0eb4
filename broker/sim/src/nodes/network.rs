//! The network of simulated nodes: names, ports and connections in memory. Ways between two machines are slow, cut and freed again as the
//! faults say; connections are lost. Never gives back a byte it was not given, nor two of one connection in another order, as TCP.

mod pipe;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use barnabas_net::simulated::{self, Connecting, Stream};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::random::Random;
use pipe::{Pipe, Reader, Way, Writer};

/// The port of a connection's other end, which nobody looks at.
const CLIENT_PORT: u16 = 40_000;

#[derive(Debug, Default)]
struct Listener {
    waiting: VecDeque<(Stream, SocketAddr)>,
    acceptor: Option<Waker>,
}

#[derive(Debug)]
struct State {
    random: Random,
    listeners: BTreeMap<(usize, u16), Arc<Mutex<Listener>>>,
    /// Both directions of each connection.
    connections: Vec<[Weak<Pipe>; 2]>,
    cut: BTreeSet<Way>,
    /// Ways that take so long at most, where that is longer than usual.
    slow: BTreeMap<Way, Duration>,
    without_power: BTreeSet<usize>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Network {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

/// What a way takes, at most, where it is not slow.
const USUAL: Duration = Duration::from_millis(2);

impl Network {
    /// One on which nothing is wrong.
    #[must_use]
    pub fn new(random: Random) -> Self {
        let state = State {
            random,
            listeners: BTreeMap::new(),
            connections: Vec::new(),
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
            without_power: BTreeSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name by which machine `place` is known.
    #[must_use]
    pub fn host(place: usize) -> String {
        format!("node-{place}")
    }

    fn is_free(&self, way: Way) -> bool {
        self.lock().is_free(way)
    }

    fn has_power(&self, place: usize) -> bool {
        !self.lock().without_power.contains(&place)
    }

    fn arrival(&self, way: Way) -> Instant {
        let mut state = self.lock();
        let longest = state.slow.get(&way).copied().unwrap_or(USUAL);
        let takes = state.random.below(longest.as_millis() as u64 + 1);
        Instant::now() + Duration::from_millis(takes)
    }

    /// Cuts or frees a way.
    pub fn set_cut(&self, way: Way, cut: bool) {
        let mut state = self.lock();
        _ = if cut { state.cut.insert(way) } else { state.cut.remove(&way) };
        self.tell(state);
    }

    /// What `way` takes at most; none for what is usual.
    pub fn set_slow(&self, way: Way, longest: Option<Duration>) {
        let mut state = self.lock();
        _ = match longest {
            Some(longest) => state.slow.insert(way, longest),
            None => state.slow.remove(&way),
        };
    }

    /// Nothing is wrong with any way any more.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.cut.clear();
        state.slow.clear();
        self.tell(state);
    }

    /// Whom a machine without power was connected to does not learn of it, before it has power again.
    pub fn set_power(&self, place: usize, power: bool) {
        let mut state = self.lock();
        let mut silent = Vec::new();
        if !power {
            state.without_power.insert(place);
            silent.extend(state.listeners.extract_if((place, 0)..=(place, u16::MAX), |_, _| true));
        }
        let dead = if power { state.of(place) } else { Vec::new() };
        drop(state);
        drop(silent);
        // With power, it answers to what it knows nothing of.
        dead.iter().for_each(|pipe| pipe.reset());
        let mut state = self.lock();
        if power {
            state.without_power.remove(&place);
        }
        self.tell(state);
    }

    /// All connections of `place` are lost.
    pub fn lose_connections(&self, place: usize) {
        let lost = self.lock().of(place);
        lost.iter().for_each(|pipe| pipe.reset());
    }

    fn tell(&self, state: MutexGuard<'_, State>) {
        let pipes: Vec<Arc<Pipe>> = state.connections.iter().flatten().filter_map(Weak::upgrade).collect();
        drop(state);
        pipes.iter().for_each(|pipe| pipe.wake());
        self.changed.notify_waiters();
    }

    async fn connect(self, from: usize, to: usize, port: u16) -> io::Result<Stream> {
        loop {
            let changed = self.changed.notified();
            let is_free = {
                let state = self.lock();
                state.is_free((from, to)) && state.is_free((to, from))
            };
            if is_free {
                break;
            }
            changed.await;
        }
        let both_ways = [self.arrival((from, to)), self.arrival((to, from))];
        tokio::time::sleep_until(both_ways.into_iter().max().unwrap_or_else(Instant::now)).await;
        let mut state = self.lock();
        let Some(listener) = state.listeners.get(&(to, port)).cloned() else {
            return Err(ErrorKind::ConnectionRefused.into());
        };
        let (there, back) = (Pipe::new((from, to)), Pipe::new((to, from)));
        state.connections.retain(|pipes| pipes.iter().any(|pipe| pipe.strong_count() > 0));
        state.connections.push([Arc::downgrade(&there), Arc::downgrade(&back)]);
        drop(state);
        let end = |input: &Arc<Pipe>, output: &Arc<Pipe>| Stream {
            input: Box::new(Reader::new(self.clone(), Arc::clone(input))),
            output: Box::new(Writer::new(self.clone(), Arc::clone(output))),
        };
        let mut listening = listener.lock().unwrap_or_else(PoisonError::into_inner);
        listening.waiting.push_back((end(&there, &back), address_of(from, CLIENT_PORT)));
        let acceptor = listening.acceptor.take();
        drop(listening);
        acceptor.into_iter().for_each(Waker::wake);
        Ok(end(&back, &there))
    }
}

impl State {
    fn is_free(&self, way: Way) -> bool {
        let dark = |place: &usize| self.without_power.contains(place);
        !self.cut.contains(&way) && !dark(&way.0) && !dark(&way.1)
    }

    fn of(&self, place: usize) -> Vec<Arc<Pipe>> {
        let pipes = self.connections.iter().flatten().filter_map(Weak::upgrade);
        pipes.filter(|pipe| pipe.way().0 == place || pipe.way().1 == place).collect()
    }
}

fn address_of(place: usize, port: u16) -> SocketAddr {
    let last = u8::try_from(place).unwrap_or(u8::MAX);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port)
}

/// A machine's place on the network.
#[derive(Debug)]
pub struct Interface {
    /// The network.
    pub network: Network,
    /// Which machine.
    pub place: usize,
}

impl simulated::Network for Interface {
    fn bind(&self, _host: &str, port: u16) -> io::Result<(Box<dyn simulated::Acceptor>, SocketAddr)> {
        let mut state = self.network.lock();
        let key = (self.place, port);
        if port == 0 || state.listeners.contains_key(&key) {
            return Err(ErrorKind::AddrInUse.into());
        }
        let listener = Arc::<Mutex<Listener>>::default();
        state.listeners.insert(key, Arc::clone(&listener));
        let acceptor = Acceptor { network: self.network.clone(), key, listener };
        Ok((Box::new(acceptor), address_of(self.place, port)))
    }

    fn connect(&self, address: String) -> Connecting {
        let to = address.strip_prefix("node-").and_then(|rest| rest.split_once(':'));
        let to = to.and_then(|(place, port)| Some((place.parse().ok()?, port.parse().ok()?)));
        let (network, from) = (self.network.clone(), self.place);
        Box::pin(async move {
            let Some((to, port)) = to else { return Err(ErrorKind::NotFound.into()) };
            network.connect(from, to, port).await
        })
    }
}

#[derive(Debug)]
struct Acceptor {
    network: Network,
    key: (usize, u16),
    listener: Arc<Mutex<Listener>>,
}

impl simulated::Acceptor for Acceptor {
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(accepted) = listener.waiting.pop_front() {
            return Poll::Ready(Ok(accepted));
        }
        listener.acceptor = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        let mut state = self.network.lock();
        if state.listeners.get(&self.key).is_some_and(|listener| Arc::ptr_eq(listener, &self.listener)) {
            state.listeners.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests;

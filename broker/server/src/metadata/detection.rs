//! Drives the failure detector (`barnabas.failure.detection=fast`) on the control runtime: hands in what is heard, asks the brokers that are to be
//! asked, and has the controller fence those that are found dead. Decides nothing, waits for no disk, and sleeps while another node decides.
//!
//! A probe is a connection to the broker's own listener and an ApiVersions request that asks who answers. What answers there is the broker's
//! accept loop and a data thread: the answer shows that clients would be served, and which process does.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_client::{ClientError, Connection, Settings, address};
use barnabas_metadata::{
    BrokerEndpoint, BrokerRegistration, DetectorEffect, DetectorInput, Evidence, FailureDetector, LeaderSilence,
    LeaderWatch, PROBE_TIMEOUT, ProbeOutcome, WatchedBroker,
};
use barnabas_protocol::messages::ApiVersionsRequest;
use barnabas_protocol::{ApiKey, VersionRange, own_tags};
use barnabas_types::{BrokerId, LeaderEpoch};
use tokio::sync::{Notify, watch};

use super::publish::{ActiveController, Published};
use crate::config::FailureDetection;
use crate::node::Node;
use crate::runtime::Runtime;

/// How long it may take to write down that a broker is dead; after that it is looked at anew.
const FENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer to a probe.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Kafka's number of PLAINTEXT.
const PLAINTEXT: i16 = 0;

/// The detector of this node, for everybody who hears of a broker.
pub struct Detection {
    runtime: Runtime,
    is_fast: bool,
    state: Mutex<State>,
    leader: Mutex<LeaderWatch>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    detector: FailureDetector,
    to_do: Vec<DetectorEffect>,
}

impl Detection {
    /// A detector that knows nobody yet; for ever, where sessions alone are to count.
    #[must_use]
    pub fn new(runtime: Runtime, detection: FailureDetection) -> Self {
        let is_fast = detection == FailureDetection::Fast;
        Self { runtime, is_fast, state: Mutex::default(), leader: Mutex::default(), wake: Notify::new() }
    }

    /// True with `barnabas.failure.detection=fast`.
    #[must_use]
    pub const fn is_fast(&self) -> bool {
        self.is_fast
    }

    /// A heartbeat of this registration came by `connection`.
    pub fn heard(&self, broker: BrokerId, epoch: i64, connection: u64) {
        self.hand_in(DetectorInput::Heard { broker, epoch, connection });
    }

    /// A connection of the controller's listener has ended.
    pub fn ended(&self, connection: u64) {
        self.hand_in(DetectorInput::Ended { connection });
    }

    /// Another process wants to be this broker; with all its directories, or without.
    pub fn contested(&self, broker: BrokerId, has_directories: bool) {
        self.hand_in(DetectorInput::Contested { broker, has_directories });
    }

    /// Another node leads the quorum.
    pub fn follows(&self, leader: BrokerId, epoch: LeaderEpoch) {
        self.leader().follow(leader, epoch);
    }

    /// The leader of the quorum has answered at its listener.
    pub fn leader_answered(&self, leader: BrokerId) {
        self.leader().answered(leader, self.runtime.now().monotonic);
    }

    /// The silence of the leader, as long as it lasts.
    pub fn look_at_leader(&self) -> Option<LeaderSilence> {
        self.leader().look(self.runtime.now().monotonic)
    }

    fn leader(&self) -> MutexGuard<'_, LeaderWatch> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_in(&self, input: DetectorInput) {
        if !self.is_fast {
            return;
        }
        let mut state = self.state();
        let State { detector, to_do } = &mut *state;
        detector.handle(input, self.runtime.now().monotonic, to_do);
        let any = !to_do.is_empty();
        drop(state);
        if any {
            self.wake.notify_one();
        }
    }

    fn is_dead(&self, broker: BrokerId, epoch: i64) -> bool {
        self.state().detector.is_dead(broker, epoch)
    }

    fn take_to_do(&self) -> Vec<DetectorEffect> {
        std::mem::take(&mut self.state().to_do)
    }

    /// Returns when somebody has to look.
    async fn look_is_due(&self) {
        let deadline = self.state().detector.deadline();
        match deadline {
            Some(deadline) => tokio::time::sleep(deadline.saturating_sub(self.runtime.now().monotonic)).await,
            None => std::future::pending().await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom the detector looks after, as it was told last.
struct Following {
    own: BrokerId,
    /// True while this node decides.
    is_active: bool,
    /// Who else led the quorum last.
    leader: Option<BrokerId>,
    brokers: Vec<WatchedBroker>,
}

impl Following {
    fn active_is(&mut self, active: &ActiveController, detection: &Detection) {
        let is_active = active.id == Some(self.own);
        if is_active != std::mem::replace(&mut self.is_active, is_active) {
            self.brokers.clear();
            detection.hand_in(match is_active {
                true => DetectorInput::BecameActive {
                    former: self.leader,
                    silent_since: self.leader.and_then(|former| detection.leader().silent_since(former)),
                },
                false => DetectorInput::Resigned,
            });
        }
        self.leader = active.id.filter(|id| *id != self.own).or(self.leader.filter(|_| !is_active));
    }

    fn image_is(&mut self, published: &Published, detection: &Detection) {
        if !self.is_active {
            return;
        }
        // The broker of this process shares its fate.
        let others = published.image.brokers.iter().filter(|broker| broker.id != self.own);
        let brokers: Vec<WatchedBroker> = others.map(|broker| WatchedBroker::from(&**broker)).collect();
        if brokers != self.brokers {
            detection.hand_in(DetectorInput::Brokers(brokers.clone()));
            self.brokers = brokers;
        }
    }
}

/// Looks after the brokers whenever this node is the active controller, until `stop`.
pub async fn detect(node: Arc<Node>, mut committed: watch::Receiver<Published>, mut stop: watch::Receiver<bool>) {
    if !node.detection.is_fast || !node.config.roles.controller {
        return;
    }
    let mut active = node.controller.active();
    let mut following = Following { own: node.broker_id, is_active: false, leader: None, brokers: Vec::new() };
    active.mark_changed();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            Ok(()) = active.changed() => following.active_is(&active.borrow_and_update(), &node.detection),
            Ok(()) = committed.changed() => {}
            () = node.detection.wake.notified() => {}
            () = node.detection.look_is_due() => node.detection.hand_in(DetectorInput::Tick),
            else => return,
        }
        following.image_is(&committed.borrow_and_update(), &node.detection);
        for effect in node.detection.take_to_do() {
            carry_out(&node, effect, &committed);
        }
    }
}

fn carry_out(node: &Arc<Node>, effect: DetectorEffect, committed: &watch::Receiver<Published>) {
    match effect {
        DetectorEffect::Probe { probe, broker, epoch } => {
            let image = Arc::clone(&committed.borrow().image);
            let registered = image.brokers.get(broker).filter(|registered| registered.epoch == epoch).cloned();
            let node = Arc::clone(node);
            node.runtime.clone().spawn_control(async move {
                let outcome = ask(&node, registered.as_deref()).await;
                node.metrics.detection.probed(outcome);
                node.detection.hand_in(DetectorInput::Probed { probe, outcome });
            });
        }
        DetectorEffect::Fence { broker, epoch, evidence } => {
            node.runtime.spawn_control(fence(Arc::clone(node), broker, epoch, evidence));
        }
        DetectorEffect::Unreachable { broker } => tracing::warn!(
            broker = broker.0,
            "the listener that this broker advertises is not reached from the controller: its death will be known after \
             broker.session.timeout.ms only; check advertised.listeners, names and firewalls"
        ),
    }
}

/// Has the controller write down that a broker is dead, if it still is when its turn comes.
async fn fence(node: Arc<Node>, broker: BrokerId, epoch: i64, evidence: Evidence) {
    let deadline = node.runtime.deadline(FENCE_TIMEOUT);
    let judge = Arc::clone(&node);
    let fenced = node.controller.try_decide_committed(deadline, move |controller, context| {
        let epoch = if judge.detection.is_dead(broker, epoch) { epoch } else { NO_EPOCH };
        Ok::<_, Infallible>(controller.fence_dead(context, broker, epoch))
    });
    match fenced.await {
        Ok(Ok(true)) => {
            node.metrics.detection.fenced(evidence);
            tracing::warn!(broker = broker.0, "a broker is dead and fenced: {evidence}");
        }
        Ok(Ok(false)) => tracing::debug!(broker = broker.0, %evidence, "a broker that leads nothing is gone"),
        Ok(Err(never)) => match never {},
        Err(error) => {
            tracing::debug!(broker = broker.0, %error, "a dead broker could not be fenced; it is looked at again")
        }
    }
}

/// The epoch of no registration.
const NO_EPOCH: i64 = -1;

/// Asks a broker at its listener, by a name that is resolved anew and a connection of its own.
async fn ask(node: &Node, registered: Option<&BrokerRegistration>) -> ProbeOutcome {
    let Some(endpoint) = registered.and_then(|broker| listener(broker, &node.config.inter_broker_listener_name)) else {
        return ProbeOutcome::NotAsked;
    };
    let address = address(&endpoint.host, endpoint.port);
    let settings = Settings {
        max_response_bytes: MAX_ANSWER_BYTES,
        ..Settings::new(Vec::new(), &format!("controller-{}-probe", node.broker_id))
    };
    match tokio::time::timeout(PROBE_TIMEOUT, who_answers(&address, &settings)).await {
        Ok(Ok(who)) => ProbeOutcome::Answered(who),
        Ok(Err(error)) => {
            tracing::debug!(%error, address, "a broker did not answer a probe");
            outcome(&error)
        }
        Err(_) => ProbeOutcome::Silent,
    }
}

async fn who_answers(
    address: &str,
    settings: &Settings,
) -> Result<Option<(BrokerId, barnabas_types::Uuid)>, ClientError> {
    /// Versions with tagged fields.
    const FLEXIBLE: VersionRange = VersionRange::new(3, 4);
    let mut connection = Connection::open(address, settings).await?;
    if FLEXIBLE.intersect(connection.served(ApiKey::ApiVersions)).is_empty() {
        return Ok(None);
    }
    let request = ApiVersionsRequest {
        client_software_name: "barnabas".into(),
        client_software_version: env!("CARGO_PKG_VERSION").into(),
        unknown_tags: own_tags::asks_who(),
        ..Default::default()
    };
    let response = connection.call(&request, FLEXIBLE).await?;
    Ok(own_tags::read_who(&response.unknown_tags).map(|(id, incarnation)| (BrokerId(id), incarnation)))
}

/// The listener among brokers, where this node knows its name; else one that needs no keys.
fn listener<'a>(broker: &'a BrokerRegistration, inter_broker: &str) -> Option<&'a BrokerEndpoint> {
    let plain = || broker.endpoints.iter().find(|endpoint| endpoint.security_protocol == PLAINTEXT);
    broker.endpoint(inter_broker).or_else(plain).or_else(|| broker.endpoints.first())
}

/// What an error of the client says about the broker.
fn outcome(error: &ClientError) -> ProbeOutcome {
    match error {
        ClientError::Connect { source, .. } => match source.kind() {
            ErrorKind::ConnectionRefused => ProbeOutcome::Refused,
            // No memory, no port, no file handle: all of them this node's own.
            ErrorKind::OutOfMemory | ErrorKind::AddrNotAvailable | ErrorKind::PermissionDenied => {
                ProbeOutcome::NotAsked
            }
            _ if is_out_of_files(source) => ProbeOutcome::NotAsked,
            _ => ProbeOutcome::Silent,
        },
        ClientError::Write { .. }
        | ClientError::Read { .. }
        | ClientError::Closed { .. }
        | ClientError::Timeout { .. } => ProbeOutcome::Silent,
        ClientError::Encode { .. } | ClientError::NoBootstrapServers | ClientError::NoSuchNode { .. } => {
            ProbeOutcome::NotAsked
        }
        // Somebody lives there and speaks, if not as expected.
        ClientError::NoCommonVersion { .. }
        | ClientError::Decode { .. }
        | ClientError::Correlation { .. }
        | ClientError::Missing { .. }
        | ClientError::Refused { .. } => ProbeOutcome::Answered(None),
    }
}

fn is_out_of_files(error: &std::io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(errno, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::NOBUFS))
}

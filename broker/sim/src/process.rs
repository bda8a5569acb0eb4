//! One process of the quorum: its replica, the metadata that it has applied, and the production controller while it leads. Knows no time
//! and no network of its own: what happens comes in, what is to be sent goes out.

mod silence;

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::Disk;
use barnabas_metadata::{
    Controller, History, MAX_METADATA_VERSION, PermitsBefore, bootstrap_records, first_batch, snapshot,
};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_raft::{
    Config, ErrorCode, FetchContent, HaltReason, KRaftVersionRange, Request, RequestFailure, RequestId, Response,
    SnapshotContent, SnapshotId,
};
use barnabas_server::raft::{
    Answer, AppendRecordsError, Outgoing, QuorumDriver, QuorumError, QuorumSettings, write_snapshot,
};
use barnabas_types::{LeaderEpoch, Now, Offset};

use crate::admin::{AnyValue, Ask, Told, context, decide};
use crate::broker::{Broker, News};
use crate::disk::VirtualDisk;
use crate::disk_log::METADATA_LOG_DIR;
use crate::network::Place;
use crate::random::Random;

/// The process cannot go on.
#[derive(Debug)]
pub enum Failed {
    /// The engine has stopped for good.
    Halted(HaltReason),
    /// The disk failed, or something in it is not as it should be.
    Other(String),
}

impl From<QuorumError> for Failed {
    fn from(error: QuorumError) -> Self {
        match error {
            QuorumError::Halted(reason) => Self::Halted(reason),
            other => Self::Other(other.to_string()),
        }
    }
}

/// What is wrong, in words.
fn other(error: impl std::error::Error) -> Failed {
    Failed::Other(error.to_string())
}

/// What goes over the network.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request of a replica, or of the operator.
    Request {
        /// Who waits for the answer.
        from: Asker,
        /// What is asked.
        request: Request,
    },
    /// Its answer.
    Answer {
        /// Who waited.
        to: Asker,
        /// What is answered.
        response: Response,
        /// The records, or the piece of a snapshot, in it.
        bytes: Vec<u8>,
    },
    /// A client asks the controller.
    Ask {
        /// Who.
        client: Client,
        /// What.
        ask: Ask,
    },
    /// The controller's answer.
    Told {
        /// To whom.
        client: Client,
        /// What.
        told: Told,
    },
}

/// Who waits for an answer: a process in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Where.
    pub place: Place,
    /// Its life; answers to a life before are dropped with its connections.
    pub life: u32,
    /// Its name for the request.
    pub id: RequestId,
}

/// A client and its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where.
    pub place: Place,
    /// Its request; one that is no longer its newest has lost its connection.
    pub number: u64,
    /// The broker that passes it on.
    pub via: Option<Place>,
}

/// What a process wants done, or has done.
#[derive(Debug)]
pub enum Action {
    /// Send.
    Send(Place, Message),
    /// It has applied everything below an offset.
    Applied { offset: Offset, image: u64, from_snapshot: bool },
    /// A client will hear that its records are committed.
    Acknowledged { end: Offset, epoch: LeaderEpoch },
    /// It has replaced its log by a snapshot.
    Installed(SnapshotId),
    /// It has taken a snapshot.
    SnapshotTaken(SnapshotId),
    /// Its broker has learnt something.
    Learnt(News),
}

/// Who waits for an answer of the engine.
enum Waiter {
    Replica(Asker),
    Client(Client),
}

/// A decision whose records are not committed.
struct Decided {
    end: Offset,
    epoch: LeaderEpoch,
    client: Option<(Client, Told)>,
}

/// See the module.
pub struct Process {
    /// The replica.
    pub driver: QuorumDriver,
    /// Which life of its place this is.
    pub life: u32,
    place: Place,
    committed: History,
    applied: Offset,
    controller: Option<(LeaderEpoch, Controller)>,
    decided: VecDeque<Decided>,
    asked: BTreeMap<u64, Waiter>,
    broker: Option<Broker>,
    broker_session_timeout: Duration,
    hears_of_silence: bool,
    next_token: u64,
    /// After how many records a snapshot is taken.
    snapshot_every: u64,
    random: Random,
    actions: Vec<Action>,
}

/// What a process is given.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where it is.
    pub place: Place,
    /// Which life of that place begins.
    pub life: u32,
    /// Its replica's configuration.
    pub config: Config,
    /// The size of a segment.
    pub segment_bytes: u32,
    /// After how many records a snapshot is taken.
    pub snapshot_every: u64,
    /// It is a broker, and no controller.
    pub is_broker: bool,
    /// After how long brokers that are not heard of may not lead.
    pub broker_session_timeout: Duration,
    /// It is told now and then that its leader answers nothing.
    pub hears_of_silence: bool,
    /// Chance, for the controller.
    pub random: Random,
}

impl Process {
    /// Starts on what is on `disk`.
    pub fn start(disk: &VirtualDisk, setup: Setup, now: Now) -> Result<Self, Failed> {
        let disk = Arc::new(Disk::new(Arc::new(disk.clone()), 64));
        let settings = QuorumSettings {
            metadata_log_dir: PathBuf::from(METADATA_LOG_DIR),
            replica: setup.config,
            segment_bytes: setup.segment_bytes,
            recordings_dir: PathBuf::from(METADATA_LOG_DIR),
        };
        let (driver, committed) = QuorumDriver::open(&disk, &settings, now)?;
        Ok(Self {
            applied: driver.node().log().snapshot().end_offset,
            driver,
            life: setup.life,
            place: setup.place,
            committed,
            controller: None,
            decided: VecDeque::new(),
            asked: BTreeMap::new(),
            broker: setup
                .is_broker
                .then(|| Broker::new(setup.place, setup.life, setup.broker_session_timeout, now.monotonic)),
            broker_session_timeout: setup.broker_session_timeout,
            hears_of_silence: setup.hears_of_silence,
            next_token: 0,
            snapshot_every: setup.snapshot_every,
            random: setup.random,
            actions: Vec::new(),
        })
    }

    /// Begins to take part.
    pub fn begin(&mut self, now: Now) -> Result<(), Failed> {
        if self.applied > Offset(0) {
            self.note_image(true);
        }
        self.driver.begin(now)?;
        self.settle(now)
    }

    /// What it wants done since this was last asked.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The snapshot that has replaced its log since its actions were taken.
    pub fn installed(&self) -> Option<SnapshotId> {
        self.actions.iter().rev().find_map(|action| if let Action::Installed(id) = action { Some(*id) } else { None })
    }

    /// Everything below is applied.
    pub const fn applied(&self) -> Offset {
        self.applied
    }

    /// The metadata that it has applied.
    pub fn image(&self) -> &barnabas_metadata::Image {
        self.committed.visible()
    }

    /// Its deadline has passed.
    pub fn tick(&mut self, now: Now) -> Result<(), Failed> {
        self.driver.tick(now)?;
        self.hear_of_silence(now)?;
        self.fence_silent(now)?;
        self.elect_periodically(now)?;
        self.settle(now)?;
        if let Some(broker) = &mut self.broker
            && let Some((number, ask)) = broker.ask(self.applied, now.monotonic)
        {
            self.pass_on(Client { place: self.place, number, via: None }, ask);
        }
        Ok(())
    }

    /// When [`Process::tick`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        let controller = self.controller.as_ref();
        let session = controller.and_then(|(_, controller)| controller.session_deadline(self.broker_session_timeout));
        let election = controller.and_then(|(_, controller)| controller.election_deadline());
        [self.driver.deadline(), session, election, self.broker.as_ref().map(Broker::due)].into_iter().flatten().min()
    }

    /// Its broker, if it is one.
    pub const fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }

    /// Asks the controller, where it is known; clients ask again.
    fn pass_on(&mut self, client: Client, ask: Ask) {
        let leader = self.driver.leader().and_then(|leader| usize::try_from(leader.0).ok());
        match leader {
            Some(leader) => self.actions.push(Action::Send(leader, Message::Ask { client, ask })),
            None if client.place != self.place => self.tell(client, Told::NotController),
            None => {}
        }
    }

    /// Hears what the controller answers.
    fn told(&mut self, client: Client, told: Told) {
        if client.place != self.place {
            return self.tell(Client { via: None, ..client }, told);
        }
        let news = self.broker.as_mut().and_then(|broker| broker.hear(client.number, told));
        self.actions.extend(news.map(Action::Learnt));
    }

    /// The controller fences brokers that were not heard of.
    fn fence_silent(&mut self, now: Now) -> Result<(), Failed> {
        loop {
            let Some((epoch, controller)) = &mut self.controller else { return Ok(()) };
            let (epoch, before) = (*epoch, self.driver.log_end());
            let mut bits = || self.random.wide_bits();
            let context = context(before, &mut bits, self.broker_session_timeout, now);
            let records = controller.fence_silent(&context).records;
            if records.is_empty() {
                return Ok(());
            }
            self.append(records, epoch, None, now)?;
            if self.driver.log_end() == before {
                return Ok(());
            }
        }
    }

    /// The controller elects what nobody asks for.
    fn elect_periodically(&mut self, now: Now) -> Result<(), Failed> {
        let Some((epoch, controller)) = &mut self.controller else { return Ok(()) };
        let mut bits = || self.random.wide_bits();
        let context = context(self.driver.log_end(), &mut bits, self.broker_session_timeout, now);
        let (epoch, records) = (*epoch, controller.elect_periodically(&context).records);
        if records.is_empty() { Ok(()) } else { self.append(records, epoch, None, now) }
    }

    /// Does the sync that was put off.
    pub fn sync(&mut self, now: Now) -> Result<(), Failed> {
        self.driver.sync(now)?;
        self.settle(now)
    }

    /// Hears that there is no answer.
    pub fn request_failed(&mut self, id: RequestId, failure: RequestFailure, now: Now) -> Result<(), Failed> {
        self.driver.request_failed(id, failure, now)?;
        self.settle(now)
    }

    /// Is told to give up leading.
    pub fn resign(&mut self, now: Now) -> Result<(), Failed> {
        self.driver.resign(self.driver.node().epoch(), now)?;
        self.settle(now)
    }

    /// Is told to stop, and says so to others.
    pub fn begin_stop(&mut self, now: Now) -> Result<(), Failed> {
        self.driver.begin_stop(now)?;
        self.settle(now)
    }

    /// Leaves its log complete.
    pub fn stop(self, now: Now) -> Result<(), Failed> {
        Ok(self.driver.stop(now)?)
    }

    fn new_token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Takes what the network brings.
    pub fn receive(&mut self, message: Message, now: Now) -> Result<(), Failed> {
        match message {
            Message::Request { from, request: Request::ApiVersions } => {
                let response = Response::ApiVersions(Some(KRaftVersionRange { min: 0, max: 1 }));
                let answer = Message::Answer { to: from, response, bytes: Vec::new() };
                self.actions.push(Action::Send(from.place, answer));
            }
            Message::Request { from, request } => {
                let token = self.new_token();
                self.asked.insert(token, Waiter::Replica(from));
                self.driver.requested(token, request, now)?;
            }
            Message::Answer { to, response, bytes } => self.driver.answered(to.id, response, bytes, now)?,
            Message::Ask { client, ask } if self.broker.is_some() => {
                self.pass_on(Client { via: Some(self.place), ..client }, ask);
            }
            Message::Ask { client, ask } => self.ask(client, &ask, now)?,
            Message::Told { client, told } => self.told(client, told),
        }
        self.settle(now)
    }

    /// Takes a snapshot now, if there is something new.
    pub fn take_snapshot(&mut self, now: Now) -> Result<(), Failed> {
        // What the engine knows to be committed is applied.
        if self.applied != self.driver.high_watermark() || self.committed.in_transaction() {
            return Ok(());
        }
        self.note_image(false);
        if let Some((id, path, frame)) = self.driver.begin_snapshot(self.metadata_version(), now)? {
            let disk = self.driver.disk();
            match write_snapshot(disk.fs(), &path, &frame, snapshot::records(self.committed.visible())) {
                Ok(()) => {
                    self.actions.push(Action::SnapshotTaken(id));
                    self.driver.snapshot_written(id, now)?;
                }
                // The log still holds everything.
                Err(_) => return Ok(()),
            }
            self.settle_once(now)?;
        }
        Ok(())
    }

    fn metadata_version(&self) -> i16 {
        let controller = self.controller.as_ref().map(|(_, controller)| controller.head());
        match controller.unwrap_or_else(|| self.committed.visible()).features.metadata_version() {
            0 => MAX_METADATA_VERSION,
            version => version,
        }
    }

    fn ask(&mut self, client: Client, ask: &Ask, now: Now) -> Result<(), Failed> {
        if let Ask::RaiseKRaftVersion = ask {
            let token = self.new_token();
            self.asked.insert(token, Waiter::Client(client));
            return Ok(self.driver.upgrade_kraft_version(token, 1, false, now)?);
        }
        let Some((epoch, controller)) = &mut self.controller else {
            self.tell(client, Told::NotController);
            return Ok(());
        };
        let (epoch, next_offset) = (*epoch, self.driver.log_end());
        let mut bits = || self.random.wide_bits();
        let mut context = context(next_offset, &mut bits, self.broker_session_timeout, now);
        let (records, told) = decide(controller, ask, &mut context);
        self.append(records, epoch, Some((client, told)), now)
    }

    fn tell(&mut self, client: Client, told: Told) {
        let to = client.via.unwrap_or(client.place);
        self.actions.push(Action::Send(to, Message::Told { client, told }));
    }

    /// Appends what the controller decided, and lets it decide on that from here on.
    fn append(
        &mut self,
        records: Vec<MetadataRecord<'static>>,
        epoch: LeaderEpoch,
        client: Option<(Client, Told)>,
        now: Now,
    ) -> Result<(), Failed> {
        if records.is_empty() {
            // An answer may tell of something that is not committed yet.
            self.decided.push_back(Decided { end: self.driver.log_end(), epoch, client });
            self.answer_committed();
            return Ok(());
        }
        let version = self.metadata_version();
        match self.driver.append(&records, version, now) {
            Ok(end) => {
                if let Some((_, controller)) = &mut self.controller {
                    records.iter().try_for_each(|record| controller.replay(record).map_err(other))?;
                }
                self.decided.push_back(Decided { end, epoch, client });
            }
            Err(AppendRecordsError::Refused(_) | AppendRecordsError::NoRoom(_)) => {
                if let Some((client, _)) = client {
                    self.tell(client, Told::NotController);
                }
            }
            Err(AppendRecordsError::Quorum(error)) => return Err(error.into()),
            Err(error @ AppendRecordsError::Encode(_)) => return Err(other(error)),
        }
        Ok(())
    }

    /// Does what the driver's last steps ask for.
    fn settle(&mut self, now: Now) -> Result<(), Failed> {
        self.settle_once(now)?;
        let since = self.applied.0.saturating_sub(self.driver.node().log().snapshot().end_offset.0);
        if since.unsigned_abs() >= self.snapshot_every { self.take_snapshot(now) } else { Ok(()) }
    }

    fn settle_once(&mut self, now: Now) -> Result<(), Failed> {
        loop {
            let outgoing = self.driver.take_outgoing();
            if outgoing.is_empty() {
                break;
            }
            for outgoing in outgoing {
                self.carry_out(outgoing, now)?;
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, outgoing: Outgoing, now: Now) -> Result<(), Failed> {
        match outgoing {
            Outgoing::Send { id, to, request } => {
                if let Some(place) = to.host.strip_prefix(HOST).and_then(|place| place.parse().ok()) {
                    let from = Asker { place: self.place, life: self.life, id };
                    self.actions.push(Action::Send(place, Message::Request { from, request }));
                }
            }
            Outgoing::Respond { token, answer } => match (self.asked.remove(&token), answer) {
                (Some(Waiter::Replica(to)), answer) => {
                    if let Some((response, bytes)) = on_the_wire(answer) {
                        self.actions.push(Action::Send(to.place, Message::Answer { to, response, bytes }));
                    }
                }
                (Some(Waiter::Client(client)), Answer { response: Response::UpgradeKRaftVersion(outcome), .. }) => {
                    self.tell(client, if outcome.error == ErrorCode::None { Told::Done } else { Told::Again });
                }
                _ => {}
            },
            Outgoing::Committed(high_watermark) => self.apply(high_watermark)?,
            Outgoing::Lead(epoch) => self.lead(epoch, now)?,
            Outgoing::LeadershipLost(_) => {
                self.controller = None;
                for decided in std::mem::take(&mut self.decided) {
                    if let Some((client, _)) = decided.client {
                        self.tell(client, Told::NotController);
                    }
                }
            }
            Outgoing::Reset(id) => self.reset(id)?,
            Outgoing::LeaderChanged { .. } | Outgoing::Stopped => {}
        }
        Ok(())
    }

    fn lead(&mut self, epoch: LeaderEpoch, now: Now) -> Result<(), Failed> {
        let mut controller = Controller::new(self.committed.visible().clone());
        // Nobody asks for a permit to stop here.
        controller.activate(now.monotonic, &PermitsBefore::since(now.monotonic));
        self.controller = Some((epoch, controller));
        if self.committed.in_transaction() {
            self.append(vec![MetadataRecord::AbortTransaction(Default::default())], epoch, None, now)?;
        }
        if self.committed.visible().features.metadata_version() == 0 {
            self.append(first_batch(bootstrap_records(), &AnyValue), epoch, None, now)?;
        }
        Ok(())
    }

    fn apply(&mut self, high_watermark: Offset) -> Result<(), Failed> {
        if high_watermark <= self.applied {
            return Ok(());
        }
        self.driver.replay(self.applied, high_watermark, &mut self.committed).map_err(other)?;
        self.applied = high_watermark;
        self.note_image(false);
        self.answer_committed();
        Ok(())
    }

    fn answer_committed(&mut self) {
        while let Some(decided) = self.decided.pop_front_if(|next| next.end <= self.applied) {
            if let Some((client, told)) = decided.client {
                self.actions.push(Action::Acknowledged { end: decided.end, epoch: decided.epoch });
                self.tell(client, told);
            }
        }
    }

    fn reset(&mut self, id: SnapshotId) -> Result<(), Failed> {
        self.actions.push(Action::Installed(id));
        self.committed = self.driver.read_snapshot(id).map_err(other)?;
        self.applied = id.end_offset;
        self.note_image(true);
        Ok(())
    }

    fn note_image(&mut self, from_snapshot: bool) {
        if !self.committed.in_transaction() {
            let image = self.image_hash();
            self.actions.push(Action::Applied { offset: self.applied, image, from_snapshot });
        }
    }

    /// A hash of the metadata that it has applied.
    pub fn image_hash(&self) -> u64 {
        self.image().hash()
    }
}

/// An answer as the network carries it; None when its bytes are no longer there, as when a connection breaks.
fn on_the_wire(answer: Answer) -> Option<(Response, Vec<u8>)> {
    let Answer { mut response, bytes: region, snapshot_size } = answer;
    let mut bytes = Vec::new();
    if let Some(region) = region {
        bytes = vec![0; region.length];
        region.file.read_exact_at(&mut bytes, region.position).ok()?;
    }
    match &mut response {
        Response::Fetch(fetch) if matches!(fetch.content, FetchContent::Read { .. }) => {
            fetch.content = FetchContent::Nothing
        }
        Response::FetchSnapshot(piece) => {
            if let SnapshotContent::Read { position, .. } = piece.content {
                let size = i64::try_from(snapshot_size).unwrap_or(i64::MAX);
                piece.content = SnapshotContent::Piece { token: 0, size, position, length: 0 };
            }
        }
        _ => {}
    }
    Some((response, bytes))
}

/// How host names begin; the place follows.
pub const HOST: &str = "node-";

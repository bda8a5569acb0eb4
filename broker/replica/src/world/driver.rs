//! A broker's driver in the world: hands inputs to replica and fetchers and executes their effects in order, as the server's does.

use barnabas_types::{BrokerId, LeaderEpoch, Offset};

use super::broker::Life;
use super::log::{TestLog, index, offset};
use super::{Message, PARTITION, Served, ServedPartition, World};
use crate::fetcher::{
    self, AppendFailure, Config, FetchAnswer, Fetcher, LogPosition, PartitionAnswer, PartitionOutcome,
};
use crate::{
    AlterAnswer, AlterRefusal, Around, Assigned, Brokers, Effect, Input, LeaderRecoveryState, Opened, Replica,
};

pub(crate) const BACKOFF_MS: u64 = 20;
const SYNC_PATIENCE_MS: u64 = 5;

impl World {
    /// Starts a process; it begins to apply the metadata from `applied` on.
    pub(crate) fn start(&mut self, id: BrokerId, applied: usize) {
        let state = self.controller.state();
        let (broker_epoch, epoch_then) = (state.brokers.0[&id].epoch, state.leader_epoch);
        let broker = self.broker_mut(id);
        broker.starts += 1;
        // An epoch without a record is in memory only.
        broker.log.truncate(broker.log.records.len());
        let withheld = if broker.starts == 1 { LeaderEpoch::NONE } else { epoch_then };
        let (log_end, durable_end) = (broker.log.end(), offset(broker.log.durable));
        let replica = Replica::new(Opened { high_watermark: broker.checkpoint, log_end, durable_end, withheld });
        let seen = replica.high_watermark();
        broker.life = Some(Life {
            broker_epoch,
            replica,
            fetchers: [].into(),
            applied,
            brokers: Brokers::default(),
            sessions: [].into(),
            next_session: 1,
            seen,
        });
    }

    /// Applies `count` more records of the metadata at once.
    pub(crate) fn apply(&mut self, id: BrokerId, count: usize) {
        let Some(life) = &mut self.broker_mut(id).life else { return };
        let before = life.applied;
        let applied = before.saturating_add(count).min(self.controller.states.len());
        if applied == before {
            return;
        }
        let state = self.controller.states[applied - 1].clone();
        let knows_itself = self.controller.knows_itself(id, applied);
        if !state.replicas.contains(&id) {
            return self.apply_without_replica(id, applied, state.brokers, knows_itself);
        }
        let broker = self.broker_mut(id);
        let (log_end, durable_end) = (broker.log.end(), offset(broker.log.durable));
        let life = broker.life.as_mut().unwrap();
        life.applied = applied;
        life.brokers = state.brokers;
        self.replica(
            id,
            Input::Assigned(Assigned {
                leader: state.leader,
                leader_epoch: state.leader_epoch,
                partition_epoch: state.partition_epoch,
                isr: &state.isr,
                replicas: &state.replicas,
                directories: &[],
                adding: &state.adding,
                removing: &state.removing,
                recovery: LeaderRecoveryState::Recovered,
                log_end,
                durable_end,
            }),
        );
        self.replica(id, Input::BrokersChanged);
    }

    /// This broker has no replica: its log goes, but not for metadata from before it was started, since when it may have got one.
    fn apply_without_replica(&mut self, id: BrokerId, applied: usize, brokers: Brokers, knows_itself: bool) {
        if knows_itself {
            self.replica(id, Input::Stopped);
            let broker = self.broker_mut(id);
            broker.log = TestLog::default();
            broker.checkpoint = Offset(0);
        }
        let Some(life) = &mut self.broker_mut(id).life else { return };
        (life.applied, life.brokers) = (applied, brokers);
        if knows_itself {
            let nothing = Offset(0);
            let withheld = LeaderEpoch::NONE;
            let opened = Opened { high_watermark: nothing, log_end: nothing, durable_end: nothing, withheld };
            (life.replica, life.seen) = (Replica::new(opened), nothing);
        }
    }

    /// Hands an input to the replica of a broker, and executes what it wants.
    pub(crate) fn replica(&mut self, id: BrokerId, input: Input<'_>) {
        let (settings, now) = (self.settings.clone(), self.now());
        let Some(life) = &mut self.brokers.get_mut(&id).unwrap().life else { return };
        let around = Around { own: id, own_epoch: life.broker_epoch, settings: &settings, brokers: &life.brokers };
        let mut effects = Vec::new();
        life.replica.handle(input, &around, now, &mut effects);
        for effect in effects {
            self.execute(id, effect);
        }
    }

    fn execute(&mut self, id: BrokerId, effect: Effect) {
        self.note(format!("{id} {effect:?}"));
        match effect {
            Effect::EpochStarts { leader_epoch, offset } => {
                self.broker_mut(id).log.begin_epoch(leader_epoch.0, index(offset));
            }
            Effect::Follow { leader, leader_epoch } => {
                self.unfollow(id, Some(leader));
                let log = self.position(id);
                let config = self.fetcher_config();
                let fetchers = &mut self.broker_mut(id).life.as_mut().unwrap().fetchers;
                fetchers.entry(leader).or_insert_with(|| Fetcher::new(config));
                self.fetcher(id, leader, fetcher::Input::Follow { partition: PARTITION, leader_epoch, log });
            }
            Effect::StopFollowing => self.unfollow(id, None),
            Effect::AlterPartition { number, leader_epoch, partition_epoch, isr, .. } => {
                let from = (id, self.broker(id).starts);
                self.messages.push(Message::Alter { from, number, leader_epoch, partition_epoch, isr });
            }
            Effect::CommittedRecordsCut { from, to } => self.fail(format!("{id} cut committed records {to}..{from}")),
            Effect::WatermarkMoved { .. }
            | Effect::LeadershipLost { .. }
            | Effect::RaiseLogStart { .. }
            | Effect::IsrShrunk
            | Effect::IsrExpanded
            | Effect::IsrUpdateFailed => {}
        }
    }

    fn fetcher_config(&self) -> Config {
        Config { backoff_ms: BACKOFF_MS, sync_patience_ms: SYNC_PATIENCE_MS, settings: self.settings.clone() }
    }

    fn unfollow(&mut self, id: BrokerId, but: Option<BrokerId>) {
        let peers: Vec<_> = self.broker(id).life.iter().flat_map(|life| life.fetchers.keys().copied()).collect();
        for peer in peers.into_iter().filter(|peer| Some(*peer) != but) {
            self.fetcher(id, peer, fetcher::Input::Unfollow { partition: PARTITION });
        }
    }

    pub(crate) fn position(&self, id: BrokerId) -> LogPosition {
        let broker = self.broker(id);
        broker.log.position(broker.life.as_ref().unwrap().replica.high_watermark())
    }

    /// Hands an input to a fetcher, and executes what it wants.
    pub(crate) fn fetcher(&mut self, id: BrokerId, peer: BrokerId, input: fetcher::Input) {
        let now = self.now();
        let Some(life) = &mut self.broker_mut(id).life else { return };
        let Some(fetcher) = life.fetchers.get_mut(&peer) else { return };
        let mut effects = Vec::new();
        fetcher.handle(input, now, &mut effects);
        for effect in effects {
            self.execute_fetch(id, peer, effect, &[]);
        }
    }

    fn execute_fetch(&mut self, id: BrokerId, peer: BrokerId, effect: fetcher::Effect, records: &[(i32, u32)]) {
        use fetcher::Effect as Fetch;
        let from = (id, self.broker(id).starts);
        match effect {
            Fetch::Fetch { number, request } => {
                let broker_epoch = self.broker(id).life.as_ref().unwrap().broker_epoch;
                self.messages.push(Message::Fetch { from, to: peer, broker_epoch, number, request });
            }
            Fetch::Append { leader_epoch, offset, high_watermark, log_start, .. } => {
                let result = self.append(id, leader_epoch, offset, records);
                if result.is_ok() {
                    self.replica(id, Input::LeaderTold { leader_epoch, high_watermark, log_start });
                }
                let result = result.map(|()| self.position(id));
                self.fetcher(id, peer, fetcher::Input::Appended { partition: PARTITION, leader_epoch, result });
            }
            Fetch::Learn { leader_epoch, high_watermark, log_start, .. } => {
                self.replica(id, Input::LeaderTold { leader_epoch, high_watermark, log_start });
            }
            Fetch::Truncate { leader_epoch, to, .. } | Fetch::StartAt { leader_epoch, at: to, .. } => {
                self.note(format!("{id} truncates to {to}"));
                let result = self.check_following(id, leader_epoch);
                if result.is_ok() {
                    self.broker_mut(id).log.truncate(index(to));
                    self.log_moved(id);
                }
                let result = result.map(|()| self.position(id));
                self.fetcher(id, peer, fetcher::Input::Truncated { partition: PARTITION, leader_epoch, result });
            }
            Fetch::AskLeaderEnds { leader_epoch, .. } => {
                self.messages.push(Message::AskEnds { from, to: peer, leader_epoch });
            }
            // What was sent may arrive all the same, and be answered.
            Fetch::HangUp => {}
            Fetch::SetAside { reason, .. } => self.note(format!("{id} sets aside: {reason:?}")),
        }
    }

    fn check_following(&self, id: BrokerId, leader_epoch: LeaderEpoch) -> Result<(), AppendFailure> {
        let replica = &self.broker(id).life.as_ref().unwrap().replica;
        let is_following = replica.following().is_some() && replica.leader_epoch() == leader_epoch;
        if is_following { Ok(()) } else { Err(AppendFailure::NotFollowing) }
    }

    fn append(
        &mut self,
        id: BrokerId,
        leader_epoch: LeaderEpoch,
        at: Offset,
        records: &[(i32, u32)],
    ) -> Result<(), AppendFailure> {
        self.check_following(id, leader_epoch)?;
        let log = &mut self.broker_mut(id).log;
        if log.end() != at {
            return Ok(());
        }
        records.iter().for_each(|&(epoch, value)| log.append(epoch, value));
        self.log_moved(id);
        Ok(())
    }

    /// Tells the replica where its log ends.
    pub(crate) fn log_moved(&mut self, id: BrokerId) {
        let log = &self.broker(id).log;
        let (log_end, durable_end) = (log.end(), offset(log.durable));
        self.replica(id, Input::LogMoved { log_end, durable_end });
    }

    /// The disk has everything.
    pub(crate) fn sync(&mut self, id: BrokerId) {
        let broker = self.broker_mut(id);
        let Some(life) = &broker.life else { return };
        let peers: Vec<_> = life.fetchers.keys().copied().collect();
        broker.log.durable = broker.log.records.len();
        let durable_end = broker.log.end();
        self.log_moved(id);
        for peer in peers {
            self.fetcher(id, peer, fetcher::Input::Synced { partition: PARTITION, durable_end });
        }
    }

    /// A client's record, with acks=all or acks=1.
    pub(crate) fn produce(&mut self, id: BrokerId, acks_all: bool) -> bool {
        let (value, settings) = (self.next_value + 1, self.settings.clone());
        let Some(life) = &self.broker(id).life else { return false };
        let around = Around { own: id, own_epoch: life.broker_epoch, settings: &settings, brokers: &life.brokers };
        let Ok(epoch) = life.replica.leading() else { return false };
        if acks_all && life.replica.check_acks_all(&around).is_err() {
            return false;
        }
        self.next_value = value;
        self.broker_mut(id).log.append(epoch.0, value);
        self.note(format!("{id} produces {}:{value}", epoch.0));
        self.log_moved(id);
        true
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, id: BrokerId) {
        self.replica(id, Input::Tick);
        let peers: Vec<_> = self.broker(id).life.iter().flat_map(|life| life.fetchers.keys().copied()).collect();
        for peer in peers {
            self.fetcher(id, peer, fetcher::Input::Tick);
        }
    }

    /// The answer of `peer` to a Fetch of `id`.
    pub(crate) fn take_fetched(&mut self, id: BrokerId, peer: BrokerId, number: u64, served: Served) {
        let high_watermark = self.position(id).high_watermark;
        let log = &self.broker(id).log;
        let mut brought = Vec::new();
        let outcome = served.partition.map(|partition| match partition {
            ServedPartition::Records { records, high_watermark } => {
                brought = records;
                PartitionOutcome::Records { has_records: !brought.is_empty(), high_watermark, log_start: Offset(0) }
            }
            ServedPartition::Diverging { epoch, end } => PartitionOutcome::Diverging {
                leader: fetcher::EpochEnd { epoch, end_offset: end },
                own: log.own(Some(epoch), high_watermark),
            },
            ServedPartition::Refused(error) => PartitionOutcome::Refused(error),
        });
        let partitions = outcome.map(|outcome| PartitionAnswer { partition: PARTITION, outcome });
        let answer = Ok(FetchAnswer { session_id: served.session_id, partitions: partitions.into_iter().collect() });
        let now = self.now();
        let Some(fetcher) = self.broker_mut(id).life.as_mut().unwrap().fetchers.get_mut(&peer) else { return };
        let mut effects = Vec::new();
        fetcher.handle(fetcher::Input::Answered { number, answer }, now, &mut effects);
        for effect in effects {
            self.execute_fetch(id, peer, effect, &brought);
        }
    }

    /// The controller's answer.
    pub(crate) fn take_altered(
        &mut self,
        id: BrokerId,
        number: u64,
        result: Result<(LeaderEpoch, i32, Vec<BrokerId>), AlterRefusal>,
    ) {
        let answer = match &result {
            Ok((leader_epoch, partition_epoch, isr)) => {
                AlterAnswer::Altered { leader_epoch: *leader_epoch, partition_epoch: *partition_epoch, isr }
            }
            Err(refusal) => AlterAnswer::Refused(*refusal),
        };
        self.replica(id, Input::AlterPartitionAnswered { number, answer });
    }
}

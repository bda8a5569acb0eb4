//! BrokerHeartbeat and the ends of sessions: a broker is let in, moves what it leads away, stops, is fenced when it asks for it or falls
//! silent, and tells of directories that are lost or take no new replicas.

use std::time::Duration;

use barnabas_protocol::records::metadata::{BrokerRegistrationChangeRecord, MetadataRecord};
use barnabas_types::{BrokerId, Offset, Uuid};

use super::elections::Move;
use super::{Context, Controller, Outcome};
use crate::BrokerRegistration;
use crate::record_version::{CORDONED_LOG_DIRS, DIRECTORY_ASSIGNMENT};

/// What a broker says every `broker.heartbeat.interval.ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who.
    pub broker_id: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: i64,
    /// The last offset of the metadata log that it has applied.
    pub applied_offset: Offset,
    /// True when it does not want to lead.
    pub want_fence: bool,
    /// True when it wants to stop.
    pub want_shut_down: bool,
    /// Directories that have failed.
    pub offline_log_dirs: Vec<Uuid>,
    /// Directories that take no new replicas; None when it does not say.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// True when it has applied its own registration.
    pub is_caught_up: bool,
    /// True when it may not lead.
    pub is_fenced: bool,
    /// True when it may stop.
    pub should_shut_down: bool,
}

/// The registration is not current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broker {broker} is not registered with epoch {epoch}: register again")]
pub struct StaleBrokerEpoch {
    /// The broker.
    pub broker: BrokerId,
    /// The epoch it came with.
    pub epoch: i64,
}

/// What a broker is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It may lead nothing.
    Fenced,
    /// It may lead.
    Unfenced,
    /// It hands over what it leads.
    ControlledShutdown,
    /// It may end.
    ShutDownNow,
}

impl State {
    const fn is_fenced(self) -> bool {
        matches!(self, Self::Fenced | Self::ShutDownNow)
    }
}

impl Controller {
    /// Takes a heartbeat: lets a broker in once it has applied its registration, fences one that asks for it, moves leadership away
    /// from one that wants to stop, and lets that one stop when everybody else knows of the move.
    ///
    /// # Errors
    /// The registration is not current.
    pub fn heartbeat(
        &mut self,
        context: &Context<'_>,
        heartbeat: &Heartbeat,
    ) -> Result<Outcome<HeartbeatReply>, StaleBrokerEpoch> {
        let (id, epoch) = (heartbeat.broker_id, heartbeat.broker_epoch);
        self.registered(id, epoch).ok_or(StaleBrokerEpoch { broker: id, epoch })?;
        self.min_isr_in_force.look(context.next_offset);
        self.sessions.touch(id, epoch, context.now, Some(heartbeat.applied_offset));
        let broker = self.registered(id, epoch).ok_or(StaleBrokerEpoch { broker: id, epoch })?;
        let is_caught_up = heartbeat.applied_offset.0 >= epoch;
        let current = match (broker.fenced, self.sessions.stops_after(id)) {
            (true, _) => State::Fenced,
            (false, Some(_)) if broker.in_controlled_shutdown => State::ControlledShutdown,
            // If it wanted to stop already, there was no room to write it.
            (false, _) => State::Unfenced,
        };
        let lost = lost_directories(broker, heartbeat);
        let has_lost_all = !lost.is_empty() && lost.len() == broker.log_dirs.len();
        let next = match self.next_state(current, heartbeat, is_caught_up) {
            // First the registration says that they are gone, then it is let in: it must not be elected for what lies there.
            State::Unfenced if current == State::Fenced && !lost.is_empty() => State::Fenced,
            // A registration names a directory at least, so that this one cannot say so; and there is nothing that such a broker could hold.
            State::Unfenced | State::ControlledShutdown if has_lost_all => State::Fenced,
            next => next,
        };
        // What it leads still could not be written when it began to stop.
        let hands_over = next == State::ControlledShutdown && (current != next || self.leads_any(id));
        let goes_on = next == current && !hands_over;
        let mut records = if goes_on { Vec::new() } else { self.state_change(context, broker, next) };
        if !next.is_fenced() && goes_on && !lost.is_empty() {
            records.extend(self.partition_changes(context, Move::LosesDirectories(id, &lost)));
        }
        records.extend(self.directory_change(broker, heartbeat, &lost));
        let is_fenced_already = broker.fenced;
        match next {
            State::ControlledShutdown if hands_over => {
                let made = i64::try_from(records.len()).unwrap_or(i64::MAX);
                self.sessions.stop_after(id, context.next_offset.plus(made));
            }
            State::Fenced => self.sessions.goes_on(id),
            // It will not be heard of again: whoever comes next under its id is its successor.
            State::ShutDownNow if is_fenced_already => self.sessions.forget(id),
            State::ShutDownNow => self.sessions.end_with_fencing(id),
            State::Unfenced | State::ControlledShutdown => {}
        }
        let (is_fenced, should_shut_down) = (next.is_fenced(), next == State::ShutDownNow);
        Ok(Outcome { records, response: HeartbeatReply { is_caught_up, is_fenced, should_shut_down } })
    }

    /// This registration was heard of at `at`, by a heartbeat that waits to be decided on or by a pulse: the session goes on from there. So a
    /// controller with much to do takes nobody for silent; in Apache Kafka request threads note heartbeats as well (KAFKA-17793).
    pub fn heard(&mut self, broker: BrokerId, epoch: i64, at: Duration) {
        self.sessions.heard(broker, epoch, at);
    }

    fn next_state(&self, current: State, heartbeat: &Heartbeat, is_caught_up: bool) -> State {
        let id = heartbeat.broker_id;
        match current {
            State::Fenced if heartbeat.want_shut_down => State::ShutDownNow,
            State::Fenced if !heartbeat.want_fence && is_caught_up => State::Unfenced,
            State::Fenced => State::Fenced,
            State::Unfenced if heartbeat.want_fence && heartbeat.want_shut_down => State::ShutDownNow,
            State::Unfenced if heartbeat.want_fence => State::Fenced,
            State::Unfenced if heartbeat.want_shut_down && self.leads_any(id) => State::ControlledShutdown,
            State::Unfenced if heartbeat.want_shut_down => State::ShutDownNow,
            State::Unfenced => State::Unfenced,
            State::ControlledShutdown | State::ShutDownNow => {
                let known = self.sessions.stops_after(id).is_none_or(|offset| self.all_others_applied(id, offset));
                if known && !self.leads_any(id) { State::ShutDownNow } else { State::ControlledShutdown }
            }
        }
    }

    /// True when every broker that may lead has applied everything before `end`: all of them know who leads instead of `stopping`.
    fn all_others_applied(&self, stopping: BrokerId, end: Offset) -> bool {
        let mut others = self.head.brokers.iter().filter(|broker| broker.is_active() && broker.id != stopping);
        others.all(|broker| self.sessions.applied_offset(broker.id).0 >= end.0.saturating_sub(1))
    }

    fn state_change(
        &self,
        context: &Context<'_>,
        broker: &BrokerRegistration,
        next: State,
    ) -> Vec<MetadataRecord<'static>> {
        let change = BrokerRegistrationChangeRecord {
            broker_id: broker.id.0,
            broker_epoch: broker.epoch,
            ..BrokerRegistrationChangeRecord::default()
        };
        match next {
            State::Fenced | State::ShutDownNow if broker.fenced => Vec::new(),
            // Last, so that a controller that takes over in the midst of it finds the broker silent, and does it again.
            State::Fenced | State::ShutDownNow => {
                let mut records = self.partition_changes(context, Move::Leaves(broker.id));
                records.push(BrokerRegistrationChangeRecord { fenced: 1, ..change }.into());
                records
            }
            State::Unfenced => {
                let mut records = vec![BrokerRegistrationChangeRecord { fenced: -1, ..change }.into()];
                records.extend(self.partition_changes(context, Move::Returns(broker.id)));
                records
            }
            State::ControlledShutdown => {
                let mut records = Vec::new();
                if !broker.in_controlled_shutdown {
                    records.push(BrokerRegistrationChangeRecord { in_controlled_shutdown: 1, ..change }.into());
                }
                records.extend(self.partition_changes(context, Move::Leaves(broker.id)));
                records
            }
        }
    }

    /// The change of the registration that tells of directories that have failed, or take no new replicas, since the last heartbeat.
    fn directory_change(
        &self,
        broker: &BrokerRegistration,
        heartbeat: &Heartbeat,
        lost: &[Uuid],
    ) -> Option<MetadataRecord<'static>> {
        let level = self.head.features.metadata_version();
        let mut change = BrokerRegistrationChangeRecord {
            broker_id: broker.id.0,
            broker_epoch: broker.epoch,
            ..BrokerRegistrationChangeRecord::default()
        };
        if level >= DIRECTORY_ASSIGNMENT && !lost.is_empty() {
            change.log_dirs = broker.log_dirs.iter().filter(|directory| !lost.contains(directory)).copied().collect();
        }
        if level >= CORDONED_LOG_DIRS {
            let cordoned = heartbeat.cordoned_log_dirs.as_ref();
            change.cordoned_log_dirs = cordoned.filter(|dirs| broker.cordoned_log_dirs.as_ref() != Some(dirs)).cloned();
        }
        (!change.log_dirs.is_empty() || change.cordoned_log_dirs.is_some()).then(|| change.into())
    }

    /// Fences a broker that is gone. Its partitions change first, one record each; the registration last, so that a controller that takes
    /// over in the midst of it does it again. So does this one where the records could not be written: the session ends with the last of them.
    pub fn fence_broker(&mut self, context: &Context<'_>, broker: BrokerId) -> Outcome<()> {
        let Some(registered) = self.head.brokers.get(broker).filter(|registered| !registered.fenced) else {
            self.sessions.forget(broker);
            return Outcome { records: Vec::new(), response: () };
        };
        let records = self.state_change(context, registered, State::Fenced);
        self.sessions.end_with_fencing(broker);
        Outcome { records, response: () }
    }

    /// Ends the session of a broker that the [`FailureDetector`](super::FailureDetector) found dead, and fences it if it was not; the response
    /// says which. Nothing where the registration is not current any more.
    pub fn fence_dead(&mut self, context: &Context<'_>, broker: BrokerId, epoch: i64) -> Outcome<bool> {
        if self.registered(broker, epoch).is_none() {
            return Outcome { records: Vec::new(), response: false };
        }
        let Outcome { records, .. } = self.fence_broker(context, broker);
        Outcome { response: !records.is_empty(), records }
    }

    /// Fences the broker that has been silent for longest, if for `broker.session.timeout.ms`; the response names it. To be asked
    /// again until it names none, or the records of the one that it names could not be written: then it names that one again.
    pub fn fence_silent(&mut self, context: &Context<'_>) -> Outcome<Option<BrokerId>> {
        while let Some(broker) = self.sessions.expired(context.now, context.broker_session_timeout) {
            let Outcome { records, .. } = self.fence_broker(context, broker);
            if !records.is_empty() {
                return Outcome { records, response: Some(broker) };
            }
        }
        Outcome { records: Vec::new(), response: None }
    }
}

/// The directories of `broker` that its registration calls online and that have failed.
fn lost_directories(broker: &BrokerRegistration, heartbeat: &Heartbeat) -> Vec<Uuid> {
    let is_lost = |directory: &&Uuid| heartbeat.offline_log_dirs.contains(directory);
    broker.log_dirs.iter().filter(is_lost).copied().collect()
}

//! The other side of each message: leaders that serve Fetch with sessions, the controller, and what comes back. A message to a process that is
//! gone finds nobody.

use barnabas_types::{BrokerId, LeaderEpoch, Offset};

use super::log::index;
use super::{Message, Process, Served, ServedPartition, ServerSession, World};
use crate::fetcher::{self, FetchFailure, FetchPartition, FetchRequest, LeaderEnds, PartitionError};
use crate::{Around, Fetched, Input, Refusal};

/// Records in one answer.
const MOST_RECORDS: usize = 3;

fn partition_error(refusal: Refusal) -> PartitionError {
    match refusal {
        Refusal::FencedLeaderEpoch => PartitionError::FencedLeaderEpoch,
        Refusal::UnknownLeaderEpoch => PartitionError::UnknownLeaderEpoch,
        Refusal::NotLeaderOrFollower => PartitionError::NotLeaderOrFollower,
        other => panic!("no Fetch is answered with {other:?}"),
    }
}

impl World {
    fn is_running(&self, (id, starts): Process) -> bool {
        let broker = self.broker(id);
        broker.life.is_some() && broker.starts == starts
    }

    /// Delivers a message that is on its way.
    pub(crate) fn deliver(&mut self, position: usize) {
        match self.messages.remove(position) {
            Message::Fetch { from, to, broker_epoch, number, request } => {
                let answer = match self.broker(to).life {
                    Some(_) => self.serve(from.0, to, broker_epoch, &request),
                    None => Err(FetchFailure::NoAnswer),
                };
                self.note(format!("{} fetches from {to}: {request:?} -> {answer:?}", from.0));
                self.messages.push(Message::Fetched { from: to, to: from, number, answer });
            }
            Message::Fetched { from, to, number, answer } if self.is_running(to) => match answer {
                Ok(served) => self.take_fetched(to.0, from, number, served),
                Err(failure) => self.fail_fetch(to.0, from, number, failure),
            },
            Message::AskEnds { from, to, leader_epoch } => {
                let result = self.ends(to, leader_epoch);
                self.messages.push(Message::Ends { from: to, to: from, leader_epoch, result });
            }
            Message::Ends { from, to, leader_epoch, result } if self.is_running(to) => {
                let own = self.broker(to.0).log.own(None, self.position(to.0).high_watermark);
                let partition = super::PARTITION;
                let input = fetcher::Input::LeaderEndsAnswered { partition, leader_epoch, result, own };
                self.fetcher(to.0, from, input);
            }
            Message::Alter { from, number, leader_epoch, partition_epoch, isr } => {
                let result = self.controller.alter(from.0, leader_epoch, partition_epoch, &isr);
                self.note(format!("controller: {} proposes {isr:?} -> {result:?}", from.0));
                self.messages.push(Message::Altered { to: from, number, result });
            }
            Message::Altered { to, number, result } if self.is_running(to) => self.take_altered(to.0, number, result),
            Message::Fetched { .. } | Message::Ends { .. } | Message::Altered { .. } => {}
        }
    }

    pub(crate) fn fail_fetch(&mut self, id: BrokerId, peer: BrokerId, number: u64, failure: FetchFailure) {
        self.fetcher(id, peer, fetcher::Input::Answered { number, answer: Err(failure) });
    }

    /// Who sent the message hears of nothing any more; the message itself may still arrive.
    pub(crate) fn time_out(&mut self, position: usize) {
        match self.messages[position].clone() {
            Message::Fetch { from, to, number, .. } | Message::Fetched { from: to, to: from, number, .. }
                if self.is_running(from) =>
            {
                self.fail_fetch(from.0, to, number, FetchFailure::NoAnswer);
            }
            Message::Alter { from, number, .. } | Message::Altered { to: from, number, .. }
                if self.is_running(from) =>
            {
                self.take_altered(from.0, number, Err(crate::AlterRefusal::NoAnswer));
            }
            // A question for the ends is asked again by nobody: its answer must come.
            _ => {}
        }
    }

    fn ends(&self, id: BrokerId, leader_epoch: LeaderEpoch) -> Result<LeaderEnds, PartitionError> {
        let broker = self.broker(id);
        let life = broker.life.as_ref().ok_or(PartitionError::Other(0))?;
        let checked = life.replica.check_epoch(Some(leader_epoch)).and_then(|()| life.replica.leading());
        checked.map_err(partition_error)?;
        Ok(LeaderEnds { log_start: Offset(0), log_end: broker.log.end() })
    }

    /// The session first, then the partition.
    fn serve(
        &mut self,
        follower: BrokerId,
        id: BrokerId,
        broker_epoch: i64,
        request: &FetchRequest,
    ) -> Result<Served, FetchFailure> {
        let life = self.broker_mut(id).life.as_mut().unwrap();
        if request.session_epoch == 0 {
            let session_id = life.next_session;
            life.next_session += 1;
            let (partition, told) = (request.partitions.first().copied(), None);
            life.sessions.insert(follower, ServerSession { id: session_id, epoch: 1, partition, told });
        } else {
            let session = life.sessions.get_mut(&follower).filter(|session| session.id == request.session_id);
            let Some(session) = session else { return Err(FetchFailure::SessionIdNotFound) };
            if session.epoch != request.session_epoch {
                return Err(FetchFailure::Session(71));
            }
            session.epoch += 1;
            assert!(request.forgotten.is_empty() || session.partition.is_some(), "forgets what the session has not");
            if !request.forgotten.is_empty() {
                session.partition = None;
            }
            if let Some(partition) = request.partitions.first() {
                session.partition = Some(*partition);
                session.told = None;
            }
        }
        let session = life.sessions[&follower].clone();
        let served = session.partition.map(|partition| self.read(follower, id, broker_epoch, &partition));
        let Some(session) = self.broker_mut(id).life.as_mut().unwrap().sessions.get_mut(&follower) else {
            return Err(FetchFailure::SessionIdNotFound);
        };
        let session_id = session.id;
        // An answer in a session leaves out what has no news.
        let partition = served.filter(|served| match served {
            ServedPartition::Records { records, high_watermark } if records.is_empty() => {
                session.told.replace(*high_watermark) != Some(*high_watermark)
            }
            _ => true,
        });
        Ok(Served { session_id, partition })
    }

    /// Checks, compares the logs, reads, and notes how far the follower is.
    fn read(
        &mut self,
        follower: BrokerId,
        id: BrokerId,
        broker_epoch: i64,
        wanted: &FetchPartition,
    ) -> ServedPartition {
        let settings = self.settings.clone();
        let broker = self.broker(id);
        let life = broker.life.as_ref().unwrap();
        let around = Around { own: id, own_epoch: life.broker_epoch, settings: &settings, brokers: &life.brokers };
        let replica = &life.replica;
        let checked = replica
            .check_epoch(Some(wanted.leader_epoch))
            .and_then(|()| replica.check_follower(follower, broker_epoch, &around));
        if let Err(refusal) = checked {
            return ServedPartition::Refused(partition_error(refusal));
        }
        if let Some(last_epoch) = wanted.last_epoch {
            match broker.log.epoch_end(last_epoch) {
                None => return ServedPartition::Refused(PartitionError::OffsetOutOfRange),
                Some(end) if end.epoch < last_epoch || end.end_offset < wanted.offset => {
                    return ServedPartition::Diverging { epoch: end.epoch, end: end.end_offset };
                }
                Some(_) => {}
            }
        }
        if wanted.offset > broker.log.end() {
            return ServedPartition::Refused(PartitionError::OffsetOutOfRange);
        }
        let from = index(wanted.offset);
        let records: Vec<_> = broker.log.records[from..].iter().copied().take(MOST_RECORDS).collect();
        let high_watermark = replica.high_watermark();
        let fetched = Fetched { follower, broker_epoch, offset: wanted.offset, log_start: wanted.log_start };
        self.replica(id, Input::Fetched(fetched));
        ServedPartition::Records { records, high_watermark }
    }
}

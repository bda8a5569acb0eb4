//! Moves what the lanes decide: makes the bytes, sends them, reads answers, makes connections again. One thread and one wait for all
//! connections. Decides nothing about when or what is sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use barnabas_protocol::messages::ProduceRequest;
use barnabas_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_types::Segment;
use bytes::Bytes;

use super::lane::{Flight, Lane, Next, Part, Rules, Verdict};
use crate::perf::arguments::ProducerSettings;
use crate::perf::batches::{Batches, Stamp};
use crate::perf::cluster::{Cluster, LEADER_MOVED, Topic, producer_id};
use crate::perf::connection::{Connection, correlation_id, decode};
use crate::perf::error::PerfError;
use crate::perf::host::Clock;
use crate::perf::measure::Measure;
use crate::perf::poller::{Poller, Ready};
use crate::perf::report::{OutputArguments, progress};

/// The first version whose batches have magic 2.
const FIRST_VERSION: i16 = 3;
/// The pause before a connection is made again and a refused request is sent again, in nanoseconds.
const PAUSE_NS: u64 = 100_000_000;
/// Bytes that may wait for the socket before no further request is made.
const OUTGOING_BYTES: usize = 1 << 20;

/// What a run consists of, once it is known where the topic is.
#[derive(Debug)]
pub struct Plan {
    /// Where to connect.
    pub cluster: Cluster,
    /// Where partitions are led.
    pub topic: Topic,
    /// How to produce.
    pub settings: ProducerSettings,
    /// Producers, at least one for each leader.
    pub connections: usize,
    /// The first so many partitions only.
    pub partitions: Option<usize>,
    /// Marks records, with producers numbered from here.
    pub mark: Option<u64>,
}

/// A lane with its connection.
#[derive(Debug)]
struct Producer {
    lane: Lane,
    connection: Option<Connection>,
    version: i16,
    /// Id and epoch, when it is idempotent.
    identity: Option<(i64, i16)>,
    partitions: Vec<i32>,
    /// When the driver's queue wakes it, in nanoseconds.
    wakes_at_ns: Option<u64>,
    /// Nothing is sent before, in nanoseconds.
    pauses_until_ns: u64,
    /// The poller watches for room to write.
    wants_room: bool,
}

/// Everything of a run that goes on.
pub struct Driver<'a> {
    plan: Plan,
    batches: Batches,
    clock: Clock,
    output: &'a OutputArguments,
    poller: Poller,
    producers: Vec<Producer>,
    /// (time, producer): who wants to be asked when.
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    /// Records that may still be begun.
    allowance: u64,
}

impl<'a> Driver<'a> {
    /// Connects all producers.
    ///
    /// # Errors
    /// When one cannot be connected.
    pub fn connect(plan: Plan, batches: Batches, clock: Clock, output: &'a OutputArguments) -> Result<Self, PerfError> {
        let leaders: Vec<(String, Vec<i32>)> = plan.topic.by_leader.clone().into_iter().collect();
        let poller = Poller::new()?;
        let mut producers = Vec::new();
        for (number, (address, partitions)) in leaders.iter().cycle().take(plan.connections).enumerate() {
            let mut connection = plan.cluster.connect(address)?;
            let identity = plan.settings.idempotent.then(|| producer_id(&mut connection)).transpose()?;
            connection.stop_blocking()?;
            poller.add(&connection, number as u64)?;
            producers.push(Producer {
                lane: Lane::new(number, partitions),
                version: connection.version::<ProduceRequest<'_>>(FIRST_VERSION)?,
                connection: Some(connection),
                identity,
                partitions: partitions.clone(),
                wakes_at_ns: None,
                pauses_until_ns: 0,
                wants_room: false,
            });
        }
        Ok(Self { plan, batches, clock, output, poller, producers, queue: BinaryHeap::new(), allowance: 0 })
    }

    /// How many partitions are written to.
    pub fn partition_count(&self) -> usize {
        self.plan.topic.partition_count()
    }

    /// Sends until the pace ends and everything is answered.
    ///
    /// # Errors
    /// When a broker breaks the protocol, or the system refuses something.
    pub fn run(&mut self, rules: &Rules, measure: &mut Measure) -> Result<(), PerfError> {
        self.allowance = rules.pace.record_limit;
        let gives_up_at_ns = rules.pace.end_ns.saturating_add(self.plan.settings.delivery_timeout_ms * 1_000_000);
        for index in 0..self.producers.len() {
            self.advance(index, rules, measure)?;
        }
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            let now_ns = self.clock.now_ns();
            if let Some(interval) = measure.tick(now_ns) {
                progress(self.output, &interval);
                self.find_silent(now_ns, measure);
            }
            while let Some(index) = self.woken(now_ns) {
                self.advance(index, rules, measure)?;
            }
            let ending = now_ns >= rules.pace.end_ns || self.allowance == 0;
            if ending && (now_ns >= gives_up_at_ns || self.is_done(&rules.pace)) {
                self.give_up_the_rest(rules, measure);
                return Ok(());
            }
            let next_ns = self.queue.peek().map_or(u64::MAX, |Reverse((at_ns, _))| *at_ns);
            let mut until_ns = next_ns.min(measure.next_tick_ns());
            if !ending {
                until_ns = until_ns.min(rules.pace.end_ns);
            }
            self.poller.wait(self.clock.now_ns(), until_ns, &mut ready)?;
            for event in &ready {
                self.handle(*event, rules, measure)?;
            }
        }
    }

    fn is_done(&self, pace: &crate::perf::pace::Pace) -> bool {
        self.producers.iter().all(|producer| producer.lane.is_idle() && producer.lane.is_exhausted(pace))
    }

    /// The next producer whose time has come.
    fn woken(&mut self, now_ns: u64) -> Option<usize> {
        loop {
            let Reverse((at_ns, index)) = *self.queue.peek()?;
            if at_ns > now_ns {
                return None;
            }
            self.queue.pop();
            // An entry that was overtaken by an earlier one is stale.
            if let Some(producer) = self.producers.get_mut(index).filter(|producer| producer.wakes_at_ns == Some(at_ns))
            {
                producer.wakes_at_ns = None;
                return Some(index);
            }
        }
    }

    fn wake_at(&mut self, index: usize, at_ns: u64) {
        let Some(producer) = self.producers.get_mut(index) else { return };
        if producer.wakes_at_ns.is_none_or(|already_ns| at_ns < already_ns) {
            producer.wakes_at_ns = Some(at_ns);
            self.queue.push(Reverse((at_ns, index)));
        }
    }

    fn handle(&mut self, event: Ready, rules: &Rules, measure: &mut Measure) -> Result<(), PerfError> {
        let Ok(index) = usize::try_from(event.key) else { return Ok(()) };
        if event.readable
            && let Err(error) = self.receive(index, rules, measure)
        {
            self.disconnected(index, error, measure)?;
        }
        self.advance(index, rules, measure)
    }

    /// Lets a producer send what it wants to send now.
    fn advance(&mut self, index: usize, rules: &Rules, measure: &mut Measure) -> Result<(), PerfError> {
        let now_ns = self.clock.now_ns();
        let Some(producer) = self.producers.get(index) else { return Ok(()) };
        if now_ns < producer.pauses_until_ns {
            let until_ns = producer.pauses_until_ns;
            self.wake_at(index, until_ns);
            return Ok(());
        }
        if producer.connection.is_none() && !self.reconnect(index, measure)? {
            return Ok(());
        }
        match self.send(index, now_ns, rules, measure) {
            Err(error) => self.disconnected(index, error, measure),
            Ok(wake_at_ns) => {
                if let Some(at_ns) = wake_at_ns {
                    self.wake_at(index, at_ns);
                }
                Ok(())
            }
        }
    }

    /// Sends, and says when to be asked again, when no event will tell.
    fn send(
        &mut self,
        index: usize,
        now_ns: u64,
        rules: &Rules,
        measure: &mut Measure,
    ) -> Result<Option<u64>, PerfError> {
        let Some(producer) = self.producers.get_mut(index) else { return Ok(None) };
        let Producer { lane, connection, version, identity, .. } = producer;
        let Some(connection) = connection else { return Ok(None) };
        let mut wake_at_ns = None;
        while connection.outgoing_bytes() <= OUTGOING_BYTES {
            let flight = match lane.next(now_ns, rules, &self.batches, &mut self.allowance) {
                Next::Send(flight) => flight,
                Next::At(at_ns) => {
                    wake_at_ns = Some(at_ns);
                    break;
                }
                Next::Nothing => break,
            };
            let mark = self.plan.mark.map(|first| (first.wrapping_add(index as u64), 0));
            let stamp = Stamp { timestamp_ms: self.clock.wall_ms(now_ns), producer: None, mark };
            let request = request(&self.plan, &mut self.batches, lane, &flight, *identity, stamp)?;
            let correlation_id = connection.send(&request, *version)?;
            lane.sent(flight, correlation_id, now_ns);
            if self.plan.settings.acks == 0 {
                // Nothing answers: what the socket has taken is done, and no more is made until it has.
                break;
            }
        }
        connection.flush()?;
        if self.plan.settings.acks == 0 && !connection.has_outgoing() {
            while let Some(flight) = lane.answered() {
                let taken_ns = self.clock.now_ns();
                flight.parts.iter().for_each(|part| {
                    measure.done(u64::from(part.count), value_bytes(&self.batches, part), taken_ns);
                });
                latencies(lane, &flight, rules, taken_ns, measure);
                measure.request();
                // The next one is made in the next round, so that one connection does not keep the others waiting.
                wake_at_ns = Some(now_ns + 1);
            }
        }
        let wants_room = connection.has_outgoing();
        if wants_room != producer.wants_room {
            producer.wants_room = wants_room;
            self.poller.want_writable(&*connection, index as u64, wants_room)?;
        }
        Ok(wake_at_ns)
    }

    fn receive(&mut self, index: usize, rules: &Rules, measure: &mut Measure) -> Result<(), PerfError> {
        let Some(producer) = self.producers.get_mut(index) else { return Ok(()) };
        let Some(connection) = &mut producer.connection else { return Ok(()) };
        connection.receive()?;
        let now_ns = self.clock.now_ns();
        let mut is_leader = true;
        while let Some(frame) = connection.next_frame()? {
            let (lane, frame) = (&mut producer.lane, connection.frame(&frame));
            let received = correlation_id(frame).unwrap_or(-1);
            let expected = lane.awaited().unwrap_or(-1);
            let Some(mut flight) = lane.answered().filter(|_| received == expected) else {
                let address = connection.address().to_owned();
                return Err(PerfError::Correlation { address, expected, received });
            };
            measure.request();
            let response = decode::<ProduceRequest<'_>>(connection.address(), frame, producer.version)?;
            for answer in response.responses.iter().flat_map(|topic| &topic.partition_responses) {
                is_leader &= !LEADER_MOVED.contains(&answer.error_code);
                settle(lane, &mut flight, answer.index, answer.error_code, &self.batches, measure, now_ns);
            }
            if flight.parts.is_empty() {
                latencies(lane, &flight, rules, now_ns, measure);
            } else {
                producer.pauses_until_ns = now_ns + PAUSE_NS;
                retry(lane, flight, &self.plan.settings, now_ns, measure);
            }
        }
        if !is_leader {
            self.lose_connection(index, measure);
        }
        Ok(())
    }

    /// A connection broke. What was on its way is sent again over the next one.
    fn disconnected(&mut self, index: usize, error: PerfError, measure: &mut Measure) -> Result<(), PerfError> {
        if !error.is_retriable() {
            return Err(error);
        }
        measure.error("DISCONNECTED");
        self.lose_connection(index, measure);
        Ok(())
    }

    fn lose_connection(&mut self, index: usize, measure: &mut Measure) {
        let now_ns = self.clock.now_ns();
        let Some(producer) = self.producers.get_mut(index) else { return };
        producer.connection = None;
        producer.wants_room = false;
        producer.pauses_until_ns = now_ns + PAUSE_NS;
        for flight in producer.lane.lost_connection() {
            if self.plan.settings.acks == 0 {
                give_up(&flight, measure);
            } else {
                retry(&mut producer.lane, flight, &self.plan.settings, now_ns, measure);
            }
        }
        self.wake_at(index, now_ns + PAUSE_NS);
    }

    /// Connects a producer to whoever leads its partitions now. False when nobody can be reached at the moment.
    fn reconnect(&mut self, index: usize, measure: &mut Measure) -> Result<bool, PerfError> {
        let Some(producer) = self.producers.get_mut(index) else { return Ok(false) };
        let plan = &self.plan;
        match plan.cluster.connect_to_leader(&plan.topic.name, plan.partitions, &producer.partitions) {
            Ok(connection) => {
                self.poller.add(&connection, index as u64)?;
                producer.version = connection.version::<ProduceRequest<'_>>(FIRST_VERSION)?;
                producer.connection = Some(connection);
                measure.troubles.reconnects += 1;
                Ok(true)
            }
            Err(error) if error.is_retriable() => {
                let now_ns = self.clock.now_ns();
                let timeout_ns = self.plan.settings.delivery_timeout_ms.saturating_mul(1_000_000);
                for flight in producer.lane.expired(now_ns.saturating_sub(timeout_ns)) {
                    give_up(&flight, measure);
                }
                producer.pauses_until_ns = now_ns + PAUSE_NS;
                self.wake_at(index, now_ns + PAUSE_NS);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives up connections that do not answer.
    fn find_silent(&mut self, now_ns: u64, measure: &mut Measure) {
        let timeout_ns = self.plan.settings.request_timeout_ms.saturating_mul(1_000_000);
        for index in 0..self.producers.len() {
            let since_ns = self.producers.get(index).and_then(|producer| producer.lane.waits_since_ns());
            if since_ns.is_some_and(|since_ns| now_ns.saturating_sub(since_ns) > timeout_ns) {
                measure.error(ErrorCode::REQUEST_TIMED_OUT.name());
                self.lose_connection(index, measure);
            }
        }
    }

    /// What was due and could not be sent in time counts as failed, with the latency that it has by now.
    fn give_up_the_rest(&mut self, rules: &Rules, measure: &mut Measure) {
        let now_ns = self.clock.now_ns();
        for producer in &mut self.producers {
            for flight in producer.lane.lost_connection().iter().chain(&producer.lane.expired(u64::MAX)) {
                latencies(&producer.lane, flight, rules, now_ns, measure);
                give_up(flight, measure);
            }
            for intended_ns in producer.lane.unsent_ns(now_ns, &rules.pace) {
                measure.latency(intended_ns, now_ns);
                measure.troubles.failed_records += 1;
            }
        }
    }
}

/// The request that carries `flight`.
///
/// # Errors
/// When a batch cannot be compressed.
pub fn request(
    plan: &Plan,
    batches: &mut Batches,
    lane: &Lane,
    flight: &Flight,
    identity: Option<(i64, i16)>,
    stamp: Stamp,
) -> Result<ProduceRequest<'static>, PerfError> {
    let mut partition_data = Vec::with_capacity(flight.parts.len());
    for part in &flight.parts {
        let stamp = Stamp {
            producer: identity.map(|(id, epoch)| (id, epoch, part.base_sequence)),
            mark: stamp.mark.map(|(producer, _)| (producer, part.first_mark)),
            ..stamp
        };
        let batch = batches.batch(part.body, part.count, &stamp)?;
        let pieces = vec![Segment::Bytes(Bytes::copy_from_slice(&batch.header)), Segment::Bytes(batch.records)];
        partition_data.push(PartitionProduceData {
            index: lane.partition(part),
            records: Some(Records::Pieces(pieces)),
            ..Default::default()
        });
    }
    let topic = TopicProduceData {
        name: plan.topic.name.clone().into(),
        topic_id: plan.topic.id,
        partition_data,
        ..Default::default()
    };
    Ok(ProduceRequest {
        acks: plan.settings.acks,
        timeout_ms: i32::try_from(plan.settings.request_timeout_ms).unwrap_or(i32::MAX),
        topic_data: vec![topic],
        ..Default::default()
    })
}

fn value_bytes(batches: &Batches, part: &Part) -> u64 {
    batches.value_bytes(part.body, part.count) as u64
}

/// Takes the answer for one partition: what is settled leaves the flight.
fn settle(
    lane: &Lane,
    flight: &mut Flight,
    partition: i32,
    code: ErrorCode,
    batches: &Batches,
    measure: &mut Measure,
    now_ns: u64,
) {
    let verdict = lane.verdict(code);
    if verdict != Verdict::Kept {
        measure.error(code.name());
    }
    if verdict == Verdict::Again {
        return;
    }
    flight.parts.retain(|part| {
        if lane.partition(part) != partition {
            return true;
        }
        match verdict {
            Verdict::Kept => measure.done(u64::from(part.count), value_bytes(batches, part), now_ns),
            Verdict::Again | Verdict::Lost => measure.troubles.failed_records += u64::from(part.count),
        }
        false
    });
}

fn latencies(lane: &Lane, flight: &Flight, rules: &Rules, now_ns: u64, measure: &mut Measure) {
    for intended_ns in lane.intended_ns(flight, &rules.pace) {
        measure.latency(intended_ns, now_ns);
    }
}

/// Queues `flight` once more, unless its time is up.
fn retry(lane: &mut Lane, flight: Flight, settings: &ProducerSettings, now_ns: u64, measure: &mut Measure) {
    if now_ns.saturating_sub(flight.began_ns) > settings.delivery_timeout_ms.saturating_mul(1_000_000) {
        give_up(&flight, measure);
    } else {
        measure.troubles.retries += 1;
        lane.again(flight);
    }
}

fn give_up(flight: &Flight, measure: &mut Measure) {
    measure.troubles.failed_records += flight.parts.iter().map(|part| u64::from(part.count)).sum::<u64>();
}

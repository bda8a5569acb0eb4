//! Moves what the sessions decide: one Fetch on its way on each connection, read and walked through as it comes. Decides nothing about
//! what is asked for.

use barnabas_protocol::messages::{FetchRequest, FetchResponse};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_records::{BatchError, batches};

use super::check::Check;
use super::session::{FetchSettings, Session};
use crate::perf::cluster::{Cluster, LEADER_MOVED, Topic, offsets};
use crate::perf::connection::{Connection, correlation_id, decode};
use crate::perf::error::PerfError;
use crate::perf::host::Clock;
use crate::perf::measure::Measure;
use crate::perf::poller::{Poller, Ready};
use crate::perf::report::{Checked, OutputArguments, progress};

/// The first version whose batches have magic 2.
const FIRST_VERSION: i16 = 4;
/// The pause before a connection is made again, in nanoseconds.
const PAUSE_NS: u64 = 100_000_000;
/// After how long without an answer, beyond the wait that was asked for, a connection is given up, in nanoseconds.
const PATIENCE_NS: u64 = 30_000_000_000;

/// What a run consists of.
#[derive(Debug)]
pub struct Plan {
    /// Where to connect.
    pub cluster: Cluster,
    /// Where partitions are led.
    pub topic: Topic,
    /// How to ask.
    pub fetch: FetchSettings,
    /// The first so many partitions only.
    pub partitions: Option<usize>,
    /// Connections, at least one for each leader.
    pub connections: usize,
    /// Begin after the last record.
    pub from_latest: bool,
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At this time, in nanoseconds.
    pub end_ns: u64,
    /// After so many records.
    pub records: u64,
    /// After so long without one, in nanoseconds.
    pub idle_ns: u64,
}

/// A connection and its session.
#[derive(Debug)]
struct Consumer {
    session: Session,
    partitions: Vec<i32>,
    connection: Option<Connection>,
    version: i16,
    /// The request that waits for its answer, and when it was sent.
    awaited: Option<(i32, u64)>,
    /// No connection is made before, in nanoseconds.
    pauses_until_ns: u64,
}

/// Everything of a run that goes on.
pub struct Driver<'a> {
    plan: Plan,
    check: Option<Check>,
    clock: Clock,
    output: &'a OutputArguments,
    poller: Poller,
    consumers: Vec<Consumer>,
    records: u64,
    last_record_ns: u64,
}

impl<'a> Driver<'a> {
    /// Connects, and finds out where the partitions begin or end.
    ///
    /// # Errors
    /// When a leader does not answer.
    pub fn connect(
        plan: Plan,
        check: Option<Check>,
        clock: Clock,
        output: &'a OutputArguments,
    ) -> Result<Self, PerfError> {
        let poller = Poller::new()?;
        let mut consumers: Vec<Consumer> = Vec::new();
        let share = plan.connections.div_ceil(plan.topic.by_leader.len().max(1)).max(1);
        for (address, led) in &plan.topic.by_leader {
            for first in 0..share.min(led.len()) {
                let partitions: Vec<i32> = led.iter().copied().skip(first).step_by(share).collect();
                let mut connection = plan.cluster.connect(address)?;
                let offsets = offsets(&mut connection, &plan.topic.name, &partitions, plan.from_latest)?;
                connection.stop_blocking()?;
                poller.add(&connection, consumers.len() as u64)?;
                consumers.push(Consumer {
                    session: Session::new(offsets),
                    partitions,
                    version: connection.version::<FetchRequest<'_>>(FIRST_VERSION)?,
                    connection: Some(connection),
                    awaited: None,
                    pauses_until_ns: 0,
                });
            }
        }
        let last_record_ns = clock.now_ns();
        Ok(Self { plan, check, clock, output, poller, consumers, records: 0, last_record_ns })
    }

    /// What the check found, if there was one.
    pub fn checked(&self) -> Option<Checked> {
        self.check.as_ref().map(|check| check.found)
    }

    /// Reads until a limit is reached.
    ///
    /// # Errors
    /// When a broker breaks the protocol, or the system refuses something.
    pub fn run(&mut self, limits: &Limits, measure: &mut Measure) -> Result<(), PerfError> {
        self.last_record_ns = self.clock.now_ns();
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            let now_ns = self.clock.now_ns();
            if let Some(interval) = measure.tick(now_ns) {
                progress(self.output, &interval);
            }
            let idle_until_ns = self.last_record_ns.saturating_add(limits.idle_ns);
            if now_ns >= limits.end_ns || now_ns >= idle_until_ns || self.records >= limits.records {
                return Ok(());
            }
            let mut until_ns = measure.next_tick_ns().min(limits.end_ns).min(idle_until_ns);
            for index in 0..self.consumers.len() {
                until_ns = until_ns.min(self.ask(index, now_ns, measure)?);
            }
            self.poller.wait(self.clock.now_ns(), until_ns, &mut ready)?;
            for event in &ready {
                let index = usize::try_from(event.key).unwrap_or(usize::MAX);
                if let Err(error) = self.receive(index, measure) {
                    self.disconnected(index, error, measure)?;
                }
            }
        }
    }

    /// Sends the next Fetch where none is on its way, and says when to look again without an event, in nanoseconds.
    fn ask(&mut self, index: usize, now_ns: u64, measure: &mut Measure) -> Result<u64, PerfError> {
        let Some(consumer) = self.consumers.get_mut(index) else { return Ok(u64::MAX) };
        if let Some((_, since_ns)) = consumer.awaited {
            let wait_ns = u64::try_from(self.plan.fetch.max_wait_ms).unwrap_or(0) * 1_000_000;
            let until_ns = since_ns.saturating_add(wait_ns).saturating_add(PATIENCE_NS);
            if now_ns < until_ns {
                return Ok(until_ns);
            }
            measure.error(ErrorCode::REQUEST_TIMED_OUT.name());
            consumer.lose(now_ns);
        }
        if consumer.connection.is_none() && !self.reconnect(index, now_ns, measure)? {
            return Ok(now_ns + PAUSE_NS);
        }
        let Some(consumer) = self.consumers.get_mut(index) else { return Ok(u64::MAX) };
        let Some(connection) = &mut consumer.connection else { return Ok(now_ns + PAUSE_NS) };
        let request = consumer.session.request(&self.plan.fetch, consumer.version);
        let correlation_id = connection.send(&request, consumer.version)?;
        consumer.awaited = Some((correlation_id, now_ns));
        // With one small request on its way at a time the socket has room for it.
        while connection.has_outgoing() {
            if let Err(error) = connection.flush() {
                self.disconnected(index, error, measure)?;
                return Ok(now_ns + PAUSE_NS);
            }
        }
        Ok(u64::MAX)
    }

    fn reconnect(&mut self, index: usize, now_ns: u64, measure: &mut Measure) -> Result<bool, PerfError> {
        let Some(consumer) = self.consumers.get_mut(index) else { return Ok(false) };
        if now_ns < consumer.pauses_until_ns {
            return Ok(false);
        }
        let plan = &self.plan;
        match plan.cluster.connect_to_leader(&plan.topic.name, plan.partitions, &consumer.partitions) {
            Ok(connection) => {
                self.poller.add(&connection, index as u64)?;
                consumer.version = connection.version::<FetchRequest<'_>>(FIRST_VERSION)?;
                consumer.connection = Some(connection);
                measure.troubles.reconnects += 1;
                Ok(true)
            }
            Err(error) if error.is_retriable() => {
                consumer.pauses_until_ns = now_ns + PAUSE_NS;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn disconnected(&mut self, index: usize, error: PerfError, measure: &mut Measure) -> Result<(), PerfError> {
        if !error.is_retriable() {
            return Err(error);
        }
        measure.error("DISCONNECTED");
        let now_ns = self.clock.now_ns();
        if let Some(consumer) = self.consumers.get_mut(index) {
            consumer.lose(now_ns);
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, measure: &mut Measure) -> Result<(), PerfError> {
        let Some(consumer) = self.consumers.get_mut(index) else { return Ok(()) };
        let Consumer { session, connection, version, awaited, .. } = consumer;
        let Some(connection) = connection else { return Ok(()) };
        connection.receive()?;
        let mut is_leader = true;
        while let Some(frame) = connection.next_frame()? {
            let frame = connection.frame(&frame);
            let (expected, received) = (awaited.take().map_or(-1, |(id, _)| id), correlation_id(frame).unwrap_or(-1));
            if expected != received {
                let address = connection.address().to_owned();
                return Err(PerfError::Correlation { address, expected, received });
            }
            let response = decode::<FetchRequest<'_>>(connection.address(), frame, *version)?;
            measure.request();
            if !response.error_code.is_none() {
                measure.error(response.error_code.name());
                session.restart();
                continue;
            }
            session.answered(response.session_id);
            let now_ns = self.clock.now_ns();
            let mut reading = Reading { session, check: self.check.as_mut(), measure, now_ns };
            let (records, still_leader) = reading.response(&response);
            is_leader &= still_leader;
            if records > 0 {
                self.records += records;
                self.last_record_ns = now_ns;
            }
        }
        if !is_leader {
            let now_ns = self.clock.now_ns();
            consumer.lose(now_ns);
        }
        Ok(())
    }
}

impl Consumer {
    fn lose(&mut self, now_ns: u64) {
        self.connection = None;
        self.awaited = None;
        self.session.restart();
        self.pauses_until_ns = now_ns + PAUSE_NS;
    }
}

/// One response on its way through.
struct Reading<'r> {
    session: &'r mut Session,
    check: Option<&'r mut Check>,
    measure: &'r mut Measure,
    now_ns: u64,
}

impl Reading<'_> {
    /// Counts what came; how many records, and whether the broker still leads all partitions.
    fn response(&mut self, response: &FetchResponse<'_>) -> (u64, bool) {
        let (mut records, mut is_leader) = (0, true);
        for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
            let number = partition.partition_index;
            if !partition.error_code.is_none() {
                self.measure.error(partition.error_code.name());
                is_leader &= !LEADER_MOVED.contains(&partition.error_code);
                if partition.error_code == ErrorCode::OFFSET_OUT_OF_RANGE && partition.log_start_offset >= 0 {
                    self.session.move_to(number, partition.log_start_offset);
                }
                continue;
            }
            if let Some(Records::Borrowed(bytes)) = &partition.records {
                records += self.partition(number, bytes);
            }
        }
        (records, is_leader)
    }

    fn partition(&mut self, partition: i32, bytes: &[u8]) -> u64 {
        let Some(mut offset) = self.session.offset(partition) else { return 0 };
        let (mut records, mut read_bytes) = (0, 0);
        // The last batch may be cut off; it comes whole with the next request.
        for batch in batches(bytes) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(BatchError::Truncated { .. }) => break,
                Err(_) => {
                    self.measure.error(ErrorCode::CORRUPT_MESSAGE.name());
                    break;
                }
            };
            let header = batch.header();
            if header.last_offset().0 < offset {
                continue;
            }
            if let Some(check) = &mut self.check {
                check.batch(partition, &batch, offset);
            }
            if !header.attributes.is_control() {
                // Of the first batch, records before the offset were not asked for.
                let wanted = header.last_offset().0 - offset + 1;
                records += wanted.min(i64::from(header.record_count)).max(0).cast_unsigned();
            }
            read_bytes += batch.bytes().len() as u64;
            offset = header.next_offset().0;
        }
        self.session.move_to(partition, offset);
        self.measure.done(records, read_bytes, self.now_ns);
        records
    }
}

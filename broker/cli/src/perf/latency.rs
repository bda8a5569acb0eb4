//! `perf latency`: how long a record takes from its producer through the broker to a consumer that waits for it. One at a time, as Kafka's
//! EndToEndLatency, or at a fixed rate. Follows no leader and makes no connection again: a broken run has no latency to tell.

use std::collections::VecDeque;
use std::time::Duration;

use barnabas_protocol::messages::{FetchRequest, ProduceRequest};
use barnabas_protocol::{ApiKey, Records};
use barnabas_records::{DecompressLimits, batches};
use clap::Args;
use serde::Serialize;

use super::arguments::{ClusterArguments, ProducerArguments, ProducerSettings, RunArguments};
use super::batches::{Batches, MARK_BYTES, Recipe, Stamp, decode_mark};
use super::cluster::offsets;
use super::connection::{Connection, correlation_id, decode};
use super::consume::session::{FetchSettings, Session};
use super::error::PerfError;
use super::host::{self, Clock};
use super::measure::Measure;
use super::pace::Pace;
use super::payload::{Payload, mix};
use super::poller::{Poller, Ready};
use super::produce::driver::{Plan, request};
use super::produce::lane::{Lane, Next, Rules};
use super::report::{Latency, OutputArguments, Report, progress};

/// The poller's numbers of the two connections.
const PRODUCER: u64 = 0;
const CONSUMER: u64 = 1;
/// How long records may be on their way after the last one was sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Records that may be on their way; a broker that falls further behind gets no more.
const MAX_UNDERWAY: usize = 1_000_000;

/// What `perf latency` takes.
#[derive(Args, Debug)]
pub struct LatencyArguments {
    /// The topic, which must exist; others may write to it meanwhile.
    #[arg(long)]
    topic: String,

    /// The partition.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    partition: i32,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Records a second, each due at its own time; latency counts from that time. -1 or 0: the next when the one before has arrived.
    #[arg(long, visible_alias = "rate", value_name = "RECORDS", default_value_t = -1, allow_hyphen_values = true)]
    throughput: i64,

    /// Bytes of a value, 24 of which say which record it is.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    record_size: usize,

    #[command(flatten)]
    producer: ProducerArguments,

    #[command(flatten)]
    run: RunArguments,

    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Serialize)]
struct Parameters<'a> {
    topic: &'a str,
    partition: i32,
    #[serde(flatten)]
    cluster: &'a ClusterArguments,
    throughput: i64,
    record_size: usize,
    #[serde(flatten)]
    producer: &'a ProducerSettings,
    #[serde(flatten)]
    run: &'a RunArguments,
}

/// A run that goes on.
struct Course<'a> {
    plan: Plan,
    rules: Rules,
    batches: Batches,
    lane: Lane,
    producer: Connection,
    produce_version: i16,
    consumer: Connection,
    fetch_version: i16,
    fetch: FetchSettings,
    session: Session,
    /// The Fetch that waits for its answer.
    awaited: Option<i32>,
    /// Which producer this run is, in its marks.
    mark: u64,
    /// (number, when it was to be sent in nanoseconds) of what is on its way.
    underway: VecDeque<(u64, u64)>,
    left: u64,
    clock: Clock,
    output: &'a OutputArguments,
    /// Until the record arrived, and until it was acknowledged.
    arrival: Measure,
    acknowledgement: Measure,
}

/// Runs it. True when every record arrived.
///
/// # Errors
/// When the run cannot start, or a connection breaks.
pub fn run(arguments: &LatencyArguments) -> Result<bool, PerfError> {
    arguments.output.check()?;
    let settings = arguments.producer.settings()?;
    if settings.idempotent {
        return Err(PerfError::argument("--idempotent", true, "each record is sent once here and never again"));
    }
    if !(MARK_BYTES..=1 << 20).contains(&arguments.record_size) {
        let reason = format!("from {MARK_BYTES} to {}", 1 << 20);
        return Err(PerfError::argument("--record-size", arguments.record_size, reason));
    }
    if let Some(cpu) = arguments.run.cpu {
        host::pin(cpu)?;
    }
    let mut course = prepare(arguments, &settings)?;
    course.run()?;
    let now_ns = course.clock.now_ns();
    let outcome = course.arrival.finish(now_ns);
    let parameters = Parameters {
        topic: &arguments.topic,
        partition: arguments.partition,
        cluster: &arguments.cluster,
        throughput: arguments.throughput,
        record_size: arguments.record_size,
        producer: &settings,
        run: &arguments.run,
    };
    let mut report = Report::new("latency", arguments.run.warm_up_seconds, &course.arrival, &outcome, &parameters);
    report.latency_us = Some(Latency::of(&outcome.latency));
    report.produce_latency_us = Some(Latency::of(&course.acknowledgement.finish(now_ns).latency));
    arguments.output.write(&report, &report.text())?;
    Ok(report.failed_records == 0)
}

fn prepare<'a>(arguments: &'a LatencyArguments, settings: &ProducerSettings) -> Result<Course<'a>, PerfError> {
    let (warm_up_ns, duration_ns) = (arguments.run.warm_up_ns()?, arguments.run.duration_ns()?);
    let cluster = arguments.cluster.cluster();
    let topic = cluster.topic(&arguments.topic, None)?;
    let leader = topic.by_leader.iter().find(|(_, led)| led.contains(&arguments.partition));
    let Some((address, _)) = leader else {
        return Err(PerfError::argument("--partition", arguments.partition, "the topic has no such partition"));
    };
    let (producer, mut consumer) = (cluster.connect(address)?, cluster.connect(address)?);
    let offsets = offsets(&mut consumer, &topic.name, &[arguments.partition], true)?;
    producer.stop_blocking()?;
    consumer.stop_blocking()?;
    let fetch = FetchSettings {
        topic: topic.name.clone(),
        topic_id: topic.id,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        partition_max_bytes: 1 << 20,
    };
    let payload = Payload::Generated { size: arguments.record_size, entropy: 1.0 };
    // One record a batch: what waits for company has no latency of its own.
    let compression = settings.compression()?;
    let recipe = Recipe { payload, batch_bytes: 0, compression, keyed_partitions: None, seed: 1 };
    let clock = Clock::start();
    let mark = mix(clock.wall_ms(0).cast_unsigned() ^ u64::from(std::process::id()) << 44);
    let start_ns = clock.now_ns();
    let pace = Pace {
        records_per_second: u64::try_from(arguments.throughput).ok().filter(|rate| *rate > 0),
        start_ns,
        end_ns: start_ns + duration_ns,
        record_limit: arguments.run.num_records.unwrap_or(u64::MAX),
        connections: 1,
    };
    let plan = Plan { cluster, topic, settings: settings.clone(), connections: 1, partitions: None, mark: Some(mark) };
    Ok(Course {
        plan,
        rules: Rules { in_flight: settings.in_flight, linger_ns: 0, keyed: false, pace },
        batches: Batches::prepare(&recipe)?,
        lane: Lane::new(0, &[arguments.partition]),
        produce_version: producer.version::<ProduceRequest<'_>>(3)?,
        producer,
        fetch_version: consumer.version::<FetchRequest<'_>>(4)?,
        consumer,
        fetch,
        session: Session::new(offsets),
        awaited: None,
        mark,
        underway: VecDeque::new(),
        left: pace.record_limit,
        clock,
        output: &arguments.output,
        arrival: Measure::new(start_ns, warm_up_ns)?,
        acknowledgement: Measure::new(start_ns, warm_up_ns)?,
    })
}

impl Course<'_> {
    fn run(&mut self) -> Result<(), PerfError> {
        let mut poller = Poller::new()?;
        poller.add(&self.producer, PRODUCER)?;
        poller.add(&self.consumer, CONSUMER)?;
        let mut ready: Vec<Ready> = Vec::new();
        let gives_up_after_ns = PATIENCE.as_nanos() as u64;
        let mut sending_ended_ns = None;
        loop {
            let now_ns = self.clock.now_ns();
            self.acknowledgement.tick(now_ns);
            if let Some(interval) = self.arrival.tick(now_ns) {
                progress(self.output, &interval);
            }
            self.ask()?;
            let wakes_at_ns = self.send(now_ns)?;
            let is_over = now_ns >= self.rules.pace.end_ns || self.left == 0;
            if is_over {
                let ended_ns = *sending_ended_ns.get_or_insert(now_ns);
                let is_done = self.underway.is_empty() && self.lane.is_idle();
                if is_done || now_ns.saturating_sub(ended_ns) > gives_up_after_ns {
                    return self.give_up_the_rest(now_ns);
                }
            }
            let mut until_ns = self.arrival.next_tick_ns().min(wakes_at_ns.unwrap_or(u64::MAX));
            if !is_over {
                until_ns = until_ns.min(self.rules.pace.end_ns);
            }
            poller.wait(self.clock.now_ns(), until_ns, &mut ready)?;
            for event in &ready {
                match event.key {
                    PRODUCER => self.acknowledged()?,
                    _ => self.arrived()?,
                }
            }
        }
    }

    /// Keeps one Fetch waiting at the broker.
    fn ask(&mut self) -> Result<(), PerfError> {
        if self.awaited.is_some() {
            return Ok(());
        }
        let request = self.session.request(&self.fetch, self.fetch_version);
        self.awaited = Some(self.consumer.send(&request, self.fetch_version)?);
        flush(&mut self.consumer)
    }

    /// Sends what is due, and says when the next is.
    fn send(&mut self, now_ns: u64) -> Result<Option<u64>, PerfError> {
        loop {
            let mut allowance = match self.rules.pace.records_per_second {
                None if !self.underway.is_empty() => 0,
                None => self.left.min(1),
                Some(_) if self.underway.len() >= MAX_UNDERWAY => 0,
                Some(_) => self.left,
            };
            let flight = match self.lane.next(now_ns, &self.rules, &self.batches, &mut allowance) {
                Next::Send(flight) => flight,
                Next::At(at_ns) => return Ok(Some(at_ns)),
                Next::Nothing => return Ok(None),
            };
            self.left = self.left.saturating_sub(u64::from(flight.records));
            let intended = self.lane.intended_ns(&flight, &self.rules.pace);
            self.underway.extend((flight.first_ordinal..).zip(intended));
            let stamp = Stamp {
                timestamp_ms: self.clock.wall_ms(now_ns),
                producer: None,
                mark: Some((self.mark, flight.first_ordinal)),
            };
            let request = request(&self.plan, &mut self.batches, &self.lane, &flight, None, stamp)?;
            let correlation_id = self.producer.send(&request, self.produce_version)?;
            self.lane.sent(flight, correlation_id, now_ns);
            flush(&mut self.producer)?;
            if self.plan.settings.acks == 0 {
                self.lane.answered();
            }
        }
    }

    fn acknowledged(&mut self) -> Result<(), PerfError> {
        self.producer.receive()?;
        let now_ns = self.clock.now_ns();
        while let Some(frame) = self.producer.next_frame()? {
            let frame = self.producer.frame(&frame);
            let address = self.producer.address();
            let (expected, received) = (self.lane.awaited().unwrap_or(-1), correlation_id(frame).unwrap_or(-1));
            let Some(flight) = self.lane.answered().filter(|_| expected == received) else {
                return Err(PerfError::Correlation { address: address.to_owned(), expected, received });
            };
            let response = decode::<ProduceRequest<'_>>(address, frame, self.produce_version)?;
            for answer in response.responses.iter().flat_map(|topic| &topic.partition_responses) {
                let what = format!("{}-{}", self.plan.topic.name, answer.index);
                PerfError::check(ApiKey::Produce, &what, answer.error_code, answer.error_message.as_deref())?;
            }
            self.arrival.request();
            for intended_ns in self.lane.intended_ns(&flight, &self.rules.pace) {
                self.acknowledgement.latency(intended_ns, now_ns);
            }
        }
        Ok(())
    }

    fn arrived(&mut self) -> Result<(), PerfError> {
        self.consumer.receive()?;
        let now_ns = self.clock.now_ns();
        while let Some(frame) = self.consumer.next_frame()? {
            let frame = self.consumer.frame(&frame);
            let address = self.consumer.address();
            let (expected, received) = (self.awaited.take().unwrap_or(-1), correlation_id(frame).unwrap_or(-1));
            if expected != received {
                return Err(PerfError::Correlation { address: address.to_owned(), expected, received });
            }
            let response = decode::<FetchRequest<'_>>(address, frame, self.fetch_version)?;
            PerfError::check(ApiKey::Fetch, &self.plan.topic.name, response.error_code, None)?;
            self.session.answered(response.session_id);
            for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
                PerfError::check(ApiKey::Fetch, &self.plan.topic.name, partition.error_code, None)?;
                let Some(Records::Borrowed(bytes)) = &partition.records else { continue };
                for batch in batches(bytes).map_while(Result::ok) {
                    let mut records = barnabas_records::Records::new(&batch, DecompressLimits::default())?;
                    while let Some(record) = records.next()? {
                        let mark = record.value.and_then(decode_mark).filter(|(run, _)| *run == self.mark);
                        if let Some((_, number)) = mark {
                            let bytes = record.value.map_or(0, <[u8]>::len) as u64;
                            arrive(&mut self.underway, number, bytes, now_ns, &mut self.arrival);
                        }
                    }
                    self.session.move_to(partition.partition_index, batch.header().next_offset().0);
                }
            }
        }
        Ok(())
    }

    /// What has not come by now counts as failed, with the time it has waited.
    fn give_up_the_rest(&mut self, now_ns: u64) -> Result<(), PerfError> {
        let unsent = self.lane.unsent_ns(now_ns, &self.rules.pace);
        for intended_ns in self.underway.drain(..).map(|(_, intended_ns)| intended_ns).chain(unsent) {
            self.arrival.latency(intended_ns, now_ns);
            self.arrival.troubles.failed_records += 1;
        }
        Ok(())
    }
}

/// Record `number` is here; those before it were given up by the broker or come no more.
fn arrive(underway: &mut VecDeque<(u64, u64)>, number: u64, bytes: u64, now_ns: u64, measure: &mut Measure) {
    while let Some((waiting, intended_ns)) = underway.front().copied() {
        if waiting > number {
            return;
        }
        underway.pop_front();
        measure.latency(intended_ns, now_ns);
        if waiting < number {
            measure.troubles.failed_records += 1;
            continue;
        }
        measure.done(1, bytes, now_ns);
        return;
    }
}

/// Sends all of a small request; the socket has room for it.
fn flush(connection: &mut Connection) -> Result<(), PerfError> {
    while connection.has_outgoing() {
        connection.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_arrives_has_its_own_latency_and_a_gap_is_a_failure() {
        let mut measure = Measure::new(0, 0).unwrap();
        let mut underway = VecDeque::from([(0, 1_000), (1, 2_000), (2, 3_000), (3, 4_000)]);
        arrive(&mut underway, 0, 10, 6_000, &mut measure);
        arrive(&mut underway, 2, 10, 7_000, &mut measure);
        arrive(&mut underway, 2, 10, 8_000, &mut measure);
        let outcome = measure.finish(9_000);
        assert_eq!((outcome.counts.records, outcome.counts.bytes, outcome.latency.len()), (2, 20, 3));
        assert!((5_000..5_010).contains(&outcome.latency.max()));
        assert_eq!((measure.troubles.failed_records, underway.len()), (1, 1));
    }
}

//! One producer on one connection, without the connection: what to send next, what waits for its answer, what must be sent again. Pure:
//! the time is an input, bytes are made elsewhere.

use std::collections::VecDeque;

use barnabas_protocol::ErrorCode;

use crate::perf::batches::Batches;
use crate::perf::pace::Pace;
use crate::perf::payload::mix;

/// A partition that the producer writes to.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its number.
    pub partition: i32,
    /// The idempotent sequence of the next record.
    next_sequence: i32,
    /// The number of the next marked record.
    next_mark: u64,
}

/// The share of a request that goes to one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which of the lane's targets.
    pub target: usize,
    /// Which prepared records.
    pub body: usize,
    /// How many of them.
    pub count: u32,
    /// The sequence of the first.
    pub base_sequence: i32,
    /// The mark of the first.
    pub first_mark: u64,
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Its place among all requests of the lane.
    pub order: u64,
    /// The lane's number of its first record; of use at a fixed rate.
    pub first_ordinal: u64,
    /// Its records.
    pub records: u32,
    /// When it was first sent, in nanoseconds.
    pub began_ns: u64,
    /// When it was last sent, in nanoseconds.
    pub sent_ns: u64,
    /// Under which number it was last sent.
    pub correlation_id: i32,
    /// What goes to which partition; what was acknowledged leaves.
    pub parts: Vec<Part>,
}

/// What a lane wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// To send this.
    Send(Flight),
    /// To be asked again at this time, in nanoseconds.
    At(u64),
    /// An answer first, or nothing more at all.
    Nothing,
}

/// What a part's answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Kept,
    /// To be sent again.
    Again,
    /// It is lost.
    Lost,
}

/// What is the same for all lanes.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Requests without an answer at most.
    pub in_flight: usize,
    /// How long a batch waits for more records, in nanoseconds.
    pub linger_ns: u64,
    /// Records go to the partition of their key.
    pub keyed: bool,
    /// When records are due.
    pub pace: Pace,
}

/// A producer.
#[derive(Debug)]
pub struct Lane {
    number: u64,
    targets: Vec<Target>,
    turn: usize,
    next_order: u64,
    next_ordinal: u64,
    in_flight: VecDeque<Flight>,
    /// In their order. While there is one, only one request is on its way.
    again: VecDeque<Flight>,
}

impl Lane {
    /// Producer `number`, which writes to `partitions` (one or more). Each begins with another partition.
    pub fn new(number: usize, partitions: &[i32]) -> Self {
        let target = |partition: &i32| Target { partition: *partition, next_sequence: 0, next_mark: 0 };
        Self {
            number: number as u64,
            targets: partitions.iter().map(target).collect(),
            turn: number,
            next_order: 0,
            next_ordinal: 0,
            in_flight: VecDeque::new(),
            again: VecDeque::new(),
        }
    }

    /// Where a part goes.
    pub fn partition(&self, part: &Part) -> i32 {
        self.targets.get(part.target).map_or(-1, |target| target.partition)
    }

    /// What to do at `now_ns`. `allowance` is how many records may still be begun; those of a request are taken off.
    pub fn next(&mut self, now_ns: u64, rules: &Rules, batches: &Batches, allowance: &mut u64) -> Next {
        if !self.again.is_empty() {
            return match self.in_flight.is_empty().then(|| self.again.pop_front()).flatten() {
                Some(flight) => Next::Send(flight),
                None => Next::Nothing,
            };
        }
        if self.in_flight.len() >= rules.in_flight {
            return Next::Nothing;
        }
        let full = batches.full_count(self.next_body(batches));
        let ready = match rules.pace.records_per_second {
            None if now_ns < rules.pace.end_ns => full,
            None => 0,
            Some(_) => match self.due(now_ns, rules, full) {
                Ok(due) => due,
                Err(next) => return next,
            },
        };
        let count = ready.min(u32::try_from(*allowance).unwrap_or(u32::MAX));
        if count == 0 {
            return Next::Nothing;
        }
        let flight = self.begin(count, now_ns, rules, batches);
        *allowance = allowance.saturating_sub(u64::from(flight.records));
        Next::Send(flight)
    }

    /// How many records make the next batch at a fixed rate, if it is time for it.
    fn due(&self, now_ns: u64, rules: &Rules, full: u32) -> Result<u32, Next> {
        let pace = &rules.pace;
        let Some(first_ns) = pace.due_ns(self.number, self.next_ordinal) else { return Err(Next::Nothing) };
        let due = pace.due_count(self.number, now_ns).saturating_sub(self.next_ordinal);
        let due = u32::try_from(due).unwrap_or(u32::MAX).min(full);
        let lingers_until_ns = first_ns.saturating_add(rules.linger_ns);
        if due == full || now_ns >= lingers_until_ns {
            return Ok(due);
        }
        let full_ns = pace.due_ns(self.number, self.next_ordinal + u64::from(full) - 1).unwrap_or(u64::MAX);
        Err(Next::At(lingers_until_ns.min(full_ns)))
    }

    fn next_body(&self, batches: &Batches) -> usize {
        let target = self.turn.checked_rem(self.targets.len()).unwrap_or(0);
        let partition = self.targets.get(target).map_or(0, |target| target.partition);
        batches.body_index(usize::try_from(partition).unwrap_or(0), self.turn)
    }

    fn begin(&mut self, count: u32, now_ns: u64, rules: &Rules, batches: &Batches) -> Flight {
        let mut parts = Vec::new();
        if rules.keyed {
            self.spread(count, batches, &mut parts);
        } else {
            let target = self.turn.checked_rem(self.targets.len()).unwrap_or(0);
            let body = self.next_body(batches);
            self.take(target, body, count, &mut parts);
        }
        let records = parts.iter().map(|part: &Part| part.count).sum();
        let flight = Flight {
            order: self.next_order,
            first_ordinal: self.next_ordinal,
            records,
            began_ns: now_ns,
            sent_ns: now_ns,
            correlation_id: 0,
            parts,
        };
        self.turn = self.turn.wrapping_add(1);
        self.next_order += 1;
        self.next_ordinal += u64::from(records);
        flight
    }

    /// Gives each record the partition of its key, as if keys came at random.
    fn spread(&mut self, count: u32, batches: &Batches, parts: &mut Vec<Part>) {
        let targets = self.targets.len().max(1) as u64;
        let mut counts: Vec<(usize, u32)> = Vec::new();
        for ordinal in self.next_ordinal..self.next_ordinal + u64::from(count) {
            let target = (mix(ordinal ^ self.number << 40) % targets) as usize;
            match counts.iter_mut().find(|(known, _)| *known == target) {
                Some((_, count)) => *count += 1,
                None => counts.push((target, 1)),
            }
        }
        for (target, count) in counts {
            let partition = self.targets.get(target).map_or(0, |target| target.partition);
            let body = batches.body_index(usize::try_from(partition).unwrap_or(0), 0);
            self.take(target, body, count.min(batches.full_count(body)), parts);
        }
    }

    fn take(&mut self, target: usize, body: usize, count: u32, parts: &mut Vec<Part>) {
        let Some(state) = self.targets.get_mut(target) else { return };
        parts.push(Part { target, body, count, base_sequence: state.next_sequence, first_mark: state.next_mark });
        // Sequences wrap from the largest i32 to 0.
        state.next_sequence = state.next_sequence.wrapping_add(count.cast_signed()) & i32::MAX;
        state.next_mark += u64::from(count);
    }

    /// `flight` is on its way.
    pub fn sent(&mut self, mut flight: Flight, correlation_id: i32, now_ns: u64) {
        flight.correlation_id = correlation_id;
        flight.sent_ns = now_ns;
        self.in_flight.push_back(flight);
    }

    /// The number of the request whose answer is next.
    pub fn awaited(&self) -> Option<i32> {
        self.in_flight.front().map(|flight| flight.correlation_id)
    }

    /// When the request that waits longest was sent.
    pub fn waits_since_ns(&self) -> Option<u64> {
        self.in_flight.front().map(|flight| flight.sent_ns)
    }

    /// The oldest request on its way is done, one way or the other.
    pub fn answered(&mut self) -> Option<Flight> {
        self.in_flight.pop_front()
    }

    /// `flight` must be sent again, before anything that came after it.
    pub fn again(&mut self, flight: Flight) {
        let place = self.again.iter().position(|other| other.order > flight.order).unwrap_or(self.again.len());
        self.again.insert(place, flight);
    }

    /// The connection is gone, and with it all answers. The requests that were on their way.
    pub fn lost_connection(&mut self) -> Vec<Flight> {
        self.in_flight.drain(..).collect()
    }

    /// The requests to be sent again that began before `began_before_ns`: they are given up.
    pub fn expired(&mut self, began_before_ns: u64) -> Vec<Flight> {
        let (expired, kept): (Vec<_>, Vec<_>) =
            self.again.drain(..).partition(|flight| flight.began_ns < began_before_ns);
        self.again = kept.into();
        expired
    }

    /// What an answer's code means for its part.
    pub fn verdict(&self, code: ErrorCode) -> Verdict {
        match code {
            // A batch that was kept the first time, and whose answer was lost.
            ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Verdict::Kept,
            // It came before one that must be sent again.
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER if !self.again.is_empty() => Verdict::Again,
            code if code.is_retriable() => Verdict::Again,
            _ => Verdict::Lost,
        }
    }

    /// True when nothing is on its way or must be sent again.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.again.is_empty()
    }

    /// When the records of `flight` were to be sent, in nanoseconds: each at its own time at a fixed rate, else all when they were.
    pub fn intended_ns(&self, flight: &Flight, pace: &Pace) -> impl Iterator<Item = u64> + use<> {
        let (pace, number, began_ns) = (*pace, self.number, flight.began_ns);
        let ordinals = flight.first_ordinal..flight.first_ordinal + u64::from(flight.records);
        ordinals.map(move |ordinal| pace.due_ns(number, ordinal).unwrap_or(began_ns))
    }

    /// When the records that are due by `now_ns` and were never sent were to be sent.
    pub fn unsent_ns(&self, now_ns: u64, pace: &Pace) -> impl Iterator<Item = u64> + use<> {
        let (pace, number) = (*pace, self.number);
        let ordinals = self.next_ordinal..pace.due_count(number, now_ns).max(self.next_ordinal);
        ordinals.filter_map(move |ordinal| pace.due_ns(number, ordinal))
    }

    /// True when no record will come any more.
    pub fn is_exhausted(&self, pace: &Pace) -> bool {
        pace.records_per_second.is_none() || pace.due_ns(self.number, self.next_ordinal).is_none()
    }
}

#[cfg(test)]
mod tests;

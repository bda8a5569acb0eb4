//! What was seen while nodes ran: by clients, and by looking at the nodes. Every event goes into the trace and past every invariant. Judges
//! nothing itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::invariants::{self, Invariant};
use super::scene::Scene;
use crate::figures::Figures;
use crate::schedule;
use crate::trace::{Trace, digest};
use crate::world::Violation;

/// What has to happen in every history, or it shows nothing.
pub const NEEDED: [&str; 4] = [KEPT_BY_ALL, KEPT_BY_LEADERS, SENT_TO_NOBODY, READ];
const KEPT_BY_ALL: &str = "kept by all";
const KEPT_BY_LEADERS: &str = "kept by leaders";
const READ: &str = "records read";
/// One for each replica.
pub const COMPARED: &str = "logs compared";
/// Where nothing fails each of their records has to be read.
const SENT_TO_NOBODY: &str = "batches sent that nobody is waited for";

/// Whom a producer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acks {
    /// Nobody.
    None,
    /// The leader.
    Leader,
    /// All replicas in sync.
    All,
}

impl Acks {
    /// As in a request.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// A record: whose it is, and which of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The producer's number.
    pub producer: u32,
    /// Which of its records, from 0.
    pub number: u64,
}

impl Record {
    /// As the value of a record.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut value = self.producer.to_be_bytes().to_vec();
        value.extend(self.number.to_be_bytes());
        // So that logs grow, and batches differ in length.
        value.extend(std::iter::repeat_n(b'.', usize::try_from(self.number % 64).unwrap_or(0)));
        value
    }

    /// What [`Record::encode`] made; None for anything else.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (producer, rest) = value.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        let record = Self { producer: u32::from_be_bytes(*producer), number: u64::from_be_bytes(*number) };
        (record.encode() == value).then_some(record)
    }
}

/// How a partition stands, as one node's image says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub eligible: Vec<i32>,
    /// Who led when the ISR became empty.
    pub last_known: Vec<i32>,
    pub leader: i32,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
    /// The brokers that the image lets lead.
    pub unfenced: Vec<i32>,
    /// The epochs of all brokers.
    pub broker_epochs: Vec<(i32, i64)>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    Sent {
        producer: u32,
        acks: Acks,
        partition: i32,
        first: u64,
        count: u64,
    },
    /// A batch is kept: by all replicas in sync, or by the leader.
    Kept {
        producer: u32,
        acks: Acks,
        partition: i32,
        offset: i64,
        leader_epoch: i32,
        first: u64,
        count: u64,
        /// On so many disks it is durable, at this moment.
        durable_on: usize,
    },
    /// A batch was kept before, where is not said.
    KeptSomewhere {
        producer: u32,
        partition: i32,
        first: u64,
        count: u64,
    },
    /// A node misses what was kept before.
    OutOfOrder {
        producer: u32,
        partition: i32,
        first: u64,
    },
    Read {
        consumer: u32,
        partition: i32,
        offset: i64,
        record: Option<Record>,
        epoch: i32,
        watermark: i64,
    },
    /// A batch that was read is damaged.
    Damaged {
        consumer: u32,
        partition: i32,
        offset: i64,
    },
    OutOfRange {
        consumer: u32,
        partition: i32,
        position: i64,
        leader_epoch: i32,
    },
    /// A consumer was told of a watermark by whom it took for the leader in this epoch.
    Watermark {
        consumer: u32,
        partition: i32,
        leader_epoch: i32,
        watermark: i64,
    },
    /// All nodes are looked at, images first.
    Looks,
    /// A replica was looked at.
    Replica {
        node: i32,
        partition: i32,
        leads: bool,
        /// As who leads knows, by its own way too, so many are in sync; 0 elsewhere.
        in_sync: usize,
        leader_epoch: i32,
        log_end: i64,
        high_watermark: i64,
    },
    /// A node's image says something new of a partition.
    Image {
        node: i32,
        partition: i32,
        assigned: Assigned,
    },
    /// What it is played with.
    Scene(String),
    /// A fault, or what comes of it later.
    Fault(String),
    /// A machine has lost power, and with it what it had not synced; its broker had this epoch, and had stopped in order or not.
    LosesPower {
        node: i32,
        broker_epoch: i64,
        had_stopped: bool,
    },
    /// From here on nothing fails any more.
    Peace,
    /// All is well, and a node is told to stop in order.
    Stops {
        place: usize,
    },
    /// It has, was started again, and all is well.
    Rolled {
        place: usize,
    },
    /// After all faults a partition was read as a whole.
    Whole {
        partition: i32,
        end: i64,
    },
    /// After all faults: what the log of a replica holds.
    Stored {
        place: usize,
        partition: i32,
        batches: Vec<StoredBatch>,
    },
}

/// A batch in a replica's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// Its first record's.
    pub offset: i64,
    /// Of who appended it.
    pub leader_epoch: i32,
    /// Its checksum.
    pub crc: u32,
}

struct State {
    began: Instant,
    trace: Trace,
    figures: Figures,
    invariants: Vec<Box<dyn Invariant>>,
    violation: Option<Violation>,
}

/// All of it; shared by whoever sees something.
#[derive(Clone)]
pub struct History {
    state: Arc<Mutex<State>>,
}

impl History {
    /// An empty one.
    #[must_use]
    pub fn new(scene: &Scene, with_text: bool) -> Self {
        let state = State {
            began: Instant::now(),
            trace: Trace::new(with_text),
            figures: Figures::default(),
            invariants: invariants::all(scene),
            violation: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event, and holds it against every invariant.
    pub fn note(&self, event: Event) {
        let mut state = self.lock();
        let State { began, trace, figures, invariants, violation } = &mut *state;
        let at = schedule::Instant(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        trace.note(at, &[digest(&event)], || format!("{event:?}"));
        figures.count(event.name());
        check(invariants, &event, violation);
    }

    /// A node has stopped in order.
    pub fn count_stop(&self) {
        self.lock().figures.count("orderly stops");
    }

    /// What was noted before is still so: held against every invariant, and no event.
    pub fn note_again(&self, event: &Event) {
        let mut state = self.lock();
        let State { invariants, violation, .. } = &mut *state;
        check(invariants, event, violation);
    }

    /// Something else than an invariant is violated.
    pub fn violated(&self, what: &str, how: String) {
        let mut state = self.lock();
        if state.violation.is_none() {
            state.violation = Some(Violation { what: what.to_owned(), how });
        }
    }

    /// True once anything is violated.
    #[must_use]
    pub fn is_violated(&self) -> bool {
        self.lock().violation.is_some()
    }

    /// Something took so long.
    pub fn took(&self, what: &'static str, time: Duration) {
        self.lock().figures.most(what, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// How often something happened.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.lock().figures.get(what)
    }

    /// What it adds up to.
    #[must_use]
    pub fn end(&self) -> Ended {
        let mut state = self.lock();
        Ended {
            trace: std::mem::take(&mut state.trace),
            figures: std::mem::take(&mut state.figures),
            violation: state.violation.take(),
        }
    }
}

fn check(invariants: &mut [Box<dyn Invariant>], event: &Event, violation: &mut Option<Violation>) {
    for invariant in invariants {
        if let Err(how) = invariant.check(event)
            && violation.is_none()
        {
            *violation = Some(Violation { what: invariant.name().to_owned(), how });
        }
    }
}

/// A history's end.
#[derive(Debug)]
pub struct Ended {
    /// What happened.
    pub trace: Trace,
    /// How often.
    pub figures: Figures,
    /// What was wrong, first.
    pub violation: Option<Violation>,
}

impl Event {
    const fn name(&self) -> &'static str {
        match self {
            Self::Sent { acks: Acks::None, .. } => SENT_TO_NOBODY,
            Self::Sent { .. } => "batches sent",
            Self::Kept { acks: Acks::All, .. } | Self::KeptSomewhere { .. } => KEPT_BY_ALL,
            Self::Kept { .. } => KEPT_BY_LEADERS,
            Self::OutOfOrder { .. } => "out of order",
            Self::Read { .. } => READ,
            Self::Damaged { .. } => "damaged batches",
            Self::OutOfRange { .. } => "reads out of range",
            Self::Watermark { .. } => "watermarks told",
            Self::Looks => "looks",
            Self::Replica { .. } => "looks at replicas",
            Self::Image { .. } => "changes of partitions",
            Self::Scene(_) => "histories",
            Self::Fault(_) => "faults and their ends",
            Self::LosesPower { .. } => "machines without power",
            Self::Peace => "histories in peace",
            Self::Stops { .. } => "stops where all is well",
            Self::Rolled { .. } => "nodes rolled",
            Self::Whole { .. } => "partitions read whole",
            Self::Stored { .. } => COMPARED,
        }
    }
}

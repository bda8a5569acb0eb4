//! Random transactions against a list of records in memory: what a read-committed client keeps must be what was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;

use barnabas_types::{Offset, Timestamp};

use crate::testing::{LogContext, Random, TestBatch, seed, small_segments};
use crate::{LogConfig, ReadLimits};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

/// A batch of data: its offsets, its producer and the number of its transaction.
#[derive(Clone, Copy, Debug)]
struct Batch {
    first: i64,
    last: i64,
    transaction: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Transaction {
    first: i64,
    marker: i64,
    fate: Fate,
}

struct Model {
    context: LogContext,
    random: Random,
    batches: Vec<Batch>,
    transactions: Vec<Transaction>,
    /// By producer: its next sequence and its open transaction.
    producers: BTreeMap<i64, (i32, Option<usize>)>,
    end: i64,
    /// The log's end when producers were last read from it: what ended before is settled.
    settled: i64,
}

impl Model {
    fn new(seed: u64) -> Self {
        let config = LogConfig { index_interval_bytes: 200, retention_ms: -1, ..small_segments() };
        Self {
            context: LogContext::new(config),
            random: Random::from_seed(seed),
            batches: Vec::new(),
            transactions: Vec::new(),
            producers: (1..=4).map(|id| (id, (0, None))).collect(),
            end: 0,
            settled: 0,
        }
    }

    fn step(&mut self) {
        let producer = 1 + self.random.below(4) as i64;
        match self.random.below(100) {
            0..55 => self.append(producer),
            55..80 => self.finish(producer),
            80..85 => self.context.log().roll(Timestamp(0)).unwrap(),
            85..90 => {
                self.context.close();
                self.reopen();
            }
            90..94 => {
                self.context.kill();
                self.reopen();
            }
            94..97 => self.truncate(),
            _ => _ = self.context.log().flush().unwrap(),
        }
        self.check();
    }

    fn reopen(&mut self) {
        self.context.open().unwrap();
        self.settled = self.end;
    }

    fn append(&mut self, producer: i64) {
        let count = 1 + self.random.below(3) as usize;
        let (sequence, open) = self.producers[&producer];
        let transactional = open.is_some() || self.random.below(3) > 0;
        let producer_of = transactional.then_some((producer, 0, sequence));
        let batch = TestBatch {
            values: vec!["v".repeat(40); count],
            producer: producer_of,
            transactional,
            ..TestBatch::default()
        };
        let appended = self.context.append(&batch).unwrap();
        let first = appended.base_offset.0;
        let transaction = transactional.then(|| {
            open.unwrap_or_else(|| {
                self.transactions.push(Transaction { first, marker: i64::MAX, fate: Fate::Open });
                self.transactions.len() - 1
            })
        });
        if transactional {
            self.producers.insert(producer, (sequence + i32::try_from(count).unwrap(), transaction));
        }
        self.batches.push(Batch { first, last: appended.last_offset.0, transaction });
        self.end = appended.last_offset.0 + 1;
    }

    fn finish(&mut self, producer: i64) {
        let (sequence, Some(open)) = self.producers[&producer] else { return };
        let aborted = self.random.below(2) == 0;
        let marker = self.context.end_transaction(producer, 0, aborted).unwrap().base_offset.0;
        let fate = if aborted { Fate::Aborted } else { Fate::Committed };
        let transaction = &mut self.transactions[open];
        (transaction.marker, transaction.fate) = (marker, fate);
        self.producers.insert(producer, (sequence, None));
        self.end = marker + 1;
    }

    /// Producers go on with what the log knows of them: what they had sent past the cut is lost.
    fn truncate(&mut self) {
        let offset = self.random.below(self.end as u64 + 1) as i64;
        let end = self.context.truncate_to(offset).unwrap().0;
        (self.end, self.settled) = (end, end);
        self.batches.retain(|batch| batch.last < end);
        for transaction in &mut self.transactions {
            if transaction.first >= end {
                // Gone without a trace; its number stays taken.
                (transaction.first, transaction.marker) = (-1, -1);
            } else if transaction.marker >= end {
                (transaction.marker, transaction.fate) = (i64::MAX, Fate::Open);
            }
        }
        for id in 1..=4 {
            let entry = self.context.log().producers().producer(barnabas_types::ProducerId(id)).cloned();
            let sequence = entry.as_ref().and_then(|entry| entry.last_batch().map(|batch| batch.last_sequence + 1));
            let first = entry.and_then(|entry| entry.transaction_first_offset);
            let open = first.map(|first| {
                let of = |transaction: &Transaction| transaction.first == first.0;
                self.transactions.iter().position(of).expect("an open transaction that never began")
            });
            self.producers.insert(id, (sequence.unwrap_or(0), open));
        }
    }

    fn stable(&self, high_watermark: i64) -> i64 {
        let alive = self.transactions.iter().filter(|one| one.marker >= high_watermark);
        alive.map(|one| one.first).min().unwrap_or(high_watermark).min(high_watermark)
    }

    fn check(&mut self) {
        assert_eq!(self.context.log().log_end().0, self.end);
        let high_watermark = self.settled + self.random.below((self.end - self.settled) as u64 + 1) as i64;
        for watermark in [self.end, high_watermark] {
            let stable = self.context.log().last_stable_offset(Offset(watermark));
            assert_eq!(stable.0, self.stable(watermark), "with the high watermark at {watermark}");
        }
        let from = self.random.below(self.end as u64 + 1) as i64;
        let stable = self.stable(self.end);
        let read = self.read_committed(from, stable);
        let committed = |batch: &&Batch| {
            let fate = batch.transaction.map(|number| self.transactions[number].fate);
            batch.last >= from && batch.last < stable && fate != Some(Fate::Aborted)
        };
        let expected: Vec<i64> = self.batches.iter().filter(committed).map(|batch| batch.first).collect();
        assert_eq!(read, expected, "from {from} to {stable}");
    }

    /// Reads as a client does: the transactions told of are left out from their first offset to their marker.
    fn read_committed(&mut self, from: i64, stable: i64) -> Vec<i64> {
        let (mut next, mut kept) = (from, Vec::new());
        let max_bytes = 200 + u32::try_from(self.random.below(1500)).unwrap();
        loop {
            let limits = ReadLimits { end: Offset(stable), max_bytes, at_least_one_batch: true };
            let Some(region) = self.context.log().read(Offset(next), limits).unwrap() else { return kept };
            let ticket = self.context.log().prepare_aborted(Offset(next), Offset(stable), &region);
            let mut told: Vec<_> =
                ticket.run().unwrap().unwrap().iter().map(|one| (one.first_offset.0, one.producer_id.0)).collect();
            told.sort_unstable();
            let mut told = told.into_iter().peekable();
            let mut left_out = BTreeSet::new();
            let bytes = region.bytes().unwrap();
            for batch in barnabas_records::batches(&bytes).map_while(Result::ok) {
                let header = batch.header();
                next = header.next_offset().0;
                while let Some((_, id)) = told.next_if(|(first, _)| *first <= header.last_offset().0) {
                    left_out.insert(id);
                }
                let id = header.producer_id.0;
                if header.attributes.is_control() {
                    left_out.remove(&id);
                } else if !(header.attributes.is_transactional() && left_out.contains(&id)) {
                    kept.push(header.base_offset.0);
                }
            }
        }
    }
}

#[test]
fn read_committed_clients_keep_exactly_what_was_committed() {
    let seeds: u64 = std::env::var("LOG_SEEDS").map_or(12, |count| count.parse().unwrap());
    let first = seed();
    for seed in (0..seeds).map(|number| first.wrapping_add(number.wrapping_mul(2))) {
        let mut model = Model::new(seed);
        let played = std::panic::catch_unwind(AssertUnwindSafe(|| (0..120).for_each(|_| model.step())));
        if let Err(panic) = played {
            println!("SEED={seed} LOG_SEEDS=1 repeats this; {:?}", model.transactions);
            std::panic::resume_unwind(panic);
        }
    }
}

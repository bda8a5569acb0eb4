//! Which batches of transactions compaction may drop: all data of aborted ones, and the marker that ends a transaction once none of
//! its data is left in front of it (KIP-98). Reads no file: it is shown every batch in order.

use std::collections::{HashMap, HashSet, VecDeque};

use barnabas_records::BatchHeader;
use barnabas_records::control::ControlRecord;
use barnabas_types::ProducerId;

use crate::segment::AbortedTransaction;

/// The transactions that are open where a walk over the log has got to.
#[derive(Debug)]
pub(super) struct Transactions {
    /// Those the walk has not come to, by first offset.
    ahead: VecDeque<AbortedTransaction>,
    /// Aborted ones it is inside of, and whether it has met a batch of them.
    aborted: HashMap<ProducerId, (AbortedTransaction, bool)>,
    /// Producers of committed ones of which it has met a batch.
    committed: HashSet<ProducerId>,
}

/// What a batch is to the transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing to be said against it.
    Kept,
    /// Its records were never committed.
    Aborted,
    /// Ends a transaction of which no batch is left.
    MarkerOfNothing,
    /// Ends an aborted transaction of which batches were met.
    AbortMarker(AbortedTransaction),
}

impl Part {
    /// What the transaction index goes on to say.
    pub(super) fn aborted(self) -> Option<AbortedTransaction> {
        match self {
            Self::AbortMarker(transaction) => Some(transaction),
            _ => None,
        }
    }
}

impl Transactions {
    /// For a walk from the log's start on; `aborted` are all aborted transactions whose markers lie there.
    pub(super) fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_unstable_by_key(|transaction| transaction.first_offset);
        Self { ahead: aborted.into(), aborted: HashMap::new(), committed: HashSet::new() }
    }

    /// Enters the transactions that began by the end of the batch of `header`, and leaves those that ended before it: their markers
    /// are gone.
    fn come_to(&mut self, header: &BatchHeader) {
        let (first, last) = (header.base_offset, header.last_offset());
        while let Some(next) = self.ahead.pop_front_if(|next| next.first_offset <= last) {
            let entry = self.aborted.entry(next.producer_id).or_insert((next, false));
            if entry.0.last_offset < first {
                *entry = (next, false);
            }
        }
    }

    /// The aborted transaction of the batch's producer that is open there.
    fn open_at(&mut self, header: &BatchHeader) -> Option<&mut (AbortedTransaction, bool)> {
        let open = self.aborted.get_mut(&header.producer_id);
        open.filter(|(transaction, _)| transaction.last_offset >= header.base_offset)
    }

    /// The walk met a batch of data.
    pub(super) fn data(&mut self, header: &BatchHeader) -> Part {
        self.come_to(header);
        if !header.attributes.is_transactional() {
            return Part::Kept;
        }
        if let Some((_, met)) = self.open_at(header) {
            *met = true;
            return Part::Aborted;
        }
        self.committed.insert(header.producer_id);
        Part::Kept
    }

    /// The walk met a control batch with that first record; none: an earlier pass has emptied it.
    pub(super) fn control(&mut self, header: &BatchHeader, record: Option<&ControlRecord>) -> Part {
        self.come_to(header);
        match record {
            Some(ControlRecord::Abort(_)) => match self.aborted.remove(&header.producer_id) {
                Some((transaction, true)) => Part::AbortMarker(transaction),
                _ => Part::MarkerOfNothing,
            },
            Some(ControlRecord::Commit(_)) if self.committed.remove(&header.producer_id) => Part::Kept,
            Some(ControlRecord::Commit(_)) | None => Part::MarkerOfNothing,
            Some(_) => Part::Kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use barnabas_records::control::{EndTransactionMarker, transaction_marker_batch};
    use barnabas_records::{BatchBuilder, BatchView, Compression};
    use barnabas_types::{Offset, ProducerEpoch, Timestamp};

    use super::*;

    const COMMIT: ControlRecord = ControlRecord::Commit(EndTransactionMarker { coordinator_epoch: 0 });
    const ABORT: ControlRecord = ControlRecord::Abort(EndTransactionMarker { coordinator_epoch: 0 });

    fn data(producer: i64, offset: i64) -> BatchHeader {
        let builder = BatchBuilder::new(Offset(offset), Compression::None);
        let mut builder = builder.producer(ProducerId(producer), ProducerEpoch(0), 0).transactional();
        builder.append(Timestamp(0), Some(b"key"), None, &[]).unwrap();
        *BatchView::parse(&builder.build().unwrap()).unwrap().header()
    }

    fn marker(producer: i64, offset: i64) -> BatchHeader {
        let batch = transaction_marker_batch(Timestamp(0), ProducerId(producer), ProducerEpoch(0), &COMMIT).unwrap();
        BatchHeader { base_offset: Offset(offset), ..*BatchView::parse(&batch).unwrap().header() }
    }

    fn aborted(producer: i64, first: i64, last: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId(producer),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(first),
        }
    }

    #[test]
    fn an_aborted_transactions_data_goes_and_its_marker_stays_while_data_was_met() {
        let transaction = aborted(1, 0, 3);
        let mut walk = Transactions::new(vec![transaction]);
        assert_eq!(walk.data(&data(1, 0)), Part::Aborted);
        assert_eq!(walk.data(&data(2, 1)), Part::Kept);
        assert_eq!(walk.data(&data(1, 2)), Part::Aborted);
        assert_eq!(walk.control(&marker(1, 3), Some(&ABORT)), Part::AbortMarker(transaction));
        assert_eq!(walk.data(&data(1, 4)), Part::Kept, "the next transaction of the same producer");
        assert_eq!(walk.control(&marker(2, 5), Some(&COMMIT)), Part::Kept);
        let mut again = Transactions::new(vec![transaction]);
        assert_eq!(again.control(&marker(1, 3), Some(&ABORT)), Part::MarkerOfNothing);
    }

    #[test]
    fn a_transaction_whose_marker_is_gone_takes_no_later_data_with_it() {
        let mut walk = Transactions::new(vec![aborted(1, 0, 3), aborted(1, 10, 12)]);
        assert_eq!(walk.data(&data(1, 0)), Part::Aborted);
        assert_eq!(walk.data(&data(1, 4)), Part::Kept);
        assert_eq!(walk.data(&data(1, 11)), Part::Aborted);
    }

    #[test]
    fn a_commit_marker_may_go_once_no_data_of_its_transaction_is_left() {
        let mut walk = Transactions::new(Vec::new());
        assert_eq!(walk.data(&data(1, 0)), Part::Kept);
        assert_eq!(walk.control(&marker(1, 1), Some(&COMMIT)), Part::Kept);
        assert_eq!(walk.control(&marker(1, 2), Some(&COMMIT)), Part::MarkerOfNothing);
        assert_eq!(walk.control(&marker(1, 3), None), Part::MarkerOfNothing, "emptied before");
        let other = ControlRecord::Unknown { control_type: 9 };
        assert_eq!(walk.control(&marker(1, 4), Some(&other)), Part::Kept, "not a transaction's");
    }
}

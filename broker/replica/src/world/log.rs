//! A log of epochs and values, with the epochs' starts as a broker keeps them. Knows no disk but a number: how much of it is synced.

use barnabas_types::{LeaderEpoch, Offset};

use crate::fetcher::{EpochEnd, LogPosition, OwnLog};

#[derive(Clone, Debug, Default)]
pub(crate) struct TestLog {
    pub records: Vec<(i32, u32)>,
    /// Epochs and their first offsets, growing.
    pub starts: Vec<(i32, usize)>,
    pub durable: usize,
}

pub(crate) fn offset(index: usize) -> Offset {
    Offset(i64::try_from(index).unwrap())
}

pub(crate) fn index(offset: Offset) -> usize {
    usize::try_from(offset.0).unwrap()
}

impl TestLog {
    pub(crate) fn end(&self) -> Offset {
        offset(self.records.len())
    }

    pub(crate) fn begin_epoch(&mut self, epoch: i32, start: usize) {
        self.starts.retain(|(known, at)| *known < epoch && *at < start);
        self.starts.push((epoch, start));
    }

    pub(crate) fn append(&mut self, epoch: i32, value: u32) {
        if self.starts.last().is_none_or(|(last, _)| *last < epoch) {
            self.begin_epoch(epoch, self.records.len());
        }
        self.records.push((epoch, value));
    }

    pub(crate) fn truncate(&mut self, to: usize) {
        self.records.truncate(to);
        self.starts.retain(|(_, start)| *start < to);
        self.durable = self.durable.min(self.records.len());
    }

    /// The largest epoch not above `epoch`, and where it ends; as OffsetForLeaderEpoch.
    pub(crate) fn epoch_end(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        if self.starts.last().is_some_and(|(last, _)| *last == epoch.0) {
            return Some(EpochEnd { epoch, end_offset: self.end() });
        }
        let higher = self.starts.partition_point(|(known, _)| *known <= epoch.0);
        let end_offset = offset(self.starts.get(higher)?.1);
        let floor = higher.checked_sub(1).map_or(epoch.0, |floor| self.starts[floor].0);
        Some(EpochEnd { epoch: LeaderEpoch(floor), end_offset })
    }

    pub(crate) fn position(&self, high_watermark: Offset) -> LogPosition {
        LogPosition {
            log_start: Offset(0),
            log_end: self.end(),
            durable_end: offset(self.durable),
            last_epoch: self.starts.last().map(|(epoch, _)| LeaderEpoch(*epoch)),
            high_watermark,
        }
    }

    pub(crate) fn own(&self, asked: Option<LeaderEpoch>, high_watermark: Offset) -> OwnLog {
        let epoch_end = asked.and_then(|epoch| self.epoch_end(epoch));
        OwnLog { epoch_end, log_end: self.end(), high_watermark }
    }

    /// `1@a 1@b 2@c`.
    pub(crate) fn show(&self) -> String {
        let show = |(epoch, value): &(i32, u32)| format!("{epoch}:{value}");
        self.records.iter().map(show).collect::<Vec<_>>().join(" ")
    }
}

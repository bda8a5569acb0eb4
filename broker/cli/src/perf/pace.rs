//! When each record is to be sent. Arithmetic only: the time is an input, so that the promise of a fixed rate can be tested without waiting.
//!
//! At a fixed rate a record's time follows from its number alone and never from when the record before it was answered. Latency counts from
//! that time. A broker that stalls for a second is therefore charged a second for the records that should have gone out meanwhile, instead
//! of being asked less often and looking fast (coordinated omission).

/// The sending times of a run. Records are numbered over all connections; connection c of n sends those whose number is c modulo n.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Records a second over all connections; `None` sends whenever there is room.
    pub records_per_second: Option<u64>,
    /// When record 0 is due, in nanoseconds.
    pub start_ns: u64,
    /// No record is due from here on, in nanoseconds.
    pub end_ns: u64,
    /// How many records there are at most.
    pub record_limit: u64,
    /// How many connections share them, 1 or more.
    pub connections: u64,
}

impl Pace {
    /// The number of the `ordinal`th record (from 0) of `connection`.
    fn number(&self, connection: u64, ordinal: u64) -> u64 {
        ordinal.saturating_mul(self.connections).saturating_add(connection)
    }

    /// When the `ordinal`th record of `connection` is due; `None` when there is no such record, or no rate.
    pub fn due_ns(&self, connection: u64, ordinal: u64) -> Option<u64> {
        let number = self.number(connection, ordinal);
        let rate = u128::from(self.records_per_second?.max(1));
        let after = u128::from(number) * 1_000_000_000 / rate;
        let due_ns = u64::try_from(u128::from(self.start_ns) + after).ok()?;
        (number < self.record_limit && due_ns < self.end_ns).then_some(due_ns)
    }

    /// How many records of `connection` are due by `now_ns`, those already sent included.
    pub fn due_count(&self, connection: u64, now_ns: u64) -> u64 {
        let Some(rate) = self.records_per_second else { return 0 };
        let until_ns = now_ns.min(self.end_ns.saturating_sub(1));
        let Some(elapsed_ns) = until_ns.checked_sub(self.start_ns) else { return 0 };
        // Record k is due floor(k / rate) nanoseconds after the start, so by then exactly when k < (elapsed + 1) × rate.
        let product = (u128::from(elapsed_ns) + 1) * u128::from(rate.max(1));
        let all = u64::try_from(product.div_ceil(1_000_000_000)).unwrap_or(u64::MAX).min(self.record_limit);
        all.saturating_sub(connection).div_ceil(self.connections.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(records_per_second: u64, connections: u64) -> Pace {
        Pace {
            records_per_second: Some(records_per_second),
            start_ns: 1_000,
            end_ns: 10_000_000_000,
            record_limit: u64::MAX,
            connections,
        }
    }

    #[test]
    fn a_records_time_depends_on_its_number_alone() {
        let pace = pace(1_000, 4);
        assert_eq!(pace.due_ns(0, 0), Some(1_000));
        assert_eq!(pace.due_ns(3, 0), Some(3_001_000));
        assert_eq!(pace.due_ns(0, 1), Some(4_001_000));
    }

    #[test]
    fn counting_and_dating_agree_for_odd_rates_and_shares() {
        for rate in [1, 3, 7, 999, 48_000, 1_234_567] {
            for connections in [1, 2, 7, 200] {
                let pace = pace(rate, connections);
                for connection in [0, connections / 2, connections - 1] {
                    for ordinal in [0, 1, 2, 50] {
                        let Some(due_ns) = pace.due_ns(connection, ordinal) else { continue };
                        let context = format!("rate {rate}, {connection}/{connections}, ordinal {ordinal}");
                        assert!(pace.due_count(connection, due_ns) > ordinal, "{context}: due, not counted");
                        assert!(pace.due_count(connection, due_ns - 1) <= ordinal, "{context}: counted, not due");
                    }
                }
            }
        }
    }

    #[test]
    fn all_connections_together_send_the_rate() {
        let pace = pace(1_000, 7);
        let due: u64 = (0..7).map(|connection| pace.due_count(connection, 1_000 + 2_000_000_000 - 1)).sum();
        assert_eq!(due, 2_000);
    }

    #[test]
    fn nothing_is_due_before_the_start_after_the_end_or_above_the_limit() {
        let limited = Pace { record_limit: 5, ..pace(1_000, 2) };
        assert_eq!(limited.due_count(0, 999), 0);
        assert_eq!((limited.due_count(0, u64::MAX), limited.due_count(1, u64::MAX)), (3, 2));
        assert_eq!(limited.due_ns(1, 2), None);
        let ended = Pace { end_ns: 1_000 + 3_000_000, ..pace(1_000, 1) };
        assert_eq!((ended.due_count(0, u64::MAX), ended.due_ns(0, 2).is_some(), ended.due_ns(0, 3)), (3, true, None));
    }

    #[test]
    fn without_a_rate_nothing_is_ever_due() {
        let free = Pace { records_per_second: None, ..pace(1, 1) };
        assert_eq!((free.due_count(0, u64::MAX), free.due_ns(0, 0)), (0, None));
    }
}

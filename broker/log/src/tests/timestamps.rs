//! From timestamps to offsets.

use barnabas_types::{Offset, Timestamp};

use crate::testing::{LogContext, TestBatch};

fn offset_at(context: &mut LogContext, timestamp: i64) -> Option<(i64, i64)> {
    let found = context.log().prepare_offset_for_timestamp(Timestamp(timestamp)).unwrap().run().unwrap();
    found.map(|found| (found.offset.0, found.timestamp.0))
}

fn largest(context: &mut LogContext) -> Option<(i64, i64)> {
    let found = context.log().prepare_offset_of_largest_timestamp().unwrap().run().unwrap();
    found.map(|found| (found.offset.0, found.timestamp.0))
}

#[test]
fn the_first_record_of_a_time_or_later_is_found_in_every_segment() {
    let mut context = LogContext::small();
    context.fill(60);
    for round in 0..2 {
        for offset in 0..60 {
            assert_eq!(offset_at(&mut context, offset * 1000), Some((offset, offset * 1000)), "round {round}");
            let next = (offset < 59).then_some((offset + 1, (offset + 1) * 1000));
            assert_eq!(offset_at(&mut context, offset * 1000 + 1), next);
        }
        context.close();
        context.open().unwrap();
    }
}

#[test]
fn the_record_is_found_inside_its_batch_and_times_out_of_order_do_not_hide_it() {
    let mut context = LogContext::small();
    let values: Vec<String> = (0..3).map(|number| number.to_string()).collect();
    for timestamp in [5000, 1000, 9000, 2000] {
        context.append(&TestBatch { values: values.clone(), timestamp, ..TestBatch::default() }).unwrap();
    }
    assert_eq!(offset_at(&mut context, 0), Some((0, 5000)));
    assert_eq!(offset_at(&mut context, 5002), Some((2, 5002)));
    assert_eq!(offset_at(&mut context, 5003), Some((6, 9000)));
    assert_eq!(offset_at(&mut context, 9002), Some((8, 9002)));
    assert_eq!(offset_at(&mut context, 9003), None);
    assert_eq!(largest(&mut context), Some((8, 9002)));
}

#[test]
fn the_largest_timestamp_is_looked_for_above_the_logs_start_only() {
    let mut context = LogContext::small();
    assert_eq!(largest(&mut context), None);
    for timestamp in [9000, 1000, 3000, 3000, 2000] {
        context.append(&TestBatch { timestamp, ..TestBatch::default() }).unwrap();
    }
    assert_eq!(largest(&mut context), Some((0, 9000)));
    context.log().raise_log_start(Offset(1));
    assert_eq!(largest(&mut context), Some((2, 3000)));
    assert_eq!(offset_at(&mut context, 0), Some((1, 1000)));
    context.fill(60);
    assert_eq!(largest(&mut context), Some((64, 64000)));
}

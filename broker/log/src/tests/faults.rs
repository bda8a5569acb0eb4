//! What the log does when the disk fails under it.

use barnabas_types::Offset;

use crate::fs::{Fault, Operation};
use crate::testing::{LogContext, TestBatch};
use crate::{AppendError, ChangeError};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[test]
fn a_full_disk_refuses_appends_and_the_log_goes_on_when_there_is_space_again() {
    let mut context = LogContext::small();
    context.fill(2);
    context.fs.inject(Fault::always(Operation::Write, ".log", ENOSPC));
    assert!(matches!(context.append(&TestBatch::default()), Err(AppendError::Io(error)) if error.is_out_of_space()));
    assert_eq!(context.log().log_end(), Offset(2));
    context.fs.heal();
    context.fill(2);
    context.assert_holds(0, 4);
    context.kill();
    context.open().unwrap();
    context.assert_holds(0, 4);
}

#[test]
fn a_write_that_stops_half_way_leaves_nothing_behind() {
    let mut context = LogContext::small();
    context.fill(2);
    let size = std::fs::metadata(context.path("00000000000000000000.log")).unwrap().len();
    let short = Fault { operation: Operation::Write, path_contains: ".log", after: 0, error_number: None, times: 5 };
    context.fs.inject(short);
    context.fs.inject(Fault {
        after: 0,
        error_number: Some(EIO),
        times: 1,
        operation: Operation::Write,
        path_contains: ".log",
    });
    context.append(&TestBatch::default()).unwrap_err();
    assert_eq!(std::fs::metadata(context.path("00000000000000000000.log")).unwrap().len(), size);
    context.fs.heal();
    context.fill(1);
    context.assert_holds(0, 3);
}

#[test]
fn a_failed_sync_takes_the_log_offline_for_good() {
    let mut context = LogContext::small();
    context.fill(2);
    context.log().flush().unwrap();
    context.fill(1);
    context.fs.inject(Fault::always(Operation::Sync, ".log", EIO));
    context.log().flush().unwrap_err();
    context.fs.heal();
    assert!(context.log().is_offline());
    assert_eq!(context.log().durable_end(), Offset(2));
    assert!(matches!(context.append(&TestBatch::default()), Err(AppendError::Offline)));
    assert!(matches!(context.truncate_to(1), Err(ChangeError::Offline)));
    assert!(context.log().prepare_flush().is_none());
    assert!(matches!(context.log().close(), Err(ChangeError::Offline)));
}

#[test]
fn what_was_flushed_survives_a_power_cut_and_what_was_not_is_cut_cleanly() {
    let mut context = LogContext::small();
    for round in 0..20 {
        let before = context.log().log_end().0;
        context.fill(round);
        assert_eq!(context.log().durable_end(), Offset(before));
        let flushed = context.log().flush().unwrap();
        assert_eq!(flushed, Offset(before + round));
        context.fill(7);
        context.kill();
        context.fs.cut_power().unwrap();
        context.open().unwrap();
        assert!(context.log().log_end() >= flushed, "round {round}");
        let end = context.log().log_end().0;
        context.assert_holds(0, end);
    }
}

#[test]
fn a_flush_covers_what_was_appended_before_it_was_prepared_even_across_rolls() {
    let mut context = LogContext::small();
    context.fill(30);
    let first = context.log().prepare_flush().unwrap();
    context.fill(30);
    let second = context.log().prepare_flush().unwrap();
    // Run in the other order: the second covers all that the first does.
    let second = second.run();
    assert_eq!(context.log().flushed(second).unwrap(), Offset(60));
    let first = first.run();
    assert_eq!(context.log().flushed(first).unwrap(), Offset(60));
    assert!(context.log().prepare_flush().is_none());
    context.fill(1);
    let unused = context.log().prepare_flush().unwrap();
    assert_eq!(context.log().flushed(unused).unwrap(), Offset(60));
    context.kill();
    context.fs.cut_power().unwrap();
    context.open().unwrap();
    context.assert_holds(0, 60);
}

#[test]
fn a_flush_begun_before_a_cut_does_not_count_for_what_was_written_after_it() {
    let mut context = LogContext::small();
    context.fill(10);
    let ticket = context.log().prepare_flush().unwrap();
    context.truncate_to(4).unwrap();
    context.fill(6);
    let ticket = ticket.run();
    assert_eq!(context.log().flushed(ticket).unwrap(), Offset(0));
    assert_eq!(context.log().flush().unwrap(), Offset(10));
}

#[test]
fn an_index_that_cannot_be_written_stops_no_append_before_the_segment_is_full() {
    let mut context = LogContext::new(crate::LogConfig { segment_bytes: 100_000, ..crate::testing::small_segments() });
    context.fs.inject(Fault::always(Operation::Write, "index", EIO));
    context.fill(1200);
    context.assert_holds(0, 1200);
    context.fs.heal();
    context.close();
    context.open().unwrap();
    context.assert_holds(0, 1200);
}

//! Truncation, and a log that begins anew.

use barnabas_types::{LeaderEpoch, Offset, ProducerId, Timestamp};

use crate::ChangeError;
use crate::fs::{IoError, Operation};
use crate::testing::{LogContext, TestBatch};

#[test]
fn a_log_cut_at_any_offset_holds_what_is_below_and_goes_on_there() {
    for offset in (0..=60).step_by(3) {
        let mut context = LogContext::small();
        context.fill(60);
        assert_eq!(context.truncate_to(offset).unwrap(), Offset(offset));
        context.assert_holds(0, offset);
        context.fill(5);
        context.assert_holds(0, offset + 5);
        context.kill();
        context.open().unwrap();
        context.assert_holds(0, offset + 5);
    }
}

#[test]
fn a_cut_lowers_the_checkpoints_before_it_drops_anything() {
    for offset in (0..=60).step_by(3) {
        let mut context = LogContext::small();
        context.fill(60);
        context.log().flush().unwrap();
        context.options.recovery_point = Offset(60);
        let refused = context.log().truncate_to(Offset(offset), Timestamp(0), |limit| {
            assert!(limit <= Offset(offset));
            Err(IoError::new(Operation::Rename, "checkpoint", std::io::ErrorKind::Other.into()))
        });
        assert!(offset == 60 || matches!(refused, Err(ChangeError::Io(_))), "{refused:?}");
        context.assert_holds(0, 60);
        context.truncate_to(offset).unwrap();
        context.log().flush().unwrap();
        // Of this a power cut leaves nothing, and the recovery point is not past what is left.
        context.fill(1);
        context.kill();
        context.fs.cut_power().unwrap();
        assert_eq!(context.open().unwrap().missing_records, 0);
        context.assert_holds(0, offset);
    }
}

#[test]
fn a_cut_inside_a_batch_drops_the_batch() {
    let mut context = LogContext::small();
    context.fill(2);
    context.append(&TestBatch { values: vec!["a".into(), "b".into(), "c".into()], ..TestBatch::default() }).unwrap();
    assert_eq!(context.truncate_to(4).unwrap(), Offset(2));
    context.assert_holds(0, 2);
}

#[test]
fn epochs_and_producers_are_as_they_were_at_the_cut() {
    let mut context = LogContext::small();
    let batch = |sequence, epoch| TestBatch { producer: Some((7, 0, sequence)), epoch, ..TestBatch::default() };
    for sequence in 0..20 {
        context.append(&batch(sequence, sequence / 10)).unwrap();
    }
    context.append(&TestBatch { producer: Some((8, 0, 0)), epoch: 2, ..TestBatch::default() }).unwrap();
    context.truncate_to(8).unwrap();
    assert_eq!(context.log().leader_epochs().latest().unwrap().epoch, LeaderEpoch(0));
    assert!(context.log().producers().producer(ProducerId(8)).is_none());
    assert!(context.append(&batch(7, 0)).unwrap().duplicate);
    assert!(!context.append(&batch(8, 0)).unwrap().duplicate);
}

#[test]
fn a_cut_at_the_end_forgets_an_epoch_that_has_no_records() {
    let mut context = LogContext::small();
    context.append(&TestBatch { epoch: 3, ..TestBatch::default() }).unwrap();
    context.log().begin_epoch(LeaderEpoch(5));
    let last = |context: &mut LogContext| {
        context.log().leader_epochs().latest().map(|entry| (entry.epoch, entry.start_offset))
    };
    let older_ends = |context: &mut LogContext| context.log().leader_epochs().end_offset_for(LeaderEpoch(4), Offset(1));
    assert_eq!(last(&mut context), Some((LeaderEpoch(5), Offset(1))));
    assert_eq!(older_ends(&mut context), Some((LeaderEpoch(3), Offset(1))));
    context.truncate_to(2).unwrap();
    assert_eq!(last(&mut context), Some((LeaderEpoch(5), Offset(1))), "the log ends before the cut");
    assert_eq!(context.truncate_to(1).unwrap(), Offset(1));
    assert_eq!(last(&mut context), Some((LeaderEpoch(3), Offset(0))));
    context.assert_holds(0, 1);
}

#[test]
fn a_log_begun_anew_is_empty_at_its_new_offset() {
    let mut context = LogContext::small();
    context.fill(60);
    context.restart_at(1000).unwrap();
    assert_eq!((context.log().log_start(), context.log().log_end()), (Offset(1000), Offset(1000)));
    assert_eq!(context.log().leader_epochs().entries(), []);
    context.fill(30);
    context.assert_holds(1000, 1030);
    context.close();
    context.open().unwrap();
    context.assert_holds(1000, 1030);
}

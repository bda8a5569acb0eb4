//! Crashes and failures at every call to the disk that a pass makes: what the log holds afterwards is what it held before, or what
//! it holds after, and the next pass gets through.

use std::collections::BTreeSet;

use super::*;
use crate::fs::{Failure, Operation};

/// Six segments that become two, with an aborted transaction and tombstones in them.
fn filled() -> LogContext {
    let mut context = LogContext::new(config());
    let log = context.log();
    for round in 0..6 {
        let value = format!("{round}{}", "x".repeat(30));
        let keys = ["a", "b", "c"].map(|key| (key, Some(value.as_str())));
        append(log, &Batch::of(&keys).build(), AppendOrigin::Client).unwrap();
        let transaction = Batch { producer: Some((1, 0, round)), transactional: true, ..Batch::of(&[("t", None)]) };
        append(log, &transaction.build(), AppendOrigin::Client).unwrap();
        end_transaction(log, (1, 0), round % 3 == 0).unwrap();
        seal(log);
    }
    assert_eq!(log.segments(), 7);
    context
}

/// What readers of both kinds get.
fn contents(log: &Log) -> [BTreeSet<Seen>; 2] {
    [false, true].map(|committed| read(log, committed).into_iter().collect())
}

fn reopen(context: &mut LogContext, cut_power: bool) {
    let (durable_end, log_start) = (context.log().durable_end(), context.log().log_start());
    context.kill();
    (context.options.recovery_point, context.options.log_start) = (durable_end, log_start);
    if cut_power {
        context.fs.cut_power().unwrap();
    }
    context.open().unwrap();
}

struct Expected {
    before: [BTreeSet<Seen>; 2],
    after: [BTreeSet<Seen>; 2],
    end: Offset,
}

impl Expected {
    fn new() -> Self {
        let mut context = filled();
        let before = contents(context.log());
        compact_all(&mut context, 0);
        let log = context.log();
        assert_eq!(log.segments(), 3);
        Self { before, after: contents(log), end: log.log_end() }
    }

    /// The log holds all that compaction leaves, and nothing that was not there.
    fn check(&self, log: &Log, when: &str) {
        let found = contents(log);
        for ((found, before), after) in found.iter().zip(&self.before).zip(&self.after) {
            assert!(found.is_subset(before) && found.is_superset(after), "{when}: {found:?}");
        }
        assert_eq!((log.log_start(), log.log_end()), (Offset(0), self.end), "{when}");
    }

    /// The next pass gets through, and the log is as if nothing had happened.
    fn check_next_pass(&self, context: &mut LogContext, when: &str) {
        compact_all(context, 0);
        assert_eq!(contents(context.log()), self.after, "{when}");
        for clean in [true, false] {
            if clean {
                context.close();
                context.open().unwrap();
            } else {
                reopen(context, true);
            }
            assert_eq!(contents(context.log()), self.after, "{when}, opened again");
            // The next pass may join what an interrupted one has left small.
            assert!((2..=3).contains(&context.log().segments()), "{when}");
        }
        let names = std::fs::read_dir(&context.options.directory).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let left = |name: &&String| [".cleaned", ".swap", ".deleted"].iter().any(|ending| name.ends_with(ending));
        assert_eq!(names.iter().find(left), None, "{when}");
    }
}

#[test]
fn a_pass_that_dies_at_any_call_leaves_the_log_as_it_was_or_as_it_will_be() {
    let expected = Expected::new();
    for cut_power in [false, true] {
        let mut died = 0;
        for number in 0.. {
            let mut context = filled();
            context.fs.fail_call(number, Failure::Dead);
            let run = compact(&mut context, 0, room_for(100)).unwrap();
            let failed = context.fs.failed();
            context.fs.heal();
            let Some((operation, path)) = failed else {
                run.unwrap();
                break;
            };
            died += 1;
            let when = format!("call {number}, {operation} {}, power cut: {cut_power}", path.display());
            reopen(&mut context, cut_power);
            expected.check(context.log(), &when);
            expected.check_next_pass(&mut context, &when);
        }
        println!("compaction: died at each of {died} calls to the disk, with a power cut: {cut_power}; 0 records lost");
        assert!(died > 50);
    }
}

#[test]
fn a_pass_in_which_any_one_call_fails_leaves_a_log_that_serves_or_is_offline() {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    let expected = Expected::new();
    let (mut offline, mut tried) = (0, 0);
    for failure in [Failure::Error(EIO), Failure::Error(ENOSPC), Failure::Short, Failure::Torn(ENOSPC)] {
        for number in 0.. {
            let mut context = filled();
            context.fs.fail_call(number, failure);
            let run = compact(&mut context, 0, room_for(100)).unwrap();
            let failed = context.fs.failed();
            context.fs.heal();
            let Some((operation, path)) = failed else {
                run.unwrap();
                break;
            };
            tried += 1;
            let when = format!("call {number}, {operation} {}, {failure:?}: {:?}", path.display(), run.err());
            if context.log().is_offline() {
                offline += 1;
                reopen(&mut context, false);
            }
            expected.check(context.log(), &when);
            expected.check_next_pass(&mut context, &when);
        }
    }
    println!(
        "compaction: {tried} single failures of the disk, the log offline after {offline} of them; 0 records lost"
    );
    assert!(offline > 0, "a failed rename leaves names that nobody knows");
}

#[test]
fn a_swap_of_which_the_disk_kept_some_names_only_does_not_count() {
    let expected = Expected::new();
    for lost in ["index", "timeindex", "txnindex", "log"] {
        let mut context = filled();
        let number = (0..).find(|number| {
            context = filled();
            context.fs.fail_call(*number, Failure::Dead);
            compact(&mut context, 0, room_for(100)).unwrap().unwrap_err();
            let (operation, path) = context.fs.failed().unwrap();
            context.fs.heal();
            operation == Operation::Sync && path == context.options.directory
        });
        let name = |ending| context.path(&format!("{:020}.{lost}.{ending}", 0));
        std::fs::rename(name("swap"), name("cleaned")).unwrap();
        reopen(&mut context, false);
        assert_eq!(contents(context.log()), expected.before, "died at {number:?}, {lost}");
        expected.check_next_pass(&mut context, lost);
    }
}

#[test]
fn a_log_that_is_cut_while_a_swap_is_under_way_stays_cut_after_a_crash() {
    let mut context = filled();
    let log = context.log();
    let cleanable = log.cleanable(log.log_end(), Timestamp(0)).unwrap();
    let ticket = log.prepare_compaction(cleanable).unwrap();
    /// Cuts the log where a swap has begun: at the second time that the pass takes its lock.
    struct Cutting<'a> {
        inner: TestCompactor<'a>,
        locks: u32,
    }
    impl Compactor for Cutting<'_> {
        fn with_log<T>(&mut self, change: impl FnOnce(&mut Log) -> T) -> T {
            self.locks += 1;
            if self.locks == 2 {
                let log = self.inner.context.log();
                log.truncate_to(Offset(2), Timestamp(0), |_| Ok(())).unwrap();
                log.flush().unwrap();
                // A crash here must find nothing that could bring back what was cut off.
                let names = std::fs::read_dir(&self.inner.context.options.directory).unwrap();
                assert!(
                    names.map(|entry| entry.unwrap().path()).all(|path| !path.to_string_lossy().ends_with(".swap"))
                );
            }
            self.inner.with_log(change)
        }

        fn go_on(&mut self, bytes: u64) -> bool {
            self.inner.go_on(bytes)
        }

        fn discard(&mut self, replaced: Doomed) {
            self.inner.discard(replaced);
        }
    }
    let inner = TestCompactor { context: &mut context, doomed: Vec::new(), patience: u32::MAX, bytes: 0 };
    let mut cutting = Cutting { inner, locks: 0 };
    let error = ticket.run(&room_for(100), &mut cutting).unwrap_err();
    assert!(matches!(error, CompactionError::Overtaken), "{error}");
    let end = context.log().log_end();
    assert!(end <= Offset(2));
    reopen(&mut context, false);
    assert_eq!(context.log().log_end(), end);
}

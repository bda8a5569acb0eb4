//! What is promised, and whose promise is believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_log::fs::{Disk, RealFs};
use barnabas_log::identity::{self, KEPT_EPOCH, KeptEpoch};
use barnabas_types::{BrokerId, Uuid};
use tempfile::TempDir;

use super::super::{LogDirectories, format};
use super::RELEASE;

const NODE: BrokerId = BrokerId(1);

fn disk() -> Disk {
    Disk::new(Arc::new(RealFs), 64)
}

/// Two formatted directories.
struct Promises {
    _root: TempDir,
    paths: Vec<PathBuf>,
}

impl Promises {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let paths: Vec<PathBuf> = ["a", "b"].map(|name| root.path().join(name)).into();
        paths.iter().zip(1..).for_each(|(path, id)| format_as(path, id));
        Self { _root: root, paths }
    }

    fn open(&self) -> LogDirectories {
        LogDirectories::open(Arc::new(disk()), &self.paths, NODE, || Uuid::from_u128(99)).unwrap()
    }

    fn said(&self) -> Vec<Option<i64>> {
        let read = |path: &PathBuf| KeptEpoch::read(&RealFs, path).unwrap().map(|promise| promise.broker_epoch);
        self.paths.iter().map(read).collect()
    }
}

fn format_as(path: &Path, id: u128) {
    format(&disk(), path, "4L6g3nShT-eMCtK--X86sw", Some(NODE), Uuid::from_u128(id)).unwrap();
}

#[test]
fn what_was_promised_is_believed_after_a_kill_until_something_else_is() {
    let promises = Promises::new();
    assert_eq!(promises.open().kept_broker_epoch(), None, "nobody has promised anything");
    promises.open().promise_to_keep(40).unwrap();
    for _ in 0..2 {
        assert_eq!(
            promises.open().kept_broker_epoch(),
            Some(40),
            "a process that ends before it registers changes nothing"
        );
    }
    promises.open().promise_to_keep(50).unwrap();
    assert_eq!(promises.open().kept_broker_epoch(), Some(50));
    // A clean stop says it too, and is a promise of its own.
    promises.paths.iter().for_each(|path| identity::write_clean_shutdown(&RealFs, path, 60).unwrap());
    assert_eq!(promises.open().kept_broker_epoch(), Some(60));
}

#[test]
fn a_promise_that_was_taken_back_is_gone_for_the_life_of_the_process() {
    let promises = Promises::new();
    let directories = promises.open();
    directories.promise_to_keep(40).unwrap();
    directories.take_promise_back().unwrap();
    assert_eq!(promises.said(), [None, None], "it is gone from the disk before anything is hosted otherwise");
    directories.promise_to_keep(50).unwrap();
    assert_eq!(promises.said(), [None, None]);
    drop(directories);
    assert_eq!(promises.open().kept_broker_epoch(), None);
    // What it says is of the time before: who has taken it back may still register with it.
    promises.open().promise_to_keep(60).unwrap();
    let directories = promises.open();
    directories.take_promise_back().unwrap();
    assert_eq!(directories.kept_broker_epoch(), Some(60));
}

#[test]
fn a_promise_is_believed_only_of_the_same_release_with_the_same_directories() {
    let promises = Promises::new();
    let promise =
        |epoch, release, ids: &[u128]| KeptEpoch::new(epoch, release, ids.iter().map(|&id| Uuid::from_u128(id)));
    let write = |directory: usize, promise: &KeptEpoch| promise.write(&RealFs, &promises.paths[directory]).unwrap();
    let believed = || promises.open().kept_broker_epoch();
    for (first, second, epoch) in [
        (promise(7, RELEASE, &[2, 1]), promise(7, RELEASE, &[1, 2]), Some(7)),
        (promise(7, RELEASE, &[1, 2]), promise(8, RELEASE, &[1, 2]), None),
        (promise(7, "0.0.0-other", &[1, 2]), promise(7, "0.0.0-other", &[1, 2]), None),
        (promise(7, RELEASE, &[1]), promise(7, RELEASE, &[1]), None),
        (promise(7, RELEASE, &[1, 2, 3]), promise(7, RELEASE, &[1, 2, 3]), None),
        (promise(-1, RELEASE, &[1, 2]), promise(-1, RELEASE, &[1, 2]), None),
    ] {
        write(0, &first);
        write(1, &second);
        assert_eq!(believed(), epoch, "{first:?} and {second:?}");
    }
    write(0, &promise(7, RELEASE, &[1, 2]));
    KeptEpoch::remove(&RealFs, &promises.paths[1]).unwrap();
    assert_eq!(believed(), None, "one directory says nothing");
    for text in ["", "{", "{\"version\":1,\"brokerEpoch\":7,\"release\":\"x\",\"directories\":[]}"] {
        std::fs::write(promises.paths[1].join(KEPT_EPOCH), text).unwrap();
        assert_eq!(believed(), None, "{text:?}");
    }
}

#[test]
fn a_directory_that_is_empty_new_or_gone_breaks_the_promise_of_the_others() {
    let promises = Promises::new();
    promises.open().promise_to_keep(40).unwrap();
    // Its disk was replaced, and it is formatted with the id that it had.
    std::fs::remove_dir_all(&promises.paths[1]).unwrap();
    format_as(&promises.paths[1], 2);
    assert_eq!(promises.open().kept_broker_epoch(), None);
    promises.open().promise_to_keep(50).unwrap();
    let alone = Promises { _root: TempDir::new().unwrap(), paths: vec![promises.paths[0].clone()] };
    assert_eq!(alone.open().kept_broker_epoch(), None, "one is not in log.dirs any more");
}

#[test]
fn nothing_is_promised_where_something_was_lost() {
    use std::sync::atomic::Ordering;
    let promises = Promises::new();
    let flags: [fn(&LogDirectories); 3] = [
        |directories| directories.all()[1].has_lost.store(true, Ordering::Relaxed),
        |directories| directories.all()[0].has_unopened.store(true, Ordering::Relaxed),
        |directories| directories.all()[1].condition.fail(&std::io::Error::other("the disk is gone")),
    ];
    for flag in flags {
        let directories = promises.open();
        assert!(directories.have_kept_all());
        flag(&directories);
        assert!(!directories.have_kept_all());
        directories.promise_to_keep(40).unwrap();
        assert_eq!(promises.said(), [None, None]);
    }
}

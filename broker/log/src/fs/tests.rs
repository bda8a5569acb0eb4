//! The real file system and its faulty twin.

use std::io::IoSlice;
use std::sync::Arc;

use super::*;

const ENOSPC: i32 = 28;

#[test]
fn a_short_write_is_completed_by_write_all() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let file = fs.open(&dir.path().join("a"), OpenMode::Create).unwrap();
    fs.inject(Fault { operation: Operation::Write, path_contains: "a", after: 0, error_number: None, times: 2 });
    write_all_at(&*file, &mut [IoSlice::new(b""), IoSlice::new(b"ab"), IoSlice::new(b"cdef")], 3).unwrap();
    let mut read = [9; 9];
    read_exact_at(&*file, &mut read, 0).unwrap();
    assert_eq!(&read, b"\0\0\0abcdef");
    assert_eq!(fs.count(Operation::Write), 3);
}

#[test]
fn an_error_names_operation_path_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let path = dir.path().join("full");
    let file = fs.open(&path, OpenMode::Create).unwrap();
    fs.inject(Fault::always(Operation::Write, "full", ENOSPC));
    let error = write_all_at(&*file, &mut [IoSlice::new(b"x")], 0).unwrap_err();
    assert!(error.is_out_of_space());
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot write {}", path.display())), "{text}");
    assert!(text.ends_with("free space on this volume or enlarge it"), "{text}");
}

#[test]
fn a_listing_tells_files_with_their_lengths_from_directories() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("b"), "four").unwrap();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    let listed = RealFs.list(dir.path()).unwrap();
    let seen: Vec<_> = listed.iter().map(|entry| (entry.name.as_str(), entry.is_directory, entry.length)).collect();
    assert_eq!(seen, [("a", true, 0), ("b", false, 4)]);
    assert!(listed[1].modified > Timestamp(0) && listed[0].modified == Timestamp::NONE);
}

#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let path = dir.path().join("log");
    let file = fs.open(&path, OpenMode::Create).unwrap();
    write_all_at(&*file, &mut [IoSlice::new(b"kept")], 0).unwrap();
    file.sync().unwrap();
    write_all_at(&*file, &mut [IoSlice::new(b"lost")], 4).unwrap();
    fs.cut_power().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"kept");
}

#[test]
fn a_replaced_file_holds_the_old_or_the_new_contents_whatever_fails() {
    for operation in [Operation::Open, Operation::Write, Operation::Sync, Operation::Rename] {
        let dir = tempfile::tempdir().unwrap();
        let fs = FaultyFs::default();
        let path = dir.path().join("checkpoint");
        replace(&fs, &path, b"old").unwrap();
        fs.inject(Fault::always(operation, "checkpoint.tmp", 5));
        replace(&fs, &path, b"new").unwrap_err();
        fs.cut_power().unwrap();
        assert_eq!(read_bounded(&RealFs, &path, 100).unwrap().unwrap(), b"old", "{operation}");
    }
}

#[test]
fn reading_whole_files_is_bounded_and_absence_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big");
    assert_eq!(read_bounded(&RealFs, &path, 3).unwrap(), None);
    std::fs::write(&path, b"1234").unwrap();
    assert!(read_bounded(&RealFs, &path, 3).is_err());
    assert_eq!(read_bounded(&RealFs, &path, 4).unwrap().unwrap(), b"1234");
}

#[test]
fn the_disk_keeps_no_more_files_open_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(Arc::new(RealFs), 8);
    for number in 0..40 {
        let path = dir.path().join(number.to_string());
        std::fs::write(&path, number.to_string()).unwrap();
        let file = disk.reader(number, ".log", &path).unwrap();
        assert_eq!(file.length().unwrap(), number.to_string().len() as u64);
        assert!(disk.open_files() <= 8);
    }
    let opened_before = disk.open_files();
    disk.reader(39, ".log", &dir.path().join("39")).unwrap();
    assert_eq!(disk.open_files(), opened_before);
    disk.forget(39);
    assert_eq!(disk.open_files(), opened_before - 1);
}

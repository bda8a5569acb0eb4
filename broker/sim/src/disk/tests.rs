//! What the virtual disk keeps and loses.

use super::*;
use barnabas_log::fs::{read_bounded, replace};

const DIRECTORY: &str = "/data/log";

fn disk() -> VirtualDisk {
    let disk = VirtualDisk::default();
    disk.create_directory(Path::new(DIRECTORY)).unwrap();
    disk
}

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn put(disk: &VirtualDisk, name: &str, position: u64, bytes: &[u8]) -> Arc<dyn File> {
    let file = disk.open(&path(name), OpenMode::Create).unwrap();
    assert_eq!(file.write_at(&[IoSlice::new(bytes)], position).unwrap(), bytes.len());
    file
}

fn contents(disk: &VirtualDisk, name: &str) -> Option<Vec<u8>> {
    read_bounded(disk, &path(name), 1 << 20).unwrap()
}

/// What many power cuts leave of a file after `act`, each on a disk of its own.
fn left_by_power_cuts(name: &str, act: impl Fn(&VirtualDisk)) -> std::collections::BTreeSet<Option<Vec<u8>>> {
    let mut random = Random::new(11);
    let cut = |_| {
        let disk = disk();
        act(&disk);
        disk.cut_power(&mut random);
        contents(&disk, name)
    };
    (0..300).map(cut).collect()
}

#[test]
fn a_power_cut_never_takes_what_was_synced_and_may_take_what_was_not() {
    let left = left_by_power_cuts("a", |disk| {
        put(disk, "a", 0, b"kept").sync().unwrap();
        put(disk, "a", 4, b"1");
        put(disk, "a", 5, b"2");
    });
    let expected = [&b"kept"[..], b"kept1", b"kept12", b"kept\x002"].map(|bytes| Some(bytes.to_vec()));
    assert_eq!(left, expected.into());
}

#[test]
fn a_write_after_a_cut_of_the_file_does_not_survive_without_the_cut() {
    let left = left_by_power_cuts("a", |disk| {
        let file = put(disk, "a", 0, b"12345");
        file.sync().unwrap();
        file.set_length(2).unwrap();
        put(disk, "a", 2, b"x");
    });
    assert_eq!(left, [&b"12345"[..], b"12", b"12x"].map(|bytes| Some(bytes.to_vec())).into());
}

#[test]
fn a_name_is_durable_with_its_file_or_its_directory_and_a_rename_with_its_directory_only() {
    let unsynced = left_by_power_cuts("a", |disk| drop(put(disk, "a", 0, b"")));
    assert_eq!(unsynced, [None, Some(Vec::new())].into());
    let synced = left_by_power_cuts("a", |disk| {
        drop(put(disk, "a", 0, b""));
        disk.sync_directory(Path::new(DIRECTORY)).unwrap();
    });
    assert_eq!(synced, [Some(Vec::new())].into());
    let renamed = left_by_power_cuts("b", |disk| {
        put(disk, "a", 0, b"new").sync().unwrap();
        disk.rename(&path("a"), &path("b")).unwrap();
    });
    assert_eq!(renamed, [None, Some(b"new".to_vec())].into());
    let removed = left_by_power_cuts("a", |disk| {
        put(disk, "a", 0, b"old").sync().unwrap();
        disk.remove_file(&path("a")).unwrap();
        put(disk, "a", 0, b"new").sync().unwrap();
    });
    assert_eq!(removed, [Some(b"new".to_vec())].into());
}

#[test]
fn a_file_that_is_replaced_is_the_old_one_or_the_new_one_after_any_death() {
    let mut random = Random::new(5);
    let mut seen = std::collections::BTreeSet::new();
    for calls in 0..12 {
        for _ in 0..20 {
            let disk = disk();
            replace(&disk, &path("state"), b"old").unwrap();
            disk.die_after(calls);
            let replaced = replace(&disk, &path("state"), b"new").is_ok();
            assert_eq!(replaced, !disk.is_dead());
            disk.revive();
            disk.cut_power(&mut random);
            let left = contents(&disk, "state").unwrap();
            assert!(!replaced || left == b"new");
            assert!(left == b"new" || left == b"old", "{left:?}");
            seen.insert(left);
        }
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_failed_sync_leaves_bytes_that_are_read_until_they_are_forgotten_and_never_kept() {
    let disk = disk();
    let file = put(&disk, "a", 0, b"1");
    file.sync().unwrap();
    put(&disk, "a", 1, b"2");
    disk.fail_syncs(1);
    assert!(file.sync().is_err());
    assert_eq!(contents(&disk, "a").unwrap(), b"12");
    file.sync().unwrap();
    let handle = Arc::clone(file.handle());
    file.forget_cached(0, None);
    assert_eq!(contents(&disk, "a").unwrap(), b"1");
    assert_eq!(handle.metadata().unwrap().len(), 1);
}

#[test]
fn the_handle_shows_what_the_file_holds_before_and_after_it_was_asked_for() {
    use std::os::unix::fs::FileExt;
    let disk = disk();
    let file = put(&disk, "a", 0, b"12345");
    let handle = Arc::clone(file.handle());
    file.set_length(3).unwrap();
    put(&disk, "a", 2, b"xyz");
    let mut read = [0; 5];
    handle.read_exact_at(&mut read, 0).unwrap();
    assert_eq!(&read, b"12xyz");
}

#[test]
fn a_full_disk_takes_no_growth_and_slow_syncs_are_counted() {
    let disk = disk();
    let file = put(&disk, "a", 0, b"12");
    disk.set_full(true);
    disk.set_sync_micros(700);
    assert!(file.allocate(10).unwrap_err().is_out_of_space());
    assert!(file.write_at(&[IoSlice::new(b"xx")], 0).is_ok());
    assert!(file.write_at(&[IoSlice::new(b"xx")], 1).unwrap_err().is_out_of_space());
    file.sync().unwrap();
    assert_eq!((disk.take_busy_micros(), disk.take_busy_micros()), (700, 0));
}

#[test]
fn a_listing_shows_the_names_of_one_directory_only() {
    let disk = disk();
    disk.create_directory(&path("inner")).unwrap();
    put(&disk, "b", 0, b"1");
    put(&disk, "a", 0, b"");
    disk.open(&path("inner").join("c"), OpenMode::Create).unwrap();
    let names: Vec<_> = disk.list(Path::new(DIRECTORY)).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a", "b", "inner"]);
    assert!(disk.list(Path::new("/none")).unwrap_err().is_not_found());
}

#[test]
fn a_flipped_bit_is_read_and_outlives_a_power_cut() {
    let disk = VirtualDisk::default();
    let path = Path::new("/d/f");
    disk.create_directory(Path::new("/d")).unwrap();
    let file = disk.open(path, OpenMode::Create).unwrap();
    file.write_at(&[IoSlice::new(&[1, 2, 3])], 0).unwrap();
    file.sync().unwrap();
    disk.flip(path, 1, 2);
    assert_eq!(disk.peek(path, <[u8]>::to_vec), Some(vec![1, 6, 3]));
    disk.cut_power(&mut Random::new(1));
    assert_eq!(disk.peek(path, <[u8]>::to_vec), Some(vec![1, 6, 3]));
}

#[test]
fn below_a_failing_directory_nothing_is_written_or_synced_and_what_was_synced_is_read() {
    let disk = disk();
    let file = put(&disk, "a", 0, b"12");
    file.sync().unwrap();
    disk.set_failing(Path::new(DIRECTORY));
    assert!(file.write_at(&[IoSlice::new(b"xx")], 0).is_err());
    assert!(file.sync().is_err());
    assert!(disk.open(&path("new"), OpenMode::Create).is_err());
    assert_eq!(contents(&disk, "a").unwrap(), b"12");
    disk.create_directory(Path::new("/data/other")).unwrap();
    disk.open(Path::new("/data/other/b"), OpenMode::Create).unwrap().sync().unwrap();
    disk.heal();
    file.sync().unwrap();
}

#[test]
fn a_directory_that_is_lost_is_empty_and_the_others_are_as_they_were() {
    let disk = disk();
    put(&disk, "a", 0, b"12").sync().unwrap();
    disk.create_directory(&path("inner")).unwrap();
    disk.create_directory(Path::new("/data/other")).unwrap();
    disk.open(Path::new("/data/other/b"), OpenMode::Create).unwrap().sync().unwrap();
    disk.lose(Path::new(DIRECTORY));
    disk.cut_power(&mut Random::new(1));
    assert_eq!(disk.list(Path::new(DIRECTORY)).unwrap().len(), 0);
    assert_eq!(disk.list(Path::new("/data/other")).unwrap().len(), 1);
}

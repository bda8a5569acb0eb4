//! Opening after a clean stop, after a kill, and after damage.

use std::collections::BTreeMap;
use std::path::Path;

use barnabas_types::{LeaderEpoch, Offset, ProducerId, Timestamp};

use crate::testing::{LogContext, Random, TestBatch, small_segments};
use crate::{Log, LogConfig, OpenError, Recovery};

/// Copies of a directory's files, to try many damages on one log.
pub(super) type Image = BTreeMap<String, Vec<u8>>;

pub(super) fn image(directory: &Path) -> Image {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    std::fs::read_dir(directory).unwrap().map(read).collect()
}

pub(super) fn restore(directory: &Path, image: &Image) {
    std::fs::remove_dir_all(directory).unwrap();
    std::fs::create_dir(directory).unwrap();
    for (name, contents) in image {
        std::fs::write(directory.join(name), contents).unwrap();
    }
}

fn log_name(offset: i64) -> String {
    format!("{offset:020}.log")
}

#[test]
fn a_log_that_was_never_written_needs_no_recovery_and_no_close() {
    let mut context = LogContext::small();
    let made = image(&context.options.directory);
    context.kill();
    assert_eq!(context.open().unwrap(), Recovery::default());
    context.close();
    assert_eq!(image(&context.options.directory), made);
    // An index that says otherwise is not believed.
    std::fs::write(context.path(&format!("{:020}.index", 0)), [0, 0, 0, 4, 0, 0, 0, 90]).unwrap();
    context.kill();
    assert_eq!(context.open().unwrap().scanned_segments, 1);
    assert_eq!(image(&context.options.directory), made);
    context.fill(10);
    context.assert_holds(0, 10);
}

#[test]
fn a_log_that_nobody_wrote_to_opens_with_one_look_at_its_directory() {
    use crate::fs::Operation;

    let mut context = LogContext::small();
    context.close();
    let operations = [Operation::List, Operation::Open, Operation::Read, Operation::Stat, Operation::Sync];
    let before = operations.map(|operation| context.fs.count(operation));
    context.open().unwrap();
    let after = operations.map(|operation| context.fs.count(operation));
    assert_eq!(std::array::from_fn(|index| after[index] - before[index]), [1, 0, 0, 0, 0]);
}

#[test]
fn what_was_read_anew_is_durable_once_it_was_synced_and_not_before() {
    let mut context = LogContext::small();
    context.fill(40);
    context.options.recovery_point = context.log().flush().unwrap();
    context.fill(40);
    context.kill();
    assert!(context.open_by(Log::open_unsynced).unwrap().scanned_segments > 0);
    let log = context.log();
    assert_eq!((log.durable_end(), log.log_end(), log.is_unsynced()), (Offset(40), Offset(80), true));
    assert_eq!(log.flush().unwrap(), Offset(80));
    assert!(!log.is_unsynced());
    context.close();
    assert_eq!(context.open_by(Log::open_unsynced).unwrap(), Recovery::default());
    assert_eq!(context.log().durable_end(), Offset(80));
}

#[test]
fn a_log_that_is_closed_as_it_was_opened_stays_as_it_is() {
    let mut context = LogContext::small();
    context.fill(40);
    context.close();
    let closed = image(&context.options.directory);
    context.open().unwrap();
    context.close();
    assert_eq!(image(&context.options.directory), closed);
    context.open().unwrap();
    context.fill(1);
    context.close();
    assert_ne!(image(&context.options.directory), closed);
    context.open().unwrap();
    context.assert_holds(0, 41);
}

/// A log in one large segment that is synced after every batch, its file's name and the bytes of its batches.
fn synced_often() -> (LogContext, std::path::PathBuf, u64) {
    let mut context = LogContext::new(LogConfig::default());
    for count in [395, 1, 1, 1, 1, 1] {
        context.fill(count);
        context.log().flush().unwrap();
    }
    let (path, size) = (context.path(&log_name(0)), context.log().size());
    assert!(std::fs::metadata(&path).unwrap().len() > size, "nothing was written ahead");
    (context, path, size)
}

#[test]
fn zeros_written_ahead_of_small_syncs_are_no_part_of_the_log() {
    let (mut context, path, size) = synced_often();
    context.kill();
    let recovery = context.open().unwrap();
    assert_eq!((recovery.scanned_segments, recovery.cut_bytes), (1, 0));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
    context.assert_holds(0, 400);
    context.fill(5);
    context.assert_holds(0, 405);
}

#[test]
fn closing_and_rolling_cut_off_the_zeros_written_ahead() {
    let (mut context, path, size) = synced_often();
    context.log().roll(Timestamp(1_000_000)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
    let (mut context, path, size) = synced_often();
    context.close();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
    assert_eq!(context.open().unwrap(), Recovery::default());
    context.assert_holds(0, 400);
}

#[test]
fn a_torn_batch_in_front_of_the_zeros_is_cut_off_with_them() {
    let (mut context, path, size) = synced_often();
    context.kill();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 30], size).unwrap();
    assert!(context.open().unwrap().cut_bytes > 30);
    context.assert_holds(0, 400);
}

#[test]
fn a_closed_log_opens_without_a_scan_and_holds_the_same() {
    let mut context = LogContext::small();
    context.fill(40);
    context.append(&TestBatch { producer: Some((7, 2, 0)), epoch: 5, ..TestBatch::default() }).unwrap();
    context.close();
    let recovery = context.open().unwrap();
    assert_eq!(recovery, Recovery::default());
    context.assert_holds(0, 41);
    assert_eq!(context.log().durable_end(), Offset(41));
    assert_eq!(context.log().leader_epochs().latest().unwrap().epoch, LeaderEpoch(5));
    let again = context.append(&TestBatch { producer: Some((7, 2, 0)), epoch: 5, ..TestBatch::default() }).unwrap();
    assert!(again.duplicate);
    context.fill(10);
    context.assert_holds(0, 51);
}

#[test]
fn a_killed_process_loses_nothing_that_it_wrote() {
    let mut context = LogContext::small();
    context.fill(33);
    context.append(&TestBatch { producer: Some((7, 2, 0)), epoch: 9, ..TestBatch::default() }).unwrap();
    context.kill();
    let recovery = context.open().unwrap();
    assert!(recovery.scanned_segments > 1);
    assert_eq!((recovery.cut_bytes, recovery.missing_records), (0, 0));
    context.assert_holds(0, 34);
    assert!(context.log().producers().producer(ProducerId(7)).is_some());
    assert_eq!(context.log().leader_epochs().epoch_of(Offset(33)), Some(LeaderEpoch(9)));
    context.fill(3);
    context.assert_holds(0, 37);
}

#[test]
fn only_segments_past_the_recovery_point_are_scanned() {
    let mut context = LogContext::small();
    context.fill(100);
    let bases: Vec<Offset> = context.log().segment_base_offsets().collect();
    context.log().flush().unwrap();
    context.options.recovery_point = Offset(100);
    context.kill();
    assert_eq!(context.open().unwrap().scanned_segments, 1);
    context.options.recovery_point = bases[bases.len() - 3];
    context.kill();
    assert_eq!(context.open().unwrap().scanned_segments, 3);
    context.assert_holds(0, 100);
}

#[test]
fn a_log_cut_at_any_byte_of_its_last_batches_keeps_every_whole_batch() {
    let mut context = LogContext::new(LogConfig { segment_bytes: 100_000, ..small_segments() });
    context.fill(5);
    context.kill();
    let whole = image(&context.options.directory);
    let bytes = whole[&log_name(0)].clone();
    let sizes: Vec<usize> = barnabas_records::batches(&bytes).map(|batch| batch.unwrap().bytes().len()).collect();
    let third = sizes[..3].iter().sum::<usize>();
    for length in third..=bytes.len() {
        let mut cut = whole.clone();
        cut.insert(log_name(0), bytes[..length].to_vec());
        restore(&context.options.directory, &cut);
        let recovery = context.open().unwrap();
        let mut kept = 0;
        let mut end = 0;
        for size in &sizes {
            if end + size <= length {
                end += size;
                kept += 1;
            }
        }
        assert_eq!(recovery.cut_bytes, (length - end) as u64);
        context.assert_holds(0, kept);
        assert_eq!(std::fs::metadata(context.path(&log_name(0))).unwrap().len(), end as u64);
        context.fill(1);
        context.assert_holds(0, kept + 1);
        context.kill();
    }
}

#[test]
fn a_tail_of_zeros_or_noise_is_cut_off() {
    let noise = (0..=255).cycle().take(500).collect::<Vec<u8>>();
    for (tail, cut_bytes) in [(vec![0; 500], 0), (vec![0xff; 500], 500), (noise, 500)] {
        let mut context = LogContext::small();
        context.fill(5);
        context.kill();
        let path = context.path(&log_name(0));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(&tail);
        std::fs::write(&path, bytes).unwrap();
        let size = std::fs::metadata(&path).unwrap().len() - 500;
        assert_eq!(context.open().unwrap().cut_bytes, cut_bytes);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
        context.assert_holds(0, 5);
    }
}

#[test]
fn segments_after_zeros_that_a_roll_had_cut_off_stay() {
    let (mut context, path, size) = synced_often();
    context.log().roll(Timestamp(1_000_000)).unwrap();
    context.fill(5);
    context.kill();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(size + 4096).unwrap();
    assert_eq!(context.open().unwrap().cut_bytes, 0);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
    context.assert_holds(0, 405);
}

#[test]
fn segments_after_a_torn_one_are_removed() {
    let mut context = LogContext::small();
    context.fill(60);
    let bases: Vec<i64> = context.log().segment_base_offsets().map(|offset| offset.0).collect();
    context.kill();
    let path = context.path(&log_name(bases[1]));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    context.open().unwrap();
    assert_eq!(context.log().segments(), 2);
    context.assert_holds(0, bases[2] - 1);
    assert!(!context.path(&log_name(bases[2])).exists());
}

#[test]
fn a_segment_that_lost_whole_batches_at_its_end_leaves_no_gap() {
    let mut context = LogContext::small();
    context.fill(60);
    let bases: Vec<i64> = context.log().segment_base_offsets().map(|offset| offset.0).collect();
    context.kill();
    let path = context.path(&log_name(bases[1]));
    let bytes = std::fs::read(&path).unwrap();
    let first = barnabas_records::batches(&bytes).next().unwrap().unwrap().bytes().len();
    std::fs::write(&path, &bytes[..first]).unwrap();
    context.open().unwrap();
    context.assert_holds(0, bases[1] + 1);
}

#[test]
fn indexes_cut_at_any_byte_or_gone_change_no_answer() {
    let mut context = LogContext::small();
    context.fill(30);
    context.close();
    let whole = image(&context.options.directory);
    for suffix in [".index", ".timeindex"] {
        let names: Vec<String> = whole.keys().filter(|name| name.ends_with(suffix)).cloned().collect();
        for name in names {
            for length in 0..whole[&name].len() {
                let mut cut = whole.clone();
                cut.insert(name.clone(), whole[&name][..length].to_vec());
                restore(&context.options.directory, &cut);
                context.open().unwrap();
                context.assert_holds(0, 30);
            }
            let mut gone = whole.clone();
            gone.remove(&name);
            restore(&context.options.directory, &gone);
            context.open().unwrap();
            context.assert_holds(0, 30);
            context.close();
        }
    }
}

#[test]
fn indexes_full_of_noise_change_no_answer() {
    let mut random = Random::new();
    let mut context = LogContext::small();
    context.fill(30);
    context.close();
    let whole = image(&context.options.directory);
    for _ in 0..200 {
        let mut damaged = whole.clone();
        for (_, contents) in damaged.iter_mut().filter(|(name, _)| name.ends_with(".index")) {
            for byte in contents.iter_mut() {
                *byte = if random.below(3) == 0 { random.below(256) as u8 } else { *byte };
            }
        }
        restore(&context.options.directory, &damaged);
        context.open().unwrap();
        context.assert_holds(0, 30);
    }
}

#[test]
fn a_flipped_bit_past_the_recovery_point_cuts_there_and_below_it_refuses_to_open() {
    let mut random = Random::new();
    let mut context = LogContext::new(LogConfig { segment_bytes: 100_000, ..small_segments() });
    context.fill(20);
    context.kill();
    let whole = image(&context.options.directory);
    let bytes = &whole[&log_name(0)];
    for _ in 0..300 {
        let at = random.below(bytes.len() as u64) as usize;
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << random.below(8);
        let mut start = 0;
        let mut broken = 0;
        for batch in barnabas_records::batches(bytes) {
            start += batch.unwrap().bytes().len();
            if start <= at {
                broken += 1;
            }
        }
        // Base offset and leader epoch lie outside the CRC; a base offset that goes on from the one before is taken as it is.
        let uncovered = at - bytes_before(bytes, broken) < 16;
        let mut image = whole.clone();
        image.insert(log_name(0), damaged);
        restore(&context.options.directory, &image);
        context.options.recovery_point = Offset(0);
        context.open().unwrap();
        if !uncovered {
            context.assert_holds(0, broken);
            restore(&context.options.directory, &image);
            context.options.recovery_point = Offset(broken + 1);
            match context.open() {
                Err(OpenError::Damaged { offset, position, .. }) => {
                    assert_eq!(offset, Offset(broken));
                    assert_eq!(position, bytes_before(bytes, broken) as u64);
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(std::fs::read(context.path(&log_name(0))).unwrap(), image[&log_name(0)], "nothing was cut");
        }
    }
}

#[test]
fn a_base_offset_below_the_segment_is_a_torn_tail_where_nothing_was_synced() {
    let mut context = LogContext::small();
    context.fill(3);
    context.kill();
    let path = context.path(&log_name(0));
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes_before(&bytes, 1);
    bytes[second] ^= 0x80;
    std::fs::write(&path, &bytes).unwrap();
    context.options.recovery_point = Offset(0);
    context.open().unwrap();
    context.assert_holds(0, 1);
}

#[test]
fn synced_batches_behind_a_base_offset_that_jumps_ahead_are_no_torn_tail() {
    let mut context = LogContext::new(LogConfig { segment_bytes: 100_000, ..small_segments() });
    context.fill(20);
    context.kill();
    let path = context.path(&log_name(0));
    let mut bytes = std::fs::read(&path).unwrap();
    let tenth = bytes_before(&bytes, 10);
    bytes[tenth + 4] ^= 0x20;
    std::fs::write(&path, &bytes).unwrap();
    context.options.recovery_point = Offset(20);
    for _ in 0..2 {
        assert!(matches!(context.open(), Err(OpenError::Damaged { offset: Offset(11), .. })));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

fn bytes_before(bytes: &[u8], batch: i64) -> usize {
    let sizes = barnabas_records::batches(bytes).map(|batch| batch.unwrap().bytes().len());
    sizes.take(usize::try_from(batch).unwrap()).sum()
}

#[test]
fn a_batch_of_an_older_format_is_not_mistaken_for_a_torn_tail() {
    let mut context = LogContext::small();
    context.kill();
    // Format 1: offset, size, CRC-32, magic, attributes, timestamp, null key, value "x".
    let body =
        [[1, 0].as_slice(), &1000_i64.to_be_bytes(), &(-1_i32).to_be_bytes(), &1_i32.to_be_bytes(), b"x"].concat();
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &body) as u32;
    let size = i32::try_from(body.len() + 4).unwrap();
    let bytes = [0_i64.to_be_bytes().as_slice(), &size.to_be_bytes(), &crc.to_be_bytes(), &body].concat();
    std::fs::write(context.path(&log_name(0)), &bytes).unwrap();
    assert!(matches!(context.open(), Err(OpenError::OldFormat { position: 0, magic: 1, .. })));
    assert_eq!(std::fs::read(context.path(&log_name(0))).unwrap(), bytes);
}

#[test]
fn missing_synced_records_are_reported() {
    let mut context = LogContext::small();
    context.fill(5);
    context.kill();
    context.options.recovery_point = Offset(8);
    assert_eq!(context.open().unwrap().missing_records, 3);
}

#[test]
fn leftovers_of_deletion_and_rewriting_are_removed_and_foreign_files_stay() {
    let mut context = LogContext::small();
    context.fill(3);
    context.kill();
    let gone = [
        "00000000000000000000.log.deleted",
        "00000000000000000007.index",
        "00000000000000000000.log.cleaned",
        "leader-epoch-checkpoint.tmp",
    ];
    let stay = [
        "quorum-state",
        "00000000000000000000-0000000000.checkpoint",
        "00000000000000000000-0000000000.checkpoint.deleted",
    ];
    for name in gone.iter().chain(&stay) {
        std::fs::write(context.path(name), "x").unwrap();
    }
    context.open().unwrap();
    context.assert_holds(0, 3);
    assert!(gone.iter().all(|name| !context.path(name).exists()));
    assert!(stay.iter().all(|name| context.path(name).exists()));
}

#[test]
fn an_interrupted_swap_of_compacted_segments_is_finished() {
    let mut context = LogContext::new(LogConfig { compact: true, ..small_segments() });
    context.fill(60);
    let bases: Vec<i64> = context.log().segment_base_offsets().map(|offset| offset.0).collect();
    context.close();
    // The first three segments were compacted into one that holds the last batch only; one of them is gone already.
    let third = std::fs::read(context.path(&log_name(bases[2]))).unwrap();
    let last = barnabas_records::batches(&third).last().unwrap().unwrap().bytes().to_vec();
    std::fs::write(context.path(&format!("{}.swap", log_name(0))), last).unwrap();
    std::fs::remove_file(context.path(&log_name(bases[1]))).unwrap();
    context.open().unwrap();
    let expected: Vec<(i64, i64)> = (bases[3] - 1..60).map(|offset| (offset, offset)).collect();
    assert_eq!(context.offsets_from(0), expected);
    let left: Vec<i64> = context.log().segment_base_offsets().map(|offset| offset.0).collect();
    assert_eq!(left[..2], [0, bases[3]]);
}

#[test]
fn a_log_whose_segments_were_removed_begins_at_its_start_offset() {
    let mut context = LogContext::small();
    context.fill(3);
    context.kill();
    context.options.log_start = Offset(50);
    context.open().unwrap();
    assert_eq!((context.log().log_start(), context.log().log_end()), (Offset(50), Offset(50)));
    context.fill(2);
    context.assert_holds(50, 52);
}

#[test]
fn each_of_a_producers_last_five_batches_is_known_again_after_a_clean_stop_and_after_a_roll() {
    for roll in [false, true] {
        let mut context = LogContext::small();
        let batch = |sequence| TestBatch { producer: Some((7, 0, sequence)), ..TestBatch::default() };
        for sequence in 0..20 {
            context.append(&batch(sequence)).unwrap();
            context.append(&TestBatch { producer: Some((8, 0, sequence)), ..TestBatch::default() }).unwrap();
        }
        if roll {
            context.log().roll(barnabas_types::Timestamp(0)).unwrap();
            context.kill();
        } else {
            context.close();
        }
        context.open().unwrap();
        for sequence in 15..20 {
            assert!(context.append(&batch(sequence)).unwrap().duplicate, "{sequence}");
        }
        assert!(!context.append(&batch(20)).unwrap().duplicate);
    }
}

#[test]
fn an_empty_segment_that_a_failed_roll_left_behind_does_not_end_the_log() {
    for clean in [false, true] {
        let mut context = LogContext::new(LogConfig { segment_bytes: 100_000, ..small_segments() });
        context.fill(20);
        if clean {
            context.close();
        } else {
            context.kill();
        }
        for suffix in ["log", "index", "timeindex"] {
            std::fs::write(context.path(&format!("{:020}.{suffix}", 10)), "").unwrap();
        }
        context.open().unwrap();
        context.assert_holds(0, 20);
        context.fill(5);
        context.assert_holds(0, 25);
    }
}

//! The log of a replica as its files have it, and the vote it has kept: read from the disk without the code that wrote them, so that what
//! invariants see is what is there. Changes nothing.

use std::path::PathBuf;

use barnabas_raft::ReplicaKey;
use barnabas_records::control::ControlRecord;
use barnabas_records::{BatchView, DecompressLimits, Records};
use barnabas_types::BrokerId;

use crate::chain::Batch;
use crate::disk::VirtualDisk;
use crate::trace::digest_bytes;

/// Where the metadata log directory lies on every virtual disk.
pub const METADATA_LOG_DIR: &str = "/data";

/// A batch, with the voters in it.
pub type Found = (Batch, Option<Vec<ReplicaKey>>);

/// Where the next batch will be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    segment: i64,
    position: usize,
    next: i64,
}

/// The directory of the log.
#[must_use]
pub fn directory() -> PathBuf {
    PathBuf::from(METADATA_LOG_DIR).join(barnabas_server::raft::METADATA_LOG)
}

fn segments(disk: &VirtualDisk) -> Vec<i64> {
    let names = disk.names(&directory());
    let base = |name: &String| name.strip_suffix(".log")?.parse().ok();
    let mut bases: Vec<i64> = names.iter().filter_map(base).collect();
    bases.sort_unstable();
    bases
}

/// The batches from `from` on up to `end`; `cursor` is where the last look ended.
///
/// # Errors
/// The files do not hold them.
pub fn read(disk: &VirtualDisk, cursor: &mut Cursor, from: i64, end: i64) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    if cursor.next != from {
        let segment = segments(disk).into_iter().rev().find(|base| *base <= from).unwrap_or(0);
        *cursor = Cursor { segment, position: 0, next: segment };
    }
    while cursor.next < end {
        let path = directory().join(format!("{:020}.log", cursor.segment));
        let before = cursor.next;
        disk.peek(&path, |bytes| walk(bytes, cursor, from, end, &mut found));
        if cursor.next < end && segments(disk).contains(&cursor.next) && cursor.segment != cursor.next {
            (cursor.segment, cursor.position) = (cursor.next, 0);
        } else if cursor.next < end || cursor.next == before {
            return Err(format!("the files end at {}, the log at {end}", cursor.next));
        }
    }
    Ok(found)
}

fn walk(bytes: &[u8], cursor: &mut Cursor, from: i64, end: i64, found: &mut Vec<Found>) {
    while cursor.next < end
        && let Some(rest) = bytes.get(cursor.position..)
        && let Ok(batch) = BatchView::parse(rest)
        && batch.check_crc().is_ok()
    {
        let header = batch.header();
        let (base, next) = (header.base_offset.0, header.next_offset().0);
        if base >= from {
            let digest = digest_bytes(0, batch.bytes());
            let summary = Batch { base, end: next, epoch: header.partition_leader_epoch.0, digest };
            found.push((summary, voters(&batch)));
        }
        cursor.position += batch.bytes().len();
        cursor.next = next;
    }
}

fn voters(batch: &BatchView<'_>) -> Option<Vec<ReplicaKey>> {
    if !batch.header().attributes.is_control() {
        return None;
    }
    let mut records = Records::new(batch, DecompressLimits::default()).ok()?;
    let mut voters = None;
    while let Ok(Some(record)) = records.next() {
        if let Ok(ControlRecord::Voters(named)) = ControlRecord::decode(&record) {
            let key = |voter: &barnabas_records::control::Voter| ReplicaKey {
                id: voter.id,
                directory_id: voter.directory_id,
            };
            voters = Some(named.iter().map(key).collect());
        }
    }
    voters
}

/// The newest snapshot that the disk holds under its name: where it ends, and the voters in it.
#[must_use]
pub fn newest_snapshot(disk: &VirtualDisk) -> Option<(i64, Option<Vec<ReplicaKey>>)> {
    let names = disk.names(&directory()).into_iter().filter(|name| name.ends_with(".checkpoint"));
    let newest = names.max()?;
    let end = newest.split_once('-')?.0.parse().ok()?;
    let named = disk.peek(&directory().join(&newest), |mut rest| {
        let mut named = None;
        while let Ok(batch) = BatchView::parse(rest) {
            named = voters(&batch).or(named);
            rest = rest.get(batch.bytes().len()..).unwrap_or_default();
        }
        named
    });
    Some((end, named.flatten()))
}

/// Where a batch keeps its leader's epoch, which its checksum does not cover.
const EPOCH: std::ops::Range<usize> = 12..16;

/// Flips one bit of the newest snapshot or of the log that it holds, which `choice` picks among all whose change can be seen. False where there is
/// none. Above the snapshot it would look like a write that a crash has torn, and be cut off.
#[must_use]
pub fn flip(disk: &VirtualDisk, choice: u64) -> bool {
    let Some((end, _)) = newest_snapshot(disk).filter(|(end, _)| *end > 0) else { return false };
    let is_of_it = |name: &String| {
        let base = name.strip_suffix(".log").and_then(|base| base.parse().ok());
        base.is_some_and(|base: i64| base < end) || name.starts_with(&format!("{end:020}-"))
    };
    let mut places = Vec::new();
    for name in disk.names(&directory()).into_iter().filter(is_of_it) {
        let path = directory().join(&name);
        disk.peek(&path, |bytes| {
            let mut position = 0;
            while let Some(rest) = bytes.get(position..)
                && let Ok(batch) = BatchView::parse(rest)
                && (batch.header().next_offset().0 <= end || name.ends_with(".checkpoint"))
            {
                let covered = (0..batch.bytes().len()).filter(|at| !EPOCH.contains(at));
                places.extend(covered.map(|at| (path.clone(), position + at)));
                position += batch.bytes().len();
            }
        });
    }
    let bits = places.len() as u64 * 8;
    let bit = choice.checked_rem(bits).unwrap_or(0);
    let Some((path, position)) = places.get(usize::try_from(bit / 8).unwrap_or(0)) else { return false };
    disk.flip(path, *position, (bit % 8) as u8);
    true
}

/// The epoch and the vote that `quorum-state` holds.
#[must_use]
pub fn vote(disk: &VirtualDisk) -> Option<(i32, ReplicaKey)> {
    let text = disk.peek(&directory().join("quorum-state"), |bytes| String::from_utf8_lossy(bytes).into_owned())?;
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
        Some(rest.split([',', '}']).next()?.trim_matches('"').to_owned())
    };
    let epoch = field("leaderEpoch")?.parse().ok()?;
    let id: i32 = field("votedId")?.parse().ok()?;
    let directory_id = field("votedDirectoryId")?.parse().ok()?;
    (id >= 0).then_some((epoch, ReplicaKey { id: BrokerId(id), directory_id }))
}

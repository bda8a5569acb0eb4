//! Offset checkpoints: one text file per log directory that holds one offset per partition (recovery point, log start offset,
//! high watermark, cleaner offset). Says nothing about when they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use barnabas_types::{Offset, PartitionId, TopicPartition};

use crate::fs::{Fs, IoError};
use crate::text::{TextFileError, read_entries, write_entries};

/// Up to where each log is known to be durable and sound: recovery after a crash starts in the segment that holds it.
pub const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
/// Where each log starts, for logs that start after their first segment does.
pub const LOG_START_OFFSET: &str = "log-start-offset-checkpoint";
/// The high watermark of each partition.
pub const REPLICATION_OFFSET: &str = "replication-offset-checkpoint";
/// Up to where each compacted log is clean.
pub const CLEANER_OFFSET: &str = "cleaner-offset-checkpoint";

/// Offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, Offset>;

struct Line<'a>(&'a TopicPartition, Offset);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.0.topic, self.0.partition, self.1)
    }
}

fn parse(line: &str) -> Result<(&str, PartitionId, Offset), &'static str> {
    let mut words = line.split_ascii_whitespace();
    let (Some(topic), Some(partition), Some(offset), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("expected topic, partition and offset");
    };
    let partition = partition.parse::<i32>().ok().filter(|partition| *partition >= 0);
    let partition = partition.ok_or("the partition is not a number from 0")?;
    let offset = offset.parse::<i64>().ok().filter(|offset| *offset >= 0).ok_or("the offset is not a number from 0")?;
    Ok((topic, partition, Offset(offset)))
}

/// Reads the checkpoint at `path`; a missing file holds no offsets.
pub fn read(fs: &dyn Fs, path: &Path) -> Result<Offsets, TextFileError> {
    // The partitions of a topic share its name.
    let mut topics: BTreeSet<Arc<str>> = BTreeSet::new();
    let entries = read_entries(fs, path, |line| {
        let (topic, partition, offset) = parse(line)?;
        let topic = match topics.get(topic) {
            Some(known) => Arc::clone(known),
            None => {
                let topic: Arc<str> = topic.into();
                topics.insert(Arc::clone(&topic));
                topic
            }
        };
        Ok((TopicPartition { topic, partition }, offset))
    })?;
    Ok(entries.unwrap_or_default().into_iter().collect())
}

/// Replaces the checkpoint at `path`; it survives a power cut when this returns.
pub fn write(fs: &dyn Fs, path: &Path, offsets: &Offsets) -> Result<(), IoError> {
    write_entries(fs, path, offsets.iter().map(|(partition, offset)| Line(partition, *offset)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealFs;

    #[test]
    fn what_is_written_is_read_and_looks_as_kafka_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECOVERY_POINT);
        assert_eq!(read(&RealFs, &path).unwrap(), Offsets::new());
        let offsets = Offsets::from([
            (TopicPartition::new("b.c", 10), Offset(i64::MAX)),
            (TopicPartition::new("a", 0), Offset(7)),
        ]);
        write(&RealFs, &path, &offsets).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n2\na 0 7\nb.c 10 9223372036854775807\n");
        assert_eq!(read(&RealFs, &path).unwrap(), offsets);
    }

    #[test]
    fn an_empty_file_holds_nothing_as_kafka_leaves_it_until_it_first_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECOVERY_POINT);
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(&RealFs, &path).unwrap(), Offsets::new());
    }

    #[test]
    fn a_malformed_file_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECOVERY_POINT);
        for (text, line) in [
            ("\n", 1),
            ("1\n0\n", 1),
            ("0\n", 2),
            ("0\n-1\n", 2),
            ("0\n2\na 0 1\n", 4),
            ("0\n1\na 0 1\nb 0 1\n", 4),
            ("0\n1\na 0\n", 3),
            ("0\n1\na 0 1 2\n", 3),
            ("0\n1\na -1 1\n", 3),
            ("0\n1\na 0 -5\n", 3),
            ("0\n1\na 0 99999999999999999999\n", 3),
        ] {
            std::fs::write(&path, text).unwrap();
            match read(&RealFs, &path) {
                Err(TextFileError::Malformed { line: found, .. }) => assert_eq!(found, line, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }
}

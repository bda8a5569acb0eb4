//! The logs of a log directory to which nothing was ever written, listed beside the sign of a clean shutdown, so that a start need not look
//! at their files: of 100,000 partitions that rest, those are most. A hint and no more: a list that is older or newer than the sign, cut short or
//! changed names nothing, and a partition whose directory was changed after it is looked at as any other.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use barnabas_records::crc32c;
use barnabas_types::{PartitionId, Timestamp, TopicPartition, Uuid};

use crate::fs::{Fs, IoError, read_bounded, replace};
use crate::identity::CLEAN_SHUTDOWN;

/// The file. Kafka, which knows it not, leaves it as it is; its own start takes the sign away, and so the list's worth.
pub const EMPTY_LOGS: &str = "barnabas-empty-logs";
const VERSION: &str = "barnabas-empty-logs 0";
/// A million partitions with the longest names are 280 MB; a longer list is not read.
const LIMIT_BYTES: u64 = 280 * 1024 * 1024;
const NANOSECONDS_OF_A_MS: i64 = 1_000_000;

/// Empty logs, by partition, with their topics' ids.
#[derive(Debug, Default)]
pub struct EmptyLogs {
    /// When the sign of a clean shutdown was written, in nanoseconds since 1970.
    signed_ns: i64,
    topic_ids: HashMap<TopicPartition, Uuid>,
}

/// Lists `logs` beside the sign of a clean shutdown, which must be there.
///
/// # Errors
/// The disk failed.
pub fn write<'a>(
    fs: &dyn Fs,
    directory: &Path,
    logs: impl Iterator<Item = (&'a TopicPartition, Uuid)>,
) -> Result<(), IoError> {
    let Some(signed_ns) = fs.modified_ns(&directory.join(CLEAN_SHUTDOWN))? else { return Ok(()) };
    let mut text = format!("{VERSION}\n{signed_ns}\n");
    for (partition, topic_id) in logs {
        // Writing to a String cannot fail.
        _ = writeln!(text, "{} {} {topic_id}", partition.topic, partition.partition);
    }
    let checksum = crc32c(text.as_bytes());
    _ = writeln!(text, "{checksum:08x}");
    replace(fs, &directory.join(EMPTY_LOGS), text.as_bytes())
}

/// The list beside the sign of a clean shutdown, which must not have been taken yet. Empty where there is none that holds, or none that can
/// be read: a disk that fails is found out by whoever opens the logs.
#[must_use]
pub fn read(fs: &dyn Fs, directory: &Path) -> EmptyLogs {
    let signed_ns = fs.modified_ns(&directory.join(CLEAN_SHUTDOWN)).ok().flatten();
    let contents = signed_ns.and_then(|_| read_bounded(fs, &directory.join(EMPTY_LOGS), LIMIT_BYTES).ok().flatten());
    let list = contents.and_then(|contents| parse(&contents));
    list.filter(|list| Some(list.signed_ns) == signed_ns).unwrap_or_default()
}

fn parse(contents: &[u8]) -> Option<EmptyLogs> {
    let text = std::str::from_utf8(contents).ok()?;
    let (body, checksum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let covered = text.get(..=body.len())?;
    if u32::from_str_radix(checksum, 16).ok()? != crc32c(covered.as_bytes()) {
        return None;
    }
    let mut lines = body.lines();
    lines.next().filter(|line| *line == VERSION)?;
    let signed_ns = lines.next()?.parse().ok()?;
    // The partitions of a topic share its name.
    let mut topics: HashSet<Arc<str>> = HashSet::new();
    let mut topic_ids = HashMap::new();
    for line in lines {
        let mut words = line.split(' ');
        let (topic, partition, topic_id) = (words.next()?, words.next()?, words.next()?);
        if !topics.contains(topic) {
            topics.insert(topic.into());
        }
        let topic = Arc::clone(topics.get(topic)?);
        let partition = partition.parse::<PartitionId>().ok()?;
        topic_ids.insert(TopicPartition { topic, partition }, topic_id.parse().ok()?);
    }
    Some(EmptyLogs { signed_ns, topic_ids })
}

/// A log that was on the list.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    signed_ns: i64,
}

impl Listed {
    /// When the log's directory, `path`, was last changed; none if that was after it was listed, or cannot be told.
    #[must_use]
    pub fn unchanged_since(self, fs: &dyn Fs, path: &Path) -> Option<Timestamp> {
        let modified_ns = fs.modified_ns(path).ok().flatten()?;
        (modified_ns <= self.signed_ns).then_some(Timestamp(modified_ns / NANOSECONDS_OF_A_MS))
    }
}

impl EmptyLogs {
    /// Takes the partition off the list, if it is there as that topic's.
    pub fn take(&mut self, partition: &TopicPartition, topic_id: Uuid) -> Option<Listed> {
        let listed = self.topic_ids.remove(partition).filter(|listed| *listed == topic_id);
        listed.map(|_| Listed { signed_ns: self.signed_ns })
    }

    /// How many are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.topic_ids.len()
    }

    /// True when none is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topic_ids.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::fs::RealFs;
    use crate::identity::{take_clean_shutdown, write_clean_shutdown};

    const TOPIC_ID: Uuid = Uuid::from_random([7; 16]);

    struct Context {
        root: tempfile::TempDir,
        partition: TopicPartition,
    }

    impl Context {
        /// A directory that was left cleanly, with an empty log on the list.
        fn left() -> Self {
            let context = Self { root: tempfile::tempdir().unwrap(), partition: TopicPartition::new("orders", 3) };
            std::fs::create_dir(context.log()).unwrap();
            context.leave();
            context
        }

        fn leave(&self) {
            write_clean_shutdown(&RealFs, self.root.path(), 5).unwrap();
            write(&RealFs, self.root.path(), [(&self.partition, TOPIC_ID)].into_iter()).unwrap();
        }

        fn log(&self) -> std::path::PathBuf {
            self.root.path().join("orders-3")
        }

        fn read(&self) -> EmptyLogs {
            read(&RealFs, self.root.path())
        }

        fn take(&self, topic_id: Uuid) -> bool {
            let listed = self.read().take(&self.partition, topic_id);
            listed.is_some_and(|listed| listed.unchanged_since(&RealFs, &self.log()).is_some())
        }
    }

    #[test]
    fn a_log_on_the_list_is_taken_once_by_its_own_topic() {
        let context = Context::left();
        assert!(context.take(TOPIC_ID));
        assert!(!context.take(Uuid::from_random([8; 16])));
        let mut list = context.read();
        assert_eq!(list.len(), 1);
        assert!(list.take(&context.partition, TOPIC_ID).is_some());
        assert!(list.is_empty());
        assert!(list.take(&context.partition, TOPIC_ID).is_none());
    }

    #[test]
    fn the_list_is_worth_nothing_without_its_own_sign() {
        let context = Context::left();
        take_clean_shutdown(&RealFs, context.root.path()).unwrap();
        assert!(context.read().is_empty());
        // Another process ran and left cleanly.
        write_clean_shutdown(&RealFs, context.root.path(), 5).unwrap();
        let later = SystemTime::now() + Duration::from_secs(1);
        std::fs::File::open(context.root.path().join(CLEAN_SHUTDOWN)).unwrap().set_modified(later).unwrap();
        assert!(context.read().is_empty());
        context.leave();
        assert_eq!(context.read().len(), 1);
    }

    #[test]
    fn a_directory_that_was_changed_later_is_looked_at() {
        let context = Context::left();
        let later = SystemTime::now() + Duration::from_secs(1);
        std::fs::File::open(context.log()).unwrap().set_modified(later).unwrap();
        assert!(!context.take(TOPIC_ID));
        std::fs::remove_dir(context.log()).unwrap();
        assert!(!context.take(TOPIC_ID));
    }

    #[test]
    fn a_list_that_is_cut_or_changed_anywhere_names_nothing() {
        let context = Context::left();
        let path = context.root.path().join(EMPTY_LOGS);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(context.read().is_empty(), "cut at {cut}");
            let mut changed = whole.clone();
            changed[cut] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert!(context.read().is_empty(), "changed at {cut}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(context.read().len(), 1);
    }
}

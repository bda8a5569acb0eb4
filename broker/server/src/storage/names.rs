//! How partitions' directories are called: `<topic>-<partition>`, and what stands behind that while one is on its way out.
//! Touches no disk.

use barnabas_types::{TopicPartition, Uuid};

/// A directory that waits to be removed.
pub(super) const DELETE: &str = "-delete";
/// A replica that is copied from another log directory of this broker.
pub(super) const FUTURE: &str = "-future";
/// A partition that the cluster does not know, kept for a person to look at.
pub(super) const STRAY: &str = "-stray";
/// The quorum's log lies beside the partitions and is not one of them.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// What a file system takes.
const LONGEST_NAME_BYTES: usize = 255;

/// The directory of a partition.
pub(super) fn directory_of(partition: &TopicPartition) -> String {
    partition.to_string()
}

/// The partition whose directory is called `name`; none for other names.
pub(super) fn partition_of(name: &str) -> Option<TopicPartition> {
    if [DELETE, FUTURE, STRAY].iter().any(|suffix| name.ends_with(suffix)) {
        return None;
    }
    let (topic, partition) = name.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let partition = partition.parse().ok().filter(|_| digits && !topic.is_empty() && topic != METADATA_TOPIC)?;
    Some(TopicPartition::new(topic, partition))
}

/// The name of a partition's directory on its way out, never the same twice.
pub(super) fn set_aside(partition: &TopicPartition, unique: Uuid, suffix: &str) -> String {
    let unique = format!(".{:032x}{suffix}", u128::from_be_bytes(unique.0));
    let mut name = directory_of(partition);
    // Topic names are ASCII; the unique part says enough should anything be cut off.
    while name.len() + unique.len() > LONGEST_NAME_BYTES {
        name.pop();
    }
    name + &unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_by_its_directory_and_other_directories_are_none() {
        let partition = TopicPartition::new("a-b.c_1", 12);
        assert_eq!(partition_of(&directory_of(&partition)), Some(partition));
        for name in
            ["", "topic", "-1", "topic-", "topic-x", "topic-+1", "topic--", "__cluster_metadata-0", "t-0.ab-delete"]
        {
            assert_eq!(partition_of(name), None, "{name}");
        }
        assert_eq!(partition_of("t-0-future").or(partition_of("t-0.1-stray")), None);
    }

    #[test]
    fn names_set_aside_fit_the_file_system_and_are_no_partitions() {
        let long = TopicPartition::new("x".repeat(249), 100);
        let name = set_aside(&long, Uuid::from_u128(7), DELETE);
        assert!(name.len() <= 255 && name.ends_with("00000007-delete"), "{name}");
        assert_eq!(partition_of(&name), None);
    }
}

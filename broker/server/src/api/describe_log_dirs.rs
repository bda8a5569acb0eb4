//! DescribeLogDirs: the disks of this broker, what is free on them, and the size of each partition (KIP-113, KIP-827).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

use super::RequestContext;
use crate::replica::Partition;
use crate::storage::LogDirectory;

/// Every directory with the partitions asked for, or all of them.
pub async fn handle(context: &RequestContext, request: DescribeLogDirsRequest<'_>) -> DescribeLogDirsResponse<'static> {
    let asked: Option<BTreeSet<(&str, i32)>> =
        request.topics.as_ref().map(|topics| topics.iter().flat_map(partitions_of).collect());
    let mut hosted = context.node.replicas.all();
    hosted.retain(|partition| {
        asked.as_ref().is_none_or(|asked| asked.contains(&(&*partition.name.topic, partition.name.partition)))
    });
    hosted.sort_by(|left, right| left.name.cmp(&right.name));
    let directories = &context.node.directories;
    let taken = directories.all().iter().map(|directory| match directory.condition.is_offline() {
        true => offline(&directory.path),
        false => describe(directory, &hosted),
    });
    let results = taken.chain(directories.not_taken().iter().map(|path| offline(path))).collect();
    DescribeLogDirsResponse { results, ..Default::default() }
}

fn partitions_of<'r>(topic: &'r DescribableLogDirTopic<'_>) -> impl Iterator<Item = (&'r str, i32)> {
    topic.partitions.iter().map(|partition| (&*topic.topic, *partition))
}

/// A directory whose disk has failed, now or at start.
fn offline(path: &Path) -> DescribeLogDirsResult<'static> {
    let log_dir = path.display().to_string().into();
    DescribeLogDirsResult { error_code: ErrorCode::KAFKA_STORAGE_ERROR, log_dir, ..Default::default() }
}

fn describe(directory: &LogDirectory, hosted: &[Arc<Partition>]) -> DescribeLogDirsResult<'static> {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition<'static>>> = BTreeMap::new();
    for partition in hosted.iter().filter(|partition| partition.directory == directory.id) {
        topics.entry(&partition.name.topic).or_default().push(DescribeLogDirsPartition {
            partition_index: partition.name.partition,
            // 0 while a write to it hangs.
            partition_size: partition.figures().map_or(0, |(_, size_bytes)| bytes(size_bytes)),
            ..Default::default()
        });
    }
    // As of the last look, a second ago: a disk that hangs must not hold back the answer about the others.
    let space = directory.condition.space();
    DescribeLogDirsResult {
        log_dir: directory.path.display().to_string().into(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| DescribeLogDirsTopic {
                name: name.to_owned().into(),
                partitions,
                ..Default::default()
            })
            .collect(),
        total_bytes: space.map_or(-1, |space| bytes(space.total_bytes)),
        is_cordoned: directory.is_cordoned(),
        usable_bytes: space.map_or(-1, |space| bytes(space.usable_bytes)),
        ..Default::default()
    }
}

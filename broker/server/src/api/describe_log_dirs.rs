//! DescribeLogDirs: the disks of this broker, what is free on them, and the size of each partition (KIP-113, KIP-827).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    let results = context.node.directories.all().iter().map(|directory| describe(directory, &hosted)).collect();
    DescribeLogDirsResponse { results, ..Default::default() }
}

fn partitions_of<'r>(topic: &'r DescribableLogDirTopic<'_>) -> impl Iterator<Item = (&'r str, i32)> {
    topic.partitions.iter().map(|partition| (&*topic.topic, *partition))
}

fn describe(directory: &LogDirectory, hosted: &[Arc<Partition>]) -> DescribeLogDirsResult<'static> {
    let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition<'static>>> = BTreeMap::new();
    for partition in hosted.iter().filter(|partition| partition.directory == directory.id) {
        topics.entry(&partition.name.topic).or_default().push(DescribeLogDirsPartition {
            partition_index: partition.name.partition,
            partition_size: i64::try_from(partition.size_bytes()).unwrap_or(i64::MAX),
            ..Default::default()
        });
    }
    let space = rustix::fs::statvfs(&directory.path).ok();
    let bytes = |blocks: u64, size: u64| i64::try_from(blocks.saturating_mul(size)).unwrap_or(i64::MAX);
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
        total_bytes: space.as_ref().map_or(-1, |space| bytes(space.f_blocks, space.f_frsize)),
        usable_bytes: space.as_ref().map_or(-1, |space| bytes(space.f_bavail, space.f_frsize)),
        ..Default::default()
    }
}

//! A follower between its fetcher and its disk: what is fetched is synced where that counts, and nothing that happens meanwhile makes
//! the fetcher wait for ever.

use barnabas_records::{BatchBuilder, Compression};
use barnabas_types::BrokerId;
use tempfile::TempDir;

use super::*;
use crate::replica::tests::{NOW, partition};
use crate::replica::{Durability, PartitionConfig};
use crate::storage::Flusher;

const EPOCH: LeaderEpoch = LeaderEpoch(4);
const LEADER: BrokerId = BrokerId(9);
const FSYNC: PartitionConfigChange = |config| config.durability = Durability::Fsync;

type PartitionConfigChange = fn(&mut PartitionConfig);

/// A partition whose flusher runs only when it is told to.
struct FollowerContext {
    partition: Arc<Partition>,
    flusher: Arc<Flusher>,
    _directory: TempDir,
}

fn told() -> Told {
    Told { leader_epoch: EPOCH, high_watermark: Offset(0), log_start: Offset(0) }
}

fn changed(config: &PartitionConfig, change: PartitionConfigChange) -> PartitionConfig {
    let mut config = config.clone();
    change(&mut config);
    config
}

impl FollowerContext {
    /// Leads in an epoch before [`EPOCH`].
    fn leading(config: PartitionConfigChange) -> Self {
        let flusher = Arc::new(Flusher::default());
        let (_directory, partition) = partition(Arc::clone(&flusher), changed(&PartitionConfig::default(), config));
        Self { partition, flusher, _directory }
    }

    fn following(config: PartitionConfigChange) -> Self {
        let context = Self::leading(config);
        context.partition.follow(EPOCH, LEADER);
        context
    }

    fn fetched(&self, offset: i64) -> Result<LogPosition, AppendFailure> {
        let mut builder = BatchBuilder::new(Offset(offset), Compression::None);
        builder.append(NOW, None, Some(b"value"), &[]).unwrap();
        self.partition.append_fetched(&builder.build().unwrap(), Offset(offset), told(), NOW)
    }

    fn durable_end(&self) -> Offset {
        self.partition.with_log(|log| log.durable_end())
    }
}

#[test]
fn a_follower_under_fsync_syncs_at_once_for_producers_wait_at_its_leader() {
    let context = FollowerContext::following(FSYNC);
    context.fetched(0).unwrap();
    context.flusher.sync_urgent();
    assert_eq!(context.durable_end(), Offset(1), "the sync is put off");
}

#[test]
fn a_follower_with_flush_messages_syncs_at_once_for_it_fetches_no_further_before() {
    let context = FollowerContext::following(|config| {
        config.durability = Durability::Replicated;
        config.flush_messages = 1000;
    });
    context.fetched(0).unwrap();
    context.flusher.sync_urgent();
    assert_eq!(context.durable_end(), Offset(1), "nobody syncs");
}

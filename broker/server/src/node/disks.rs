//! Before anything runs: limits of the process, log directories found, formatted where that is allowed, and taken. An
//! existing directory is never formatted again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use barnabas_log::fs::Disk;
use barnabas_raft::{Config, MovedVoter, ReplicaKey, VoterSet};
use barnabas_types::BrokerId;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::{FormatPolicy, formatting, quorum};
use crate::config::BrokerConfig;
use crate::metadata::ControllerSettings;
use crate::raft::{self, QuorumSettings};
use crate::runtime::Runtime;
use crate::storage::{self, DirectoryError, LogDirectories};

/// Open files where the process has no limit that could be read.
const FALLBACK_OPEN_FILES: u64 = 1024;
/// Memory where no limit could be read, in bytes.
const FALLBACK_MEMORY_BYTES: usize = 1 << 30;

/// Directories that this process holds, and what the quorum needs of them.
pub struct Disks {
    pub directories: LogDirectories,
    pub quorum: QuorumSettings,
}

impl Disks {
    /// Learns whether there is a quorum, before a replica that holds nothing takes part in the first election of one.
    ///
    /// # Errors
    /// There is one, and this directory is none of its voters'.
    pub async fn ask_others(&mut self) -> anyhow::Result<()> {
        let (fs, quorum) = (self.directories.disk().fs(), &mut self.quorum);
        if !quorum.replica.is_controller || !raft::is_new(fs, &quorum.metadata_log_dir)? {
            return Ok(());
        }
        let formatted = raft::read_first_snapshot(fs, &quorum.metadata_log_dir)?;
        let voters = formatted.map_or_else(|| quorum.replica.configured_voters.clone(), |(_, voters)| voters);
        quorum.replica.quorum_is_formed = raft::inquire(&quorum.replica, &voters).await?;
        Ok(())
    }
}

/// How long until a directory that another process holds is tried again.
const IN_USE_RETRY: Duration = Duration::from_millis(100);
/// How often: 30 s in all.
const IN_USE_RETRIES: u32 = 300;

/// What is said of the log directories before they are looked at.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub config: &'a BrokerConfig,
    pub policy: FormatPolicy,
    /// The cluster id to format with, where one is named.
    pub cluster_id: Option<&'a str>,
    pub runtime: &'a Runtime,
}

/// As [`open`], but waits for a while for a directory that another process holds.
pub async fn open_when_free(wanted: Wanted<'_>, node_id: BrokerId) -> anyhow::Result<Disks> {
    when_free(|| open(wanted, node_id)).await
}

/// What `take` returns, waiting for a while for a directory that another process holds: a broker that is just being ended still has it,
/// as happens when its pod is deleted by force and replaced at once.
pub async fn when_free<T>(take: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    for attempt in 0..IN_USE_RETRIES {
        match take() {
            Err(error) if is_in_use(&error) => {
                if attempt == 0 {
                    let wait = IN_USE_RETRY * IN_USE_RETRIES;
                    tracing::warn!("{error}; waiting up to {} s for it to be given up", wait.as_secs());
                }
                tokio::time::sleep(IN_USE_RETRY).await;
            }
            taken => return taken,
        }
    }
    take()
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(DirectoryError::InUse { .. }))
}

/// Looks whether the log directories may be used, and of which cluster they are or become. Changes nothing.
pub fn examine(wanted: Wanted<'_>) -> anyhow::Result<(Arc<Disk>, String)> {
    let Wanted { config, policy, cluster_id, runtime } = wanted;
    // Half for logs; the rest for connections and what libraries open.
    let open_files = usize::try_from(raise_open_files() / 2).unwrap_or(usize::MAX);
    let disk = Arc::new(Disk::new(runtime.fs(), open_files));
    let formatted = formatting::check(disk.fs(), config, policy)?;
    if let (Some(found), Some(wanted)) = (&formatted, cluster_id)
        && found != wanted
    {
        bail!(
            "log.dirs belong to cluster {found}, this node is of cluster {wanted}: check log.dirs and the cluster id"
        );
    }
    raft::check(disk.fs(), &config.metadata_log_dir, &barnabas_metadata::served_features())?;
    let formatted_id = formatted.as_deref();
    let cluster_id = formatted_id.or(cluster_id).map(str::to_owned);
    let is_alone = quorum::is_alone(config);
    if formatted_id.is_none() && !is_alone && config.roles.controller && config.quorum_voters.is_empty() {
        bail!(
            "{} is not formatted, and nothing says who the first voters of the quorum are: format it once with `barnabas storage format` \
             and --standalone, --initial-controllers or --no-initial-controllers",
            config.metadata_log_dir.display()
        );
    }
    let cluster_id = match cluster_id {
        Some(cluster_id) => cluster_id,
        None if is_alone => runtime.random_uuid().to_string(),
        None => bail!(
            "{} is not formatted, and all nodes of a quorum have to know the same cluster id: format each once with `barnabas storage \
             format --cluster-id ID` (`barnabas storage random-uuid` makes one), or set CLUSTER_ID in the environment",
            config.metadata_log_dir.display()
        ),
    };
    Ok((disk, cluster_id))
}

/// Takes the log directories, formatting what is empty as the policy allows.
fn open(wanted: Wanted<'_>, node_id: BrokerId) -> anyhow::Result<Disks> {
    let Wanted { config, runtime, .. } = wanted;
    let (disk, cluster_id) = examine(wanted)?;
    for path in &config.log_dirs {
        match storage::format(&disk, path, &cluster_id, Some(node_id), runtime.random_uuid()) {
            // Of several, one whose disk has failed is left out when they are taken.
            Err(DirectoryError::Io(_)) if config.log_dirs.len() > 1 && *path != config.metadata_log_dir => {}
            formatted => formatted.with_context(|| format!("cannot format {}", path.display()))?,
        }
    }
    let directories = LogDirectories::open(disk, &config.log_dirs, node_id, || runtime.random_uuid())?;
    directories.cordon(&config.cordoned_log_dirs);
    if directories.not_taken().contains(&config.metadata_log_dir) {
        bail!(
            "{} holds the metadata log and cannot be used (see the error above): nothing can be served without it; repair or \
             replace the disk, or correct metadata.log.dir",
            config.metadata_log_dir.display()
        );
    }
    let directory_id = (directories.all().iter())
        .find(|directory| directory.path == config.metadata_log_dir)
        .map(|directory| directory.id)
        .with_context(|| format!("metadata.log.dir {} is none of log.dirs", config.metadata_log_dir.display()))?;
    let key = ReplicaKey { id: node_id, directory_id };
    let quorum = QuorumSettings {
        metadata_log_dir: config.metadata_log_dir.clone(),
        replica: Config {
            moved_voters: moved_voters(&directories, config)?,
            ..quorum::replica(config, key, directories.cluster_id(), runtime)
        },
        segment_bytes: config.metadata_log.metadata_log_segment_bytes,
        recordings_dir: config.recordings_dir.clone(),
    };
    format_metadata(&directories, &quorum, quorum::is_alone(config), runtime)?;
    Ok(Disks { directories, quorum })
}

/// What `barnabas storage set-voters` wrote down.
fn moved_voters(directories: &LogDirectories, config: &BrokerConfig) -> anyhow::Result<Vec<MovedVoter>> {
    let moved = raft::read_moved_voters(directories.disk().fs(), &config.metadata_log_dir)?;
    if !moved.is_empty() {
        let named: Vec<String> = moved.iter().map(|voter| voter.key.to_string()).collect();
        tracing::warn!(
            voters = named.join(", "),
            "where these voters listen was set by hand (storage set-voters); that counts where the log has the address of before"
        );
    }
    Ok(moved)
}

/// Makes the metadata log of a new cluster.
fn format_metadata(
    directories: &LogDirectories,
    quorum: &QuorumSettings,
    is_alone: bool,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let fs = directories.disk().fs();
    // Formatted by command, without voters: they are in the configuration, or in the log of those that know them.
    let has_others = !is_alone || !quorum.replica.bootstrap_servers.is_empty();
    let is_prepared = has_others && raft::has_bootstrap(fs, &quorum.metadata_log_dir);
    if is_prepared || raft::is_formatted(fs, &quorum.metadata_log_dir)? {
        return Ok(());
    }
    let voters = if is_alone { VoterSet(vec![quorum.replica.voter()]) } else { VoterSet::default() };
    raft::format_voters(fs, &quorum.metadata_log_dir, &voters, runtime.wall())?;
    tracing::info!(cluster = directories.cluster_id(), "formatted {}", quorum.metadata_log_dir.display());
    Ok(())
}

/// Raises the limit of open files as far as the system allows, and returns it.
fn raise_open_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            limit.current = limit.maximum;
        }
    }
    limit.current.unwrap_or(FALLBACK_OPEN_FILES)
}

/// What this process may use: its container's limit, else the machine's memory.
pub fn memory_limit_bytes() -> usize {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok();
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let container = limits.into_iter().find_map(number);
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(kibibytes.trim().trim_end_matches(" kB").parse::<usize>().ok()? * 1024)
    });
    [container, machine].into_iter().flatten().min().unwrap_or(FALLBACK_MEMORY_BYTES)
}

/// The controller's part of the configuration.
pub fn controller_settings(config: &BrokerConfig) -> ControllerSettings {
    let metadata = &config.metadata_log;
    let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
    let defaults = ControllerSettings::default();
    ControllerSettings {
        default_partitions: config.topics.num_partitions,
        default_replication_factor: config.topics.default_replication_factor,
        broker_session_timeout: positive(metadata.broker_session_timeout_ms)
            .map_or(defaults.broker_session_timeout, Duration::from_millis),
        leader_imbalance_check_interval: positive(metadata.leader_imbalance_check_interval_seconds)
            .filter(|_| metadata.auto_leader_rebalance_enable)
            .map(Duration::from_secs),
        unclean_leader_election_interval: positive(metadata.unclean_leader_election_interval_ms)
            .map_or(defaults.unclean_leader_election_interval, Duration::from_millis),
        max_idle_interval: positive(metadata.metadata_max_idle_interval_ms).map(Duration::from_millis),
        max_bytes_between_snapshots: positive(metadata.metadata_log_max_record_bytes_between_snapshots).unwrap_or(1),
        max_snapshot_interval: positive(metadata.metadata_log_max_snapshot_interval_ms).map(Duration::from_millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::booted;

    #[test]
    fn leadership_goes_back_after_the_interval_that_is_configured_unless_it_is_switched_off() {
        let directory = tempfile::tempdir().unwrap();
        let interval =
            |lines| controller_settings(&booted(directory.path(), lines).config).leader_imbalance_check_interval;
        assert_eq!(interval(""), Some(Duration::from_secs(300)));
        assert_eq!(interval("leader.imbalance.check.interval.seconds=7\n"), Some(Duration::from_secs(7)));
        let off = "auto.leader.rebalance.enable=false\nleader.imbalance.check.interval.seconds=7\n";
        assert_eq!(interval(off), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_another_process_holds_is_waited_for_until_it_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let config = booted(directory.path(), "").config;
        let runtime = Runtime::current();
        let wanted = |policy| Wanted { config: &config, policy, cluster_id: None, runtime: &runtime };
        let open = |policy| open_when_free(wanted(policy), BrokerId(1));
        let held = open(FormatPolicy::IfEmpty).await.unwrap();
        let (taken, ()) = tokio::join!(open(FormatPolicy::Never), async {
            tokio::time::sleep(IN_USE_RETRY * 50).await;
            drop(held);
        });
        let taken = taken.unwrap();
        let refused = open(FormatPolicy::Never).await;
        assert!(is_in_use(&refused.map(drop).unwrap_err()), "30 s are over while it is held");
        drop(taken);
    }
}

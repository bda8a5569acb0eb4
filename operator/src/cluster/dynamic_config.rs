//! What the resource's configuration means for the values that are set on all brokers at run time, which stand above what is in the
//! brokers' files: which of them have to change, and which differences of a pod's file are no reason to restart it. Pure. A value of which
//! the resource says nothing is somebody else's and stays; one that is set on a single broker is never looked at.

use crate::broker_client::ConfigChanges;
use crate::cluster::build::{CONFIG_VOLUME, SERVER_FILE};
use crate::cluster::observe::{Observed, config_map_of};
use crate::cluster::roll::is_any_broker_ready;
use crate::cluster::validate::{MIN_IN_SYNC_REPLICAS, Resolved, ResolvedPool};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::{BTreeMap, BTreeSet};

/// Keys with their values.
pub type Configs = BTreeMap<String, String>;

/// Kafka's cluster-wide keys that brokers go by as soon as they are set. Left out are those that change with a restart alone, though Kafka
/// takes them at run time: numbers of threads, which change by half or twice at a time, and what has no effect in this release.
const AT_RUN_TIME: [&str; 32] = [
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.max.compaction.lag.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.cleaner.min.compaction.lag.ms",
    "log.cleanup.policy",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.retention.bytes",
    "log.retention.ms",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "message.max.bytes",
    MIN_IN_SYNC_REPLICAS,
    "producer.id.expiration.ms",
    "unclean.leader.election.enable",
];

/// What the resource says, with what it says of the minimum by saying nothing.
fn said(cluster: &Resolved) -> Configs {
    let mut said: Configs = cluster.config.iter().map(|(key, value)| (key.clone(), value.trim().to_owned())).collect();
    if cluster.internal_topics.replication_factor > 1 {
        said.entry(MIN_IN_SYNC_REPLICAS.to_owned()).or_insert_with(|| default_minimum(cluster));
    }
    said
}

fn default_minimum(cluster: &Resolved) -> String {
    cluster.internal_topics.min_in_sync_replicas.to_string()
}

/// Whether anything hangs on what is set at run time, and somebody is there who could tell.
pub fn is_to_be_asked(cluster: &Resolved, observed: &Observed) -> bool {
    (!said(cluster).is_empty() || !cluster.dynamic_config.is_empty()) && is_any_broker_ready(cluster, observed)
}

/// What has to be set or taken away. Nothing while brokers do not tell what is set, or no quorum could write it down.
pub fn changes(cluster: &Resolved, observed: &Observed) -> ConfigChanges {
    let is_led = cluster.is_lone() || observed.answers.quorum.is_some();
    let Some(live) = observed.answers.dynamic.as_ref().filter(|_| is_led) else { return ConfigChanges::new() };
    let said = said(cluster);
    let started = started_otherwise(cluster, observed, &said);
    let set = said.iter().filter(|(key, value)| match live.get(*key) {
        Some(found) => found.trim() != *value,
        None => *key == MIN_IN_SYNC_REPLICAS || started.contains(key.as_str()),
    });
    let set = set.map(|(key, value)| (key.clone(), Some(value.clone())));
    // What the resource named until now, and nobody has changed since.
    let given_back = cluster
        .dynamic_config
        .iter()
        .filter(|(key, value)| !said.contains_key(*key) && live.get(*key) == Some(*value))
        // There has to be a minimum.
        .map(|(key, _)| (key.clone(), (key == MIN_IN_SYNC_REPLICAS).then(|| default_minimum(cluster))))
        .filter(|(key, value)| live.get(key) != value.as_ref());
    set.chain(given_back).collect()
}

/// What becomes of what is set.
pub fn carry_out(changes: &ConfigChanges, live: &mut Configs) {
    for (key, value) in changes {
        match value {
            Some(value) => live.insert(key.clone(), value.clone()),
            None => live.remove(key),
        };
    }
}

/// For events and logs.
pub fn in_words(changes: &ConfigChanges) -> String {
    let word = |(key, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{key}={value}"),
        None => format!("no {key}"),
    };
    changes.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// The keys of [`AT_RUN_TIME`] that some pod's file does not have as the resource says.
fn started_otherwise<'a>(cluster: &Resolved, observed: &Observed, said: &'a Configs) -> BTreeSet<&'a str> {
    let files = cluster.nodes().filter_map(|(id, pool)| Some(file_of(id, pool, observed)?.1));
    let files: Vec<BTreeMap<&str, &str>> = files.map(entries).collect();
    let differs = |key: &str, value: &str| files.iter().any(|file| file.get(key) != Some(&value));
    let candidates = said.iter().filter(|(key, _)| AT_RUN_TIME.contains(&key.as_str()));
    candidates.filter(|(key, value)| differs(key, value)).map(|(key, _)| key.as_str()).collect()
}

/// What the status remembers: the keys that the resource names and that are set at run time as it says, and those that it named and that
/// have not been taken away yet.
pub fn record(cluster: &Resolved, observed: &Observed) -> Configs {
    let Some(live) = &observed.answers.dynamic else { return cluster.dynamic_config.clone() };
    let said = said(cluster);
    let is_ours =
        |key: &String, value: &String| [said.get(key), cluster.dynamic_config.get(key)].contains(&Some(value));
    live.iter().filter(|(key, value)| is_ours(key, value)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The ConfigMaps that pods of the pool were started with and with which they may go on, though `current` is what they would be started
/// with now: whatever differs is set on all brokers at run time.
pub fn standing(cluster: &Resolved, pool: &ResolvedPool, current: &ConfigMap, observed: &Observed) -> BTreeSet<String> {
    let Some(now) = current.data.as_ref().and_then(|data| data.get(SERVER_FILE)).map(|text| entries(text)) else {
        return BTreeSet::new();
    };
    let in_force = in_force(cluster, observed);
    let stands = |before: &BTreeMap<&str, &str>| {
        let counts = |(key, value): (&&str, &&str)| {
            before.get(key) == Some(value) || in_force.get(*key).is_some_and(|found| found.trim() == value.trim())
        };
        before.keys().all(|key| now.contains_key(key)) && now.iter().all(counts)
    };
    let files = pool.node_ids().filter_map(|id| file_of(id, pool, observed));
    files.filter(|(_, text)| stands(&entries(text))).map(|(name, _)| name.to_owned()).collect()
}

/// What is set once this pass has set what it has to: no pod is restarted in the same pass. While brokers do not answer, what they said
/// last holds.
fn in_force(cluster: &Resolved, observed: &Observed) -> Configs {
    let Some(live) = &observed.answers.dynamic else { return cluster.dynamic_config.clone() };
    let mut live = live.clone();
    carry_out(&changes(cluster, observed), &mut live);
    live
}

/// The ConfigMap that a node's pod was started with, and the file in it.
fn file_of<'a>(id: i32, pool: &ResolvedPool, observed: &'a Observed) -> Option<(&'a str, &'a str)> {
    let name = config_map_of(observed.pod(&pool.stateful_set, &pool.pod(id))?, CONFIG_VOLUME)?;
    Some((name, observed.config_maps.get(name)?.data.as_ref()?.get(SERVER_FILE)?))
}

/// The lines of a file that we wrote. Keys that are set at run time have nothing in them that would be escaped.
fn entries(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

#[cfg(test)]
mod tests;

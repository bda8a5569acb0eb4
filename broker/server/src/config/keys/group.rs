//! The keys of a group, as Kafka 4.3.1 knows them: one row a key. A row without a sentence is accepted and has no effect.

use super::Allowed::{Anything, AtLeast, OneOf, ResetStrategy};
use super::ConfigKey;
use super::Kind::{Boolean, Int, List, String};
use super::Scope::ClusterWide;
use super::Visibility::{Kafka44, Public};
use super::key;

/// Sorted by name.
#[rustfmt::skip]
pub(super) const ROWS: &[ConfigKey] = &[
    key("consumer.assignment.interval.ms", Int, Some("1000"), ClusterWide, AtLeast(0), Public, ""),
    key("consumer.heartbeat.interval.ms", Int, Some("5000"), ClusterWide, AtLeast(1), Public, ""),
    key("consumer.session.timeout.ms", Int, Some("45000"), ClusterWide, AtLeast(1), Public, ""),
    key("errors.deadletterqueue.copy.record.enable", Boolean, Some("false"), ClusterWide, Anything, Kafka44, ""),
    key("errors.deadletterqueue.topic.name", String, Some(""), ClusterWide, Anything, Kafka44, ""),
    key("share.assignment.interval.ms", Int, Some("1000"), ClusterWide, AtLeast(0), Public, ""),
    key("share.auto.offset.reset", String, Some("latest"), ClusterWide, ResetStrategy, Public, ""),
    key("share.delivery.count.limit", Int, Some("5"), ClusterWide, AtLeast(2), Public, ""),
    key("share.heartbeat.interval.ms", Int, Some("5000"), ClusterWide, AtLeast(1), Public, ""),
    key("share.isolation.level", String, Some("read_uncommitted"), ClusterWide, OneOf(&["read_committed", "read_uncommitted"]), Public, ""),
    key("share.partition.max.record.locks", Int, Some("2000"), ClusterWide, AtLeast(100), Public, ""),
    key("share.record.lock.duration.ms", Int, Some("30000"), ClusterWide, AtLeast(1000), Public, ""),
    key("share.renew.acknowledge.enable", Boolean, Some("true"), ClusterWide, Anything, Public, ""),
    key("share.session.timeout.ms", Int, Some("45000"), ClusterWide, AtLeast(1), Public, ""),
    key("streams.assignment.interval.ms", Int, Some("1000"), ClusterWide, AtLeast(0), Public, ""),
    key("streams.assignor.name", String, Some("sticky"), ClusterWide, Anything, Kafka44, ""),
    key("streams.heartbeat.interval.ms", Int, Some("5000"), ClusterWide, AtLeast(1), Public, ""),
    key("streams.initial.rebalance.delay.ms", Int, Some("3000"), ClusterWide, AtLeast(0), Public, ""),
    key("streams.num.standby.replicas", Int, Some("0"), ClusterWide, AtLeast(0), Public, ""),
    key("streams.rack.aware.assignment.tags", List, Some(""), ClusterWide, Anything, Kafka44, ""),
    key("streams.session.timeout.ms", Int, Some("45000"), ClusterWide, AtLeast(1), Public, ""),
];

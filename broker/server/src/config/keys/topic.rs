//! The keys of a topic, as Kafka 4.3.1 knows them: one row a key. A row without a sentence is accepted and has no effect.

use super::Allowed::{Anything, AtLeast, Between, EachOf, Fraction, GzipLevel, OneOf, ThrottledReplicas};
use super::ConfigKey;
use super::Kind::{Boolean, Double, Int, List, Long, String};
use super::Scope::ClusterWide;
use super::Visibility::{Internal, Kafka44, Own, Public};
use super::key;

/// Sorted by name.
#[rustfmt::skip]
pub(super) const ROWS: &[ConfigKey] = &[
    key("barnabas.durability", String, Some("fsync"), ClusterWide, OneOf(&["fsync", "replicated"]), Own, "When a record counts as kept: fsync once it is synced to disk, replicated once it is written on every in-sync replica."),
    key("cleanup.policy", List, Some("delete"), ClusterWide, EachOf(&["compact", "delete"]), Public, "delete drops old records, compact keeps the last record of each key and asks for keys, both do both, empty keeps all."),
    key("compression.gzip.level", Int, Some("-1"), ClusterWide, GzipLevel, Public, "Level where compression.type is gzip."),
    key("compression.lz4.level", Int, Some("9"), ClusterWide, Between(1, 17), Public, "Level where compression.type is lz4; 9 is the fast mode, every other a slower one."),
    key("compression.type", String, Some("producer"), ClusterWide, OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Public, "Codec that batches are stored with; producer keeps the producer's own."),
    key("compression.zstd.level", Int, Some("3"), ClusterWide, Between(-131072, 22), Public, "Level where compression.type is zstd."),
    key("delete.retention.ms", Long, Some("86400000"), ClusterWide, AtLeast(0), Public, "How long compaction keeps tombstones and transaction markers after it has first met them."),
    key("errors.deadletterqueue.group.enable", Boolean, Some("false"), ClusterWide, Anything, Kafka44, ""),
    key("file.delete.delay.ms", Long, Some("60000"), ClusterWide, AtLeast(0), Public, "How long the files of a deleted segment stay."),
    key("flush.messages", Long, Some("9223372036854775807"), ClusterWide, AtLeast(1), Public, "Fewer records of a partition than this may be unsynced when a producer is answered."),
    key("flush.ms", Long, Some("9223372036854775807"), ClusterWide, AtLeast(0), Public, "Milliseconds within which records are synced, whatever barnabas.durability says."),
    key("follower.replication.throttled.replicas", List, Some(""), ClusterWide, ThrottledReplicas, Public, "No effect: replication is not throttled."),
    key("index.interval.bytes", Int, Some("4096"), ClusterWide, AtLeast(0), Public, "Bytes of batches between two entries of the offset index."),
    key("internal.segment.bytes", Int, None, ClusterWide, AtLeast(1), Internal, "For tests: segment.bytes without a lower limit, instead of it."),
    key("leader.replication.throttled.replicas", List, Some(""), ClusterWide, ThrottledReplicas, Public, "No effect: replication is not throttled."),
    key("local.retention.bytes", Long, Some("-2"), ClusterWide, AtLeast(-2), Public, ""),
    key("local.retention.ms", Long, Some("-2"), ClusterWide, AtLeast(-2), Public, ""),
    key("max.compaction.lag.ms", Long, Some("9223372036854775807"), ClusterWide, AtLeast(1), Public, "Records older than this are compacted, however little there is to gain."),
    key("max.decompressed.message.bytes", Int, Some("2147483639"), ClusterWide, Anything, Kafka44, ""),
    key("max.message.bytes", Int, Some("1048588"), ClusterWide, AtLeast(0), Public, "Largest batch that a producer may send, as stored."),
    key("message.timestamp.after.max.ms", Long, Some("3600000"), ClusterWide, AtLeast(0), Public, "How far in the future a record's timestamp may be."),
    key("message.timestamp.before.max.ms", Long, Some("9223372036854775807"), ClusterWide, AtLeast(0), Public, "How far in the past a record's timestamp may be."),
    key("message.timestamp.type", String, Some("CreateTime"), ClusterWide, OneOf(&["CreateTime", "LogAppendTime"]), Public, "Whose time a record carries: the producer's or the broker's."),
    key("min.cleanable.dirty.ratio", Double, Some("0.5"), ClusterWide, Fraction(0.0, 1.0), Public, "A log is compacted once more than this part of its bytes is new."),
    key("min.compaction.lag.ms", Long, Some("0"), ClusterWide, AtLeast(0), Public, "Records younger than this are not compacted."),
    key("min.insync.replicas", Int, Some("1"), ClusterWide, AtLeast(1), Public, "Replicas that must have a record before acks=all is answered."),
    key("preallocate", Boolean, Some("false"), ClusterWide, Anything, Public, "Whether a segment takes all its room on the disk with its first batch."),
    key("remote.copy.lag.bytes", Long, Some("-1"), ClusterWide, Anything, Kafka44, ""),
    key("remote.copy.lag.ms", Long, Some("0"), ClusterWide, Anything, Kafka44, ""),
    key("remote.log.copy.disable", Boolean, Some("false"), ClusterWide, Anything, Public, ""),
    key("remote.log.delete.on.disable", Boolean, Some("false"), ClusterWide, Anything, Public, ""),
    key("remote.storage.enable", Boolean, Some("false"), ClusterWide, Anything, Public, ""),
    key("retention.bytes", Long, Some("-1"), ClusterWide, Anything, Public, "Size above which a partition's oldest segments go; -1 for no limit."),
    key("retention.ms", Long, Some("604800000"), ClusterWide, AtLeast(-1), Public, "Age at which records go; -1 for never."),
    key("segment.bytes", Int, Some("1073741824"), ClusterWide, AtLeast(1048576), Public, "Size at which a new segment begins."),
    key("segment.index.bytes", Int, Some("10485760"), ClusterWide, AtLeast(4), Public, "Largest size of an index file."),
    key("segment.jitter.ms", Long, Some("0"), ClusterWide, AtLeast(0), Public, "Most that is taken off a segment's age at random."),
    key("segment.ms", Long, Some("604800000"), ClusterWide, AtLeast(1), Public, "Age at which a new segment begins."),
    key("unclean.leader.election.enable", Boolean, Some("false"), ClusterWide, Anything, Public, "Whether a replica that lacks records may become leader when no other can."),
];

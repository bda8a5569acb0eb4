//! A topic's configuration in force: its own settings over what the broker gives it, as types.

use std::str::FromStr;
use std::sync::Arc;

use barnabas_log::LogConfig;
use barnabas_metadata::ResourceConfigs;
use barnabas_records::{AppendRules, Compression, DecompressLimits, TimestampType};

use super::keys::{InvalidValue, broker_key, topic_key};
use super::layers::{Layers, topic_synonyms};
use crate::replica::{Durability, PartitionConfig};

/// What is in force for a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy` contains `delete`.
    pub cleanup_delete: bool,
    /// `cleanup.policy` contains `compact`.
    pub cleanup_compact: bool,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
    /// `compression.type` with its level; none for `producer`.
    pub compression: Option<Compression>,
    /// `flush.messages`
    pub flush_messages: i64,
    /// `flush.ms`
    pub flush_ms: i64,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `index.interval.bytes`
    pub index_interval_bytes: u32,
    /// `max.message.bytes`
    pub max_message_bytes: usize,
    /// `message.timestamp.after.max.ms`
    pub message_timestamp_after_max_ms: i64,
    /// `message.timestamp.before.max.ms`
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.type`
    pub message_timestamp_type: TimestampType,
    /// `preallocate`
    pub preallocate: bool,
    /// `max.compaction.lag.ms`
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`
    pub min_compaction_lag_ms: i64,
    /// `retention.bytes`; -1 for no limit.
    pub retention_bytes: i64,
    /// `retention.ms`; -1 for no limit.
    pub retention_ms: i64,
    /// `internal.segment.bytes` where that is set, else `segment.bytes`
    pub segment_bytes: u32,
    /// `segment.index.bytes`
    pub segment_index_bytes: u32,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: i64,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `barnabas.durability`
    pub durability: Durability,
    /// `min.insync.replicas`
    pub min_insync_replicas: usize,
    /// `producer.id.expiration.ms`, the broker's, which the topic's logs keep to.
    pub producer_id_expiration_ms: i64,
}

impl TopicConfig {
    /// Settles what is in force for a topic with `own` settings.
    ///
    /// # Errors
    /// A stored value that its key does not take, as another version may have allowed.
    pub fn resolve(own: Option<&ResourceConfigs>, layers: Layers<'_>) -> Result<Self, InvalidValue> {
        let values = Values { own, layers };
        let policy = values.text("cleanup.policy")?;
        let has_policy = |wanted| policy.split(',').any(|one| one == wanted);
        Ok(Self {
            cleanup_delete: has_policy("delete"),
            cleanup_compact: has_policy("compact"),
            delete_retention_ms: values.number("delete.retention.ms")?,
            compression: values.compression()?,
            flush_messages: values.number("flush.messages")?,
            flush_ms: values.number("flush.ms")?,
            file_delete_delay_ms: values.number("file.delete.delay.ms")?,
            index_interval_bytes: values.number("index.interval.bytes")?,
            max_message_bytes: values.number("max.message.bytes")?,
            message_timestamp_after_max_ms: values.number("message.timestamp.after.max.ms")?,
            message_timestamp_before_max_ms: values.number("message.timestamp.before.max.ms")?,
            message_timestamp_type: match values.text("message.timestamp.type")?.as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            preallocate: values.text("preallocate")? == "true",
            max_compaction_lag_ms: values.number("max.compaction.lag.ms")?,
            min_cleanable_dirty_ratio: values.number("min.cleanable.dirty.ratio")?,
            min_compaction_lag_ms: values.number("min.compaction.lag.ms")?,
            retention_bytes: values.number("retention.bytes")?,
            retention_ms: values.number("retention.ms")?,
            segment_bytes: match values.text("internal.segment.bytes")?.is_empty() {
                true => values.number("segment.bytes")?,
                false => values.number("internal.segment.bytes")?,
            },
            segment_index_bytes: values.number("segment.index.bytes")?,
            segment_jitter_ms: values.number("segment.jitter.ms")?,
            segment_ms: values.number("segment.ms")?,
            min_insync_replicas: values.number("min.insync.replicas")?,
            durability: match values.text("barnabas.durability")?.as_str() {
                "replicated" => Durability::Replicated,
                _ => Durability::Fsync,
            },
            producer_id_expiration_ms: values.broker_number("producer.id.expiration.ms")?,
        })
    }

    /// What a partition of the topic needs.
    #[must_use]
    pub fn partition_config(&self) -> PartitionConfig {
        PartitionConfig {
            log: Arc::new(self.log_config()),
            rules: self.append_rules(),
            durability: self.durability,
            min_insync_replicas: self.min_insync_replicas,
            flush_messages: self.flush_messages,
            flush_ms: self.flush_ms,
            file_delete_delay_ms: self.file_delete_delay_ms,
        }
    }

    /// What a log of the topic needs.
    #[must_use]
    pub fn log_config(&self) -> LogConfig {
        LogConfig {
            segment_bytes: self.segment_bytes,
            segment_ms: self.segment_ms,
            segment_jitter_ms: self.segment_jitter_ms,
            segment_index_bytes: self.segment_index_bytes,
            index_interval_bytes: self.index_interval_bytes,
            retention_ms: self.retention_ms,
            retention_bytes: self.retention_bytes,
            delete: self.cleanup_delete,
            compact: self.cleanup_compact,
            preallocate: self.preallocate,
            delete_retention_ms: self.delete_retention_ms,
            min_compaction_lag_ms: self.min_compaction_lag_ms,
            max_compaction_lag_ms: self.max_compaction_lag_ms,
            min_cleanable_dirty_ratio: self.min_cleanable_dirty_ratio,
            producer_id_expiration_ms: self.producer_id_expiration_ms,
        }
    }

    /// What a produced batch has to keep to.
    #[must_use]
    pub fn append_rules(&self) -> AppendRules {
        AppendRules {
            max_batch_bytes: self.max_message_bytes,
            timestamp_type: self.message_timestamp_type,
            timestamp_before_max_ms: self.message_timestamp_before_max_ms,
            timestamp_after_max_ms: self.message_timestamp_after_max_ms,
            key_required: self.cleanup_compact,
            compression: self.compression,
            limits: DecompressLimits::default(),
        }
    }
}

/// The effective values of a topic.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) own: Option<&'a ResourceConfigs>,
    pub(super) layers: Layers<'a>,
}

impl Values<'_> {
    /// The effective value of a topic's key in its canonical form; null is empty.
    pub(super) fn text(&self, key: &'static str) -> Result<String, InvalidValue> {
        let row = topic_key(key).ok_or_else(|| missing(key))?;
        match self.own.and_then(|own| own.get(key)) {
            Some(own) => row.check(own),
            None => Ok(inherited(key, self.layers).unwrap_or_default()),
        }
    }

    fn number<T: FromStr>(&self, key: &'static str) -> Result<T, InvalidValue> {
        let text = self.text(key)?;
        let row = topic_key(key).ok_or_else(|| missing(key))?;
        text.parse().map_err(|_| row.invalid(&text, "the value does not fit here"))
    }

    fn broker_number<T: FromStr>(&self, key: &'static str) -> Result<T, InvalidValue> {
        let row = broker_key(key).ok_or_else(|| missing(key))?;
        let text = self.layers.effective(key).unwrap_or_default();
        text.trim().parse().map_err(|_| row.invalid(text, "the value does not fit here"))
    }

    fn compression(&self) -> Result<Option<Compression>, InvalidValue> {
        Ok(match self.text("compression.type")?.as_str() {
            "uncompressed" => Some(Compression::None),
            "gzip" => Some(Compression::Gzip { level: self.number("compression.gzip.level")? }),
            "snappy" => Some(Compression::Snappy),
            "lz4" => Some(match self.number("compression.lz4.level")? {
                // Kafka's default stands for its fast mode.
                9 => Compression::Lz4,
                level => Compression::Lz4High { level },
            }),
            "zstd" => Some(Compression::Zstd { level: self.number("compression.zstd.level")? }),
            _ => None,
        })
    }
}

/// What a topic without settings of its own has for a key: the strongest broker's key behind it, in the topic's unit.
pub(super) fn inherited(key: &str, layers: Layers<'_>) -> Option<String> {
    let set = topic_synonyms(key).iter().find_map(|synonym| {
        let value = layers.explicit(synonym.key)?;
        let canonical = broker_key(synonym.key)?.check(value).ok()?;
        Some(synonym.convert(&canonical))
    });
    set.or_else(|| topic_key(key)?.default.map(str::to_owned))
}

fn missing(key: &str) -> InvalidValue {
    InvalidValue { key: key.into(), value: "".into(), reason: "there is no such key".into() }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Origin, Settings};
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in pairs {
            settings.set(*key, *value, Origin::Flag);
        }
        settings
    }

    fn dynamic(pairs: &[(&str, &str)]) -> ResourceConfigs {
        pairs.iter().map(|(key, value)| (Box::from(*key), std::sync::Arc::from(*value))).collect()
    }

    fn resolve(own: &[(&str, &str)], settings: &Settings) -> TopicConfig {
        TopicConfig::resolve(Some(&dynamic(own)), Layers { broker: None, cluster: None, settings }).unwrap()
    }

    #[test]
    fn without_settings_everything_is_kafkas_default() {
        let config = resolve(&[], &Settings::default());
        assert_eq!(config.log_config(), LogConfig::default());
        assert_eq!(config.append_rules(), AppendRules::default());
        assert_eq!((config.durability, config.retention_ms), (Durability::Fsync, 604_800_000));
    }

    #[test]
    fn the_finer_unit_wins_and_the_topic_over_all() {
        let hours = settings(&[("log.retention.hours", "2"), ("log.roll.hours", "3")]);
        assert_eq!((resolve(&[], &hours).retention_ms, resolve(&[], &hours).segment_ms), (7_200_000, 10_800_000));
        let minutes = settings(&[("log.retention.hours", "2"), ("log.retention.minutes", "1")]);
        assert_eq!(resolve(&[], &minutes).retention_ms, 60_000);
        let unlimited = settings(&[("log.retention.minutes", "-1")]);
        assert_eq!(resolve(&[], &unlimited).retention_ms, -1);
        assert_eq!(resolve(&[("retention.ms", " 5 ")], &minutes).retention_ms, 5);
    }

    #[test]
    fn one_broker_wins_over_all_and_those_over_the_file() {
        let settings = settings(&[("log.segment.bytes", "2000000"), ("message.max.bytes", "10")]);
        let (broker, cluster) = (
            dynamic(&[("log.segment.bytes", "4000000")]),
            dynamic(&[("log.segment.bytes", "3000000"), ("message.max.bytes", "20")]),
        );
        let layers = Layers { broker: Some(&broker), cluster: Some(&cluster), settings: &settings };
        let config = TopicConfig::resolve(None, layers).unwrap();
        assert_eq!((config.segment_bytes, config.max_message_bytes), (4_000_000, 20));
    }

    #[test]
    fn compression_comes_with_its_level() {
        let none = Settings::default();
        let compression = |own: &[(&str, &str)]| resolve(own, &none).compression;
        assert_eq!(compression(&[]), None);
        assert_eq!(compression(&[("compression.type", "uncompressed")]), Some(Compression::None));
        assert_eq!(compression(&[("compression.type", "gzip")]), Some(Compression::Gzip { level: -1 }));
        assert_eq!(compression(&[("compression.type", "lz4")]), Some(Compression::Lz4));
        let lz4 = [("compression.type", "lz4"), ("compression.lz4.level", "12")];
        assert_eq!(compression(&lz4), Some(Compression::Lz4High { level: 12 }));
        let zstd = [("compression.type", "zstd"), ("compression.zstd.level", "19")];
        assert_eq!(compression(&zstd), Some(Compression::Zstd { level: 19 }));
    }

    #[test]
    fn an_empty_cleanup_policy_keeps_everything_and_compaction_needs_keys() {
        let none = Settings::default();
        let nothing = resolve(&[("cleanup.policy", "")], &none);
        assert!(!nothing.cleanup_delete && !nothing.cleanup_compact);
        let both = resolve(&[("cleanup.policy", "compact,delete"), ("barnabas.durability", "replicated")], &none);
        assert!(both.cleanup_delete && both.append_rules().key_required);
        assert_eq!(both.partition_config().durability, Durability::Replicated);
    }

    #[test]
    fn a_stored_value_that_is_not_allowed_is_named() {
        let own = dynamic(&[("segment.bytes", "5")]);
        let settings = Settings::default();
        let layers = Layers { broker: None, cluster: None, settings: &settings };
        let error = TopicConfig::resolve(Some(&own), layers).unwrap_err();
        assert_eq!(error.to_string(), "Invalid value 5 for configuration segment.bytes: must be at least 1048576");
    }
}

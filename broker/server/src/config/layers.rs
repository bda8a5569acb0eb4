//! What lies on top of what: settings of one broker over those of all brokers over the static ones over Kafka's defaults.
//! Knows which broker's key stands behind a topic's, under which name and in which unit.

use barnabas_metadata::{ConfigResource, Image, ResourceConfigs};
use barnabas_types::BrokerId;

use super::keys::broker_key;
use super::settings::Settings;

/// Where a value comes from, with Kafka's numbers (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set on this broker at run time.
    DynamicBroker,
    /// Set on all brokers at run time.
    DynamicDefaultBroker,
    /// Set before the broker started.
    StaticBroker,
    /// Nowhere set.
    Default,
    /// Set on the group.
    Group,
}

impl ConfigSource {
    /// Kafka's number.
    #[must_use]
    pub const fn id(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
            Self::Group => 8,
        }
    }
}

/// The layers of a broker's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// Set on this broker at run time.
    pub broker: Option<&'a ResourceConfigs>,
    /// Set on all brokers at run time.
    pub cluster: Option<&'a ResourceConfigs>,
    /// Set before the broker started.
    pub settings: &'a Settings,
}

impl<'a> Layers<'a> {
    /// The layers of broker `node_id` as `image` has them.
    #[must_use]
    pub fn of(image: &'a Image, node_id: BrokerId, settings: &'a Settings) -> Self {
        Self {
            broker: image.configs.get(&ConfigResource::broker(node_id.to_string())),
            cluster: image.configs.get(&ConfigResource::broker("")),
            settings,
        }
    }

    /// The strongest value that anybody set for a broker's key.
    #[must_use]
    pub fn explicit(&self, key: &str) -> Option<&'a str> {
        let dynamic = value(self.broker, key).or_else(|| value(self.cluster, key));
        dynamic.or_else(|| self.settings.explicit(key))
    }

    /// The strongest value of a broker's key, Kafka's default where nobody set one.
    #[must_use]
    pub fn effective(&self, key: &str) -> Option<&'a str> {
        self.explicit(key).or_else(|| broker_key(key)?.default)
    }

    /// Every value that anybody set for a broker's key, the strongest first, and Kafka's default last.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = (ConfigSource, &'a str)> {
        let layers = [
            (ConfigSource::DynamicBroker, value(self.broker, key)),
            (ConfigSource::DynamicDefaultBroker, value(self.cluster, key)),
            (ConfigSource::StaticBroker, self.settings.explicit(key)),
            (ConfigSource::Default, broker_key(key).and_then(|row| row.default)),
        ];
        layers.into_iter().filter_map(|(source, value)| Some((source, value?)))
    }
}

/// What a layer has set for a key.
pub(super) fn value<'a>(layer: Option<&'a ResourceConfigs>, key: &str) -> Option<&'a str> {
    layer?.get(key).map(AsRef::as_ref)
}

/// A broker's key that stands behind another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Synonym {
    /// The broker's key.
    pub(super) key: &'static str,
    /// How many of the topic's units make one of its own.
    pub(super) factor: i64,
}

impl Synonym {
    /// A value of this key in the topic's unit. Negative times mean no limit in every unit.
    pub(super) fn convert(self, value: &str) -> String {
        match value.parse::<i64>() {
            Ok(number) if self.factor > 1 && number >= 0 => number.saturating_mul(self.factor).to_string(),
            Ok(_) if self.factor > 1 => "-1".into(),
            _ => value.into(),
        }
    }
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

const fn same(key: &'static str) -> Synonym {
    Synonym { key, factor: 1 }
}

const fn hours(key: &'static str) -> Synonym {
    Synonym { key, factor: HOUR_MS }
}

/// The broker's keys behind each topic's key, the strongest first.
#[rustfmt::skip]
const TOPIC_SYNONYMS: &[(&str, &[Synonym])] = &[
    ("barnabas.durability", &[same("barnabas.durability")]),
    ("cleanup.policy", &[same("log.cleanup.policy")]),
    ("compression.gzip.level", &[same("compression.gzip.level")]),
    ("compression.lz4.level", &[same("compression.lz4.level")]),
    ("compression.type", &[same("compression.type")]),
    ("compression.zstd.level", &[same("compression.zstd.level")]),
    ("delete.retention.ms", &[same("log.cleaner.delete.retention.ms")]),
    ("file.delete.delay.ms", &[same("log.segment.delete.delay.ms")]),
    ("flush.messages", &[same("log.flush.interval.messages")]),
    ("flush.ms", &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")]),
    ("index.interval.bytes", &[same("log.index.interval.bytes")]),
    ("local.retention.bytes", &[same("log.local.retention.bytes")]),
    ("local.retention.ms", &[same("log.local.retention.ms")]),
    ("max.compaction.lag.ms", &[same("log.cleaner.max.compaction.lag.ms")]),
    ("max.message.bytes", &[same("message.max.bytes")]),
    ("message.timestamp.after.max.ms", &[same("log.message.timestamp.after.max.ms")]),
    ("message.timestamp.before.max.ms", &[same("log.message.timestamp.before.max.ms")]),
    ("message.timestamp.type", &[same("log.message.timestamp.type")]),
    ("min.cleanable.dirty.ratio", &[same("log.cleaner.min.cleanable.ratio")]),
    ("min.compaction.lag.ms", &[same("log.cleaner.min.compaction.lag.ms")]),
    ("min.insync.replicas", &[same("min.insync.replicas")]),
    ("preallocate", &[same("log.preallocate")]),
    ("retention.bytes", &[same("log.retention.bytes")]),
    ("retention.ms", &[same("log.retention.ms"), Synonym { key: "log.retention.minutes", factor: MINUTE_MS }, hours("log.retention.hours")]),
    ("segment.bytes", &[same("log.segment.bytes")]),
    ("segment.index.bytes", &[same("log.index.size.max.bytes")]),
    ("segment.jitter.ms", &[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")]),
    ("segment.ms", &[same("log.roll.ms"), hours("log.roll.hours")]),
    ("unclean.leader.election.enable", &[same("unclean.leader.election.enable")]),
];

/// The broker's keys behind a topic's key; none where the topic's stands alone.
pub(super) fn topic_synonyms(key: &str) -> &'static [Synonym] {
    let found = TOPIC_SYNONYMS.binary_search_by(|(name, _)| (*name).cmp(key));
    found.ok().and_then(|index| TOPIC_SYNONYMS.get(index)).map_or(&[], |(_, synonyms)| synonyms)
}

/// The broker's keys that one of them may stand for: the same setting in other units.
pub(super) fn broker_synonyms(key: &str) -> &'static [Synonym] {
    let several = TOPIC_SYNONYMS.iter().map(|(_, synonyms)| *synonyms).filter(|synonyms| synonyms.len() > 1);
    several.into_iter().find(|synonyms| synonyms.first().is_some_and(|first| first.key == key)).unwrap_or_default()
}

/// Whether a change of a broker's key at run time reaches the topics that inherit it.
pub(super) fn is_inherited_by_topics(key: &str) -> bool {
    TOPIC_SYNONYMS.iter().any(|(_, synonyms)| synonyms.iter().any(|synonym| synonym.key == key))
}

#[cfg(test)]
mod tests {
    use super::super::keys::topic_key;
    use super::*;

    #[test]
    fn synonyms_are_sorted_known_and_of_equal_default() {
        for pair in TOPIC_SYNONYMS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{}", pair[1].0);
        }
        for (key, synonyms) in TOPIC_SYNONYMS {
            let default = topic_key(key).unwrap().default;
            let inherited =
                synonyms.iter().find_map(|synonym| Some(synonym.convert(broker_key(synonym.key).unwrap().default?)));
            assert_eq!(inherited.as_deref(), default, "{key}");
        }
    }

    #[test]
    fn units_are_converted_and_no_limit_stays_none() {
        assert_eq!(hours("x").convert("168"), "604800000");
        assert_eq!(hours("x").convert("-1"), "-1");
        assert_eq!(same("x").convert("-1"), "-1");
        assert_eq!(same("x").convert("delete"), "delete");
    }
}

//! Which changes of configuration are valid at run time: the controller asks before it writes a record. Refuses, rather
//! than keeps without effect, what this release cannot change while it runs.

use std::collections::BTreeMap;

use barnabas_metadata::{ConfigResource, ConfigRules, InvalidConfig, ResourceType};

use super::keys::{
    ConfigKey, InvalidValue, Kind, Scope, broker_key, broker_keys, group_key, group_keys, nearest, topic_key,
    topic_keys,
};
use super::layers::{Layers, is_inherited_by_topics, value};
use super::topic::inherited;

/// The rules over the layers of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What topics inherit from.
    pub layers: Layers<'a>,
}

type Configs = BTreeMap<Box<str>, Box<str>>;

impl ConfigRules for Rules<'_> {
    fn validate(&self, resource: &ConfigResource, configs: &Configs) -> Result<(), InvalidConfig> {
        for (key, value) in configs {
            let row = row_of(resource.resource_type, key).ok_or_else(|| unknown(resource.resource_type, key))?;
            if resource.resource_type == ResourceType::Broker {
                check_dynamic(row, key, resource.name.is_empty())?;
            }
            row.check(value).map_err(refusal)?;
        }
        match resource.resource_type {
            ResourceType::Topic => self.check_topic(configs),
            ResourceType::Broker => self.check_steps(resource, configs),
            ResourceType::BrokerLogger | ResourceType::ClientMetrics | ResourceType::Group => Ok(()),
        }
    }

    fn is_list(&self, resource_type: ResourceType, key: &str) -> bool {
        row_of(resource_type, key).is_some_and(|row| row.kind == Kind::List)
    }

    fn inherited(&self, resource: &ConfigResource, key: &str) -> Option<String> {
        match resource.resource_type {
            ResourceType::Topic => inherited(key, self.layers),
            // What is set at run time elsewhere is not this resource's to build on.
            ResourceType::Broker => self.layers.settings.effective(key).map(str::to_owned),
            ResourceType::Group => group_key(key)?.default.map(str::to_owned),
            ResourceType::BrokerLogger | ResourceType::ClientMetrics => None,
        }
    }
}

impl Rules<'_> {
    /// Checks that numbers of threads change by no more than half or twice at a time, as Kafka wants it: a slip of the finger is no
    /// thousand threads. A key that is taken away falls back to what lies below it.
    fn check_steps(&self, resource: &ConfigResource, configs: &Configs) -> Result<(), InvalidConfig> {
        let number = |value: &str| value.trim().parse::<i64>().ok();
        for key in STEPPED {
            let set = configs.get(*key).map(AsRef::as_ref);
            let (broker, cluster) = match resource.name.is_empty() {
                true => (value(self.layers.broker, key), set),
                false => (set, value(self.layers.cluster, key)),
            };
            let wanted = broker.or(cluster).or_else(|| self.layers.settings.effective(key));
            let Some((wanted, current)) = wanted.and_then(number).zip(self.layers.effective(key).and_then(number))
            else {
                continue;
            };
            let allowed = (current / 2).max(1)..=current.saturating_mul(2).max(1);
            if wanted != current && !allowed.contains(&wanted) {
                let (least, most) = allowed.into_inner();
                let reason = format!("must be between {least} and {most}, half and twice what it is now");
                return Err(refused(key, &wanted.to_string(), &reason));
            }
        }
        Ok(())
    }

    /// Checks what keys of a topic mean together.
    fn check_topic(&self, configs: &Configs) -> Result<(), InvalidConfig> {
        let value = |key: &str| match configs.get(key) {
            Some(own) => Some(own.trim().to_owned()),
            None => inherited(key, self.layers),
        };
        let number = |key| value(key).and_then(|value| value.parse::<i64>().ok()).unwrap_or_default();
        let (least, most) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"));
        if least > most {
            return Err(refused(
                "min.compaction.lag.ms",
                &least.to_string(),
                &format!("must be at most max.compaction.lag.ms, which is {most}"),
            ));
        }
        if configs.get("remote.storage.enable").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return Err(refused("remote.storage.enable", "true", "this release has no tiered storage: must be false"));
        }
        for (local, total) in [("local.retention.ms", "retention.ms"), ("local.retention.bytes", "retention.bytes")] {
            let (local_value, total_value) = (number(local), number(total));
            let is_beyond = total_value >= 0 && (local_value == -1 || local_value > total_value);
            if configs.contains_key(local) && is_beyond {
                let reason = format!("must not be beyond {total}, which is {total_value}");
                return Err(refused(local, &local_value.to_string(), &reason));
            }
        }
        Ok(())
    }
}

/// Numbers of threads.
const STEPPED: &[&str] = &[
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];

fn row_of(resource_type: ResourceType, key: &str) -> Option<&'static ConfigKey> {
    let row = match resource_type {
        ResourceType::Topic => topic_key(key),
        ResourceType::Broker => broker_key(key),
        ResourceType::Group => group_key(key),
        ResourceType::BrokerLogger | ResourceType::ClientMetrics => None,
    };
    row.filter(|row| row.is_served())
}

/// Whether a broker's key can change while it runs, of one broker or of all.
fn check_dynamic(row: &ConfigKey, key: &str, all_brokers: bool) -> Result<(), InvalidConfig> {
    let reason = match row.scope {
        Scope::ReadOnly => "it cannot change while the broker runs: set it in the broker's file and restart",
        Scope::PerBroker if all_brokers => "it can be set on one broker at a time only: name the broker",
        Scope::PerBroker => "this release cannot change it while the broker runs",
        Scope::ClusterWide if row.has_effect() && !takes_effect_at_once(row.name) => {
            "this release cannot change it while the broker runs: set it in the broker's file and restart"
        }
        Scope::ClusterWide => return Ok(()),
    };
    Err(InvalidConfig { message: format!("configuration {key} cannot be set: {reason}").into() })
}

fn takes_effect_at_once(key: &str) -> bool {
    // The cleaner asks for its settings again and again.
    is_inherited_by_topics(key) || key == "producer.id.expiration.ms" || key.starts_with("log.cleaner.")
}

fn unknown(resource_type: ResourceType, key: &str) -> InvalidConfig {
    let (kind, rows) = match resource_type {
        ResourceType::Topic => ("topic", topic_keys()),
        ResourceType::Group => ("group", group_keys()),
        ResourceType::Broker => ("broker", broker_keys()),
        ResourceType::BrokerLogger | ResourceType::ClientMetrics => ("resource", [].as_slice()),
    };
    let shown: String = key.chars().take(120).collect();
    let meant = nearest(rows, key).map(|meant| format!(": did you mean {meant}?")).unwrap_or_default();
    InvalidConfig { message: format!("Unknown {kind} config name: {shown}{meant}").into() }
}

fn refused(key: &str, value: &str, reason: &str) -> InvalidConfig {
    refusal(InvalidValue { key: key.into(), value: value.into(), reason: reason.into() })
}

fn refusal(invalid: InvalidValue) -> InvalidConfig {
    InvalidConfig { message: invalid.to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Origin, Settings};
    use super::*;

    fn validate(resource: &ConfigResource, pairs: &[(&str, &str)]) -> Result<(), String> {
        let settings = Settings::default();
        let rules = Rules { layers: Layers { broker: None, cluster: None, settings: &settings } };
        let configs = pairs.iter().map(|(key, value)| (Box::from(*key), Box::from(*value))).collect();
        rules.validate(resource, &configs).map_err(|error| error.message.into())
    }

    #[test]
    fn a_topics_keys_and_values_are_checked() {
        let topic = ConfigResource::topic("t");
        validate(&topic, &[("retention.ms", "-1"), ("cleanup.policy", "compact"), ("barnabas.durability", "fsync")])
            .unwrap();
        for (pairs, expected) in [
            (vec![("retention.mss", "1")], "Unknown topic config name: retention.mss: did you mean retention.ms?"),
            (
                vec![("max.decompressed.message.bytes", "1")],
                "Unknown topic config name: max.decompressed.message.bytes",
            ),
            (vec![("retention.ms", "x")], "Invalid value x for configuration retention.ms: not a number of type LONG"),
            (
                vec![("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "4")],
                "Invalid value 5 for configuration min.compaction.lag.ms: must be at most max.compaction.lag.ms, which is 4",
            ),
            (
                vec![("remote.storage.enable", "TRUE")],
                "Invalid value true for configuration remote.storage.enable: this release has no tiered storage: must be false",
            ),
            (
                vec![("local.retention.ms", "6"), ("retention.ms", "5")],
                "Invalid value 6 for configuration local.retention.ms: must not be beyond retention.ms, which is 5",
            ),
        ] {
            assert_eq!(validate(&topic, &pairs), Err(expected.into()), "{pairs:?}");
        }
    }

    #[test]
    fn a_broker_takes_at_run_time_what_can_change_at_run_time() {
        let (one, all) = (ConfigResource::broker("1"), ConfigResource::broker(""));
        for resource in [&one, &all] {
            validate(resource, &[("log.retention.ms", "1000"), ("num.io.threads", "4")]).unwrap();
            validate(resource, &[("log.cleaner.threads", "2"), ("log.cleaner.backoff.ms", "1")]).unwrap();
            assert!(validate(resource, &[("log.cleaner.enable", "false")]).unwrap_err().contains("restart"));
            assert!(validate(resource, &[("node.id", "4")]).unwrap_err().contains("restart"));
            assert!(validate(resource, &[("max.connections", "4")]).unwrap_err().contains("restart"));
            assert!(validate(resource, &[("log.retention.ms", "x")]).unwrap_err().starts_with("Invalid value x"));
            assert!(validate(resource, &[("no.such.key", "x")]).unwrap_err().starts_with("Unknown broker config"));
        }
        assert!(validate(&all, &[("ssl.keystore.location", "a")]).unwrap_err().contains("one broker at a time"));
        assert!(validate(&one, &[("ssl.keystore.location", "a")]).unwrap_err().contains("this release"));
    }

    #[test]
    fn numbers_of_threads_change_step_by_step() {
        let mut settings = Settings::default();
        settings.set("log.cleaner.threads", "5", Origin::Flag);
        let (one, all) = (ConfigResource::broker("1"), ConfigResource::broker(""));
        let set = |pairs: &[(&str, &str)]| -> barnabas_metadata::ResourceConfigs {
            pairs.iter().map(|(key, value)| (Box::from(*key), std::sync::Arc::from(*value))).collect()
        };
        let cluster = set(&[("log.cleaner.threads", "9")]);
        let check = |cluster: Option<&barnabas_metadata::ResourceConfigs>,
                     resource: &ConfigResource,
                     pairs: &[(&str, &str)]| {
            let rules = Rules { layers: Layers { broker: None, cluster, settings: &settings } };
            let configs = pairs.iter().map(|(key, value)| (Box::from(*key), Box::from(*value))).collect();
            rules.validate(resource, &configs).map_err(|error| error.message.to_string())
        };
        for resource in [&one, &all] {
            for (threads, allowed) in
                [("1", false), ("2", true), ("5", true), ("10", true), ("11", false), ("0", false)]
            {
                let checked = check(None, resource, &[("log.cleaner.threads", threads)]);
                assert_eq!(checked.is_ok(), allowed, "{threads}: {checked:?}");
            }
        }
        let refused = check(None, &one, &[("num.io.threads", "17")]).unwrap_err();
        assert_eq!(
            refused,
            "Invalid value 17 for configuration num.io.threads: must be between 4 and 16, half and twice what it is now"
        );
        check(Some(&cluster), &one, &[("log.cleaner.threads", "18")]).unwrap();
        check(Some(&cluster), &all, &[]).unwrap();
        let cluster = set(&[("log.cleaner.threads", "18")]);
        assert!(check(Some(&cluster), &all, &[]).is_err(), "5 are left when it is taken away");
        check(Some(&cluster), &one, &[("log.retention.ms", "1000")]).unwrap();
    }

    #[test]
    fn lists_can_be_appended_to_and_start_from_what_is_inherited() {
        let mut settings = Settings::default();
        settings.set("log.cleanup.policy", "compact", Origin::Flag);
        let rules = Rules { layers: Layers { broker: None, cluster: None, settings: &settings } };
        assert!(rules.is_list(ResourceType::Topic, "cleanup.policy"));
        assert!(!rules.is_list(ResourceType::Topic, "retention.ms"));
        let inherited = rules.inherited(&ConfigResource::topic("t"), "cleanup.policy");
        assert_eq!(inherited.as_deref(), Some("compact"));
        let inherited = rules.inherited(&ConfigResource::broker("1"), "log.cleanup.policy");
        assert_eq!(inherited.as_deref(), Some("compact"));
    }
}

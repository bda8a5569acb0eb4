//! What DescribeConfigs tells: values in force with their sources and synonyms, in Kafka's order of strength. Passwords
//! are never told. Asks nobody's permission; that is the handler's.

use std::collections::BTreeSet;

use barnabas_metadata::ResourceConfigs;

use super::keys::{ConfigKey, Scope, broker_key, broker_keys, group_keys, topic_keys};
use super::layers::{ConfigSource, Layers, Synonym, broker_synonyms, topic_synonyms};
use super::topic::inherited;

/// A place that could set a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedSynonym {
    /// The key there.
    pub name: String,
    /// The value there; none where it is a password.
    pub value: Option<String>,
    /// The place.
    pub source: ConfigSource,
}

/// A configuration in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConfig {
    /// The key.
    pub name: String,
    /// The value; none where it is a password or null.
    pub value: Option<String>,
    /// Whether it can change while the broker runs.
    pub read_only: bool,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it is a password.
    pub is_sensitive: bool,
    /// The places that could set it, the strongest first.
    pub synonyms: Vec<DescribedSynonym>,
    /// Kafka's number of the value's type.
    pub config_type: i8,
    /// What it does.
    pub documentation: &'static str,
}

fn described(row: &ConfigKey, name: &str, value: Option<String>, synonyms: Vec<DescribedSynonym>) -> DescribedConfig {
    DescribedConfig {
        name: name.into(),
        value: value.filter(|_| !row.is_sensitive()),
        read_only: row.scope == Scope::ReadOnly,
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        is_sensitive: row.is_sensitive(),
        synonyms,
        config_type: row.type_id(),
        documentation: row.doc,
    }
}

/// Every configuration of a topic with `own` settings, sorted by key.
#[must_use]
pub fn describe_topic(own: Option<&ResourceConfigs>, layers: Layers<'_>) -> Vec<DescribedConfig> {
    let set = |row: &ConfigKey| own.and_then(|own| own.get(row.name)).map(ToString::to_string);
    let shown = topic_keys().iter().filter(|row| row.is_listed() || set(row).is_some());
    let describe = |row: &ConfigKey| {
        let mut synonyms: Vec<DescribedSynonym> = Vec::new();
        let own_value = set(row);
        if let Some(value) = &own_value {
            let name = row.name.into();
            synonyms.push(DescribedSynonym { name, value: Some(value.clone()), source: ConfigSource::Topic });
        }
        if let Some(first) = topic_synonyms(row.name).first() {
            synonyms.append(&mut synonyms_of(first.key, broker_synonyms(first.key), layers));
        }
        let value = own_value.or_else(|| inherited(row.name, layers));
        described(row, row.name, value, synonyms)
    };
    shown.map(describe).collect()
}

/// Every configuration of a broker, sorted by key.
#[must_use]
pub fn describe_broker(layers: Layers<'_>) -> Vec<DescribedConfig> {
    let listed = broker_keys().iter().filter(|row| row.is_listed()).map(|row| row.name.to_owned());
    let set = layers.settings.iter().map(|(key, _)| key.to_owned());
    let dynamic = [layers.broker, layers.cluster].into_iter().flatten().flat_map(ResourceConfigs::keys);
    let names: BTreeSet<String> = listed.chain(set).chain(dynamic.map(ToString::to_string)).collect();
    let describe = |name: String| {
        let row = broker_key(&name)?;
        let synonyms = synonyms_of(&name, broker_synonyms(&name), layers);
        // A null default behind a set synonym is still null: each key shows its own value.
        let value = layers.effective(&name).map(str::to_owned);
        Some(described(row, &name, value, synonyms))
    };
    names.into_iter().filter_map(describe).collect()
}

/// What was set on all brokers at run time, sorted by key.
#[must_use]
pub fn describe_all_brokers(layers: Layers<'_>) -> Vec<DescribedConfig> {
    let describe = |key: &str, value: &str| {
        let row = broker_key(key)?;
        let value = Some(value.to_owned()).filter(|_| !row.is_sensitive());
        let source = ConfigSource::DynamicDefaultBroker;
        let synonym = DescribedSynonym { name: key.to_owned(), value: value.clone(), source };
        Some(described(row, key, value, vec![synonym]))
    };
    layers.cluster.into_iter().flatten().filter_map(|(key, value)| describe(key, value)).collect()
}

/// Every place that sets `key` or one of its synonyms: layer by layer and in each by strength of the name. What comes
/// before the first place that names the key itself is left out, as Kafka leaves it out.
fn synonyms_of(key: &str, synonyms: &[Synonym], layers: Layers<'_>) -> Vec<DescribedSynonym> {
    let alone = [key];
    let names: Vec<&str> = match synonyms {
        [] => alone.to_vec(),
        synonyms => synonyms.iter().map(|synonym| synonym.key).collect(),
    };
    let mut found = Vec::new();
    for wanted in [
        ConfigSource::DynamicBroker,
        ConfigSource::DynamicDefaultBroker,
        ConfigSource::StaticBroker,
        ConfigSource::Default,
    ] {
        for name in &names {
            for (_, value) in layers.all(name).filter(|(source, _)| *source == wanted) {
                let is_sensitive = broker_key(name).is_some_and(ConfigKey::is_sensitive);
                let value = (!is_sensitive).then(|| value.to_owned());
                found.push(DescribedSynonym { name: (*name).into(), value, source: wanted });
            }
        }
    }
    found.into_iter().skip_while(|synonym| synonym.name != key).collect()
}

/// Every configuration of a group with `own` settings over `defaults`, sorted by key.
#[must_use]
pub fn describe_group(own: Option<&ResourceConfigs>, layers: Layers<'_>) -> Vec<DescribedConfig> {
    let describe = |row: &ConfigKey| {
        let own_value = own.and_then(|own| own.get(row.name)).map(ToString::to_string);
        let mut synonyms = Vec::new();
        if let Some(value) = &own_value {
            let name = row.name.into();
            synonyms.push(DescribedSynonym { name, value: Some(value.clone()), source: ConfigSource::Group });
        }
        let broker = format!("group.{}", row.name);
        let value = own_value.or_else(|| layers.effective(&broker).or(row.default).map(str::to_owned));
        described(row, row.name, value, synonyms)
    };
    group_keys().iter().filter(|row| row.is_listed()).map(describe).collect()
}

#[cfg(test)]
mod tests;

//! What is known of every configuration key: a row each, with Kafka's name, type, default, scope and range. DescribeConfigs,
//! validation and documentation read the same rows. Holds no value of a running broker.

mod broker;
mod group;
mod removed;
mod suggest;
mod topic;
mod value;

pub use removed::{Removed, RemovedEffect, removed};
pub use suggest::nearest;
pub use value::InvalidValue;

/// Kafka's types of values, with their numbers in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// Any text.
    String,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// A floating point number.
    Double,
    /// Texts with commas between.
    List,
    /// The name of a Java class.
    Class,
    /// A text that is never shown.
    Password,
}

impl Kind {
    const fn id(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// When a broker's key may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Only with a restart.
    ReadOnly,
    /// While running, for one broker.
    PerBroker,
    /// While running, for one broker or for all.
    ClusterWide,
}

/// Who gets to see a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Whoever sets it: Kafka keeps it for its own tests.
    Internal,
    /// Whoever sets it: Kafka reads it and does not list it.
    Unlisted,
    /// Whoever sets it: Kafka has it from 4.4 on, which is not what is served here.
    Kafka44,
    /// Everybody: Kafka does not have it.
    Own,
}

/// Which values a key takes beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Allowed {
    Anything,
    AtLeast(i64),
    Between(i64, i64),
    Fraction(f64, f64),
    /// 1 to 9, or -1.
    GzipLevel,
    NonEmpty,
    OneOf(&'static [&'static str]),
    OneOfAnyCase(&'static [&'static str]),
    EachOf(&'static [&'static str]),
    /// `partition:broker` pairs, or `*`.
    ThrottledReplicas,
    /// `earliest`, `latest` or `by_duration:` and an ISO 8601 duration.
    ResetStrategy,
}

/// How the sentence of a key begins that is accepted and does nothing, where the reason is worth knowing.
const NO_EFFECT: &str = "No effect: ";

/// One key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfigKey {
    /// Kafka's name.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// What holds where nothing is set; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// When it may change.
    pub scope: Scope,
    /// Which values it takes.
    pub(crate) allowed: Allowed,
    /// Who gets to see it.
    pub visibility: Visibility,
    /// What it does, in a sentence; empty, or with the reason behind [`NO_EFFECT`], where it is accepted and does nothing.
    pub doc: &'static str,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    scope: Scope,
    allowed: Allowed,
    visibility: Visibility,
    doc: &'static str,
) -> ConfigKey {
    ConfigKey { name, kind, default, scope, allowed, visibility, doc }
}

impl ConfigKey {
    /// Passwords are never shown, nor is what Kafka does not list: it cannot know whether that is a secret.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.kind, Kind::Password) || matches!(self.visibility, Visibility::Unlisted)
    }

    /// The number of the type in a DescribeConfigs response (KIP-569); 0 for what Kafka does not list.
    #[must_use]
    pub const fn type_id(&self) -> i8 {
        if matches!(self.visibility, Visibility::Unlisted) { 0 } else { self.kind.id() }
    }

    /// Whether setting it does anything.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        !self.doc.is_empty() && !self.doc.starts_with(NO_EFFECT)
    }

    /// Whether it is listed although nobody set it.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        matches!(self.visibility, Visibility::Public | Visibility::Own)
    }

    /// Whether it exists in the version of Kafka that is served.
    #[must_use]
    pub const fn is_served(&self) -> bool {
        !matches!(self.visibility, Visibility::Kafka44)
    }
}

/// What Kafka reads without listing it, and dynamic quotas of replication.
#[rustfmt::skip]
const UNLISTED: &[ConfigKey] = &[
    key("allow.everyone.if.no.acl.found", Kind::Boolean, None, Scope::ReadOnly, Allowed::Anything, Visibility::Unlisted, ""),
    key("follower.replication.throttled.rate", Kind::Long, None, Scope::ClusterWide, Allowed::AtLeast(0), Visibility::Unlisted, ""),
    key("leader.replication.throttled.rate", Kind::Long, None, Scope::ClusterWide, Allowed::AtLeast(0), Visibility::Unlisted, ""),
    key("metrics.jmx.exclude", Kind::String, None, Scope::ReadOnly, Allowed::Anything, Visibility::Unlisted, ""),
    key("metrics.jmx.include", Kind::String, None, Scope::ReadOnly, Allowed::Anything, Visibility::Unlisted, ""),
    key("replica.alter.log.dirs.io.max.bytes.per.second", Kind::Long, None, Scope::ClusterWide, Allowed::AtLeast(0), Visibility::Unlisted, ""),
    key("super.users", Kind::String, None, Scope::ReadOnly, Allowed::Anything, Visibility::Unlisted, ""),
];

/// Keys behind these are somebody else's: plug-ins, providers of values, a distribution's own.
const FOREIGN_PREFIXES: &[&str] = &["rsm.config.", "rlmm.config.", "config.providers.", "confluent."];

/// Every key of a broker, sorted by name, without the unlisted.
#[must_use]
pub fn broker_keys() -> &'static [ConfigKey] {
    broker::ROWS
}

/// Every key of a topic, sorted by name.
#[must_use]
pub fn topic_keys() -> &'static [ConfigKey] {
    topic::ROWS
}

/// Every key of a group, sorted by name.
#[must_use]
pub fn group_keys() -> &'static [ConfigKey] {
    group::ROWS
}

/// The row of a broker's key. `listener.name.<listener>.` and a SASL mechanism in front are looked through.
#[must_use]
pub fn broker_key(name: &str) -> Option<&'static ConfigKey> {
    let direct = find(broker::ROWS, name).or_else(|| find(UNLISTED, name));
    direct.or_else(|| {
        let (_listener, rest) = name.strip_prefix("listener.name.")?.split_once('.')?;
        find(broker::ROWS, rest).or_else(|| find(broker::ROWS, rest.split_once('.')?.1))
    })
}

/// The row of a topic's key.
#[must_use]
pub fn topic_key(name: &str) -> Option<&'static ConfigKey> {
    find(topic::ROWS, name)
}

/// The row of a group's key.
#[must_use]
pub fn group_key(name: &str) -> Option<&'static ConfigKey> {
    find(group::ROWS, name)
}

/// Whether a broker's key belongs to a plug-in and is none of ours to judge.
#[must_use]
pub fn is_foreign(name: &str) -> bool {
    FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn find(rows: &'static [ConfigKey], name: &str) -> Option<&'static ConfigKey> {
    rows.binary_search_by(|row| row.name.cmp(name)).ok().and_then(|index| rows.get(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_named_once() {
        for rows in [broker::ROWS, topic::ROWS, group::ROWS, UNLISTED] {
            for pair in rows.windows(2) {
                assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
            }
        }
    }

    #[test]
    fn every_default_is_a_valid_value() {
        for row in [broker::ROWS, topic::ROWS, group::ROWS, UNLISTED].concat() {
            if let Some(default) = row.default {
                let canonical = row.check(default).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(canonical, default, "{}", row.name);
            }
        }
    }

    #[test]
    fn kafkas_keys_are_all_there() {
        let count = |rows: &[ConfigKey], wanted| rows.iter().filter(|row| row.visibility == wanted).count();
        assert_eq!(count(broker::ROWS, Visibility::Public) + count(broker::ROWS, Visibility::Kafka44), 350);
        assert_eq!(count(topic::ROWS, Visibility::Public) + count(topic::ROWS, Visibility::Kafka44), 37);
        assert_eq!(count(group::ROWS, Visibility::Public) + count(group::ROWS, Visibility::Kafka44), 21);
    }

    #[test]
    fn a_listeners_own_keys_are_known_by_what_they_end_in() {
        for name in [
            "listener.name.internal.ssl.keystore.location",
            "listener.name.internal.plain.sasl.jaas.config",
            "listener.name.external.max.connections",
        ] {
            assert!(broker_key(name).is_some(), "{name}");
        }
        assert!(broker_key("listener.name.internal.no.such.key").is_none());
        assert!(broker_key("listener.name.internal").is_none());
    }
}

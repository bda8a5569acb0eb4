//! Keys that Kafka had and removed: since when, and what to use. Accepted with a warning, so that old files and compose
//! settings start; the few that still say something are marked with what they say.

/// What a removed key still does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovedEffect {
    /// Nothing.
    Ignored,
    /// Names the host of the advertised listener.
    AdvertisedHost,
    /// Names the port of the advertised listener.
    AdvertisedPort,
    /// Names the host to listen on.
    ListenHost,
    /// Names the port to listen on.
    ListenPort,
    /// Tells, where nothing is said of a quorum, that this is a node by itself.
    StandAlone,
}

/// A key that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Its name, or what its names begin with where it ends in a dot.
    pub name: &'static str,
    /// The version of Kafka that dropped it.
    pub removed_in: &'static str,
    /// What to use instead.
    pub instead: &'static str,
    /// What it still does.
    pub effect: RemovedEffect,
}

/// The row of a removed key.
#[must_use]
pub fn removed(name: &str) -> Option<&'static Removed> {
    ROWS.iter().find(|row| row.name == name || (row.name.ends_with('.') && name.starts_with(row.name)))
}

const fn gone(name: &'static str, removed_in: &'static str, instead: &'static str) -> Removed {
    Removed { name, removed_in, instead, effect: RemovedEffect::Ignored }
}

const fn read(name: &'static str, removed_in: &'static str, instead: &'static str, effect: RemovedEffect) -> Removed {
    Removed { name, removed_in, instead, effect }
}

/// Exact names come before the prefixes that would match them too.
#[rustfmt::skip]
const ROWS: &[Removed] = &[
    read("advertised.host.name", "3.0", "advertised.listeners", RemovedEffect::AdvertisedHost),
    read("advertised.port", "3.0", "advertised.listeners", RemovedEffect::AdvertisedPort),
    read("host.name", "3.0", "listeners", RemovedEffect::ListenHost),
    read("port", "3.0", "listeners", RemovedEffect::ListenPort),
    read("zookeeper.connect", "4.0", "process.roles and controller.quorum.voters", RemovedEffect::StandAlone),
    gone("zookeeper.", "4.0", "nothing: there is no ZooKeeper"),
    gone("auto.include.jmx.reporter", "4.0", "metric.reporters"),
    gone("broker.id.generation.enable", "4.0", "node.id"),
    gone("control.plane.listener.name", "4.0", "controller.listener.names"),
    gone("controlled.shutdown.max.retries", "4.0", "nothing: the controller decides"),
    gone("controlled.shutdown.retry.backoff.ms", "4.0", "nothing: the controller decides"),
    gone("delegation.token.master.key", "4.0", "delegation.token.secret.key"),
    gone("group.coordinator.new.enable", "4.0", "nothing: it is always on"),
    gone("inter.broker.protocol.version", "4.0", "the feature metadata.version"),
    gone("leader.imbalance.per.broker.percentage", "4.0", "nothing: leadership goes back however few partitions have moved"),
    gone("log.message.downconversion.enable", "4.0", "nothing: old formats are not served"),
    gone("log.message.format.version", "4.0", "nothing: there is one format"),
    gone("log.message.timestamp.difference.max.ms", "4.0", "log.message.timestamp.before.max.ms and .after.max.ms"),
    gone("max.connections.per.ip.per.second", "0.9", "max.connection.creation.rate"),
    gone("offsets.commit.required.acks", "4.0", "nothing: commits are always replicated"),
    gone("password.encoder.", "4.0", "nothing: dynamic passwords are not encrypted"),
    gone("quota.consumer.default", "3.0", "default quotas, set at run time"),
    gone("quota.producer.default", "3.0", "default quotas, set at run time"),
    gone("replica.fetch.response.max.bytes.per.partition", "0.10", "replica.fetch.max.bytes"),
    gone("reserved.broker.max.id", "4.0", "node.id"),
    gone("log.cleaner.hash.algorithm", "0.9", "nothing"),
];

#[cfg(test)]
mod tests {
    use super::super::broker_key;
    use super::*;

    #[test]
    fn removed_keys_are_found_by_name_and_by_prefix() {
        assert_eq!(removed("port").unwrap().effect, RemovedEffect::ListenPort);
        assert_eq!(removed("zookeeper.connect").unwrap().effect, RemovedEffect::StandAlone);
        assert_eq!(removed("zookeeper.session.timeout.ms").unwrap().removed_in, "4.0");
        assert_eq!(removed("password.encoder.secret").unwrap().name, "password.encoder.");
        assert!(removed("listeners").is_none() && removed("ports").is_none());
    }

    #[test]
    fn no_key_is_both_removed_and_known() {
        for row in ROWS {
            assert!(broker_key(row.name).is_none(), "{}", row.name);
        }
    }
}

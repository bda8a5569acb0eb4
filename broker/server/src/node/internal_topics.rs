//! How many replicas a topic of the cluster's own gets where the configuration does not say. Knows no particular topic, and never
//! changes one that is there.

/// Kafka's default, from which it never goes down: a cluster of one broker has to be configured there.
const KAFKAS_DEFAULT: usize = 3;

/// What `configured` says; else three, or as many as there are brokers where both brokers and voters are fewer.
///
/// Voters count because the first client may ask while only one of three nodes has registered, and a topic keeps what it was made with: a
/// quorum of three says that three are meant, and until they are there the topic is not made, as in Kafka.
pub fn replication_factor(configured: Option<i16>, registered_brokers: usize, voters: usize) -> i16 {
    let meant = registered_brokers.max(voters).clamp(1, KAFKAS_DEFAULT);
    configured.unwrap_or(i16::try_from(meant).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::replication_factor;

    #[test]
    fn one_node_gets_one_replica_and_three_get_three_even_while_only_one_of_them_is_there() {
        for (brokers, voters, expected) in [
            (1, 1, 1),
            (2, 1, 2),
            (3, 1, 3),
            (1, 3, 3),
            (3, 3, 3),
            (12, 5, 3),
            // Nothing is known yet.
            (0, 0, 1),
        ] {
            assert_eq!(replication_factor(None, brokers, voters), expected, "{brokers} brokers, {voters} voters");
        }
    }

    #[test]
    fn what_is_configured_is_obeyed_whether_it_can_be_had_or_not() {
        assert_eq!(replication_factor(Some(1), 3, 3), 1);
        assert_eq!(replication_factor(Some(5), 1, 1), 5);
    }
}

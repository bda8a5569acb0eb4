//! `KAFKA_CREATE_TOPICS`: topics that the common images make at the first start. Reads the text; makes no topic.

use super::ConfigError;

/// A topic to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicToCreate {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas of each.
    pub replication_factor: i16,
    /// `cleanup.policy`, where it is named.
    pub cleanup_policy: Option<String>,
}

/// Reads `name:partitions:replicas[:cleanup policy]` with commas between.
pub(super) fn parse(text: &str) -> Result<Vec<TopicToCreate>, ConfigError> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(|entry| parse_one(text, entry)).collect()
}

fn parse_one(text: &str, entry: &str) -> Result<TopicToCreate, ConfigError> {
    let wrong = || {
        let reason = "entries are name:partitions:replicas[:compact or delete], with commas between";
        ConfigError::invalid("KAFKA_CREATE_TOPICS", text, reason)
    };
    let mut parts = entry.split(':').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
    let partitions = parts.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
    let replication_factor = parts.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
    let cleanup_policy = match parts.next() {
        None | Some("") => None,
        Some(policy @ ("compact" | "delete")) => Some(policy.to_owned()),
        Some(_) => return Err(wrong()),
    };
    if parts.next().is_some() {
        return Err(wrong());
    }
    Ok(TopicToCreate {
        name: name.into(),
        partitions: partitions.ok_or_else(wrong)?,
        replication_factor: replication_factor.ok_or_else(wrong)?,
        cleanup_policy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_partitions_replicas_and_perhaps_a_policy() {
        let topics = parse("Topic1:1:3,\n Topic2:4:1:compact, ").unwrap();
        let topic = |name: &str, partitions, replication_factor, policy: Option<&str>| TopicToCreate {
            name: name.into(),
            partitions,
            replication_factor,
            cleanup_policy: policy.map(str::to_owned),
        };
        assert_eq!(topics, [topic("Topic1", 1, 3, None), topic("Topic2", 4, 1, Some("compact"))]);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["a", "a:1", "a:0:1", "a:x:1", ":1:1", "a:1:1:tidy", "a:1:1:compact:more", "a:1:-1"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("KAFKA_CREATE_TOPICS") && error.contains(text), "{error}");
        }
    }
}

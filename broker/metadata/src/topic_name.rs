//! Which names a topic may have. Knows nothing of the topics that exist.

/// The longest name: with a partition's number and a suffix it still is a legal directory name.
pub const MAX_NAME_LENGTH: usize = 249;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    /// No character at all.
    #[error("a topic name needs at least one character")]
    Empty,
    /// `.` and `..` are directories.
    #[error("a topic cannot be called '.' or '..'")]
    Dots,
    /// Too long.
    #[error("the topic name has {length} characters; {MAX_NAME_LENGTH} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A character that is not allowed.
    #[error("the topic name '{name}' holds '{character}'; allowed are ASCII letters and digits, '.', '_' and '-'")]
    Character {
        /// The name.
        name: Box<str>,
        /// The first offending character.
        character: char,
    },
}

/// Checks `name` against Kafka's rules.
///
/// # Errors
/// The first rule it breaks.
pub fn validate(name: &str) -> Result<(), TopicNameError> {
    if name.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(TopicNameError::Dots);
    }
    if name.len() > MAX_NAME_LENGTH {
        return Err(TopicNameError::TooLong { length: name.len() });
    }
    let legal = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    match name.chars().find(|character| !legal(character)) {
        Some(character) => Err(TopicNameError::Character { name: name.into(), character }),
        None => Ok(()),
    }
}

/// Topics that the brokers write for themselves.
#[must_use]
pub fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafka_s_rules() {
        for name in ["a", "A.b_c-9", "...", "__consumer_offsets", &"x".repeat(249)] {
            assert_eq!(validate(name), Ok(()), "{name}");
        }
        assert_eq!(validate(""), Err(TopicNameError::Empty));
        assert_eq!(validate("."), Err(TopicNameError::Dots));
        assert_eq!(validate(".."), Err(TopicNameError::Dots));
        assert_eq!(validate(&"x".repeat(250)), Err(TopicNameError::TooLong { length: 250 }));
        for name in ["a b", "a/b", "ä", "a\0", "a,b"] {
            assert!(matches!(validate(name), Err(TopicNameError::Character { .. })), "{name}");
        }
    }
}

//! Finds the key that somebody probably meant. Suggests nothing that is not near.

use super::{ConfigKey, UNLISTED};

/// Longer names are nobody's typing error, and comparing them costs time.
const LONGEST: usize = 128;

/// The key of `rows`, or of those that brokers read without listing them, that differs least from `name`, if any is near.
#[must_use]
pub fn nearest(rows: &[ConfigKey], name: &str) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    // A third of the letters may differ, but for short names only two.
    let most = (name.len() / 3).clamp(2, 6);
    let candidates = rows.iter().chain(UNLISTED).filter(|row| row.is_served());
    let measured = candidates.map(|row| (distance(name, row.name), row.name));
    measured.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// Letters to insert, delete or replace to get from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, from_letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, to_letter) in row.iter_mut().skip(1).zip(&to) {
            let replaced = diagonal + usize::from(from_letter != *to_letter);
            diagonal = *cell;
            *cell = replaced.min(left + 1).min(diagonal + 1);
            left = *cell;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::broker_keys;
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (from, to, expected) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("flaw", "lawn", 2)] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
            assert_eq!(distance(to, from), expected, "{to} {from}");
        }
    }

    #[test]
    fn typing_errors_find_their_key() {
        for (typed, meant) in [
            ("log.retention.hour", "log.retention.hours"),
            ("auto.create.topic.enable", "auto.create.topics.enable"),
            ("listners", "listeners"),
            ("super.user", "super.users"),
        ] {
            assert_eq!(nearest(broker_keys(), typed), Some(meant));
        }
        assert_eq!(nearest(broker_keys(), "something.else.entirely"), None);
        assert_eq!(nearest(broker_keys(), &"x".repeat(100_000)), None);
    }
}

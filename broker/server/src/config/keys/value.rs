//! Checks texts against a key's row, as Kafka's ConfigDef does, and brings them into one form. Knows single values; what
//! two keys mean together is checked by whoever reads both.

use super::{Allowed, ConfigKey, Kind};

/// A value that its key does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid value {value} for configuration {key}: {reason}")]
pub struct InvalidValue {
    /// The key.
    pub key: Box<str>,
    /// What was given; hidden where the key is a password.
    pub value: Box<str>,
    /// What is allowed.
    pub reason: Box<str>,
}

/// Longest part of a wrong value that is repeated in an error.
const SHOWN_CHARACTERS: usize = 120;

impl ConfigKey {
    /// Checks a value and gives it in the form in which it is shown and stored: trimmed, booleans in lower case, lists
    /// without blanks around their commas.
    ///
    /// # Errors
    /// The value is not of the key's type or not in its range.
    pub fn check(&self, value: &str) -> Result<String, InvalidValue> {
        // Passwords keep their blanks.
        let trimmed = if self.kind == Kind::Password { value } else { value.trim() };
        let canonical = self.typed(trimmed).and_then(|canonical| {
            self.check_range(&canonical)?;
            Ok(canonical)
        });
        canonical.map_err(|reason| self.invalid(value, &reason))
    }

    /// The error for a value that is wrong for a reason outside the row.
    #[must_use]
    pub fn invalid(&self, value: &str, reason: &str) -> InvalidValue {
        let value = match self.kind {
            Kind::Password => "[hidden]".into(),
            _ => value.chars().take(SHOWN_CHARACTERS).collect(),
        };
        InvalidValue { key: self.name.into(), value, reason: reason.into() }
    }

    fn typed(&self, value: &str) -> Result<String, String> {
        let is_number = match self.kind {
            Kind::Boolean if value.eq_ignore_ascii_case("true") => return Ok("true".into()),
            Kind::Boolean if value.eq_ignore_ascii_case("false") => return Ok("false".into()),
            Kind::Boolean => return Err("must be true or false".into()),
            Kind::Int => value.parse::<i32>().is_ok(),
            Kind::Short => value.parse::<i16>().is_ok(),
            Kind::Long => value.parse::<i64>().is_ok(),
            Kind::Double => value.parse::<f64>().is_ok_and(f64::is_finite),
            Kind::List => return Ok(items(value).collect::<Vec<_>>().join(",")),
            Kind::String | Kind::Class | Kind::Password => return Ok(value.into()),
        };
        if is_number { Ok(value.into()) } else { Err(format!("not a number of type {}", self.kind.name())) }
    }

    fn check_range(&self, value: &str) -> Result<(), String> {
        let allowed = match self.allowed {
            Allowed::Anything => true,
            Allowed::AtLeast(least) => value.parse().is_ok_and(|number: i64| number >= least),
            Allowed::Between(least, most) => value.parse().is_ok_and(|number: i64| (least..=most).contains(&number)),
            Allowed::Fraction(least, most) => value.parse().is_ok_and(|number: f64| (least..=most).contains(&number)),
            Allowed::GzipLevel => value.parse().is_ok_and(|number: i64| number == -1 || (1..=9).contains(&number)),
            Allowed::NonEmpty => !value.is_empty(),
            Allowed::OneOf(values) => values.contains(&value),
            Allowed::OneOfAnyCase(values) => values.iter().any(|allowed| allowed.eq_ignore_ascii_case(value)),
            Allowed::EachOf(values) => is_set_of(value, values),
            Allowed::ThrottledReplicas => value == "*" || items(value).all(is_throttled_replica),
            Allowed::ResetStrategy => {
                ["latest", "earliest"].contains(&value) || value.strip_prefix("by_duration:").is_some_and(is_duration)
            }
        };
        if allowed { Ok(()) } else { Err(self.allowed.describe()) }
    }
}

impl Allowed {
    fn describe(self) -> String {
        match self {
            Self::Anything => "anything".into(),
            Self::AtLeast(least) => format!("must be at least {least}"),
            Self::Between(least, most) => format!("must be between {least} and {most}"),
            Self::Fraction(least, most) => format!("must be between {least} and {most}"),
            Self::GzipLevel => "must be between 1 and 9, or -1".into(),
            Self::NonEmpty => "must not be empty".into(),
            Self::OneOf(values) => format!("must be one of {}", values.join(", ")),
            Self::OneOfAnyCase(values) => format!("must be one of {}, in upper or lower case", values.join(", ")),
            Self::EachOf(values) => format!("must be a list of {}, each at most once", values.join(", ")),
            Self::ThrottledReplicas => "must be * or a list of partition:broker pairs".into(),
            Self::ResetStrategy => "must be latest, earliest or by_duration: and a duration such as PT1H".into(),
        }
    }
}

/// The items of a list; none in an empty text.
pub(super) fn items(value: &str) -> impl Iterator<Item = &str> {
    let none = value.trim().is_empty();
    value.split(',').map(str::trim).filter(move |_| !none)
}

fn is_set_of(value: &str, allowed: &[&str]) -> bool {
    let mut seen = Vec::new();
    items(value).all(|item| {
        let fresh = !seen.contains(&item);
        seen.push(item);
        fresh && allowed.contains(&item)
    })
}

fn is_throttled_replica(item: &str) -> bool {
    item.split_once(':').is_some_and(|(partition, broker)| is_id(partition) && is_id(broker))
}

fn is_id(text: &str) -> bool {
    text.parse().is_ok_and(|id: i32| id >= 0)
}

/// An ISO 8601 duration of days, hours, minutes and seconds, as `PnDTnHnMn.nS`.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    let (days, time) = rest.split_once('T').map_or((rest, None), |(days, time)| (days, Some(time)));
    let days_fit = days.is_empty() || days.strip_suffix('D').is_some_and(is_digits);
    let time_fits = time.is_none_or(|time| !time.is_empty() && is_time(time));
    days_fit && time_fits && !(days.is_empty() && time.is_none())
}

fn is_time(time: &str) -> bool {
    let mut rest = time;
    for unit in ['H', 'M'] {
        if let Some((number, after)) = rest.split_once(unit) {
            if !is_digits(number) {
                return false;
            }
            rest = after;
        }
    }
    rest.is_empty()
        || rest.strip_suffix('S').is_some_and(|seconds| match seconds.split_once('.') {
            Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
            None => is_digits(seconds),
        })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::{broker_key, group_key, topic_key};

    fn topic(name: &str, value: &str) -> Result<String, String> {
        topic_key(name).unwrap().check(value).map_err(|error| error.to_string())
    }

    #[test]
    fn values_come_into_one_form() {
        assert_eq!(topic("retention.ms", " 5000 "), Ok("5000".into()));
        assert_eq!(topic("preallocate", "TRUE"), Ok("true".into()));
        assert_eq!(topic("cleanup.policy", " compact , delete"), Ok("compact,delete".into()));
        assert_eq!(topic("cleanup.policy", ""), Ok(String::new()));
    }

    #[test]
    fn errors_name_key_value_and_what_is_allowed() {
        for (key, value, reason) in [
            ("retention.ms", "-2", "must be at least -1"),
            ("retention.ms", "long", "not a number of type LONG"),
            ("retention.ms", "", "not a number of type LONG"),
            ("segment.bytes", "2147483648", "not a number of type INT"),
            ("preallocate", "yes", "must be true or false"),
            ("min.cleanable.dirty.ratio", "1.1", "must be between 0 and 1"),
            ("min.cleanable.dirty.ratio", "NaN", "not a number of type DOUBLE"),
            ("cleanup.policy", "compact,compact", "must be a list of compact, delete, each at most once"),
            ("cleanup.policy", "delete,", "must be a list of compact, delete, each at most once"),
            ("compression.gzip.level", "0", "must be between 1 and 9, or -1"),
            ("compression.type", "LZ4", "must be one of uncompressed, zstd, lz4, snappy, gzip, producer"),
            ("leader.replication.throttled.replicas", "0", "must be * or a list of partition:broker pairs"),
        ] {
            assert_eq!(topic(key, value), Err(format!("Invalid value {value} for configuration {key}: {reason}")));
        }
        assert_eq!(topic("leader.replication.throttled.replicas", "0:1,1:2"), Ok("0:1,1:2".into()));
    }

    #[test]
    fn passwords_are_not_repeated_and_long_values_are_cut() {
        let key = broker_key("ssl.key.password").unwrap();
        assert!(!key.invalid("secret", "no").to_string().contains("secret"));
        let long = "x".repeat(10_000);
        assert!(topic("retention.ms", &long).unwrap_err().len() < 300);
    }

    #[test]
    fn reset_strategies_take_durations() {
        let key = group_key("share.auto.offset.reset").unwrap();
        for good in ["latest", "earliest", "by_duration:PT1H", "by_duration:P1DT2H3M4.5S", "by_duration:P7D"] {
            assert!(key.check(good).is_ok(), "{good}");
        }
        for bad in ["none", "by_duration:", "by_duration:P", "by_duration:PT", "by_duration:1H", "by_duration:PTxS"] {
            assert!(key.check(bad).is_err(), "{bad}");
        }
    }
}

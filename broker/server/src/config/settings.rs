//! What was set before the broker started, key by key, with where it was set. Static: what changes at run time lies in the
//! metadata and goes on top (`layers`).

use std::collections::BTreeMap;
use std::fmt;

use super::boot::ConfigError;
use super::keys::broker_key;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a properties file.
    File {
        /// Its path.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// In an environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// In a flag of the command line.
    Flag,
    /// By the broker itself, for this reason.
    Derived(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}, line {line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag => f.write_str("a command line flag"),
            Self::Derived(reason) => write!(f, "the broker itself ({reason})"),
        }
    }
}

/// A value with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value in its canonical form.
    pub value: String,
    /// Where it was set.
    pub origin: Origin,
}

/// All static settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, Setting>);

impl Settings {
    /// Sets a key; what was set before is replaced.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        self.0.insert(key.into(), Setting { value: value.into(), origin });
    }

    /// What was set for a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.0.get(key)
    }

    /// The value that was set for a key.
    #[must_use]
    pub fn explicit(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|setting| setting.value.as_str())
    }

    /// The value that was set for a key, else Kafka's default.
    #[must_use]
    pub fn effective(&self, key: &str) -> Option<&str> {
        self.explicit(key).or_else(|| broker_key(key)?.default)
    }

    /// Everything that was set, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(key, setting)| (key.as_str(), setting))
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Setting> {
        self.0.remove(key)
    }

    /// The effective value of a key as a number, flag or text.
    ///
    /// # Errors
    /// Nothing is set and there is no default, or the value does not fit the type.
    pub fn read<T: FromSetting>(&self, key: &'static str) -> Result<T, ConfigError> {
        T::from_setting(self.effective(key)).ok_or_else(|| match self.effective(key) {
            Some(value) => ConfigError::invalid(key, value, "the value does not fit here"),
            None => ConfigError::Missing { key, reason: "it has no default".into() },
        })
    }

    /// Reads the value that was set for a key; None where none was.
    ///
    /// # Errors
    /// The value does not fit.
    pub fn read_explicit<T: FromSetting>(&self, key: &'static str) -> Result<Option<T>, ConfigError> {
        self.explicit(key).map(|_| self.read(key)).transpose()
    }
}

/// What a setting's text can be read as.
pub trait FromSetting: Sized {
    /// Reads the text; `None` where it does not fit.
    fn from_setting(value: Option<&str>) -> Option<Self>;
}

macro_rules! parsed {
    ($($type:ty),*) => {$(
        impl FromSetting for $type {
            fn from_setting(value: Option<&str>) -> Option<Self> {
                value?.parse().ok()
            }
        }
    )*};
}

parsed!(bool, i16, i32, i64, u32, u64, usize, f64, String);

impl<T: FromSetting> FromSetting for Option<T> {
    fn from_setting(value: Option<&str>) -> Option<Self> {
        match value {
            None => Some(None),
            some => T::from_setting(some).map(Some),
        }
    }
}

impl FromSetting for Vec<String> {
    fn from_setting(value: Option<&str>) -> Option<Self> {
        Some(value?.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }
}

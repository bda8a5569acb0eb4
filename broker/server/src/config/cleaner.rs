//! The log cleaner's configuration in force: Kafka's `log.cleaner.*` keys, most of which may change at run time.

use std::str::FromStr;

use barnabas_log::CompactionLimits;

use super::keys::{InvalidValue, broker_key};
use super::layers::Layers;

/// Kafka's limit for one thread's map, in bytes.
const MOST_MAP_BYTES: usize = i32::MAX as usize;

/// What the cleaner may do and use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.enable`
    pub enable: bool,
    /// `log.cleaner.threads`
    pub threads: usize,
    /// `log.cleaner.backoff.ms`: how long a thread sleeps that finds nothing to do.
    pub backoff_ms: i64,
    /// `log.cleaner.io.max.bytes.per.second`: what all threads together read and write.
    pub io_max_bytes_per_second: f64,
    /// `log.cleaner.dedupe.buffer.size`: memory for the maps of all threads, in bytes.
    pub dedupe_buffer_size: usize,
    /// `log.cleaner.io.buffer.load.factor`: how full a map may get.
    pub io_buffer_load_factor: f64,
    /// `log.cleaner.io.buffer.size`: memory for reading and writing of all threads, in bytes.
    pub io_buffer_size: usize,
}

impl CleanerConfig {
    /// Settles what is in force.
    ///
    /// # Errors
    /// A stored value that its key does not take, as another version may have allowed.
    pub fn resolve(layers: Layers<'_>) -> Result<Self, InvalidValue> {
        Ok(Self {
            enable: value(layers, "log.cleaner.enable")?,
            threads: value(layers, "log.cleaner.threads")?,
            backoff_ms: value(layers, "log.cleaner.backoff.ms")?,
            io_max_bytes_per_second: value(layers, "log.cleaner.io.max.bytes.per.second")?,
            // Kafka takes a negative one; the map then has room for one key, as with too small a one.
            dedupe_buffer_size: value(layers, "log.cleaner.dedupe.buffer.size")
                .map(|size: i64| size.try_into().unwrap_or(0))?,
            io_buffer_load_factor: value(layers, "log.cleaner.io.buffer.load.factor")?,
            io_buffer_size: value(layers, "log.cleaner.io.buffer.size")?,
        })
    }

    /// Kafka's defaults.
    #[must_use]
    pub const fn kafkas() -> Self {
        Self {
            enable: true,
            threads: 1,
            backoff_ms: 15_000,
            io_max_bytes_per_second: f64::MAX,
            dedupe_buffer_size: 128 << 20,
            io_buffer_load_factor: 0.9,
            io_buffer_size: 512 << 10,
        }
    }

    /// What one thread may use: its share.
    #[must_use]
    pub fn limits(&self) -> CompactionLimits {
        let threads = self.threads.max(1);
        CompactionLimits {
            map_bytes: (self.dedupe_buffer_size / threads).min(MOST_MAP_BYTES),
            map_load_factor: self.io_buffer_load_factor,
            // Half for reading, half for writing.
            buffer_bytes: self.io_buffer_size / threads / 2,
        }
    }
}

fn value<T: FromStr>(layers: Layers<'_>, key: &'static str) -> Result<T, InvalidValue> {
    let missing = || InvalidValue { key: key.into(), value: "".into(), reason: "there is no such key".into() };
    let row = broker_key(key).ok_or_else(missing)?;
    let text = row.check(layers.effective(key).unwrap_or_default())?;
    text.parse().map_err(|_| row.invalid(&text, "the value does not fit here"))
}

#[cfg(test)]
mod tests {
    use barnabas_metadata::ResourceConfigs;

    use super::super::settings::Settings;
    use super::*;

    fn resolve(pairs: &[(&str, &str)]) -> Result<CleanerConfig, InvalidValue> {
        let cluster: ResourceConfigs =
            pairs.iter().map(|(key, value)| (Box::from(*key), std::sync::Arc::from(*value))).collect();
        CleanerConfig::resolve(Layers { broker: None, cluster: Some(&cluster), settings: &Settings::default() })
    }

    #[test]
    fn kafkas_defaults_give_one_thread_128_mebibytes_and_no_limit_of_its_speed() {
        let config = resolve(&[]).unwrap();
        assert_eq!(config, CleanerConfig::kafkas());
        assert_eq!(config.limits(), CompactionLimits::default());
    }

    #[test]
    fn threads_share_the_memory() {
        let config = resolve(&[
            ("log.cleaner.threads", "4"),
            ("log.cleaner.dedupe.buffer.size", "4000"),
            ("log.cleaner.io.buffer.load.factor", "0.5"),
            ("log.cleaner.io.buffer.size", "800"),
        ]);
        let limits = config.unwrap().limits();
        assert_eq!((limits.map_bytes, limits.map_load_factor, limits.buffer_bytes), (1000, 0.5, 100));
        let none = resolve(&[("log.cleaner.threads", "0")]).unwrap();
        assert_eq!((none.threads, none.limits()), (0, CompactionLimits::default()));
    }
}

//! Arguments that several commands share: where the cluster is, how long a run lasts, and producer properties under Kafka's names.

use std::str::FromStr;

use barnabas_records::compression::Compression;
use clap::Args;
use serde::Serialize;

use super::cluster::Cluster;
use super::error::PerfError;

/// Where to go.
#[derive(Args, Clone, Debug, Serialize)]
pub struct ClusterArguments {
    /// Brokers to begin with, separated by commas.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "localhost:9092")]
    pub bootstrap_server: Vec<String>,

    /// The name under which the broker knows this client, for its log and quotas.
    #[arg(long, value_name = "NAME", default_value = "perf")]
    pub client_id: String,
}

impl ClusterArguments {
    /// The cluster.
    pub fn cluster(&self) -> Cluster {
        Cluster { bootstrap_servers: self.bootstrap_server.clone(), client_id: self.client_id.clone() }
    }
}

/// How long, and on which CPU.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Duration")]
pub struct RunArguments {
    /// End after so many records.
    #[arg(long, value_name = "COUNT")]
    pub num_records: Option<u64>,

    /// End after so many seconds, warm-up included. Without it and --num-records: 10 after the warm-up; consume goes on until nothing comes.
    #[arg(long, value_name = "SECONDS")]
    pub duration_seconds: Option<f64>,

    /// Leave the first so many seconds out of all figures.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub warm_up_seconds: f64,

    /// Stay on this CPU (from 0).
    #[arg(long, value_name = "NUMBER")]
    pub cpu: Option<usize>,
}

/// What a run lasts when nothing is said.
const DEFAULT_SECONDS: f64 = 10.0;
/// Longer than any run, and still far from an overflow, in nanoseconds.
const ENDLESS_NS: u64 = u64::MAX / 2;
/// The longest run.
const MAX_SECONDS: f64 = 31.0 * 86_400.0;

impl RunArguments {
    /// Nanoseconds of warm-up.
    ///
    /// # Errors
    /// [`PerfError::Argument`].
    pub fn warm_up_ns(&self) -> Result<u64, PerfError> {
        nanoseconds("--warm-up-seconds", self.warm_up_seconds)
    }

    /// Nanoseconds of a run that ends only when nothing comes any more, or as `duration_ns` where an end was given.
    ///
    /// # Errors
    /// As `duration_ns`.
    pub fn open_ended_ns(&self) -> Result<u64, PerfError> {
        if self.duration_seconds.is_none() { Ok(ENDLESS_NS) } else { self.duration_ns() }
    }

    /// Nanoseconds in all; endless where only records are counted.
    ///
    /// # Errors
    /// [`PerfError::Argument`], also when the warm-up would be all there is.
    pub fn duration_ns(&self) -> Result<u64, PerfError> {
        let seconds = match (self.duration_seconds, self.num_records) {
            (Some(seconds), _) => seconds,
            (None, Some(_)) => return Ok(ENDLESS_NS),
            (None, None) => self.warm_up_seconds + DEFAULT_SECONDS,
        };
        if seconds <= self.warm_up_seconds {
            return Err(PerfError::argument("--duration-seconds", seconds, "it must be longer than the warm-up"));
        }
        nanoseconds("--duration-seconds", seconds)
    }
}

fn nanoseconds(flag: &'static str, seconds: f64) -> Result<u64, PerfError> {
    if !(0.0..=MAX_SECONDS).contains(&seconds) {
        return Err(PerfError::argument(flag, seconds, format!("it must lie between 0 and {MAX_SECONDS}")));
    }
    Ok((seconds * 1e9) as u64)
}

/// What a producer is configured with. Flags win over properties.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Producer")]
pub struct ProducerArguments {
    /// Whom to wait for: 0, 1, or all (-1) [default: all].
    #[arg(long, allow_hyphen_values = true)]
    acks: Option<String>,

    /// Bytes of a batch at most; 0 sends each record on its own [default: 16384].
    #[arg(long, value_name = "BYTES")]
    batch_size: Option<usize>,

    /// How long a batch that is not full waits for more records. At a fixed rate only: without one, batches are always full [default: 5].
    #[arg(long, value_name = "MILLISECONDS")]
    linger_ms: Option<u64>,

    /// none, gzip, snappy, lz4 or zstd [default: none].
    #[arg(long, value_name = "CODEC")]
    compression_type: Option<String>,

    /// Requests that may wait for their answer on each connection [default: 5].
    #[arg(long, value_name = "COUNT")]
    in_flight: Option<usize>,

    /// Number batches, so that the broker takes each exactly once (enable.idempotence) [default: off].
    #[arg(long)]
    idempotent: bool,

    /// Producer properties under Kafka's names: acks, batch.size, linger.ms, compression.type, enable.idempotence,
    /// max.in.flight.requests.per.connection, request.timeout.ms, delivery.timeout.ms.
    #[arg(long, visible_alias = "command-property", value_name = "KEY=VALUE", num_args = 1..)]
    producer_props: Vec<String>,
}

/// The same, resolved.
#[derive(Clone, Debug, Serialize)]
pub struct ProducerSettings {
    /// 0, 1 or -1.
    pub acks: i16,
    /// Bytes of a batch at most.
    pub batch_size: usize,
    /// Milliseconds.
    pub linger_ms: u64,
    /// The codec's name.
    pub compression_type: String,
    /// Requests without an answer on each connection.
    pub in_flight: usize,
    /// Batches carry producer id and sequence.
    pub idempotent: bool,
    /// After how long without an answer a connection is given up.
    pub request_timeout_ms: u64,
    /// After how long a record is given up.
    pub delivery_timeout_ms: u64,
}

impl ProducerArguments {
    /// Properties first, then flags.
    ///
    /// # Errors
    /// [`PerfError::Argument`] for an unknown property or an impossible value.
    pub fn settings(&self) -> Result<ProducerSettings, PerfError> {
        let mut settings = ProducerSettings {
            acks: -1,
            batch_size: 16_384,
            linger_ms: 5,
            compression_type: "none".to_owned(),
            in_flight: 5,
            idempotent: self.idempotent,
            request_timeout_ms: 30_000,
            delivery_timeout_ms: 120_000,
        };
        for property in &self.producer_props {
            settings.set(property)?;
        }
        if let Some(acks) = &self.acks {
            settings.acks = parse_acks("--acks", acks)?;
        }
        if let Some(codec) = &self.compression_type {
            settings.compression_type.clone_from(codec);
        }
        settings.batch_size = self.batch_size.unwrap_or(settings.batch_size);
        settings.linger_ms = self.linger_ms.unwrap_or(settings.linger_ms);
        settings.in_flight = self.in_flight.unwrap_or(settings.in_flight);
        settings.check()?;
        Ok(settings)
    }
}

impl ProducerSettings {
    fn set(&mut self, property: &str) -> Result<(), PerfError> {
        let unknown = |reason: &str| PerfError::argument("--producer-props", property, reason);
        let (key, value) = property.split_once('=').ok_or_else(|| unknown("write KEY=VALUE"))?;
        match key {
            "acks" => self.acks = parse_acks("acks", value)?,
            "batch.size" => self.batch_size = parse(property, value)?,
            "linger.ms" => self.linger_ms = parse(property, value)?,
            "compression.type" => value.clone_into(&mut self.compression_type),
            "enable.idempotence" => self.idempotent = parse(property, value)?,
            "max.in.flight.requests.per.connection" => self.in_flight = parse(property, value)?,
            "request.timeout.ms" => self.request_timeout_ms = parse(property, value)?,
            "delivery.timeout.ms" => self.delivery_timeout_ms = parse(property, value)?,
            _ => return Err(unknown("the property has no effect here; --help lists those that have")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), PerfError> {
        self.compression()?;
        if self.in_flight == 0 {
            return Err(PerfError::argument("--in-flight", 0, "at least 1"));
        }
        if self.idempotent && (self.acks != -1 || self.in_flight > 5) {
            let value = format!("acks {}, in flight {}", self.acks, self.in_flight);
            return Err(PerfError::argument("--idempotent", value, "it needs acks=all and at most 5 in flight"));
        }
        Ok(())
    }

    /// The codec.
    ///
    /// # Errors
    /// [`PerfError::Argument`].
    pub fn compression(&self) -> Result<Compression, PerfError> {
        use barnabas_records::Codec;
        let all = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
        let codec = all.into_iter().find(|codec| codec.name() == self.compression_type);
        let codec = codec.ok_or_else(|| {
            PerfError::argument("--compression-type", &self.compression_type, "none, gzip, snappy, lz4 or zstd")
        })?;
        Ok(Compression::of(codec))
    }
}

fn parse_acks(flag: &'static str, value: &str) -> Result<i16, PerfError> {
    match value {
        "all" | "-1" => Ok(-1),
        "0" => Ok(0),
        "1" => Ok(1),
        _ => Err(PerfError::argument(flag, value, "0, 1, all or -1")),
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(property: &str, value: &str) -> Result<T, PerfError> {
    value.parse().map_err(|error: T::Err| PerfError::argument("--producer-props", property, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        producer: ProducerArguments,
    }

    fn settings(line: &str) -> Result<ProducerSettings, PerfError> {
        Line::try_parse_from(line.split(' ')).unwrap().producer.settings()
    }

    #[test]
    fn properties_have_kafkas_names_and_flags_win_over_them() {
        let line = "x --producer-props acks=1 batch.size=7 linger.ms=0 compression.type=zstd --batch-size 9";
        let settings = settings(line).unwrap();
        assert_eq!((settings.acks, settings.batch_size, settings.linger_ms), (1, 9, 0));
        assert_eq!(settings.compression().unwrap(), Compression::Zstd { level: 3 });
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (line, expected) in [
            ("x --acks 2", "0, 1, all or -1"),
            ("x --compression-type rar", "none, gzip, snappy, lz4 or zstd"),
            ("x --idempotent --acks 1", "acks=all"),
            ("x --producer-props colour=red", "no effect here"),
            ("x --producer-props acks", "KEY=VALUE"),
            ("x --producer-props linger.ms=soon", "invalid digit"),
            ("x --in-flight 0", "at least 1"),
        ] {
            let error = settings(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn a_run_must_outlast_its_warm_up() {
        let run = |duration_seconds, num_records, warm_up_seconds| RunArguments {
            num_records,
            duration_seconds,
            warm_up_seconds,
            cpu: None,
        };
        assert_eq!(run(None, None, 2.0).duration_ns().unwrap(), 12_000_000_000);
        assert_eq!(run(None, Some(5), 0.0).duration_ns().unwrap(), ENDLESS_NS);
        assert_eq!(run(None, None, 2.0).open_ended_ns().unwrap(), ENDLESS_NS);
        assert_eq!(run(Some(3.0), None, 2.0).open_ended_ns().unwrap(), 3_000_000_000);
        assert!(run(Some(3.0), None, 3.0).duration_ns().is_err());
        assert!(run(Some(f64::NAN), None, 0.0).duration_ns().is_err());
        assert!(run(None, None, -1.0).warm_up_ns().is_err());
    }
}

//! Logs on standard error, as text for people or JSON for machines, with a level that can be changed while running.

use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line a person reads.
    Text,
    /// One JSON object a line.
    Json,
}

/// The filter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogLevelError {
    /// It does not parse.
    #[error("{filter:?} is no log filter: {reason} (examples: info; debug; warn,barnabas_server=debug)")]
    Syntax {
        /// What was asked for.
        filter: String,
        /// What is wrong.
        reason: String,
    },
    /// The subscriber is gone.
    #[error("the log level can no longer be changed: {0}")]
    Gone(#[from] reload::Error),
}

/// The level that is in force; clones share it.
#[derive(Clone, Debug)]
pub struct LogLevel {
    filter: Arc<Mutex<String>>,
    handle: Option<reload::Handle<EnvFilter, Registry>>,
}

impl LogLevel {
    /// A level that no subscriber follows, for tests and tools.
    ///
    /// # Errors
    /// The filter does not parse.
    pub fn detached(filter: &str) -> Result<Self, LogLevelError> {
        parse(filter)?;
        Ok(Self { filter: Arc::new(Mutex::new(filter.to_owned())), handle: None })
    }

    /// The filter in force.
    #[must_use]
    pub fn get(&self) -> String {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another filter in force.
    ///
    /// # Errors
    /// The filter does not parse; the old one stays.
    pub fn set(&self, filter: &str) -> Result<(), LogLevelError> {
        let parsed = parse(filter)?;
        if let Some(handle) = &self.handle {
            handle.reload(parsed)?;
        }
        filter.clone_into(&mut self.filter.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

fn parse(filter: &str) -> Result<EnvFilter, LogLevelError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|error| LogLevelError::Syntax { filter: filter.to_owned(), reason: error.to_string() })
}

/// Starts logging for the process. Called once, by the binary.
///
/// # Errors
/// The filter does not parse.
pub fn start(filter: &str, format: LogFormat) -> Result<LogLevel, LogLevelError> {
    let (layer, handle) = reload::Layer::new(parse(filter)?);
    let registry = tracing_subscriber::registry().with(layer);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let started = match format {
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(ansi).with_target(false))
            .try_init(),
        LogFormat::Json => {
            registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).try_init()
        }
    };
    // A second start (several nodes in one process) keeps the first subscriber; its level cannot be changed from here.
    let handle = started.is_ok().then_some(handle);
    Ok(LogLevel { filter: Arc::new(Mutex::new(filter.to_owned())), handle })
}

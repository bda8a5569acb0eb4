//! The process around one node: its threads, the signals that stop it, the line that says it is ready.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::Boot;
use crate::logging::LogLevel;
use crate::node::{FormatPolicy, Running};
use crate::runtime::Runtime;

/// How long background threads may take once everything is closed.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a broker until SIGTERM or SIGINT. A second signal ends its waiting until others can do without it; one more, or one while it stops, ends
/// the process at once.
///
/// # Errors
/// The broker could not start, or could not go on.
pub fn run(boot: Boot, format: FormatPolicy, log_level: LogLevel, began: Instant) -> anyhow::Result<()> {
    let control = Builder::new_multi_thread().worker_threads(1).thread_name("control").enable_all().build()?;
    let data = Builder::new_current_thread().thread_name("data-blocking").enable_all().build()?;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let others = (1..processors).map(DataThread::start).collect::<std::io::Result<Vec<_>>>()?;
    let handles = others.iter().map(|thread| thread.handle.clone());
    let runtime = Runtime::new(control.handle().clone(), data.handle().clone(), handles);
    let result = data.block_on(serve(boot, format, log_level, runtime, began));
    drop(others);
    data.shutdown_timeout(LEAVE_TIMEOUT);
    control.shutdown_timeout(LEAVE_TIMEOUT);
    result
}

/// A thread for connections, beside the one that calls [`run`]. Dropped, it ends, and drops what runs on it.
struct DataThread {
    handle: Handle,
    _running: oneshot::Sender<()>,
}

impl DataThread {
    fn start(number: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().thread_name("data-blocking").enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name(format!("data-{number}")).spawn(move || {
            let _ended = runtime.block_on(ended);
            runtime.shutdown_timeout(LEAVE_TIMEOUT);
        })?;
        Ok(Self { handle, _running: running })
    }
}

async fn serve(
    boot: Boot,
    format: FormatPolicy,
    log_level: LogLevel,
    runtime: Runtime,
    began: Instant,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let running = tokio::select! {
        biased;
        running = Running::start(boot, format, log_level, runtime) => running?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    announce(&running, began.elapsed());
    let mut failed = tokio::select! {
        biased;
        () = running.failed() => true,
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
    };
    if !failed {
        tokio::select! {
            biased;
            () = running.stay_while_needed() => {}
            _ = terminate.recv() => tracing::info!("told twice to stop: it stays no longer"),
            _ = interrupt.recv() => tracing::info!("told twice to stop: it stays no longer"),
            () = running.failed() => failed = true,
        }
    }
    tracing::info!("stopping");
    let stopped = tokio::select! {
        biased;
        stopped = running.stop() => stopped,
        _ = terminate.recv() => Err(anyhow::anyhow!("told twice to stop: left at once, the next start recovers")),
        _ = interrupt.recv() => Err(anyhow::anyhow!("told twice to stop: left at once, the next start recovers")),
    };
    tracing::info!("stopped");
    anyhow::ensure!(!failed, "the metadata quorum or its disk has failed; see the error above");
    stopped
}

fn announce(running: &Running, took: Duration) {
    let node = &running.node;
    let directories: Vec<String> = node.directories.all().iter().map(|one| one.path.display().to_string()).collect();
    tracing::info!(
        "ready in {} ms: node {} of cluster {}, data in {}, clients connect to {}",
        took.as_millis(),
        node.broker_id,
        node.cluster_id,
        directories.join(", "),
        running.advertised().join(", ")
    );
    if let Some((_, address)) = running.advertised().first().and_then(|listener| listener.split_once("://")) {
        tracing::info!("try it: kcat -b {address} -L");
    }
}

//! The seam to a simulated machine: whole nodes as tasks of one thread, on a clock, a disk and a network of the simulation's. Its tasks run
//! only while it does, and end together when it is killed. In nothing that is released; chooses nothing that a seed should choose.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use barnabas_log::fs::Fs;
use barnabas_net::simulated::Network;
use barnabas_replica::Bug;
use barnabas_types::Timestamp;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use super::Runtime;

/// What a node runs on.
pub trait Machine: fmt::Debug + Send + Sync {
    /// Its calendar.
    fn wall(&self) -> Timestamp;
    /// Its chance.
    fn fill_random(&self, bytes: &mut [u8]);
    /// Its disks.
    fn fs(&self) -> Arc<dyn Fs>;
    /// What a sync takes.
    fn sync_takes(&self) -> Duration;
    /// Its network.
    fn network(&self) -> Arc<dyn Network>;
    /// A bug that was put into its replicas on purpose.
    fn bug(&self) -> Option<Bug>;
    /// False while it stands still, or is no more: the task of `context` is not to be polled, and is woken when it may be.
    fn runs(&self, context: &mut Context<'_>) -> bool;
    /// It has one task more, to be aborted when it is killed.
    fn spawned(&self, task: AbortHandle);
}

impl Runtime {
    /// A runtime whose tasks are those of `machine`, on the current tokio runtime, which has one thread.
    #[must_use]
    pub fn simulated(machine: Arc<dyn Machine>) -> Self {
        Self { machine: Some(machine), ..Self::current() }
    }

    /// A bug that was put into the replicas of this node on purpose.
    #[must_use]
    pub fn bug(&self) -> Option<Bug> {
        self.machine.as_ref().and_then(|machine| machine.bug())
    }
}

/// Runs `task` on `machine`.
pub(super) fn spawn<F>(machine: &Arc<dyn Machine>, handle: &Handle, task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let spawned = handle.spawn(OnMachine { machine: Arc::clone(machine), task: Box::pin(task) });
    machine.spawned(spawned.abort_handle());
    spawned
}

/// A task of a machine.
struct OnMachine<F> {
    machine: Arc<dyn Machine>,
    task: Pin<Box<F>>,
}

impl<F: Future> Future for OnMachine<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if !self.machine.runs(context) {
            return Poll::Pending;
        }
        let _on_its_network = barnabas_net::simulated::enter(self.machine.network());
        self.task.as_mut().poll(context)
    }
}

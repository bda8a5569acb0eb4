//! Publication: committed metadata reaches everything on this node in one order, one change at a time, and then counts as
//! applied. A reply that promises something waits for that.

use std::sync::Arc;
use std::time::Duration;

use barnabas_metadata::{Delta, Image, PartitionCounts};
use barnabas_raft::Endpoint;
use barnabas_types::{BrokerId, LeaderEpoch, Offset};
use futures::future::BoxFuture;
use tokio::sync::watch;

/// The committed metadata.
#[derive(Clone, Debug)]
pub struct Published {
    /// The metadata.
    pub image: Arc<Image>,
    /// The offset after the last record in it.
    pub end: Offset,
    /// The quorum's epoch; -1 when nobody leads.
    pub epoch: LeaderEpoch,
    /// At the active controller: what it has decided on, committed or not.
    pub partitions: Option<PartitionCounts>,
}

impl Default for Published {
    fn default() -> Self {
        Self { image: Arc::default(), end: Offset(0), epoch: LeaderEpoch::NONE, partitions: None }
    }
}

/// The controller that decides at the moment, as far as this node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveController {
    /// The quorum's newest epoch; -1 when this node takes no part.
    pub epoch: LeaderEpoch,
    /// Its leader; None while nobody leads, or nobody known.
    pub id: Option<BrokerId>,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// The level of `kraft.version` at which the quorum runs.
    pub kraft_version: u16,
}

impl Default for ActiveController {
    fn default() -> Self {
        Self { epoch: LeaderEpoch::NONE, id: None, endpoints: Vec::new(), kraft_version: 0 }
    }
}

/// A change that a subscriber carries out.
#[derive(Clone, Debug)]
pub struct Change {
    /// The metadata before.
    pub old: Arc<Image>,
    /// The metadata from here on.
    pub new: Arc<Image>,
    /// What differs.
    pub delta: Arc<Delta>,
}

/// Whoever acts on metadata.
pub trait Subscriber: Send + Sync {
    /// What it is called in the log.
    fn name(&self) -> &'static str;

    /// Carries out one change. Returns when it is in force; a failure is the subscriber's to report, and leaves the rest in force.
    fn apply<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, ()>;

    /// How long until it wants to be asked again although nothing changes, because something could not be carried out for the moment.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// How far this node has applied the metadata.
#[derive(Clone, Debug)]
pub struct Applied(watch::Sender<Offset>);

impl Default for Applied {
    fn default() -> Self {
        Self(watch::Sender::new(Offset(0)))
    }
}

impl Applied {
    /// The offset after the last record that is applied.
    #[must_use]
    pub fn end(&self) -> Offset {
        *self.0.borrow()
    }

    /// Tells of every step.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Offset> {
        self.0.subscribe()
    }

    /// Returns once everything below `end` is applied.
    ///
    /// # Errors
    /// It never will be: the publisher has ended.
    pub async fn reached(&self, end: Offset) -> Result<(), watch::error::RecvError> {
        self.0.subscribe().wait_for(|applied| *applied >= end).await.map(drop)
    }
}

/// Carries committed metadata to the subscribers, in the order in which they are listed.
pub struct Publisher {
    published: watch::Receiver<Published>,
    subscribers: Vec<Arc<dyn Subscriber>>,
    applied: Applied,
    current: Arc<Image>,
}

impl Publisher {
    /// The order of `subscribers` is the order of publication: image, partitions, coordinators, configurations.
    #[must_use]
    pub fn new(published: watch::Receiver<Published>, subscribers: Vec<Arc<dyn Subscriber>>, applied: Applied) -> Self {
        Self { published, subscribers, applied, current: Arc::default() }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.subscribers.iter().filter_map(|subscriber| subscriber.retry_after()).min()
    }

    /// Publishes what is committed now.
    pub async fn publish(&mut self) {
        let Published { image, end, .. } = self.published.borrow_and_update().clone();
        let delta = Delta::between(&self.current, &image);
        let retries = self.retry_after().is_some();
        if retries || !delta.is_empty() {
            let change = Change { old: Arc::clone(&self.current), new: Arc::clone(&image), delta: Arc::new(delta) };
            for subscriber in &self.subscribers {
                tracing::debug!(subscriber = subscriber.name(), end = end.0, "publishing metadata");
                subscriber.apply(&change).await;
            }
            self.current = image;
        }
        self.applied.0.send_replace(end);
    }

    /// Publishes every change until the quorum has stopped. Changes that come while one is being published are published
    /// together.
    pub async fn run(mut self) {
        loop {
            let retry = self.retry_after();
            let retry = async move {
                match retry {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = self.published.changed() => if changed.is_err() { return },
                () = retry => {}
            }
            self.publish().await;
        }
    }
}

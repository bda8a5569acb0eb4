//! The task of one shard: takes requests and time in, appends what the shard says, and sends each reply once everything before
//! it is kept. An append that fails throws the shard away and reads it from the log again. Decides nothing about groups.
//!
//! While too few replicas are in sync nothing can be appended, and the shard goes on: what would write is refused before the shard has
//! seen it, deadlines and deleted topics wait, the rest is answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use barnabas_coordinator::group::{Request, Response};
use barnabas_coordinator::{Effects, Input, Record, Shard, record};
use barnabas_protocol::ErrorCode;
use barnabas_recording::{Head, Kind, Seen};
use barnabas_records::{BATCH_HEADER_BYTES, BatchBuilder};
use barnabas_types::{Offset, ProducerEpoch, ProducerId, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::deletions::Deletions;
use super::loader::load;
use super::report::report;
use super::serving::{Held, Round, Serving, client_code};
use super::{CoordinatorConfig, GROUP_METADATA_TOPIC, OffsetsPartition};
use crate::runtime::Runtime;

/// Requests that may wait for a shard; whoever comes then waits with its connection.
const QUEUE_LENGTH: usize = 1024;
/// Requests that are decided before what they append is written.
const ROUND_LENGTH: usize = 256;
/// How long a shard that cannot be loaded waits before it tries again.
const LOAD_RETRY: Duration = Duration::from_secs(1);
/// How often a shard that has something to write looks whether enough replicas are in sync again.
const MIN_ISR_RETRY: Duration = Duration::from_secs(1);
/// Deleted topics whose offsets are looked for together: each is looked for in every group.
const DELETIONS_LENGTH: usize = 64;
/// What a record takes in a batch besides key and value, at most.
const RECORD_OVERHEAD_BYTES: usize = 32;

pub(super) type Answer = Result<Response, ErrorCode>;

/// What a shard's task is told.
pub enum Message {
    /// A request, and where its answer goes.
    Ask {
        /// What is asked.
        request: Box<Request>,
        /// Where the answer goes; nobody may be there any more.
        reply: oneshot::Sender<Answer>,
    },
    /// Somebody wants to see what the shard was told last, as a file.
    Record(oneshot::Sender<Option<Vec<u8>>>),
}

/// Whether a shard can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It reads its partition.
    Loading,
    /// Its partition could not be read; it tries again.
    Retrying,
    /// It answers.
    Active,
}

/// A running shard; dropping it ends the task, and whoever waits hears NOT_COORDINATOR.
pub struct ShardHandle {
    queue: mpsc::Sender<Message>,
    deletions: Arc<Deletions>,
    phase: watch::Receiver<Phase>,
    task: JoinHandle<()>,
}

impl ShardHandle {
    /// Starts the task of partition `index`: once the one `before` it has ended, it loads.
    pub fn start<P: OffsetsPartition>(
        runtime: Runtime,
        partition: P,
        index: i32,
        config: CoordinatorConfig,
        before: Option<Self>,
    ) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE_LENGTH);
        let (phase, seen) = watch::channel(Phase::Loading);
        // What the one before has not done is still to be done.
        let deletions = before.as_ref().map(|before| Arc::clone(&before.deletions)).unwrap_or_default();
        let driver = Driver {
            runtime: runtime.clone(),
            partition: Arc::new(partition),
            index,
            config,
            requests,
            deletions: Arc::clone(&deletions),
            phase,
        };
        let task = runtime.spawn_data(async move {
            if let Some(mut before) = before {
                before.task.abort();
                // However it ended: it appends nothing any more.
                let _ = (&mut before.task).await;
            }
            driver.run().await;
        });
        Self { queue, deletions, phase: seen, task }
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Follows the phase; ends when the shard does.
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Ends the shard once everybody whose records are in the log has been answered. Who waits for its group hears
    /// NOT_COORDINATOR.
    pub async fn resign(mut self) {
        // Without a sender the task sees the end of its requests.
        self.queue = mpsc::channel(1).0;
        // However it ended: nobody waits for it any more.
        let _ = (&mut self.task).await;
    }

    /// The topics whose offsets it has still to forget.
    pub fn deletions(&self) -> &Deletions {
        &self.deletions
    }

    pub fn queue(&self) -> mpsc::Sender<Message> {
        self.queue.clone()
    }
}

impl Drop for ShardHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Driver<P> {
    runtime: Runtime,
    partition: Arc<P>,
    index: i32,
    config: CoordinatorConfig,
    requests: mpsc::Receiver<Message>,
    deletions: Arc<Deletions>,
    phase: watch::Sender<Phase>,
}

/// Why a shard stops answering.
enum End {
    /// Nobody can ask any more.
    Resigned,
    /// Its state and the log may differ: whoever waits hears this code, and it is loaded again.
    Failed(ErrorCode),
}

impl<P: OffsetsPartition> Driver<P> {
    async fn run(mut self) {
        loop {
            let started = self.runtime.now().monotonic;
            match load(&self.runtime, &self.partition, &self.config).await {
                Ok(loaded) => {
                    let took_ms = (self.runtime.now().monotonic.saturating_sub(started)).as_millis();
                    let (records, groups) = (loaded.records, loaded.shard.groups().len());
                    tracing::debug!(partition = self.index, records, groups, took_ms, "group coordinator loaded");
                    let mut serving = Serving::new(loaded.shard, loaded.end);
                    let end = self.serve(&mut serving).await;
                    self.phase.send_replace(Phase::Loading);
                    let End::Failed(code) = end else { return self.resign(serving).await };
                    tracing::warn!(partition = self.index, code = code.name(), "group coordinator starts over");
                    serving.fail(code);
                    self.refuse_queued();
                }
                Err(error) => {
                    tracing::warn!(partition = self.index, %error, "group coordinator cannot be loaded; trying again");
                    self.phase.send_replace(Phase::Retrying);
                    // Who asked just before it stopped answering.
                    self.refuse_queued();
                    tokio::time::sleep(LOAD_RETRY).await;
                }
            }
            if self.requests.is_closed() {
                return;
            }
        }
    }

    fn refuse_queued(&mut self) {
        while let Ok(message) = self.requests.try_recv() {
            if let Message::Ask { reply, .. } = message {
                let _ = reply.send(Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
            }
        }
    }

    async fn resign(self, mut serving: Serving) {
        for (_, reply) in serving.parked.drain() {
            let _ = reply.send(Err(ErrorCode::NOT_COORDINATOR));
        }
        while let Some(front) = serving.telling.front() {
            let settled = self.partition.settled(front.end, front.deadline).await;
            if let Err(code) = Held::release(&mut serving.telling, settled) {
                return serving.fail(code);
            }
        }
        while let Some(front) = serving.writing.front() {
            let kept = self.partition.replicated(front.end, front.deadline).await;
            if let Err(code) = Held::release(&mut serving.writing, kept) {
                return serving.fail(code);
            }
        }
    }

    async fn serve(&mut self, serving: &mut Serving) -> End {
        if let Err(code) = self.take_in(serving, vec![Input::Loaded]) {
            return End::Failed(code);
        }
        self.phase.send_replace(Phase::Active);
        loop {
            let has_min_isr = self.partition.has_min_isr();
            let tick = self.until_tick(serving, has_min_isr);
            let kept = serving.writing.front().map(|held| self.partition.replicated(held.end, held.deadline));
            let settled = serving.telling.front().map(|held| self.partition.settled(held.end, held.deadline));
            let released = tokio::select! {
                biased;
                kept = if_any(kept) => Held::release(&mut serving.writing, kept),
                settled = if_any(settled) => Held::release(&mut serving.telling, settled),
                message = self.requests.recv() => match message {
                    None => return End::Resigned,
                    Some(message) => {
                        let inputs = self.round(serving, message);
                        self.take_in(serving, inputs)
                    }
                },
                () = self.deletions.any(), if has_min_isr => {
                    let topics = self.deletions.first(DELETIONS_LENGTH);
                    self.take_in(serving, vec![Input::TopicsDeleted(topics)])
                }
                () = tick => self.take_in(serving, vec![Input::Tick]),
            };
            if let Err(code) = released {
                return End::Failed(code);
            }
        }
    }

    /// Until a deadline is due, or until it is time to look whether deadlines may be kept again.
    fn until_tick(&self, serving: &Serving, has_min_isr: bool) -> impl Future<Output = ()> + use<P> {
        let until = |due: Duration| due.saturating_sub(self.runtime.now().monotonic);
        let wait = match has_min_isr {
            true => serving.shard.next_deadline().map(until),
            false => Some(MIN_ISR_RETRY),
        };
        if_any(wait.map(tokio::time::sleep))
    }

    /// Everything that is asked by now, up to a bound: it is appended together.
    fn round(&mut self, serving: &mut Serving, first: Message) -> Vec<Input<Request>> {
        let mut inputs: Vec<_> = self.input(serving, first).into_iter().collect();
        while inputs.len() < ROUND_LENGTH
            && let Ok(message) = self.requests.try_recv()
        {
            inputs.extend(self.input(serving, message));
        }
        inputs
    }

    /// What `message` tells the shard; None where it is not for the shard itself.
    fn input(&self, serving: &mut Serving, message: Message) -> Option<Input<Request>> {
        match message {
            Message::Ask { request, reply } => Some(serving.request(*request, reply)),
            Message::Record(reply) => {
                // Who no longer waits is gone.
                let _ = reply.send(self.recording(serving, "asked for").map(|(_, file)| file));
                None
            }
        }
    }

    fn recording(&self, serving: &Serving, reason: &str) -> Option<(Head, Vec<u8>)> {
        let name = format!("{GROUP_METADATA_TOPIC}-{}", self.index);
        let head = self.config.recordings.as_ref()?.head(Kind::Coordinator, &name, reason);
        let file = serving.recorder.file(&head)?;
        Some((head, file))
    }

    /// Lets the shard decide, appends what it says and holds back its replies until that is kept.
    fn take_in(&self, serving: &mut Serving, inputs: Vec<Input<Request>>) -> Result<(), ErrorCode> {
        let now = self.runtime.now();
        let mut round = Round::default();
        // If the ISR falls between this look and the append, the append is refused and the shard starts over.
        let has_min_isr = self.partition.has_min_isr();
        let Serving { shard, recorder, .. } = serving;
        let decided = catch_unwind(AssertUnwindSafe(|| {
            for input in inputs {
                if !has_min_isr && shard.would_write(&input, now) {
                    round.refuse(&input);
                    continue;
                }
                round.begins(&input);
                let seen = Seen::of(&round.effects);
                recorder.note(&input, now, shard);
                shard.handle(input, now, &mut round.effects);
                recorder.came_back(&round.effects, seen);
                round.sort_replies();
            }
        }));
        if decided.is_err() {
            // Tried again, they would break it again.
            self.deletions.done(round.deleted_topics);
            let recording = self.recording(serving, "an invariant does not hold");
            if let (Some(recordings), Some((head, file))) = (&self.config.recordings, recording) {
                recordings.leave(head, file);
            }
            tracing::error!(partition = self.index, "a group coordinator's invariant does not hold");
            return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        let Round { effects: Effects { records, events, .. }, .. } = &round;
        events.iter().for_each(report);
        if !records.is_empty() {
            serving.log_end = self.append(records, now.wall)?;
        }
        self.deletions.done(round.deleted_topics);
        serving.hold(round, self.runtime.deadline(self.config.commit_timeout));
        Ok(())
    }

    fn append(&self, records: &[Record], now: Timestamp) -> Result<Offset, ErrorCode> {
        let mut end = Offset(0);
        let mut batch = self.empty_batch();
        for record in records {
            let encoded = record::encode(record).map_err(|error| self.unwritable(&error))?;
            let size = batch.size_bytes() + encoded.size() + RECORD_OVERHEAD_BYTES;
            if !batch.is_empty() && size > self.config.max_batch_bytes.max(BATCH_HEADER_BYTES) {
                let full = std::mem::replace(&mut batch, self.empty_batch());
                end = self.append_batch(full, now)?;
            }
            let appended = batch.append(now, Some(&encoded.key), encoded.value.as_deref(), &[]);
            appended.map_err(|error| self.unwritable(&error))?;
        }
        if !batch.is_empty() {
            end = self.append_batch(batch, now)?;
        }
        Ok(end)
    }

    /// The log gives the batch its real offset. Kafka's coordinators write sequence 0 beside no producer; so the files are the same.
    fn empty_batch(&self) -> BatchBuilder {
        BatchBuilder::new(Offset(0), self.config.compression).producer(ProducerId::NONE, ProducerEpoch(-1), 0)
    }

    fn append_batch(&self, batch: BatchBuilder, now: Timestamp) -> Result<Offset, ErrorCode> {
        let bytes = batch.build().map_err(|error| self.unwritable(&error))?;
        self.partition.append(&bytes, now).map_err(client_code)
    }

    fn unwritable(&self, error: &dyn std::error::Error) -> ErrorCode {
        tracing::error!(partition = self.index, %error, "a group coordinator's record cannot be written");
        ErrorCode::UNKNOWN_SERVER_ERROR
    }
}

/// What comes of `future`; never anything if there is none.
async fn if_any<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

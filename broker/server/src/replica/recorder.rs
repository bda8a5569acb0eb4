//! What a partition's replica was told last, where there are other replicas: recorded beside it, under its lock, and left behind when a change
//! breaks off. A partition without others records nothing and holds no memory for it. Changes nothing about the replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use barnabas_recording::{Kind, REPLICA_MAX_BYTES, ReplicaRecorder};
use barnabas_replica::{Around, Brokers, Effect, Input};
use barnabas_types::{BrokerId, Now};

use super::hosted::{InUse, State};
use super::{Partition, PartitionConfig};

/// What all recorders of a broker may take together, each counted as if it were full.
const MEMORY_BYTES: usize = 32 * 1024 * 1024;
const MOST: usize = MEMORY_BYTES / REPLICA_MAX_BYTES;

/// How many partitions are recorded.
#[derive(Debug, Default)]
pub(super) struct Recorders(AtomicUsize);

/// See the module.
#[derive(Debug)]
pub(super) struct Recorder {
    recorder: ReplicaRecorder,
    counted: Arc<Recorders>,
}

impl Recorder {
    fn new(recorder: ReplicaRecorder, counted: &Arc<Recorders>) -> Option<Box<Self>> {
        let place = |taken: usize| (taken < MOST).then_some(taken + 1);
        counted.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, place).ok()?;
        Some(Box::new(Self { recorder, counted: Arc::clone(counted) }))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.counted.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn recorder(in_use: &mut Option<Box<InUse>>) -> Option<&mut ReplicaRecorder> {
    Some(&mut in_use.as_mut()?.recorder.as_mut()?.recorder)
}

fn take_recorder(state: &mut State) -> Option<Box<Recorder>> {
    state.in_use.as_mut()?.recorder.take()
}

fn has_others(replicas: &[BrokerId], own: BrokerId) -> bool {
    replicas.iter().any(|&id| id != own)
}

impl Partition {
    /// Lets a replica that has others, or may get them, decide; recorded, where it has.
    pub(super) fn decide(
        &self,
        state: &mut State,
        input: Input<'_>,
        config: &PartitionConfig,
        (now, effects): (Now, &mut Vec<Effect>),
    ) {
        self.surroundings.look_at_brokers(&self.settings(config), |around, brokers| {
            if let Input::Assigned(assigned) = &input {
                self.begin_or_end_recording(state, assigned.replicas, (around, brokers));
            }
            if let Some(recorder) = recorder(&mut state.in_use) {
                recorder.note(&input, (around, brokers), now, &state.replica);
            }
            state.replica.handle(input, around, now, effects);
            if let Some(recorder) = recorder(&mut state.in_use) {
                recorder.came_back(effects);
            }
        });
    }

    /// Whether there are other replicas the metadata says.
    fn begin_or_end_recording(
        &self,
        state: &mut State,
        replicas: &[BrokerId],
        (around, brokers): (&Around<'_>, &Arc<Brokers>),
    ) {
        match (has_others(replicas, around.own), recorder(&mut state.in_use).is_some()) {
            (true, false) => {
                let recorder = Recorder::new(ReplicaRecorder::new(around, brokers), &self.surroundings.recorders);
                state.in_use.get_or_insert_default().recorder = recorder;
            }
            (false, true) => _ = take_recorder(state),
            (true, true) | (false, false) => {}
        }
    }

    /// Leaves what is recorded, once: the partition is offline from here on.
    pub(super) fn leave_recording(&self, state: &mut State) {
        let (Some(recorder), Some(recordings)) = (take_recorder(state), self.surroundings.recordings.get()) else {
            return;
        };
        let reason = "a change of the partition broke off";
        let head = recordings.head(Kind::Replica, &self.name.to_string(), reason);
        if let Some(file) = recorder.recorder.file(&head) {
            recordings.leave(head, file);
        }
    }

    /// What is recorded, as a file; None where there are no other replicas, and while a write hangs.
    #[must_use]
    pub fn recording(&self) -> Option<Vec<u8>> {
        let recordings = self.surroundings.recordings.get()?;
        let recorder = recorder(&mut self.lock_unless_hanging().ok()?.in_use)?.clone();
        recorder.file(&recordings.head(Kind::Replica, &self.name.to_string(), "asked for"))
    }
}

//! The last inputs of the quorum engine, for whoever has to find out how an invariant broke: with the same inputs the engine does the same
//! again. Keeps them in memory and writes them into the node's log once, when the engine has stopped; never before.

use std::collections::VecDeque;

use barnabas_raft::Input;
use barnabas_types::Now;

/// So many are kept.
const KEPT: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    inputs: VecDeque<(Now, Input)>,
}

impl Recorder {
    /// Notes an input before the engine gets it.
    pub(super) fn note(&mut self, now: Now, input: &Input) {
        if self.inputs.len() == KEPT {
            self.inputs.pop_front();
        }
        self.inputs.push_back((now, input.clone()));
    }

    /// Writes what is kept, oldest first.
    pub(super) fn dump(&mut self) {
        for (now, input) in self.inputs.drain(..) {
            let monotonic_ms = u64::try_from(now.monotonic.as_millis()).unwrap_or(u64::MAX);
            tracing::error!(monotonic_ms, wall_ms = now.wall.0, ?input, "before the quorum replica stopped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barnabas_types::Offset;

    #[test]
    fn only_the_last_inputs_are_kept() {
        let mut recorder = Recorder::default();
        for end in 0..100 {
            recorder.note(Now::default(), &Input::Synced { end: Offset(end) });
        }
        assert_eq!(recorder.inputs.len(), KEPT);
        assert_eq!(recorder.inputs.front().unwrap().1, Input::Synced { end: Offset(36) });
        recorder.dump();
        assert!(recorder.inputs.is_empty());
    }
}

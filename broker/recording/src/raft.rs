//! The quorum engine, recorded: its state is a copy of it, its inputs are its own. Records are not in them, only how many there are: a batch is
//! a token and a count. What names something outside are ids, hosts and ports of nodes.

use barnabas_raft::{Effect, FetchContent, HaltReason, Input, Node, Request, Response};
use barnabas_types::Now;

use crate::core::{Core, Kind, Played};
use crate::digest::digest_of_text;
use crate::ring::{Limits, Ring};

/// What one stretch holds.
pub const LIMITS: Limits = Limits { inputs: 256, bytes: 256 * 1024 };

/// What is recorded of an engine.
pub type RaftRing = Ring<Box<Node>, Input>;

/// What an input takes in memory, about.
#[must_use]
pub fn weight(input: &Input) -> usize {
    const VOTER: usize = 256;
    let more = match input {
        Input::Response { response: Response::Fetch(fetch), .. } => match &fetch.content {
            FetchContent::Batches { batches, .. } => batches
                .iter()
                .map(|batch| size_of_val(batch) + batch.control.len() * VOTER * 4)
                .fold(0, usize::saturating_add),
            _ => 0,
        },
        Input::Request { request: Request::EndQuorumEpoch(request), .. } => request.preferred.len() * 32,
        Input::SnapshotInstalled { voters, .. } => voters.as_ref().map_or(0, |voters| voters.0.len() * VOTER),
        _ => 0,
    };
    size_of::<Input>().saturating_add(more)
}

/// An engine that is replayed.
#[derive(Debug)]
pub struct Raft(pub(crate) Box<Node>);

impl Core for Raft {
    const KIND: Kind = Kind::Raft;
    type Start = Box<Node>;
    type Input = Input;

    fn begin(start: Box<Node>) -> Self {
        Self(start)
    }

    fn play(&mut self, input: Input, now: Now) -> Played {
        let mut effects = Vec::new();
        self.0.handle(input, now, &mut effects);
        let broken = effects.iter().find_map(|effect| match effect {
            Effect::Halt(HaltReason::Broken(broken)) => Some(broken.to_string()),
            _ => None,
        });
        Played {
            digest: digest_of_text(&effects),
            effects: effects.iter().map(|effect| format!("{effect:?}")).collect(),
            broken,
        }
    }

    fn state(&self) -> String {
        let (node, log) = (&self.0, self.0.log());
        format!(
            "replica {}: {} in epoch {}, log {} to {}, durable to {}, committed to {}, {} voters",
            node.key().id,
            node.role().name(),
            node.epoch(),
            log.start(),
            log.end(),
            log.durable_end(),
            node.high_watermark(),
            node.voters().0.len()
        )
    }
}

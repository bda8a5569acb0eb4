//! A loaded shard with what surrounds it: who waits for an answer of the shard, and which answers wait for the log. Appends nothing and
//! decides nothing about groups.

use std::collections::{HashMap, VecDeque};

use barnabas_coordinator::group::{Event, GroupShard, Request, Response};
use barnabas_coordinator::{Effects, Input, ReplyToken};
use barnabas_protocol::ErrorCode;
use barnabas_recording::ShardRecorder;
use barnabas_types::Offset;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::driver::Answer;

/// Replies that wait for everything below `end`.
pub struct Held {
    pub end: Offset,
    pub deadline: Instant,
    replies: Vec<(oneshot::Sender<Answer>, Response)>,
}

/// What comes of the inputs that are decided before anything is written.
#[derive(Default)]
pub struct Round {
    /// What is to be appended and reported, and the replies to the input that is being decided.
    pub effects: Effects<Response, Event>,
    /// So many of the topics that are gone are forgotten.
    pub deleted_topics: usize,
    records: usize,
    writing: Vec<(ReplyToken, Response)>,
    telling: Vec<(ReplyToken, Response)>,
    refused: Vec<ReplyToken>,
}

impl Round {
    /// The shard is about to decide `input`.
    pub fn begins(&mut self, input: &Input<Request>) {
        if let Input::TopicsDeleted(topics) = input {
            self.deleted_topics = self.deleted_topics.saturating_add(topics.len());
        }
    }

    /// The shard does not get `input`.
    pub fn refuse(&mut self, input: &Input<Request>) {
        if let Input::Request { token, .. } = input {
            self.refused.push(*token);
        }
    }

    /// An input has been decided: its replies promise its records, if it came to any.
    pub fn sort_replies(&mut self) {
        let has_written = self.effects.records.len() > self.records;
        self.records = self.effects.records.len();
        let sorted = if has_written { &mut self.writing } else { &mut self.telling };
        sorted.append(&mut self.effects.replies);
    }
}

/// A loaded shard with what surrounds it.
pub struct Serving {
    pub shard: GroupShard,
    pub log_end: Offset,
    pub recorder: ShardRecorder,
    next_token: u64,
    /// Requests that the shard has taken in and not answered.
    pub parked: HashMap<ReplyToken, oneshot::Sender<Answer>>,
    /// Answers that promise records, in the order of the log: they wait until those are kept.
    pub writing: VecDeque<Held>,
    /// Answers that only tell of records, in the order of the log. They wait for those as long as the watermark can move, and not for a min
    /// ISR: without them no consumer would find its offsets as long as that lasts.
    pub telling: VecDeque<Held>,
}

impl Serving {
    pub fn new(shard: GroupShard, log_end: Offset) -> Self {
        Self {
            shard,
            log_end,
            recorder: ShardRecorder::default(),
            next_token: 0,
            parked: HashMap::new(),
            writing: VecDeque::new(),
            telling: VecDeque::new(),
        }
    }

    pub fn request(&mut self, request: Request, reply: oneshot::Sender<Answer>) -> Input<Request> {
        let token = ReplyToken(self.next_token);
        self.next_token += 1;
        self.parked.insert(token, reply);
        Input::Request { token, request }
    }

    /// Keeps the replies of a round back for everything in the log by now; who was refused hears it.
    pub fn hold(&mut self, round: Round, deadline: Instant) {
        for reply in round.refused.iter().filter_map(|token| self.parked.remove(token)) {
            let _ = reply.send(Err(client_code(ErrorCode::NOT_ENOUGH_REPLICAS)));
        }
        for (held, replies) in [(&mut self.writing, round.writing), (&mut self.telling, round.telling)] {
            let parked = &mut self.parked;
            let replies = replies.into_iter();
            let replies: Vec<_> =
                replies.filter_map(|(token, response)| Some((parked.remove(&token)?, response))).collect();
            if replies.is_empty() {
                continue;
            }
            match held.back_mut() {
                Some(last) if last.end == self.log_end => last.replies.extend(replies),
                _ => held.push_back(Held { end: self.log_end, deadline, replies }),
            }
        }
    }

    pub fn fail(self, code: ErrorCode) {
        let held = self.writing.into_iter().chain(self.telling).flat_map(|held| held.replies).map(|(reply, _)| reply);
        for reply in held.chain(self.parked.into_values()) {
            let _ = reply.send(Err(code));
        }
    }
}

impl Held {
    /// What the front of `queue` waited for has happened, or has not in time.
    pub fn release(queue: &mut VecDeque<Self>, happened: Result<(), ErrorCode>) -> Result<(), ErrorCode> {
        let refusal = match happened {
            Ok(()) => None,
            // The records are in the log and may still be kept: the state stays, but nobody waits for ever.
            Err(code @ (ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND)) => {
                Some(client_code(code))
            }
            Err(code) => return Err(client_code(code)),
        };
        for (reply, response) in queue.pop_front().into_iter().flat_map(|held| held.replies) {
            let _ = reply.send(refusal.map_or(Ok(response), Err));
        }
        Ok(())
    }
}

/// What a client is told when the log refuses its coordinator: to look for another one, or to try again.
pub fn client_code(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::KAFKA_STORAGE_ERROR => ErrorCode::NOT_COORDINATOR,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::NOT_ENOUGH_REPLICAS
        | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | ErrorCode::REQUEST_TIMED_OUT => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => ErrorCode::UNKNOWN_SERVER_ERROR,
        other => other,
    }
}

//! Clients of simulated nodes: producers of three kinds and consumers, on machines of their own. They ask as any client does, and tell the
//! history what they saw; what must be true of it they do not judge.

mod consumer;
mod link;
mod producer;

pub use consumer::{Consumer, read_whole, run as consume};
pub use link::{CLIENT_PORT, Link, create_topic, elect_preferred};
pub use producer::{Producer, run as produce};

use barnabas_types::Uuid;

/// A topic's only partition, which clients write to and read.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its topic.
    pub topic_id: Uuid,
    /// The topic's place in the scene; events have it as the partition's number.
    pub number: i32,
}

impl Place {
    /// The partition's number in its topic.
    pub const PARTITION: i32 = 0;

    /// The name of topic `number`.
    #[must_use]
    pub fn topic(number: i32) -> String {
        format!("topic-{number}")
    }
}

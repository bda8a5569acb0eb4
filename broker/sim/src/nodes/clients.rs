//! Clients of simulated nodes: producers of three kinds and consumers, on machines of their own. They ask as any client does, and tell the
//! history what they saw; what must be true of it they do not judge.

mod consumer;
mod link;
mod producer;

pub use consumer::{Consumer, read_whole, run as consume};
pub use link::{CLIENT_PORT, Link, create_topic};
pub use producer::{Producer, run as produce};

use barnabas_types::Uuid;

/// A partition that clients write to and read.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its topic.
    pub topic_id: Uuid,
    /// Its number.
    pub partition: i32,
}

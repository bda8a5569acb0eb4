//! Whether a broker has everything that it is to have: it is let in, and in the ISR of every partition that it is a replica of. Looks at an
//! image, and so at every partition; changes nothing.

use std::sync::Arc;

use barnabas_types::BrokerId;

use crate::Image;
use crate::lagging::out_of_sync;

/// How far a broker has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatchingUp {
    /// True while it may not lead: it is not registered, not let in yet, or about to stop.
    pub is_fenced: bool,
    /// Partitions in whose ISR it is missing, by topic and number: the first of them.
    pub behind: Vec<(Arc<str>, i32)>,
    /// How many there are.
    pub behind_count: usize,
}

impl CatchingUp {
    /// True when nothing is left to wait for.
    #[must_use]
    pub const fn is_caught_up(&self) -> bool {
        !self.is_fenced && self.behind_count == 0
    }
}

/// How far `broker` has come in `image`; at most `max_named` partitions are named.
#[must_use]
pub fn catching_up(image: &Image, broker: BrokerId, max_named: usize) -> CatchingUp {
    let (mut behind, mut behind_count) = (Vec::new(), 0);
    for (topic, id, _) in out_of_sync(image, broker) {
        behind_count += 1;
        if behind.len() < max_named {
            behind.push((Arc::clone(&topic.name), id));
        }
    }
    CatchingUp { is_fenced: !image.brokers.is_active(broker), behind, behind_count }
}

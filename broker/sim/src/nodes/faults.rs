//! What goes wrong in a history, and when: drawn from its seed. Two of three nodes may be gone at once, or all; whatever is taken away comes
//! back.

use std::time::Duration;

use crate::random::Random;

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed, and started again after a while.
    Kill { place: usize, back: Duration },
    /// Machines lose power together.
    PowerCut { places: Vec<usize>, back: Duration },
    /// A machine stands still for a while.
    Pause { place: usize, lasts: Duration },
    /// Nothing comes from one machine to another for a while; where `both`, nor back.
    Cut { from: usize, to: usize, both: bool, lasts: Duration },
    /// A machine is cut off from all others, clients excepted.
    Isolate { place: usize, lasts: Duration },
    /// A way is slow for a while.
    Slow { from: usize, to: usize, longest: Duration, lasts: Duration },
    /// A machine's connections are lost.
    Disconnect { place: usize },
    /// A machine's syncs take long for a while.
    SlowDisk { place: usize, takes: Duration, lasts: Duration },
}

/// How long a history has faults.
pub const FAULTS_LAST: Duration = Duration::from_secs(20);

fn milliseconds(random: &mut Random, low: u64, high: u64) -> Duration {
    Duration::from_millis(random.between(low, high))
}

fn place(random: &mut Random, nodes: usize) -> usize {
    1 + usize::try_from(random.below(nodes as u64)).unwrap_or(0)
}

/// A fault on one of `nodes` nodes.
pub fn draw(random: &mut Random, nodes: usize) -> Fault {
    let one = place(random, nodes);
    let other = 1 + one % nodes;
    let lasts = milliseconds(random, 200, 6_000);
    match random.below(11) {
        0 | 1 => Fault::Kill { place: one, back: milliseconds(random, 50, 5_000) },
        2 => Fault::PowerCut { places: vec![one], back: milliseconds(random, 50, 5_000) },
        3 => Fault::PowerCut { places: vec![one, other], back: milliseconds(random, 50, 4_000) },
        4 => Fault::PowerCut { places: (1..=nodes).collect(), back: milliseconds(random, 50, 2_000) },
        5 => Fault::Pause { place: one, lasts },
        6 => Fault::Cut { from: one, to: other, both: random.chance(500), lasts },
        7 => Fault::Isolate { place: one, lasts },
        8 => Fault::Slow { from: one, to: other, longest: milliseconds(random, 20, 800), lasts },
        9 => Fault::Disconnect { place: one },
        _ => Fault::SlowDisk { place: one, takes: milliseconds(random, 5, 300), lasts },
    }
}

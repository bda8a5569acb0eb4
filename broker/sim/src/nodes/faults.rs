//! What goes wrong in a history, and when: drawn from its seed. Two of three nodes may be gone at once, or all; whatever is taken away comes
//! back. More often than not it goes wrong where a partition is led, and again while that is being mended.

use std::time::Duration;

use crate::random::Random;

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed, and started again after a while.
    Kill { place: usize, back: Duration },
    /// A process is asked to stop, once or twice, and started again after a while; killed if it has not stopped by then.
    Stop { place: usize, twice: bool, back: Duration },
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
    /// A machine's syncs take long, and then it loses power.
    SlowDiskAndPowerCut { place: usize, takes: Duration, after: Duration, back: Duration },
    /// Two nodes are killed, one after the other.
    KillTwo { places: [usize; 2], after: Duration, back: Duration },
    /// A disk of a machine fails every write and sync; the node is started again, and the disk is well.
    FailDisk { place: usize, disk: usize, lasts: Duration },
    /// A machine has lost a disk when it is started again: there is an empty one.
    LoseDisk { place: usize, disk: usize, back: Duration },
    /// Somebody asks for the preferred leaders.
    Elect,
}

/// How long a history has faults.
pub const FAULTS_LAST: Duration = Duration::from_secs(20);
/// How many disks a machine has that may fail and be lost.
pub const DISKS: usize = 2;

fn milliseconds(random: &mut Random, low: u64, high: u64) -> Duration {
    Duration::from_millis(random.between(low, high))
}

fn one_of(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.below(count as u64)).unwrap_or(0)
}

/// How long until the next fault: it may meet what the last one has begun.
pub fn pause(random: &mut Random) -> Duration {
    if random.chance(400) { milliseconds(random, 10, 500) } else { milliseconds(random, 200, 3_000) }
}

/// A fault on one of `nodes` nodes, of which `leaders` lead.
pub fn draw(random: &mut Random, nodes: usize, leaders: &[usize]) -> Fault {
    let any = 1 + one_of(random, nodes);
    let place = random.pick(leaders).filter(|_| random.chance(600)).unwrap_or(any);
    let other = 1 + (place + one_of(random, nodes - 1)) % nodes;
    let (from, to) = if random.chance(500) { (place, other) } else { (other, place) };
    let lasts = milliseconds(random, 200, 6_000);
    let back = milliseconds(random, 50, 5_000);
    let disk = one_of(random, DISKS);
    match random.below(21) {
        0 | 1 => Fault::Kill { place, back },
        2 => Fault::Stop { place, twice: random.chance(500), back },
        3 => Fault::PowerCut { places: vec![place], back },
        4 => Fault::PowerCut { places: vec![place, other], back },
        5 => Fault::PowerCut { places: (1..=nodes).collect(), back: back / 2 },
        6 => Fault::Pause { place, lasts },
        7 | 8 => Fault::Cut { from, to, both: random.chance(500), lasts },
        9 => Fault::Isolate { place, lasts },
        10 | 11 => Fault::Slow { from, to, longest: milliseconds(random, 20, 800), lasts },
        12 => Fault::Disconnect { place },
        13 => Fault::SlowDisk { place, takes: milliseconds(random, 5, 300), lasts },
        14 | 15 => {
            let (takes, after) = (milliseconds(random, 50, 900), milliseconds(random, 20, 1_500));
            Fault::SlowDiskAndPowerCut { place, takes, after, back }
        }
        16 | 17 => Fault::KillTwo { places: [from, to], after: milliseconds(random, 50, 4_000), back },
        18 => Fault::FailDisk { place, disk, lasts },
        19 => Fault::LoseDisk { place, disk, back },
        _ => Fault::Elect,
    }
}

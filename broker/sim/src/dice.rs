//! Draws what is done to the quorum, and when. Each seed allows only some kinds of faults, so that no fault hides what another one would show.
//! Stays within what the quorum is built to survive; carries nothing out.

use crate::deed::Deed;
use crate::network::{Place, Split, Weather};
use crate::operator;
use crate::random::Random;
use crate::world::World;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kill,
    PowerCut,
    DieWriting,
    /// All machines lose power.
    Blackout,
    Pause,
    Stop,
    Resign,
    Partition,
    Weather,
    SlowDisk,
    FailedSync,
    FullDisk,
    LostDisk,
    /// As many disks are lost at once as may be.
    LostMinority,
    WallClock,
    FlippedBit,
    Snapshot,
    FormattedAgain,
}

impl Kind {
    const ALL: [Self; 18] = [
        Self::Kill,
        Self::PowerCut,
        Self::DieWriting,
        Self::Blackout,
        Self::Pause,
        Self::Stop,
        Self::Resign,
        Self::Partition,
        Self::Weather,
        Self::SlowDisk,
        Self::FailedSync,
        Self::FullDisk,
        Self::LostDisk,
        Self::LostMinority,
        Self::WallClock,
        Self::FlippedBit,
        Self::Snapshot,
        Self::FormattedAgain,
    ];
}

const SECOND: u64 = 1_000_000;
const DAY_MS: u64 = 86_400_000;

/// See the module.
#[derive(Debug)]
pub struct Dice {
    faults: Random,
    operator: Random,
    /// What may go wrong.
    kinds: Vec<Kind>,
    /// How long until the next thing goes wrong, at most.
    gap_micros: u64,
    /// Somebody adds and removes voters.
    pub voter_changes: bool,
}

impl Dice {
    /// The dice of one history.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        let mut plan = random.fork();
        let mut kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|_| plan.chance(600)).collect();
        if kinds.is_empty() {
            kinds.push(Kind::Kill);
        }
        Self {
            faults: random.fork(),
            operator: random.fork(),
            kinds,
            gap_micros: plan.pick(&[300_000, 1_000_000, 2_500_000]).unwrap_or(1_000_000),
            voter_changes: plan.chance(600),
        }
    }

    /// How long until the next fault, in microseconds.
    pub(crate) fn fault_gap(&mut self) -> u64 {
        self.faults.below(self.gap_micros) + 1_000
    }

    /// How long until the operator's next turn, in microseconds.
    pub(crate) fn operator_gap(&mut self) -> u64 {
        self.operator.between(200_000, 2_500_000)
    }

    /// What the operator wants now.
    pub(crate) fn voter_change(&mut self, world: &World) -> Option<Deed> {
        operator::choose(&mut self.operator, world)
    }

    /// A machine; the leader's more often than others.
    fn victim(&mut self, world: &World) -> Place {
        let places = world.plan.replicas() as u64;
        match world.leader() {
            Some(leader) if self.faults.chance(400) => leader,
            _ => usize::try_from(self.faults.below(places)).unwrap_or(0),
        }
    }

    /// What goes wrong next; more than one thing where they belong together.
    pub(crate) fn fault(&mut self, world: &World) -> Vec<Deed> {
        let Some(kind) = self.faults.pick(&self.kinds) else { return Vec::new() };
        let node = self.victim(world);
        let places = 0..world.plan.replicas();
        let faults = &mut self.faults;
        let micros = faults.between(50_000, 3 * SECOND);
        let deed = match kind {
            Kind::Kill => Deed::Kill { node },
            Kind::PowerCut => Deed::PowerCut { node },
            Kind::DieWriting => Deed::DieWriting { node, calls: faults.below(60) },
            Kind::Blackout => return places.map(|node| Deed::PowerCut { node }).collect(),
            Kind::Pause => Deed::Pause { node, micros: faults.between(20_000, 4 * SECOND) },
            Kind::Stop => Deed::Stop { node },
            Kind::Resign => return world.leader().map(|node| Deed::Resign { node }).into_iter().collect(),
            Kind::Partition => {
                let split = Split::random(faults, places.len(), world.leader());
                Deed::Partition { split, micros: faults.between(50_000, 5 * SECOND) }
            }
            Kind::Weather => Deed::Foul { weather: Weather::random(faults), micros },
            Kind::SlowDisk => Deed::SlowDisk { node, sync_micros: faults.between(20_000, 600_000), micros },
            Kind::FailedSync => Deed::FailedSync { node, micros },
            Kind::FullDisk => Deed::FullDisk { node, micros },
            Kind::LostDisk => Deed::LostDisk { node },
            Kind::FormattedAgain => Deed::FormattedAgain { node },
            Kind::LostMinority => {
                let first = faults.below(places.len() as u64);
                let from = usize::try_from(first).unwrap_or(0);
                // Those that would be too many are not possible when their turn comes.
                return places.clone().map(|place| Deed::LostDisk { node: (place + from) % places.len() }).collect();
            }
            Kind::WallClock => {
                let reach = faults.pick(&[1_000, 60_000, DAY_MS, 400 * DAY_MS]).unwrap_or(1_000);
                let millis = i64::try_from(faults.below(2 * reach)).unwrap_or(0);
                Deed::WallClock { node, millis: millis - i64::try_from(reach).unwrap_or(0) }
            }
            Kind::FlippedBit => Deed::FlippedBit { node, choice: faults.bits() },
            Kind::Snapshot => Deed::Snapshot { node },
        };
        vec![deed]
    }
}

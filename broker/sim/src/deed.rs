//! What is done to the quorum from outside: faults, and changes of its voters. As text it is a line of a script. Does nothing itself.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use barnabas_raft::ReplicaKey;
use barnabas_types::{BrokerId, Uuid};

use crate::network::{Place, Split, Weather};
use crate::script::{Line, ScriptError};

macro_rules! deeds {
    ($($(#[$doc:meta])* $name:ident $word:literal $figure:literal { $($field:ident: $kind:ty),* },)*) => {
        /// See the module. Times are in microseconds.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the variants say what their fields are")]
        pub enum Deed {
            $($(#[$doc])* $name { $($field: $kind),* },)*
        }

        impl fmt::Display for Deed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name { $($field),* } => {
                        f.write_str($word)?;
                        $(write!(f, " {}={}", stringify!($field), $field)?;)*
                    })*
                }
                Ok(())
            }
        }

        impl Deed {
            /// The deed of a line.
            ///
            /// # Errors
            /// A word that nobody knows, or a value that is missing or none.
            pub fn parse(line: &Line<'_>) -> Result<Self, ScriptError> {
                match line.word() {
                    $($word => Ok(Self::$name { $($field: line.get(stringify!($field))?),* }),)*
                    _ => Err(line.unknown()),
                }
            }

            /// As figures show it.
            #[must_use]
            pub const fn figure(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $figure,)*
                }
            }
        }
    };
}

deeds! {
    /// A process ends at once; what it wrote stays.
    Kill "kill" "fault: kill" { node: Place },
    /// A machine loses power, and with it what was not synced.
    PowerCut "power-cut" "fault: power cut" { node: Place },
    /// A process dies between two calls to its disk or within one, so many calls from now, perhaps by a power cut.
    DieWriting "die-writing" "fault: death in a disk call" { node: Place, calls: u64 },
    /// A process stands still and then goes on as if nothing had been.
    Pause "pause" "fault: pause" { node: Place, micros: u64 },
    /// A process is stopped as it should be.
    Stop "stop" "fault: stop" { node: Place },
    /// A leader gives up.
    Resign "resign" "fault: resignation" { node: Place },
    /// Some machines do not hear some others for a while.
    Partition "partition" "fault: partition" { split: Split, micros: u64 },
    /// Messages get lost, late, doubled for a while.
    Foul "weather" "fault: foul weather" { weather: Weather, micros: u64 },
    /// Syncs take long for a while.
    SlowDisk "slow-disk" "fault: slow disk" { node: Place, sync_micros: u64, micros: u64 },
    /// A sync fails.
    FailedSync "failed-sync" "fault: failed sync" { node: Place, micros: u64 },
    /// There is no room on a disk for a while.
    FullDisk "full-disk" "fault: full disk" { node: Place, micros: u64 },
    /// A disk is replaced by an empty one.
    LostDisk "lost-disk" "fault: lost disk" { node: Place },
    /// A disk is replaced by an empty one, and that is formatted as the first one was: by all its keys the voter is what it was.
    FormattedAgain "formatted-again" "fault: disk formatted again as the first" { node: Place },
    /// A bit changes on a disk, in the newest snapshot or the log that it holds.
    FlippedBit "flipped-bit" "fault: flipped bit" { node: Place, choice: u64 },
    /// A machine's calendar jumps, back or ahead.
    WallClock "wall-clock" "fault: jump of a wall clock" { node: Place, millis: i64 },
    /// A replica takes a snapshot.
    Snapshot "snapshot" "snapshots on request" { node: Place },
    /// Somebody wants a voter added, and asks that node.
    AddVoter "add-voter" "voter changes asked for" { to: Place, voter: Name },
    /// Somebody wants a voter removed, and asks that node.
    RemoveVoter "remove-voter" "voter changes asked for" { to: Place, voter: Name },
}

/// A replica as text: its id and the id of its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub ReplicaKey);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is no value of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAValue;

/// Reads numbers with commas between them.
fn numbers<T: FromStr>(text: &str) -> Result<Vec<T>, NotAValue> {
    text.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().map_err(|_| NotAValue)).collect()
}

fn joined(group: &BTreeSet<Place>) -> String {
    group.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl FromStr for Name {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let (id, directory) = text.split_once(':').ok_or(NotAValue)?;
        let directory_id: Uuid = directory.parse().map_err(|_| NotAValue)?;
        Ok(Self(ReplicaKey { id: BrokerId(id.parse().map_err(|_| NotAValue)?), directory_id }))
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Isolated(one) => write!(f, "isolated:{one}"),
            Self::Groups(group) => write!(f, "groups:{}", joined(group)),
            Self::Bridge(group, between) => write!(f, "bridge:{between}:{}", joined(group)),
            Self::OneWay(from, to) => write!(f, "one-way:{from},{to}"),
            Self::Deaf(one) => write!(f, "deaf:{one}"),
            Self::Mute(one) => write!(f, "mute:{one}"),
        }
    }
}

impl FromStr for Split {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let (shape, places) = text.split_once(':').ok_or(NotAValue)?;
        let place = |text: &str| text.parse().map_err(|_| NotAValue);
        match shape {
            "isolated" => Ok(Self::Isolated(place(places)?)),
            "groups" => Ok(Self::Groups(numbers(places)?.into_iter().collect())),
            "bridge" => {
                let (between, group) = places.split_once(':').ok_or(NotAValue)?;
                Ok(Self::Bridge(numbers(group)?.into_iter().collect(), place(between)?))
            }
            "one-way" => match numbers(places)?.as_slice() {
                [from, to] => Ok(Self::OneWay(*from, *to)),
                _ => Err(NotAValue),
            },
            "deaf" => Ok(Self::Deaf(place(places)?)),
            "mute" => Ok(Self::Mute(place(places)?)),
            _ => Err(NotAValue),
        }
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, twice, delayed, shortest_micros, spread_micros, detour_micros } = self;
        write!(f, "{lost},{twice},{delayed},{shortest_micros},{spread_micros},{detour_micros}")
    }
}

impl FromStr for Weather {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        match *numbers(text)?.as_slice() {
            [lost, twice, delayed, shortest_micros, spread_micros, detour_micros] => {
                Ok(Self { lost, twice, delayed, shortest_micros, spread_micros, detour_micros })
            }
            _ => Err(NotAValue),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_are_read_as_they_were_written() {
        let groups: BTreeSet<Place> = [0, 2].into();
        let splits = [
            Split::Isolated(1),
            Split::Groups(groups.clone()),
            Split::Groups(BTreeSet::new()),
            Split::Bridge(groups, 3),
            Split::OneWay(0, 1),
            Split::Deaf(2),
            Split::Mute(0),
        ];
        let key = ReplicaKey { id: BrokerId(3), directory_id: Uuid::from_u128(77) };
        let weather = Weather { lost: 1, twice: 2, delayed: 3, shortest_micros: 4, spread_micros: 5, detour_micros: 6 };
        let mut deeds: Vec<Deed> = splits.map(|split| Deed::Partition { split, micros: 9 }).into();
        deeds.extend([
            Deed::Foul { weather, micros: 8 },
            Deed::SlowDisk { node: 1, sync_micros: 2, micros: 3 },
            Deed::AddVoter { to: 0, voter: Name(key) },
        ]);
        for deed in deeds {
            assert_eq!(Deed::parse(&Line::new(&deed.to_string())), Ok(deed));
        }
    }
}

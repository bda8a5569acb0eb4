//! What kind of history is played: how large the quorum is, how its replicas are configured, when the faults stop. As text it is a part of a
//! script; what a text does not name is as in [`Plan::default`], so that scripts outlive new fields.

use std::fmt;

use crate::random::Random;
use crate::schedule::Instant;
use crate::script::{Line, ScriptError};

macro_rules! plan {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $plain:expr,)*) => {
        /// See the module.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Plan {
            $($(#[$doc])* pub $name: $kind,)*
        }

        impl Default for Plan {
            fn default() -> Self {
                Self { $($name: $plain,)* }
            }
        }

        impl fmt::Display for Plan {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("plan")?;
                $(write!(f, " {}={}", stringify!($name), self.$name)?;)*
                Ok(())
            }
        }

        impl Plan {
            /// The plan of a script.
            ///
            /// # Errors
            /// A value that is none.
            pub fn parse(line: &Line<'_>) -> Result<Self, ScriptError> {
                let mut plan = Self::default();
                $(if line.has(stringify!($name)) {
                    plan.$name = line.get(stringify!($name))?;
                })*
                Ok(plan)
            }
        }
    };
}

plan! {
    /// Voters at the beginning.
    voters: usize = 3,
    /// Further controllers, which may become voters.
    spares: usize = 0,
    /// Brokers: they follow, register and are heard of, and pass on what clients ask.
    brokers: usize = 0,
    /// Admin clients.
    clients: usize = 1,
    /// The level of `kraft.version` at the beginning.
    kraft_version: u16 = 1,
    /// Somebody raises `kraft.version` meanwhile.
    raises_kraft_version: bool = false,
    /// `controller.quorum.auto.join.enable`.
    auto_join: bool = false,
    /// `controller.quorum.election.timeout.ms`.
    election_timeout_ms: u64 = 300,
    /// `controller.quorum.fetch.timeout.ms`.
    fetch_timeout_ms: u64 = 600,
    /// The most bytes of a Fetch.
    fetch_max_bytes: i32 = 4096,
    /// The most bytes of a FetchSnapshot.
    fetch_snapshot_max_bytes: i32 = 1000,
    /// The size of a segment of the log.
    segment_bytes: u32 = 16 << 10,
    /// After how many records a replica takes a snapshot.
    snapshot_every: u64 = 60,
    /// How long a client thinks between two requests, at most.
    think_micros: u64 = 100_000,
    /// How long a sync is put off and takes, at most.
    sync_micros: u64 = 300,
    /// `broker.session.timeout.ms`.
    broker_session_timeout_ms: u64 = 2000,
    /// When the faults stop.
    calm_at: Instant = Instant(4_000_000),
    /// How long after that everybody must agree.
    agree_within_micros: u64 = 60_000_000,
    /// Replicas are told now and then that their leader answers nothing, whether that is so or not.
    hears_of_silence: bool = false,
}

impl Plan {
    /// Any plan.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        let kraft_version = if random.chance(150) { 0 } else { 1 };
        let election_timeout_ms = random.pick(&[150, 300, 1000]).unwrap_or(300);
        Self {
            voters: random.pick(&[1, 3, 3, 3, 3, 5]).unwrap_or(3),
            spares: random.pick(&[0, 1, 1, 2]).unwrap_or(1),
            brokers: random.pick(&[0, 1, 1, 2]).unwrap_or(0),
            clients: random.pick(&[1, 2, 3]).unwrap_or(1),
            kraft_version,
            raises_kraft_version: kraft_version == 0 && random.chance(600),
            auto_join: kraft_version == 1 && random.chance(300),
            election_timeout_ms,
            fetch_timeout_ms: election_timeout_ms * random.between(1, 3),
            fetch_max_bytes: random.pick(&[300, 4096, 1 << 20]).unwrap_or(4096),
            fetch_snapshot_max_bytes: random.pick(&[200, 1000, 1 << 20]).unwrap_or(1000),
            segment_bytes: random.pick(&[2 << 10, 16 << 10, 1 << 20]).unwrap_or(16 << 10),
            snapshot_every: random.pick(&[15, 60, 200, 100_000]).unwrap_or(60),
            think_micros: random.pick(&[20_000, 100_000, 300_000]).unwrap_or(100_000),
            sync_micros: random.pick(&[300, 5_000, 40_000]).unwrap_or(300),
            broker_session_timeout_ms: random.pick(&[1000, 2000]).unwrap_or(2000),
            calm_at: Instant(random.between(4_000_000, 12_000_000)),
            agree_within_micros: 60_000_000,
            hears_of_silence: random.chance(500),
        }
    }

    /// How many machines have a replica.
    #[must_use]
    pub const fn replicas(&self) -> usize {
        self.voters + self.spares + self.brokers
    }

    /// How many machines have a controller.
    #[must_use]
    pub const fn controllers(&self) -> usize {
        self.voters + self.spares
    }
}

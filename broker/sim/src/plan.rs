//! What kind of history a seed plays: how large the quorum is, how its replicas are configured, what goes wrong and how often. Each seed
//! allows only some of the faults, so that no fault hides what another one would show.

use crate::faults::Kind;
use crate::random::Random;
use crate::schedule::Instant;

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Voters at the beginning.
    pub voters: usize,
    /// Further controllers, which may become voters.
    pub spares: usize,
    /// Brokers: they only follow.
    pub brokers: usize,
    /// Admin clients.
    pub clients: usize,
    /// The level of `kraft.version` at the beginning.
    pub kraft_version: u16,
    /// `controller.quorum.auto.join.enable`.
    pub auto_join: bool,
    /// Somebody adds and removes voters.
    pub voter_changes: bool,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: u64,
    /// `controller.quorum.fetch.timeout.ms`.
    pub fetch_timeout_ms: u64,
    /// The most bytes of a Fetch.
    pub fetch_max_bytes: i32,
    /// The most bytes of a FetchSnapshot.
    pub fetch_snapshot_max_bytes: i32,
    /// The size of a segment of the log.
    pub segment_bytes: u32,
    /// After how many records a replica takes a snapshot.
    pub snapshot_every: u64,
    /// How long a client thinks between two requests, at most.
    pub think_micros: u64,
    /// How long a sync is put off and takes, at most.
    pub sync_micros: u64,
    /// What may go wrong.
    pub faults: Vec<Kind>,
    /// How long until the next thing goes wrong, at most.
    pub fault_gap_micros: u64,
    /// When the faults stop.
    pub calm_at: Instant,
    /// How long after that everybody must agree.
    pub agree_within_micros: u64,
}

impl Plan {
    /// What the seed of `random` plays.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        let kraft_version = if random.chance(150) { 0 } else { 1 };
        let election_timeout_ms = random.pick(&[150, 300, 1000]).unwrap_or(300);
        let mut faults: Vec<Kind> = Kind::ALL.iter().copied().filter(|_| random.chance(600)).collect();
        if faults.is_empty() {
            faults.push(Kind::Kill);
        }
        Self {
            voters: random.pick(&[1, 3, 3, 3, 3, 5]).unwrap_or(3),
            spares: random.pick(&[0, 1, 1, 2]).unwrap_or(1),
            brokers: random.pick(&[0, 0, 1]).unwrap_or(0),
            clients: random.pick(&[1, 2, 3]).unwrap_or(1),
            kraft_version,
            auto_join: kraft_version == 1 && random.chance(300),
            voter_changes: random.chance(600),
            election_timeout_ms,
            fetch_timeout_ms: election_timeout_ms * random.between(1, 3),
            fetch_max_bytes: random.pick(&[300, 4096, 1 << 20]).unwrap_or(4096),
            fetch_snapshot_max_bytes: random.pick(&[200, 1000, 1 << 20]).unwrap_or(1000),
            segment_bytes: random.pick(&[2 << 10, 16 << 10, 1 << 20]).unwrap_or(16 << 10),
            snapshot_every: random.pick(&[15, 60, 200, 100_000]).unwrap_or(60),
            think_micros: random.pick(&[20_000, 100_000, 300_000]).unwrap_or(100_000),
            sync_micros: random.pick(&[300, 5_000, 40_000]).unwrap_or(300),
            faults,
            fault_gap_micros: random.pick(&[300_000, 1_000_000, 2_500_000]).unwrap_or(1_000_000),
            calm_at: Instant(random.between(4_000_000, 12_000_000)),
            agree_within_micros: 60_000_000,
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

//! Bugs put in on purpose, so that the simulator can show that it would find them. Only with the feature `seeded-bugs`, which nothing that is
//! released has.

use barnabas_types::Offset;

use crate::{Config, Leader, Node};

/// A bug.
#[cfg_attr(not(feature = "seeded-bugs"), expect(dead_code, reason = "some are only looked for with the feature"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "seeded-bugs", derive(strum::EnumString, strum::VariantArray))]
pub enum Bug {
    /// The leader counts what it has not synced.
    CommitsUnsynced,
    /// One voter fewer than a majority commits.
    CommitsByMinority,
    /// Observers count for the majority.
    CommitsByObservers,
    /// Records of older epochs commit before one of the leader's own does.
    CommitsOlderEpochs,
    /// A candidate needs no vote but its own.
    WinsWithMinority,
    /// A vote that was given is given again.
    VotesTwice,
    /// A vote is not kept on the disk.
    ForgetsVotes,
    /// A candidate gets votes however short its log is.
    VotesForShortLogs,
    /// After a restart a replica votes in the epoch that it led.
    VotesAgainAfterRestart,
    /// A follower fetches on before its disk has what it fetched.
    FetchesBeforeSync,
    /// A follower commits what it has not synced.
    FollowerCommitsUnsynced,
    /// The leader does not see that the log of a reader is another one.
    IgnoresDivergence,
    /// A follower believes the high watermark of a leader whose log it has not.
    BelievesWatermarkTooEarly,
    /// The voters change again before the last change is committed.
    ChangesVotersAtOnce,
    /// The voters of a record that was cut off stay in force.
    KeepsCutVoters,
    /// Voters are in force only once their record is committed.
    WaitsWithNewVoters,
    /// A leader that is removed goes on.
    RemovedLeaderStays,
    /// A replica that has lost an election does not stand again.
    StandsOnlyOnce,
    /// A voter with an empty disk takes part as if it had never promised anything.
    TrustsAnEmptyDisk,
    /// A voter with an empty disk takes part as soon as it has what any leader holds to be committed.
    TrustsTheFirstLeader,
}

impl Node {
    /// True when `bug` was put into this replica.
    pub(crate) fn has(&self, bug: Bug) -> bool {
        of(&self.config, bug)
    }
}

/// True when `bug` was put into a replica of this configuration.
#[cfg(feature = "seeded-bugs")]
pub(crate) fn of(config: &Config, bug: Bug) -> bool {
    config.bug == Some(bug)
}

/// No replica that is released has one.
#[cfg(not(feature = "seeded-bugs"))]
pub(crate) const fn of(_config: &Config, _bug: Bug) -> bool {
    false
}

/// What the leader commits: `committed`, but for a bug.
#[cfg(feature = "seeded-bugs")]
pub(crate) fn committed(node: &Node, leader: &Leader, committed: Option<Offset>) -> Option<Offset> {
    let voters = node.voters();
    let own_end = if node.has(Bug::CommitsUnsynced) { node.log.end() } else { node.log.durable_end() };
    let others = leader.replicas.iter().filter(|(key, _)| node.has(Bug::CommitsByObservers) || voters.holds(key));
    let mut ends: Vec<_> = others.filter_map(|(_, progress)| progress.log_end).chain([own_end]).collect();
    ends.sort_unstable_by(|left, right| right.cmp(left));
    let needed = voters.majority().saturating_sub(usize::from(node.has(Bug::CommitsByMinority))).max(1);
    let wrongly = ends.get(needed - 1).copied().filter(|&end| Some(end) > leader.high_watermark);
    let of_its_epoch = |end: &Offset| *end > leader.epoch_start;
    match node.config.bug {
        Some(Bug::CommitsUnsynced | Bug::CommitsByMinority | Bug::CommitsByObservers) => wrongly.filter(of_its_epoch),
        Some(Bug::CommitsOlderEpochs) => wrongly,
        _ => committed,
    }
}

/// What the leader commits: `committed`.
#[cfg(not(feature = "seeded-bugs"))]
pub(crate) const fn committed(_node: &Node, _leader: &Leader, committed: Option<Offset>) -> Option<Offset> {
    committed
}

//! Bugs put in on purpose, so that tests and a simulator can show that they would find them. Only in tests and with the feature
//! `seeded-bugs`, which nothing that is released has.

use serde::{Deserialize, Serialize};

use crate::{Around, Settings};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "seeded-bugs"), derive(strum::EnumString, strum::VariantArray))]
pub enum Bug {
    /// A new follower cuts its log at its watermark and asks nobody (the rule before KIP-101).
    TruncatesToWatermark,
    /// A follower cuts where the leader's epoch ends, whether it has that epoch itself or not (the rule before KIP-279).
    TruncatesToLeadersEnd,
    /// The leader counts what it has not synced, though the policy is fsync.
    CountsUnsynced,
    /// A follower fetches on before its disk has what it fetched, though the policy is fsync.
    FetchesBeforeSync,
    /// A member that is about to join the ISR does not count until it is known to have joined.
    ForgetsPendingExpansion,
    /// A member that is about to leave the ISR no longer counts.
    BelievesPendingShrink,
    /// A follower may join the ISR before it has what this epoch began with.
    ExpandsBeforeEpochStart,
    /// A follower may join the ISR though another process of its broker has fetched (before KIP-903).
    IgnoresBrokerEpochs,
    /// The watermark moves though the ISR is smaller than `min.insync.replicas`.
    MovesUnderMinIsr,
    /// After a restart a replica takes up the leadership of before.
    LeadsAgain,
    /// A follower believes the leader's watermark beyond its own end.
    BelievesLeadersWatermark,
    /// A leader that is elected again counts the ends that it knew, though others may have led meanwhile.
    KeepsEndsOfOlderEpochs,
    /// A leader believes an answer to what it no longer asks.
    BelievesLateAnswers,
    /// A follower appends what was fetched before its log was cut.
    IgnoresWhatWasAsked,
}

impl Around<'_> {
    /// True when `bug` was put in.
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.settings.has(bug)
    }
}

impl Settings {
    /// True when `bug` was put in.
    #[cfg(any(test, feature = "seeded-bugs"))]
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Nothing that is released has one.
    #[cfg(not(any(test, feature = "seeded-bugs")))]
    #[expect(clippy::unused_self, reason = "the other form looks at it")]
    pub(crate) const fn has(&self, _bug: Bug) -> bool {
        false
    }
}

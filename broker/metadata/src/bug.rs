//! Bugs put into the controller on purpose, so that a simulator can show that it would find them. Only in tests and with the feature
//! `seeded-bugs`, which nothing that is released has.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(any(test, feature = "seeded-bugs"), derive(strum::VariantArray))]
pub enum Bug {
    /// Any replica that is up may be elected, in sync or not.
    ElectsOutsideIsr,
    /// Who leaves the cluster leads on, and whoever is fenced may be elected.
    ElectsFenced,
    /// Who is fenced stays in the ISR.
    KeepsFencedInSync,
    /// A leader may change the ISR of a state that is not the present one.
    IgnoresPartitionEpochs,
    /// Who led before may change the ISR.
    IgnoresLeaderEpochs,
    /// A process that has started anew may join the ISR for what the one before it has fetched (before KIP-903).
    IgnoresMemberEpochs,
    /// A fenced broker may join the ISR (before KIP-841).
    TakesFencedMembers,
    /// What was in a directory that is gone still counts as in sync.
    IgnoresLostDirectories,
    /// Who leaves the ISR under its minimum is not eligible.
    ForgetsEligible,
    /// Who may have lost what it had stays eligible.
    KeepsEligible,
}

/// Which bug a controller has, if any; nothing at all in what is released.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seeded {
    #[cfg(any(test, feature = "seeded-bugs"))]
    bug: Option<Bug>,
}

impl Seeded {
    /// With `bug`.
    #[cfg(any(test, feature = "seeded-bugs"))]
    pub(crate) const fn with(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    /// True when `bug` was put in.
    #[cfg(any(test, feature = "seeded-bugs"))]
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Nothing that is released has one.
    #[cfg(not(any(test, feature = "seeded-bugs")))]
    #[expect(clippy::unused_self, reason = "the other form looks at it")]
    pub(crate) const fn has(self, _bug: Bug) -> bool {
        false
    }
}

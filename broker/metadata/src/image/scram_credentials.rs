//! SCRAM credentials by mechanism and user: what a password is checked with, never the password. Checks nothing itself.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::hash::{SetHash, record_hash};
use crate::snapshot;

/// How a password is hashed, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256 (1).
    Sha256,
    /// SCRAM-SHA-512 (2).
    Sha512,
}

impl ScramMechanism {
    /// The mechanism with Kafka's number `id`.
    #[must_use]
    pub const fn from_id(id: i8) -> Option<Self> {
        match id {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Kafka's number.
    #[must_use]
    pub const fn id(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }
}

/// What a user's proof is checked with. Debug output holds none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// The salt.
    pub salt: Box<[u8]>,
    /// What the client's proof is checked with.
    pub stored_key: Box<[u8]>,
    /// What the broker proves with that it knows the user.
    pub server_key: Box<[u8]>,
    /// How often the password is hashed.
    pub iterations: i32,
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// All SCRAM credentials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScramCredentials {
    pub(crate) by_user: OrdMap<(ScramMechanism, Arc<str>), Arc<ScramCredential>>,
    hash: SetHash,
}

impl ScramCredentials {
    /// The credential of `user` for `mechanism`.
    #[must_use]
    pub fn get(&self, mechanism: ScramMechanism, user: &str) -> Option<&Arc<ScramCredential>> {
        self.by_user.get(&(mechanism, Arc::from(user)))
    }

    /// All of them, ordered by mechanism and user.
    pub fn iter(&self) -> impl Iterator<Item = (ScramMechanism, &Arc<str>, &Arc<ScramCredential>)> {
        self.by_user.iter().map(|((mechanism, user), credential)| (*mechanism, user, credential))
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    pub(crate) fn insert(&mut self, mechanism: ScramMechanism, user: &str, credential: ScramCredential) {
        self.remove(mechanism, user);
        self.hash.add(record_hash(&snapshot::scram_credential(mechanism, user, &credential)));
        self.by_user.insert((mechanism, user.into()), Arc::new(credential));
    }

    pub(crate) fn remove(&mut self, mechanism: ScramMechanism, user: &str) {
        if let Some(removed) = self.by_user.remove(&(mechanism, Arc::from(user))) {
            self.hash.remove(record_hash(&snapshot::scram_credential(mechanism, user, &removed)));
        }
    }
}

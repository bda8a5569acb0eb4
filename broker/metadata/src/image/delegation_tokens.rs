//! Delegation tokens by their ids: for whom each stands, and until when. Their secrets are derived elsewhere and stored nowhere.

use std::sync::Arc;

use barnabas_types::Timestamp;
use imbl::OrdMap;

use super::hash::{SetHash, record_hash};
use crate::snapshot;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationToken {
    /// The principal that it stands for, such as `User:alice`.
    pub owner: Box<str>,
    /// The principal that asked for it.
    pub requester: Box<str>,
    /// The principals that may renew it, besides the owner.
    pub renewers: Vec<Box<str>>,
    /// When it was made.
    pub issued: Timestamp,
    /// Until when it can be renewed.
    pub renewable_until: Timestamp,
    /// When it expires unless it is renewed.
    pub expires: Timestamp,
}

/// All delegation tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelegationTokens {
    pub(crate) by_id: OrdMap<Arc<str>, Arc<DelegationToken>>,
    hash: SetHash,
}

impl DelegationTokens {
    /// The token with `id`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<DelegationToken>> {
        self.by_id.get(id)
    }

    /// All of them, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<DelegationToken>)> {
        self.by_id.iter()
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    pub(crate) fn insert(&mut self, id: &str, token: DelegationToken) {
        self.remove(id);
        self.hash.add(record_hash(&snapshot::delegation_token(id, &token)));
        self.by_id.insert(id.into(), Arc::new(token));
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(removed) = self.by_id.remove(id) {
            self.hash.remove(record_hash(&snapshot::delegation_token(id, &removed)));
        }
    }
}

//! Access control entries by their ids. Decides no access: what an entry means is the authorizer's business.

use std::sync::Arc;

use barnabas_types::Uuid;
use imbl::OrdMap;

use super::hash::{SetHash, record_hash};
use crate::snapshot;

/// Who may, or may not, do what with which resources. Numbers are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessControlEntry {
    /// What kind of resource: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    pub resource_type: i8,
    /// The resource's name, the prefix of names, or `*` for all.
    pub resource_name: Box<str>,
    /// How names match: 3 literally, 4 by prefix.
    pub pattern_type: i8,
    /// Who: such as `User:alice`, or `User:*` for all.
    pub principal: Box<str>,
    /// From which address; `*` for all.
    pub host: Box<str>,
    /// The operation, 2 (all) to 15 (two-phase commit).
    pub operation: i8,
    /// 2 denied, 3 allowed.
    pub permission_type: i8,
}

/// All access control entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acls {
    pub(crate) by_id: OrdMap<Uuid, Arc<AccessControlEntry>>,
    hash: SetHash,
}

impl Acls {
    /// The entry with `id`.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<&Arc<AccessControlEntry>> {
        self.by_id.get(&id)
    }

    /// All of them, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, &Arc<AccessControlEntry>)> {
        self.by_id.iter().map(|(&id, entry)| (id, entry))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    pub(crate) fn insert(&mut self, id: Uuid, entry: AccessControlEntry) {
        self.remove(id);
        self.hash.add(record_hash(&snapshot::acl(id, &entry)));
        self.by_id.insert(id, Arc::new(entry));
    }

    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<AccessControlEntry>> {
        let removed = self.by_id.remove(&id)?;
        self.hash.remove(record_hash(&snapshot::acl(id, &removed)));
        Some(removed)
    }
}

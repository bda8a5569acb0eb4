//! Client quotas: what was set for whom. Which quota holds for a request is decided where quotas are enforced.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::hash::{SetHash, record_hash};
use crate::snapshot;

/// A dimension and its value.
type Dimension = (Box<str>, Option<Box<str>>);

/// Whom a quota is for: dimensions (`user`, `client-id`, `ip`) and their values, ordered by dimension. A value that is None is the
/// default of all that have no quota of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaEntity(Arc<[Dimension]>);

impl QuotaEntity {
    /// The entity of these dimensions, in whatever order; of a dimension that comes twice the last counts.
    pub fn new<'a>(dimensions: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        let ordered: std::collections::BTreeMap<_, _> = dimensions.into_iter().collect();
        Self(ordered.into_iter().map(|(dimension, value)| (dimension.into(), value.map(Into::into))).collect())
    }

    /// Dimensions and values, ordered by dimension.
    pub fn dimensions(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(dimension, value)| (dimension.as_ref(), value.as_deref()))
    }
}

impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (dimension, value)) in self.dimensions().enumerate() {
            write!(f, "{}{dimension}={}", if position == 0 { "" } else { "," }, value.unwrap_or("<default>"))?;
        }
        Ok(())
    }
}

/// The value of a quota; two are equal when their bits are.
#[derive(Clone, Copy, Debug)]
pub struct QuotaValue(pub f64);

impl PartialEq for QuotaValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for QuotaValue {}

/// The quotas of one entity, by name (such as `producer_byte_rate`, in bytes a second).
pub type EntityQuotas = OrdMap<Box<str>, QuotaValue>;

/// All client quotas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotas {
    pub(crate) by_entity: OrdMap<QuotaEntity, EntityQuotas>,
    hash: SetHash,
}

impl ClientQuotas {
    /// What is set for `entity`; None when nothing is.
    #[must_use]
    pub fn get(&self, entity: &QuotaEntity) -> Option<&EntityQuotas> {
        self.by_entity.get(entity)
    }

    /// Every entity for which something is set.
    pub fn iter(&self) -> impl Iterator<Item = (&QuotaEntity, &EntityQuotas)> {
        self.by_entity.iter()
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    /// Sets the quota `key`, or takes it away when `value` is None.
    pub(crate) fn set(&mut self, entity: &QuotaEntity, key: &str, value: Option<QuotaValue>) {
        let mut quotas = self.by_entity.get(entity).cloned().unwrap_or_default();
        if let Some(before) = quotas.remove(key) {
            self.hash.remove(record_hash(&snapshot::client_quota(entity, key, before)));
        }
        if let Some(value) = value {
            self.hash.add(record_hash(&snapshot::client_quota(entity, key, value)));
            quotas.insert(key.into(), value);
        }
        if quotas.is_empty() {
            self.by_entity.remove(entity);
        } else {
            self.by_entity.insert(entity.clone(), quotas);
        }
    }
}

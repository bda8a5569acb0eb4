//! `min.insync.replicas` where replicas are kept eligible (KIP-966): the one minimum of the cluster that every leader and every controller goes
//! by, and what must not be done to it. Decides on no partition.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use barnabas_protocol::records::metadata::{ClearElrRecord, ConfigRecord, MetadataRecord};
use barnabas_types::{BrokerId, Offset};

use super::{ConfigRules, Context, Controller};
use crate::{ConfigResource, Configs, ResourceType, Topic};

/// How many replicas a record needs.
pub(super) const MIN_IN_SYNC_REPLICAS: &str = "min.insync.replicas";
/// What it is where nothing is configured.
const DEFAULT: &str = "1";

/// A minimum that leaders and the controller would not have in common. The words are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MinIsrError {
    /// Of one broker.
    #[error("Broker-level {MIN_IN_SYNC_REPLICAS} cannot be altered while ELR is enabled.")]
    OfABroker,
    /// None of the cluster, so that each broker would have its own.
    #[error("Cluster-level {MIN_IN_SYNC_REPLICAS} cannot be removed while ELR is enabled.")]
    OfNobody,
}

/// The records that give the cluster one minimum: where it has none, that of this node's own configuration, and no broker keeps another.
pub(super) fn one_min_isr(configs: &Configs, rules: &dyn ConfigRules) -> Vec<MetadataRecord<'static>> {
    let record = |resource: &ConfigResource, value: Option<String>| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: resource.resource_type.id(),
            resource_name: Cow::Owned(resource.name.to_string()),
            name: Cow::Borrowed(MIN_IN_SYNC_REPLICAS),
            value: value.map(Cow::Owned),
            ..ConfigRecord::default()
        })
    };
    let has = |resource: &ConfigResource| configs.value(resource, MIN_IN_SYNC_REPLICAS).is_some();
    let cluster = ConfigResource::broker("");
    let configured =
        || rules.inherited(&cluster, MIN_IN_SYNC_REPLICAS).map_or(DEFAULT.to_owned(), |value| value.trim().into());
    let pinned = (!has(&cluster)).then(|| record(&cluster, Some(configured())));
    let of_a_broker =
        |resource: &&ConfigResource| resource.resource_type == ResourceType::Broker && !resource.name.is_empty();
    let brokers = configs.iter().map(|(resource, _)| resource).filter(of_a_broker).filter(|resource| has(resource));
    pinned.into_iter().chain(brokers.map(|resource| record(resource, None))).collect()
}

/// Who left an ISR under another minimum need not have everything that is acknowledged under this one.
pub(super) fn clear_eligible_leaders(resource: &ConfigResource) -> MetadataRecord<'static> {
    let topic = if resource.resource_type == ResourceType::Topic { resource.name.as_ref() } else { "" };
    MetadataRecord::ClearElr(ClearElrRecord { topic_name: Cow::Owned(topic.to_owned()), ..ClearElrRecord::default() })
}

/// From where on the log has every minimum as it is now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MinIsrInForce {
    /// One has changed, and nobody has looked yet where the log ends since.
    changed: bool,
    since: Offset,
}

impl MinIsrInForce {
    /// A minimum has changed, or may have.
    pub(super) const fn changes(&mut self) {
        self.changed = true;
    }

    /// The log ends at `log_end` now, with every change.
    pub(super) const fn look(&mut self, log_end: Offset) {
        if self.changed {
            (self.changed, self.since) = (false, log_end);
        }
    }

    const fn is_known_to_who_applied(self, applied: Offset) -> bool {
        !self.changed && applied.0 >= self.since.0.saturating_sub(1)
    }
}

impl Controller {
    /// What `rules`, this node's own configuration, says of the minimum, and what is in force instead; None where they agree, and where the
    /// configuration says no more than the default.
    #[must_use]
    pub fn min_isr_that_does_not_count(&self, rules: &dyn ConfigRules) -> Option<(String, String)> {
        let cluster = ConfigResource::broker("");
        let in_force = self.head.configs.value(&cluster, MIN_IN_SYNC_REPLICAS).filter(|_| self.keeps_eligible())?;
        let configured = rules.inherited(&cluster, MIN_IN_SYNC_REPLICAS)?;
        let differs = !matches!(configured.trim(), value if value == DEFAULT || value == in_force.trim());
        differs.then(|| (configured.trim().to_owned(), in_force.to_owned()))
    }

    /// Refuses what would give a broker a minimum of its own.
    pub(super) fn check_min_isr(
        &self,
        resource: &ConfigResource,
        changes: &BTreeMap<Box<str>, Option<Box<str>>>,
    ) -> Result<(), MinIsrError> {
        let Some(change) = changes.get(MIN_IN_SYNC_REPLICAS) else { return Ok(()) };
        match resource.resource_type {
            ResourceType::Broker if !self.keeps_eligible() => Ok(()),
            ResourceType::Broker if !resource.name.is_empty() => Err(MinIsrError::OfABroker),
            ResourceType::Broker if change.is_none() => Err(MinIsrError::OfNobody),
            _ => Ok(()),
        }
    }

    /// `min.insync.replicas` of the topic. Where replicas are kept eligible the cluster has one for all topics, and it counts from its very
    /// record on: what this node has applied is older, and by a minimum that was higher somebody would stay eligible who misses records. For a
    /// minimum that was lower see [`Controller::knows_min_isr`].
    pub(super) fn min_isr(&self, context: &Context<'_>, topic: &Topic) -> usize {
        let value = |resource| self.head.configs.value(&resource, MIN_IN_SYNC_REPLICAS).map(str::to_owned);
        let cluster = || value(ConfigResource::broker("")).filter(|_| self.keeps_eligible());
        let own = value(ConfigResource::topic(Arc::clone(&topic.name))).or_else(cluster);
        let value = own.or_else(|| self.topic_config(context, topic, MIN_IN_SYNC_REPLICAS));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(1)
    }

    /// True when `leader` goes by the minimum that this controller goes by. One that still has a lower one acknowledges records that who leaves
    /// its ISR now need not have, and that one would be eligible by the higher minimum.
    pub(super) fn knows_min_isr(&self, leader: BrokerId) -> bool {
        self.min_isr_in_force.is_known_to_who_applied(self.sessions.applied_offset(leader))
    }
}

#[cfg(test)]
mod tests;

//! Validation of configuration changes against what is in force at that moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use barnabas_metadata::{ConfigResource, ConfigRules, Image, InvalidConfig, ResourceType};
use barnabas_types::BrokerId;

use crate::config::{Layers, Rules, Settings};

/// The rules over the static settings and the metadata this node has applied.
pub struct LiveRules {
    broker: BrokerId,
    settings: Arc<Settings>,
    published: Arc<ArcSwap<Image>>,
}

impl LiveRules {
    /// Rules of `broker`.
    pub fn new(broker: BrokerId, settings: Arc<Settings>, published: Arc<ArcSwap<Image>>) -> Self {
        Self { broker, settings, published }
    }

    fn with<T>(&self, ask: impl FnOnce(Rules<'_>) -> T) -> T {
        let image = self.published.load();
        ask(Rules { layers: Layers::of(&image, self.broker, &self.settings) })
    }
}

impl ConfigRules for LiveRules {
    fn validate(&self, resource: &ConfigResource, configs: &BTreeMap<Box<str>, Box<str>>) -> Result<(), InvalidConfig> {
        self.with(|rules| rules.validate(resource, configs))
    }

    fn is_list(&self, resource_type: ResourceType, key: &str) -> bool {
        self.with(|rules| rules.is_list(resource_type, key))
    }

    fn inherited(&self, resource: &ConfigResource, key: &str) -> Option<String> {
        self.with(|rules| rules.inherited(resource, key))
    }
}

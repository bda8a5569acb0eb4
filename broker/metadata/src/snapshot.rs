//! An image as the records that make it again, in the order in which they replay. Knows no file: the header, the footer and
//! the batches around them belong to whoever writes one.

mod nodes;
mod security;
mod topics;

pub(crate) use nodes::{broker, controller};
pub(crate) use security::{acl, client_quota, delegation_token, scram_credential};
pub(crate) use topics::{config, partition, topic};

use std::borrow::Cow;

use barnabas_protocol::records::metadata::{FeatureLevelRecord, MetadataRecord, ProducerIdsRecord};
use barnabas_types::ProducerId;

use crate::{Image, METADATA_VERSION, NextProducerId};

/// The records of `image`, made as they are asked for. The level of `metadata.version` comes first: it says how to read the rest.
pub fn records(image: &Image) -> impl Iterator<Item = MetadataRecord<'_>> {
    let (first, others): (Vec<_>, Vec<_>) = image.features.iter().partition(|(name, _)| *name == METADATA_VERSION);
    let features = first.into_iter().chain(others).map(|(name, level)| feature(name, level));
    let brokers = image.brokers.iter().map(|registered| broker(registered));
    let controllers = image.controllers.iter().map(|registered| controller(registered));
    let topics = image.topics.by_name().flat_map(|made| {
        let partitions =
            made.partitions.iter().map(|(&id, state)| MetadataRecord::Partition(partition(made.id, id, state)));
        std::iter::once(topic(made)).chain(partitions)
    });
    let configs = image
        .configs
        .iter()
        .flat_map(|(resource, configs)| configs.iter().map(|(key, value)| config(resource, key, value)));
    let quotas = image
        .client_quotas
        .iter()
        .flat_map(|(entity, quotas)| quotas.iter().map(|(key, &value)| client_quota(entity, key, value)));
    let acls = image.acls.iter().map(|(id, entry)| acl(id, entry));
    let credentials = image
        .scram_credentials
        .iter()
        .map(|(mechanism, user, credential)| scram_credential(mechanism, user, credential));
    let tokens = image.delegation_tokens.iter().map(|(id, token)| delegation_token(id, token));
    features
        .chain(brokers)
        .chain(controllers)
        .chain(topics)
        .chain(configs)
        .chain(quotas)
        .chain(producer_ids(image.producer_ids))
        .chain(acls)
        .chain(credentials)
        .chain(tokens)
}

/// The record that finalises `level` of `name`.
pub(crate) fn feature(name: &str, feature_level: i16) -> MetadataRecord<'_> {
    MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: Cow::Borrowed(name),
        feature_level,
        ..FeatureLevelRecord::default()
    })
}

/// The record of where the next block of producer ids begins; None as long as none was given out.
pub(crate) fn producer_ids(next: NextProducerId) -> Option<MetadataRecord<'static>> {
    (next.next_producer_id > ProducerId(0)).then(|| {
        MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: -1,
            broker_epoch: -1,
            next_producer_id: next.next_producer_id.0,
            ..ProducerIdsRecord::default()
        })
    })
}

#[cfg(test)]
mod tests;

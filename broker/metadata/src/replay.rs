//! Records change the image here and nowhere else. Decides nothing. Records that the controller made replay without error;
//! those from disk may contradict the image, and then say so.

mod brokers;
mod configs;
mod controllers;
mod producer_ids;
mod security;
mod topics;

pub(crate) use topics::{LEADER_UNCHANGED, changed};

use barnabas_protocol::own_tags;
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_types::{BrokerId, ProducerId, TopicIdPartition, Uuid};

use crate::Image;

/// A record that does not fit the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A topic that is not there.
    #[error("{record} names topic {topic_id}, which does not exist at this point of the log")]
    UnknownTopic {
        /// The record's type.
        record: &'static str,
        /// The topic.
        topic_id: Uuid,
    },
    /// A partition that is not there.
    #[error("{record} names partition {partition}, which does not exist at this point of the log")]
    UnknownPartition {
        /// The record's type.
        record: &'static str,
        /// The partition.
        partition: TopicIdPartition,
    },
    /// A topic made twice.
    #[error("topic '{name}' ({topic_id}) is made a second time")]
    TopicExists {
        /// Its name.
        name: Box<str>,
        /// Its id.
        topic_id: Uuid,
    },
    /// A broker that is not registered, or not with this epoch.
    #[error("{record} names broker {broker} of epoch {epoch}, which is not registered at this point of the log")]
    UnknownBroker {
        /// The record's type.
        record: &'static str,
        /// The broker.
        broker: BrokerId,
        /// The broker epoch.
        epoch: i64,
    },
    /// A field with a value that means nothing.
    #[error(
        "{record} holds {value} in {field}, which this release does not know; it may have been written by a newer one"
    )]
    UnknownValue {
        /// The record's type.
        record: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// A topic that is not there, by its name.
    #[error("{record} names topic '{name}', which does not exist at this point of the log")]
    UnknownTopicName {
        /// The record's type.
        record: &'static str,
        /// The name.
        name: Box<str>,
    },
    /// An access control entry made twice.
    #[error("access control entry {id} is made a second time")]
    AclExists {
        /// Its id.
        id: Uuid,
    },
    /// An access control entry that is not there.
    #[error("access control entry {id} is taken away, which does not exist at this point of the log")]
    UnknownAcl {
        /// Its id.
        id: Uuid,
    },
    /// The next producer id would go back.
    #[error("the next producer id goes back from {current} to {next}: ids would be given out twice")]
    ProducerIdsGoBack {
        /// What the image holds.
        current: ProducerId,
        /// What the record says.
        next: ProducerId,
    },
    /// A transaction inside another.
    #[error("a metadata transaction begins inside another")]
    NestedTransaction,
    /// An end without a beginning.
    #[error("{record} without a metadata transaction to end")]
    NoTransaction {
        /// The record's type.
        record: &'static str,
    },
}

impl Image {
    /// Applies one record. Marks of metadata transactions change nothing here; [`History`] heeds them.
    ///
    /// # Errors
    /// The record contradicts the image; the image is as it was.
    pub fn replay(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::RegisterBroker(record) => brokers::register(&mut self.brokers, record),
            MetadataRecord::UnregisterBroker(record) => return brokers::unregister(&mut self.brokers, record),
            MetadataRecord::BrokerRegistrationChange(record) => return brokers::change(&mut self.brokers, record),
            MetadataRecord::Topic(record) => return topics::topic(&mut self.topics, record),
            MetadataRecord::Partition(record) => return topics::partition(&mut self.topics, record),
            MetadataRecord::PartitionChange(record) => return topics::change(&mut self.topics, record),
            MetadataRecord::RemoveTopic(record) => return topics::remove(self, record),
            MetadataRecord::Config(record) => return configs::config(&mut self.configs, record),
            MetadataRecord::FeatureLevel(record) => self.features.set(&record.name, record.feature_level),
            MetadataRecord::ProducerIds(record) => return producer_ids::producer_ids(&mut self.producer_ids, record),
            MetadataRecord::RegisterController(record) => controllers::register(&mut self.controllers, record),
            MetadataRecord::FenceBroker(record) => return brokers::fence(&mut self.brokers, record),
            MetadataRecord::UnfenceBroker(record) => return brokers::unfence(&mut self.brokers, record),
            MetadataRecord::ClearElr(record) => return topics::clear_eligible_leaders(&mut self.topics, record),
            MetadataRecord::AccessControlEntry(record) => return security::acl(&mut self.acls, record),
            MetadataRecord::RemoveAccessControlEntry(record) => return security::remove_acl(&mut self.acls, record),
            MetadataRecord::ClientQuota(record) => security::client_quota(&mut self.client_quotas, record),
            MetadataRecord::UserScramCredential(record) => {
                return security::scram_credential(&mut self.scram_credentials, record);
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                return security::remove_scram_credential(&mut self.scram_credentials, record);
            }
            MetadataRecord::DelegationToken(record) => security::delegation_token(&mut self.delegation_tokens, record),
            MetadataRecord::RemoveDelegationToken(record) => {
                security::remove_delegation_token(&mut self.delegation_tokens, record);
            }
            // Kafka 4 passes over the end of ZooKeeper too, and keeps nothing of it in its snapshots.
            MetadataRecord::ZkMigrationState(_)
            | MetadataRecord::NoOp(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => {}
        }
        Ok(())
    }
}

/// An image that heeds metadata transactions: what is inside an open one is not visible, and an abort undoes it. It also knows who was given
/// the permit to stop, as far as the records that it was told say so: that is in no image and no snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    image: Image,
    before_transaction: Option<Image>,
    permit: Option<NotedPermit>,
}

/// What the log says last of the permit to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedPermit {
    /// Who holds it, -1 for nobody.
    pub broker: BrokerId,
    /// As which registration.
    pub broker_epoch: i64,
    /// How many records have said something of it: who asks can see that something was said.
    pub number: u64,
}

impl History {
    /// Continues from `image`, outside of any transaction.
    #[must_use]
    pub const fn new(image: Image) -> Self {
        Self { image, before_transaction: None, permit: None }
    }

    /// Goes on from `image`, which is what `records` have made of the image that was visible.
    pub fn go_on(&mut self, image: Image, records: &[MetadataRecord<'_>]) {
        records.iter().for_each(|record| self.note(record));
        (self.image, self.before_transaction) = (image, None);
    }

    /// What the records say last of the permit to stop; None where none of those that were told since the beginning says anything.
    #[must_use]
    pub const fn permit(&self) -> Option<NotedPermit> {
        self.permit
    }

    fn note(&mut self, record: &MetadataRecord<'_>) {
        if let MetadataRecord::NoOp(record) = record
            && let Some((broker, broker_epoch)) = own_tags::read_stop_permit(&record.unknown_tags)
        {
            let number = self.permit.map_or(0, |permit| permit.number) + 1;
            self.permit = Some(NotedPermit { broker: BrokerId(broker), broker_epoch, number });
        }
    }

    /// The image without what an open transaction has changed so far.
    #[must_use]
    pub fn visible(&self) -> &Image {
        self.before_transaction.as_ref().unwrap_or(&self.image)
    }

    /// True inside a transaction.
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        self.before_transaction.is_some()
    }

    /// Applies one record.
    ///
    /// # Errors
    /// As [`Image::replay`], and for transaction marks out of order.
    pub fn replay(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        self.note(record);
        match record {
            MetadataRecord::BeginTransaction(_) if self.in_transaction() => Err(ReplayError::NestedTransaction),
            MetadataRecord::BeginTransaction(_) => {
                self.before_transaction = Some(self.image.clone());
                Ok(())
            }
            MetadataRecord::EndTransaction(_) => match self.before_transaction.take() {
                Some(_) => Ok(()),
                None => Err(ReplayError::NoTransaction { record: "EndTransactionRecord" }),
            },
            MetadataRecord::AbortTransaction(_) => {
                self.image = self
                    .before_transaction
                    .take()
                    .ok_or(ReplayError::NoTransaction { record: "AbortTransactionRecord" })?;
                Ok(())
            }
            other => self.image.replay(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::records::metadata::*;

    use super::*;

    #[test]
    fn access_control_entries_that_are_not_understood_or_contradict_the_log_are_refused() {
        let entry = AccessControlEntryRecord {
            id: Uuid::from_u128(1),
            resource_type: 2,
            pattern_type: 3,
            operation: 3,
            permission_type: 3,
            ..Default::default()
        };
        let mut image = Image::default();
        for wrong in [
            AccessControlEntryRecord { resource_type: 1, ..entry.clone() },
            AccessControlEntryRecord { pattern_type: 2, ..entry.clone() },
            AccessControlEntryRecord { operation: 16, ..entry.clone() },
            AccessControlEntryRecord { permission_type: 1, ..entry.clone() },
        ] {
            let error = image.replay(&wrong.into()).unwrap_err();
            assert!(matches!(error, ReplayError::UnknownValue { record: "AccessControlEntryRecord", .. }), "{error}");
        }
        image.replay(&entry.clone().into()).unwrap();
        assert_eq!(image.replay(&entry.clone().into()), Err(ReplayError::AclExists { id: entry.id }));
        let removal = RemoveAccessControlEntryRecord { id: entry.id, ..Default::default() };
        image.replay(&removal.clone().into()).unwrap();
        assert_eq!(image.replay(&removal.into()), Err(ReplayError::UnknownAcl { id: entry.id }));
        assert_eq!(image, Image::default());
    }

    #[test]
    fn of_zookeeper_nothing_is_kept() {
        let mut image = Image::default();
        assert_eq!(image.replay(&ZkMigrationStateRecord::default().into()), Ok(()));
        assert_eq!(image, Image::default());
    }

    #[test]
    fn records_of_old_releases_fence_and_unfence_the_broker_of_their_epoch() {
        let mut image = Image::default();
        let registered = RegisterBrokerRecord { broker_id: 1, broker_epoch: 5, fenced: true, ..Default::default() };
        image.replay(&registered.into()).unwrap();
        let fenced = |image: &Image| image.brokers.get(BrokerId(1)).unwrap().fenced;
        image.replay(&UnfenceBrokerRecord { id: 1, epoch: 5, ..Default::default() }.into()).unwrap();
        assert!(!fenced(&image));
        image.replay(&FenceBrokerRecord { id: 1, epoch: 5, ..Default::default() }.into()).unwrap();
        assert!(fenced(&image));
        let of_another_epoch = UnfenceBrokerRecord { id: 1, epoch: 4, ..Default::default() };
        let error = image.replay(&of_another_epoch.into()).unwrap_err();
        assert!(matches!(error, ReplayError::UnknownBroker { record: "UnfenceBrokerRecord", epoch: 4, .. }), "{error}");
    }
}

//! DeleteTopics: by name or by id.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::records::metadata::{MetadataRecord, RemoveTopicRecord};
use barnabas_types::Uuid;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Controller, Outcome};
use crate::Topic;

/// Which topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicSelector {
    /// The one called so.
    Name(Box<str>),
    /// The one with this id.
    Id(Uuid),
}

/// Why a topic was not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteTopicError {
    /// No such name.
    #[error("This server does not host this topic-partition.")]
    UnknownName,
    /// No such id.
    #[error("This server does not host this topic ID.")]
    UnknownId,
    /// Named twice in one request.
    #[error("the topic is named more than once in the request")]
    Duplicate,
}

impl DeleteTopicError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownName => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::UnknownId => ErrorCode::UNKNOWN_TOPIC_ID,
            Self::Duplicate => ErrorCode::INVALID_REQUEST,
        }
    }
}

impl Controller {
    /// Deletes the selected topics; one result per selector, in order, with the topic as it was.
    #[must_use]
    pub fn delete_topics(&self, selectors: &[TopicSelector]) -> Outcome<Vec<Result<Arc<Topic>, DeleteTopicError>>> {
        let found: Vec<_> = selectors.iter().map(|selector| self.find(selector)).collect();
        let mut records = Vec::new();
        let mut named = BTreeSet::new();
        let mut twice = BTreeSet::new();
        for topic in found.iter().flatten() {
            if !named.insert(topic.id) {
                twice.insert(topic.id);
            }
        }
        let response = found
            .into_iter()
            .map(|result| match result {
                Ok(topic) if twice.contains(&topic.id) => Err(DeleteTopicError::Duplicate),
                Ok(topic) => {
                    let record = RemoveTopicRecord { topic_id: topic.id, ..RemoveTopicRecord::default() };
                    records.push(MetadataRecord::RemoveTopic(record));
                    Ok(topic)
                }
                Err(error) => Err(error),
            })
            .collect();
        Outcome { records, response }
    }

    fn find(&self, selector: &TopicSelector) -> Result<Arc<Topic>, DeleteTopicError> {
        let (topic, unknown) = match selector {
            TopicSelector::Name(name) => (self.head.topics.named(name), DeleteTopicError::UnknownName),
            TopicSelector::Id(id) => (self.head.topics.get(*id), DeleteTopicError::UnknownId),
        };
        topic.map(Arc::clone).ok_or(unknown)
    }
}

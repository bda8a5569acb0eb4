//! One fetch session (KIP-227): where each partition stands, and what the next request must say. Pure; sends nothing.

use std::collections::HashMap;

use barnabas_protocol::messages::FetchRequest;
use barnabas_protocol::messages::fetch::{FetchPartition, FetchTopic};
use barnabas_types::Uuid;

/// How a session asks.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// The topic's name.
    pub topic: String,
    /// Its id; zero where the cluster is too old to say.
    pub topic_id: Uuid,
    /// How long a broker may wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Answer as soon as this many bytes are there.
    pub min_bytes: i32,
    /// Bytes of a response at most.
    pub max_bytes: i32,
    /// Bytes of one partition at most.
    pub partition_max_bytes: i32,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    partition: i32,
    offset: i64,
    /// The broker does not know the offset yet.
    changed: bool,
}

/// The session of one connection.
#[derive(Debug)]
pub struct Session {
    id: i32,
    epoch: i32,
    positions: Vec<Position>,
    places: HashMap<i32, usize>,
}

impl Session {
    /// A session to begin, at these offsets by partition.
    pub fn new(offsets: impl IntoIterator<Item = (i32, i64)>) -> Self {
        let position = |(partition, offset)| Position { partition, offset, changed: true };
        let positions: Vec<Position> = offsets.into_iter().map(position).collect();
        let places = positions.iter().enumerate().map(|(place, position)| (position.partition, place)).collect();
        Self { id: 0, epoch: 0, positions, places }
    }

    /// The next request: all partitions at first, then those whose offset has moved.
    pub fn request(&mut self, settings: &FetchSettings, version: i16) -> FetchRequest<'static> {
        // Before version 7 there are no sessions and every request says it all.
        let whole = self.epoch == 0 || version < 7;
        let mut partitions = Vec::new();
        for position in self.positions.iter_mut().filter(|position| whole || position.changed) {
            position.changed = false;
            partitions.push(FetchPartition {
                partition: position.partition,
                fetch_offset: position.offset,
                partition_max_bytes: settings.partition_max_bytes,
                ..Default::default()
            });
        }
        let topic = FetchTopic {
            topic: settings.topic.clone().into(),
            topic_id: settings.topic_id,
            partitions,
            ..Default::default()
        };
        FetchRequest {
            max_wait_ms: settings.max_wait_ms,
            min_bytes: settings.min_bytes,
            max_bytes: settings.max_bytes,
            session_id: self.id,
            session_epoch: self.epoch,
            topics: if topic.partitions.is_empty() { Vec::new() } else { vec![topic] },
            ..Default::default()
        }
    }

    /// A response came in session `id`; 0 means that the broker keeps none.
    pub fn answered(&mut self, id: i32) {
        self.id = id;
        self.epoch = match (id, self.epoch) {
            (0, _) => 0,
            // The epoch wraps to 1: 0 would ask for a new session.
            (_, i32::MAX) => 1,
            (_, epoch) => epoch + 1,
        };
    }

    /// The broker has forgotten the session, or is another one.
    pub fn restart(&mut self) {
        (self.id, self.epoch) = (0, 0);
    }

    /// Where `partition` stands.
    pub fn offset(&self, partition: i32) -> Option<i64> {
        let place = *self.places.get(&partition)?;
        self.positions.get(place).map(|position| position.offset)
    }

    /// `partition` goes on at `offset`.
    pub fn move_to(&mut self, partition: i32, offset: i64) {
        let place = self.places.get(&partition).copied();
        if let Some(position) = place.and_then(|place| self.positions.get_mut(place)) {
            position.changed = position.changed || position.offset != offset;
            position.offset = offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> FetchSettings {
        FetchSettings {
            topic: "t".to_owned(),
            topic_id: Uuid::ZERO,
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 1 << 20,
            partition_max_bytes: 1 << 20,
        }
    }

    fn asked(session: &mut Session, version: i16) -> (i32, i32, Vec<(i32, i64)>) {
        let request = session.request(&settings(), version);
        let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        let partitions = partitions.map(|partition| (partition.partition, partition.fetch_offset)).collect();
        (request.session_id, request.session_epoch, partitions)
    }

    #[test]
    fn a_session_says_all_once_and_then_only_what_moved() {
        let mut session = Session::new([(0, 5), (1, 7)]);
        assert_eq!(asked(&mut session, 12), (0, 0, vec![(0, 5), (1, 7)]));
        session.answered(42);
        session.move_to(1, 9);
        session.move_to(0, 5);
        assert_eq!(asked(&mut session, 12), (42, 1, vec![(1, 9)]));
        session.answered(42);
        assert_eq!(asked(&mut session, 12), (42, 2, vec![]));
    }

    #[test]
    fn without_a_session_every_request_says_all() {
        let mut session = Session::new([(0, 5)]);
        asked(&mut session, 12);
        session.answered(0);
        assert_eq!(asked(&mut session, 12), (0, 0, vec![(0, 5)]));
        session.answered(3);
        assert_eq!(asked(&mut session, 6).2, [(0, 5)], "the version has no sessions");
    }

    #[test]
    fn a_forgotten_session_begins_anew_where_the_partitions_stand() {
        let mut session = Session::new([(0, 5)]);
        asked(&mut session, 12);
        session.answered(42);
        session.move_to(0, 8);
        session.restart();
        assert_eq!(asked(&mut session, 12), (0, 0, vec![(0, 8)]));
        assert_eq!((session.offset(0), session.offset(1)), (Some(8), None));
    }
}

//! Incremental fetch sessions (KIP-227): the broker remembers which partitions a client fetches, so that requests and
//! replies carry only what changed. Reads no log; time and the new session's id are inputs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchableTopicResponse, PartitionData};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_types::{PartitionId, Uuid};

/// A session unused for so long gives its slot to a new one (Kafka's fixed value).
const EVICTION_AGE: Duration = Duration::from_secs(120);
/// Session epoch of a request that wants no session, or ends one.
const FINAL_EPOCH: i32 = -1;
/// Session epoch of a request that opens a session.
const INITIAL_EPOCH: i32 = 0;

/// How a request names a topic: by id from version 13 on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey {
    /// Up to version 12.
    Name(Arc<str>),
    /// From version 13 on.
    Id(Uuid),
}

/// What a client wants of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The topic as the client names it.
    pub topic: TopicKey,
    /// The partition.
    pub partition: PartitionId,
    /// The leader epoch the client believes in; -1 when it does not say.
    pub current_leader_epoch: i32,
    /// The first offset it wants.
    pub fetch_offset: i64,
    /// The epoch of the record before that; -1 when it does not say.
    pub last_fetched_epoch: i32,
    /// The first offset that a follower has; -1 of a consumer.
    pub log_start_offset: i64,
    /// The most bytes it takes of this partition.
    pub max_bytes: i32,
}

impl Wanted {
    fn new(topic: &TopicKey, partition: &FetchPartition<'_>) -> Self {
        Self {
            topic: topic.clone(),
            partition: partition.partition,
            current_leader_epoch: partition.current_leader_epoch,
            fetch_offset: partition.fetch_offset,
            last_fetched_epoch: partition.last_fetched_epoch,
            log_start_offset: partition.log_start_offset,
            max_bytes: partition.partition_max_bytes,
        }
    }
}

#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    high_watermark: i64,
    log_start_offset: i64,
}

#[derive(Debug)]
struct Session {
    id: i32,
    epoch: i32,
    uses_topic_ids: bool,
    /// In the order in which they are read: who got records goes to the end, so that nobody starves.
    partitions: BTreeMap<u64, Cached>,
    places: HashMap<(TopicKey, PartitionId), u64>,
    next_place: u64,
}

impl Session {
    fn put(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        if let Some(cached) = self.places.get(&key).and_then(|place| self.partitions.get_mut(place)) {
            cached.wanted = wanted;
            return;
        }
        self.places.insert(key, self.next_place);
        self.partitions.insert(self.next_place, Cached { wanted, high_watermark: -1, log_start_offset: -1 });
        self.next_place += 1;
    }

    fn forget(&mut self, topic: TopicKey, partition: PartitionId) {
        if let Some(place) = self.places.remove(&(topic, partition)) {
            self.partitions.remove(&place);
        }
    }

    /// True when the client must be told; remembers what it is told.
    fn changed(&mut self, wanted: &Wanted, data: &PartitionData<'_>, always: bool) -> bool {
        let key = (wanted.topic.clone(), wanted.partition);
        let Some(place) = self.places.get(&key).copied() else { return true };
        let Some(cached) = self.partitions.get_mut(&place) else { return true };
        let changed = always
            || data.records.as_ref().is_some_and(|records| !records.is_empty())
            || data.error_code != ErrorCode::NONE
            || data.diverging_epoch.end_offset >= 0
            || data.preferred_read_replica >= 0
            || cached.high_watermark != data.high_watermark
            || cached.log_start_offset != data.log_start_offset;
        // After an error the next reply must carry the marks again, whatever they are.
        let failed = data.error_code != ErrorCode::NONE;
        cached.high_watermark = if failed { -1 } else { data.high_watermark };
        cached.log_start_offset = if failed { -1 } else { data.log_start_offset };
        if data.records.as_ref().is_some_and(|records| !records.is_empty()) {
            self.move_to_end(key, place);
        }
        changed
    }

    fn move_to_end(&mut self, key: (TopicKey, PartitionId), place: u64) {
        if let Some(cached) = self.partitions.remove(&place) {
            self.partitions.insert(self.next_place, cached);
            self.places.insert(key, self.next_place);
            self.next_place += 1;
        }
    }
}

type Shared = Arc<Mutex<Session>>;

/// What one Fetch reads, and how its reply is put together.
#[derive(Debug)]
pub struct FetchContext {
    /// The partitions in the order in which they are read.
    pub wanted: Vec<Wanted>,
    session: Option<Shared>,
    session_id: i32,
    incremental: bool,
}

impl FetchContext {
    /// Folds what was read into topics. `results` are in the order of `wanted`. Returns the session's id and the topics.
    #[must_use]
    pub fn finish(self, results: Vec<PartitionData<'static>>) -> (i32, Vec<FetchableTopicResponse<'static>>) {
        let mut session = self.session.as_deref().map(lock);
        let mut topics: Vec<FetchableTopicResponse<'static>> = Vec::new();
        let mut last: Option<TopicKey> = None;
        for (wanted, data) in self.wanted.into_iter().zip(results) {
            let tell = match &mut session {
                Some(session) => session.changed(&wanted, &data, !self.incremental),
                None => true,
            };
            if !tell {
                continue;
            }
            if last.as_ref() != Some(&wanted.topic) {
                let (topic, topic_id) = match &wanted.topic {
                    TopicKey::Name(name) => (name.to_string(), Uuid::ZERO),
                    TopicKey::Id(id) => (String::new(), *id),
                };
                topics.push(FetchableTopicResponse { topic: topic.into(), topic_id, ..Default::default() });
                last = Some(wanted.topic);
            }
            if let Some(topic) = topics.last_mut() {
                topic.partitions.push(data);
            }
        }
        (self.session_id, topics)
    }
}

struct Slot {
    session: Shared,
    used: Duration,
}

/// All sessions of this node.
pub struct FetchSessions {
    max_slots: usize,
    slots: Mutex<HashMap<i32, Slot>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FetchSessions {
    /// At most `max_slots` sessions (`max.incremental.fetch.session.cache.slots`).
    #[must_use]
    pub fn new(max_slots: usize) -> Self {
        Self { max_slots, slots: Mutex::new(HashMap::new()) }
    }

    /// Sessions that are remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.slots).len()
    }

    /// True when no session is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Resolves what `request` fetches. `now` is the monotonic clock; `candidate_id` names a new session if one is made.
    ///
    /// # Errors
    /// `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH` or `FETCH_SESSION_TOPIC_ID_ERROR`: the client begins anew.
    pub fn begin(
        &self,
        request: &FetchRequest<'_>,
        version: i16,
        now: Duration,
        candidate_id: i32,
    ) -> Result<FetchContext, ErrorCode> {
        match request.session_epoch {
            FINAL_EPOCH | INITIAL_EPOCH => {
                if request.session_id != 0 {
                    lock(&self.slots).remove(&request.session_id);
                }
                let wanted: Vec<Wanted> = requested(request, version).collect();
                let session = (request.session_epoch == INITIAL_EPOCH && version >= 7 && !wanted.is_empty())
                    .then(|| self.open(&wanted, version, now, candidate_id))
                    .flatten();
                let session_id = session.as_deref().map_or(0, |session| lock(session).id);
                Ok(FetchContext { wanted, session, session_id, incremental: false })
            }
            epoch => self.resume(request, version, now, epoch),
        }
    }

    fn open(&self, wanted: &[Wanted], version: i16, now: Duration, candidate_id: i32) -> Option<Shared> {
        let mut slots = lock(&self.slots);
        if slots.len() >= self.max_slots {
            let (&oldest, slot) = slots.iter().min_by_key(|(_, slot)| slot.used)?;
            if now.saturating_sub(slot.used) < EVICTION_AGE {
                return None;
            }
            slots.remove(&oldest);
        }
        // Ids are 1 to i32::MAX; a taken one is stepped over.
        let mut id = candidate_id.checked_abs().unwrap_or(1).max(1);
        while slots.contains_key(&id) {
            id = id.checked_add(1).unwrap_or(1);
        }
        let uses_topic_ids = version >= 13;
        let (partitions, places) = (BTreeMap::new(), HashMap::new());
        let mut session = Session { id, epoch: 1, uses_topic_ids, partitions, places, next_place: 0 };
        wanted.iter().for_each(|wanted| session.put(wanted.clone()));
        let session = Arc::new(Mutex::new(session));
        slots.insert(id, Slot { session: Arc::clone(&session), used: now });
        Some(session)
    }

    fn resume(
        &self,
        request: &FetchRequest<'_>,
        version: i16,
        now: Duration,
        epoch: i32,
    ) -> Result<FetchContext, ErrorCode> {
        let shared = {
            let mut slots = lock(&self.slots);
            let slot = slots.get_mut(&request.session_id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
            slot.used = now;
            Arc::clone(&slot.session)
        };
        let mut session = lock(&shared);
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.uses_topic_ids != (version >= 13) {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        for forgotten in &request.forgotten_topics_data {
            let topic = topic_key(version, &forgotten.topic, forgotten.topic_id);
            forgotten.partitions.iter().for_each(|partition| session.forget(topic.clone(), *partition));
        }
        requested(request, version).for_each(|wanted| session.put(wanted));
        // After i32::MAX comes 1, because 0 opens a session.
        session.epoch = epoch.checked_add(1).unwrap_or(1);
        let wanted: Vec<Wanted> = session.partitions.values().map(|cached| cached.wanted.clone()).collect();
        if wanted.is_empty() {
            lock(&self.slots).remove(&request.session_id);
        }
        drop(session);
        Ok(FetchContext { wanted, session: Some(shared), session_id: request.session_id, incremental: true })
    }
}

fn topic_key(version: i16, name: &str, id: Uuid) -> TopicKey {
    if version >= 13 { TopicKey::Id(id) } else { TopicKey::Name(name.into()) }
}

fn requested<'r>(request: &'r FetchRequest<'_>, version: i16) -> impl Iterator<Item = Wanted> + 'r {
    request.topics.iter().flat_map(move |topic| {
        let key = topic_key(version, &topic.topic, topic.topic_id);
        topic.partitions.iter().map(move |partition| Wanted::new(&key, partition))
    })
}

/// A partition's reply that carries only an error.
#[must_use]
pub fn failed(partition: PartitionId, error_code: ErrorCode) -> PartitionData<'static> {
    let records = Some(Records::default());
    PartitionData { partition_index: partition, error_code, high_watermark: -1, records, ..Default::default() }
}

#[cfg(test)]
mod tests;

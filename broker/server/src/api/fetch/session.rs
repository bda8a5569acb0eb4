//! Incremental fetch sessions (KIP-227): the broker remembers which partitions a client fetches, so that requests and
//! replies carry only what changed, and which of them may have. Reads no log; time and the new session's id are inputs.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchableTopicResponse, PartitionData};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_types::{BrokerId, PartitionId, Uuid};

use crate::replica::{News, Watch, Watchers};

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
    /// Where it stands in the order in which partitions are read.
    place: u64,
    /// None before it was looked at for the first time.
    watch: Option<Watch>,
}

/// A session is asked again and again, and most of its partitions have no news. So it has a list of those that are due: what the client has
/// changed, what the last reply said something of, and what has moved since.
#[derive(Debug)]
struct Session {
    epoch: i32,
    uses_topic_ids: bool,
    partitions: HashMap<u64, Cached>,
    numbers: HashMap<(TopicKey, PartitionId), u64>,
    next_number: u64,
    /// In the order in which they are read, by place: who got records goes to the end, so that nobody starves.
    due: BTreeMap<u64, u64>,
    next_place: u64,
    news: Arc<News>,
}

impl Session {
    fn put(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        let known = self.numbers.get(&key).copied();
        if let Some((number, cached)) = known.and_then(|number| Some((number, self.partitions.get_mut(&number)?))) {
            cached.wanted = wanted;
            self.due.insert(cached.place, number);
            return;
        }
        let (number, place) = (self.next_number, self.next_place);
        (self.next_number, self.next_place) = (number + 1, place + 1);
        self.numbers.insert(key, number);
        self.due.insert(place, number);
        let cached = Cached { wanted, high_watermark: -1, log_start_offset: -1, place, watch: None };
        self.partitions.insert(number, cached);
    }

    fn forget(&mut self, topic: TopicKey, partition: PartitionId) {
        let Some(number) = self.numbers.remove(&(topic, partition)) else { return };
        if let Some(cached) = self.partitions.remove(&number) {
            self.due.remove(&cached.place);
        }
    }

    /// What is due, in the order in which it is read; it is due no more.
    fn take_due(&mut self) -> Vec<Look> {
        for number in self.news.take() {
            if let Some(cached) = self.partitions.get(&number) {
                self.due.insert(cached.place, number);
            }
        }
        let due = std::mem::take(&mut self.due);
        let look = |(place, number)| Some(Look::new(number, place, self.partitions.get(&number)?.wanted.clone()));
        due.into_iter().filter_map(look).collect()
    }

    /// It is looked at in the next Fetch, too.
    fn is_due(&mut self, number: u64) {
        if let Some(cached) = self.partitions.get(&number) {
            self.due.insert(cached.place, number);
        }
    }

    /// True when the client must be told; remembers what it is told.
    fn changed(&mut self, number: u64, data: &PartitionData<'_>, always: bool) -> bool {
        let Some(cached) = self.partitions.get_mut(&number) else { return true };
        let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        let changed = always
            || has_records
            || data.error_code != ErrorCode::NONE
            || data.diverging_epoch.end_offset >= 0
            || data.preferred_read_replica >= 0
            || cached.high_watermark != data.high_watermark
            || cached.log_start_offset != data.log_start_offset;
        // After an error the next reply must carry the marks again, whatever they are.
        let failed = data.error_code != ErrorCode::NONE;
        cached.high_watermark = if failed { -1 } else { data.high_watermark };
        cached.log_start_offset = if failed { -1 } else { data.log_start_offset };
        if has_records {
            self.due.remove(&cached.place);
            cached.place = self.next_place;
            self.next_place += 1;
        }
        changed
    }
}

type Shared = Arc<Mutex<Session>>;

/// A partition that one Fetch looks at.
#[derive(Debug)]
pub struct Look {
    /// What the client wants of it.
    pub wanted: Wanted,
    number: u64,
    place: u64,
    /// What was read of it; none before that, and once it has moved.
    data: Option<PartitionData<'static>>,
    /// It has more for the client than was read, or something is wrong with it: the next Fetch looks at it, moved or not.
    is_due: bool,
    /// Outside of a session, while it is waited for.
    watch: Option<Watch>,
}

impl Look {
    const fn new(number: u64, place: u64, wanted: Wanted) -> Self {
        Self { wanted, number, place, data: None, is_due: true, watch: None }
    }
}

/// What one Fetch reads, and how its reply is put together.
#[derive(Debug)]
pub struct FetchContext {
    /// The partitions that are looked at, in the order in which they are read.
    looks: Vec<Look>,
    /// No partition is fetched at all.
    is_empty: bool,
    news: Arc<News>,
    session: Option<Shared>,
    session_id: i32,
    incremental: bool,
}

impl FetchContext {
    fn of(session: &Shared, session_id: i32, incremental: bool) -> Self {
        let mut locked = lock(session);
        let (looks, news) = (locked.take_due(), Arc::clone(&locked.news));
        let is_empty = locked.partitions.is_empty();
        drop(locked);
        Self { looks, is_empty, news, session: Some(Arc::clone(session)), session_id, incremental }
    }

    fn without_session(wanted: Vec<Wanted>, for_follower: bool) -> Self {
        let looks: Vec<Look> = (0..).zip(wanted).map(|(number, wanted)| Look::new(number, number, wanted)).collect();
        let (is_empty, news) = (looks.is_empty(), News::new(for_follower));
        Self { looks, is_empty, news, session: None, session_id: 0, incremental: false }
    }

    /// True when no partition is fetched, so that there is nothing to wait for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Where what moves is noted.
    #[must_use]
    pub const fn news(&self) -> &Arc<News> {
        &self.news
    }

    /// Reads every partition that was not read yet, or has moved since, where `resolve` finds it. `read` is told how many bytes the reply has
    /// already; it says what it read, and whether the next Fetch is to look again in any case. Returns the bytes of the reply.
    pub fn read<H>(
        &mut self,
        resolve: impl Fn(&Wanted) -> H,
        watchers: impl Fn(&H) -> Option<&Arc<Watchers>>,
        mut read: impl FnMut(&Wanted, &H, usize) -> (PartitionData<'static>, bool),
    ) -> usize {
        let size = |data: &PartitionData<'_>| data.records.as_ref().map_or(0, Records::len);
        let mut bytes = self.looks.iter().filter_map(|look| look.data.as_ref()).map(size).sum::<usize>();
        for look in self.looks.iter_mut().filter(|look| look.data.is_none()) {
            let hosted = resolve(&look.wanted);
            // Watched before it is read, so that what is appended meanwhile is not missed.
            if let Some(session) = &self.session
                && let Some(watchers) = watchers(&hosted)
                && let Some(cached) = lock(session).partitions.get_mut(&look.number)
                && !cached.watch.as_ref().is_some_and(|watch| watch.is_of(watchers))
            {
                cached.watch = Some(watchers.watch(look.number, &self.news));
            }
            let (data, is_due) = read(&look.wanted, &hosted, bytes);
            bytes = bytes.saturating_add(size(&data));
            (look.data, look.is_due) = (Some(data), is_due);
        }
        bytes
    }

    /// How many partitions are to be read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.looks.iter().filter(|look| look.data.is_none()).count()
    }

    /// Outside of a session partitions are watched only when somebody waits for them; they are read once more then. Returns true when that
    /// is to be done.
    pub fn watch(&mut self, watchers: impl Fn(&Wanted) -> Option<Arc<Watchers>>) -> bool {
        if self.session.is_some() {
            return false;
        }
        let mut is_new = false;
        for look in self.looks.iter_mut().filter(|look| look.watch.is_none()) {
            if let Some(watchers) = watchers(&look.wanted) {
                look.watch = Some(watchers.watch(look.number, &self.news));
                (look.data, is_new) = (None, true);
            }
        }
        is_new
    }

    /// Takes note of the partitions that have moved.
    pub fn take_news(&mut self) {
        let Some(session) = &self.session else {
            for number in self.news.take() {
                let index = usize::try_from(number).unwrap_or(usize::MAX);
                self.looks.get_mut(index).into_iter().for_each(|look| look.data = None);
            }
            return;
        };
        for moved in lock(session).take_due() {
            match self.looks.binary_search_by_key(&moved.place, |look| look.place) {
                Ok(index) => self.looks.get_mut(index).into_iter().for_each(|look| look.data = None),
                Err(index) => self.looks.insert(index, moved),
            }
        }
    }

    /// Folds what was read into topics. Returns the session's id and the topics.
    #[must_use]
    pub fn finish(mut self) -> (i32, Vec<FetchableTopicResponse<'static>>) {
        let mut session = self.session.as_deref().map(lock);
        let mut topics: Vec<FetchableTopicResponse<'static>> = Vec::new();
        let mut last: Option<TopicKey> = None;
        for look in std::mem::take(&mut self.looks) {
            let Look { wanted, number, data, is_due, .. } = look;
            let Some(data) = data else {
                session.iter_mut().for_each(|session| session.is_due(number));
                continue;
            };
            let tell = match &mut session {
                Some(session) => {
                    let tell = session.changed(number, &data, !self.incremental);
                    if is_due {
                        session.is_due(number);
                    }
                    tell
                }
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
        drop(session);
        (self.session_id, topics)
    }
}

impl Drop for FetchContext {
    /// Nobody was told what was looked at for a client that is gone.
    fn drop(&mut self) {
        let Some(session) = self.session.as_deref().filter(|_| !self.looks.is_empty()) else { return };
        let mut session = lock(session);
        self.looks.iter().for_each(|look| session.is_due(look.number));
    }
}

struct Slot {
    session: Shared,
    is_privileged: bool,
    partitions: usize,
    opened: Duration,
    used: Duration,
}

/// All sessions of this node.
pub struct FetchSessions {
    max_slots: usize,
    slots: Mutex<HashMap<i32, Slot>>,
    visited: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FetchSessions {
    /// At most `max_slots` sessions (`max.incremental.fetch.session.cache.slots`).
    #[must_use]
    pub fn new(max_slots: usize) -> Self {
        Self { max_slots, slots: Mutex::new(HashMap::new()), visited: AtomicU64::new(0) }
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

    /// What a session has not looked at yet.
    #[cfg(test)]
    pub fn news(&self, id: i32) -> Option<Arc<News>> {
        lock(&self.slots).get(&id).map(|slot| Arc::clone(&lock(&slot.session).news))
    }

    /// So many partitions are about to be read.
    pub fn visits(&self, partitions: usize) {
        self.visited.fetch_add(u64::try_from(partitions).unwrap_or(0), Ordering::Relaxed);
    }

    /// How many partitions were read, with all Fetches: what idle sessions cost.
    #[must_use]
    pub fn visited(&self) -> u64 {
        self.visited.load(Ordering::Relaxed)
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
                    self.close(request.session_id);
                }
                let wanted: Vec<Wanted> = requested(request, version).collect();
                let is_wanted = request.session_epoch == INITIAL_EPOCH && version >= 7 && !wanted.is_empty();
                let is_privileged = follower(request).is_some();
                let session =
                    is_wanted.then(|| self.open(&wanted, version, is_privileged, now, candidate_id)).flatten();
                Ok(match session {
                    Some((id, session)) => FetchContext::of(&session, id, false),
                    None => FetchContext::without_session(wanted, is_privileged),
                })
            }
            epoch => self.resume(request, version, now, epoch),
        }
    }

    fn open(
        &self,
        wanted: &[Wanted],
        version: i16,
        is_privileged: bool,
        now: Duration,
        candidate_id: i32,
    ) -> Option<(i32, Shared)> {
        let mut slots = lock(&self.slots);
        let mut evicted = None;
        if slots.len() >= self.max_slots {
            let id = evictable(&slots, is_privileged, wanted.len(), now)?;
            evicted = slots.remove(&id);
        }
        // Ids are 1 to i32::MAX; a taken one is stepped over.
        let mut id = candidate_id.checked_abs().unwrap_or(1).max(1);
        while slots.contains_key(&id) {
            id = id.checked_add(1).unwrap_or(1);
        }
        let mut session = Session {
            epoch: 1,
            uses_topic_ids: version >= 13,
            partitions: HashMap::new(),
            numbers: HashMap::new(),
            next_number: 0,
            due: BTreeMap::new(),
            next_place: 0,
            news: News::new(is_privileged),
        };
        wanted.iter().for_each(|wanted| session.put(wanted.clone()));
        let partitions = session.partitions.len();
        let session = Arc::new(Mutex::new(session));
        slots.insert(id, Slot { session: Arc::clone(&session), is_privileged, partitions, opened: now, used: now });
        drop(slots);
        // Outside of the lock, because each of its partitions is told.
        drop(evicted);
        Some((id, session))
    }

    /// A Fetch of it that still waits on a connection that its client has left ends: woken later, it would tell where the client was then.
    fn close(&self, id: i32) {
        let closed = lock(&self.slots).remove(&id);
        if let Some(slot) = closed {
            lock(&slot.session).news.end();
        }
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
        let partitions = session.partitions.len();
        drop(session);
        if partitions == 0 {
            self.close(request.session_id);
        } else if let Some(slot) = lock(&self.slots).get_mut(&request.session_id) {
            slot.partitions = partitions;
        }
        Ok(FetchContext::of(&shared, request.session_id, true))
    }
}

/// The session that gives its slot to one of `size` partitions, as in Kafka: one that was not used for long; else one of a consumer, if a
/// follower wants the slot; else one that has had it for long and fetches less, never a follower's for a consumer.
fn evictable(slots: &HashMap<i32, Slot>, is_privileged: bool, size: usize, now: Duration) -> Option<i32> {
    let is_long_ago = |at: Duration| now.saturating_sub(at) >= EVICTION_AGE;
    let (&oldest, slot) = slots.iter().min_by_key(|(_, slot)| slot.used)?;
    if is_long_ago(slot.used) {
        return Some(oldest);
    }
    let may_go = |slot: &Slot| is_privileged && !slot.is_privileged || is_long_ago(slot.opened);
    let worth = |slot: &Slot| (slot.is_privileged, slot.partitions);
    let (id, least) = slots.iter().filter(|(_, slot)| may_go(slot)).min_by_key(|(_, slot)| worth(slot))?;
    (worth(least) < (is_privileged, size)).then_some(*id)
}

/// The replica that fetches and the epoch of its registration, unless it is a consumer.
#[must_use]
pub fn follower(request: &FetchRequest<'_>) -> Option<(BrokerId, i64)> {
    let state = &request.replica_state;
    let (id, epoch) =
        if state.replica_id >= 0 { (state.replica_id, state.replica_epoch) } else { (request.replica_id, -1) };
    (id >= 0).then_some((BrokerId(id), epoch))
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

//! The last offset of each key, in memory that is bounded beforehand and taken only as keys come. Holds no key: a hash of 128 bits
//! stands for it. Says when it is full; what then is the caller's.

use std::hash::{BuildHasher, RandomState};

use barnabas_types::Offset;

const SLOT_BYTES: usize = size_of::<Slot>();
/// A part of the table begins with so many slots, and doubles.
const FIRST_SLOTS: usize = 16;
/// While one part grows, its old and its new slots exist together: with so many parts that is little of the whole.
const MOST_SHARDS: usize = 256;
/// Smaller parts would be filled too unevenly.
const LEAST_SLOTS_PER_SHARD: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: [u64; 2],
    /// -1: the slot is free.
    offset: i64,
}

const FREE: Slot = Slot { hash: [0; 2], offset: -1 };

/// Slots that grow on their own.
#[derive(Clone, Debug, Default)]
struct Shard {
    slots: Vec<Slot>,
    used: usize,
}

/// Hash of key to offset.
///
/// Two keys of one hash would be taken for one, and the older record of the two would be lost. The hash is SipHash-1-3 under two
/// secret keys, drawn for this map: nobody can choose keys that collide, and by chance it happens among the 5.6 million keys of
/// 128 MiB once in 10^25 passes. Kafka accepts the same odds with MD5, for which anybody can find such keys.
#[derive(Debug)]
pub(super) struct OffsetMap {
    shards: Vec<Shard>,
    slots_per_shard: usize,
    length: usize,
    most_keys: usize,
    hashers: [RandomState; 2],
}

impl OffsetMap {
    /// What a key takes, in bytes.
    #[cfg(test)]
    pub(super) const BYTES_PER_KEY: usize = SLOT_BYTES;

    /// At most `memory_bytes`, filled up to `load_factor` (0 to 1); at least one key fits.
    pub(super) fn new(memory_bytes: usize, load_factor: f64) -> Self {
        let slots = (memory_bytes / SLOT_BYTES).max(1);
        let shards = (slots / LEAST_SLOTS_PER_SHARD).clamp(1, MOST_SHARDS);
        let most_keys = (slots as f64 * load_factor.clamp(0.0, 1.0)) as usize;
        Self {
            shards: vec![Shard::default(); shards],
            slots_per_shard: slots / shards,
            length: 0,
            most_keys: most_keys.max(1),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// Keys in the map.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(key))
    }

    /// Notes that `key` was last seen at `offset`. False when it is new and there is no room: nothing was noted.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = self.hash(key);
        let index = shard_of(hash, self.shards.len());
        let Some(shard) = self.shards.get_mut(index) else { return false };
        if let Some(slot) = shard.holding(hash) {
            slot.offset = slot.offset.max(offset.0);
            return true;
        }
        let added = self.length < self.most_keys && shard.add(Slot { hash, offset: offset.0 }, self.slots_per_shard);
        self.length += usize::from(added);
        added
    }

    /// Where `key` was last seen.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        let hash = self.hash(key);
        let shard = self.shards.get(shard_of(hash, self.shards.len()))?;
        let slot = shard.slots.get(shard.find(hash)?)?;
        (slot.offset >= 0).then_some(Offset(slot.offset))
    }
}

impl Shard {
    /// The slot that holds `hash`, else the free one where it belongs; none when there is neither.
    fn find(&self, hash: [u64; 2]) -> Option<usize> {
        let [first, _] = hash;
        let home = scale(first, self.slots.len());
        let matches = |slot: &Slot| slot.offset < 0 || slot.hash == hash;
        (home..self.slots.len()).chain(0..home).find(|index| self.slots.get(*index).is_some_and(matches))
    }

    fn holding(&mut self, hash: [u64; 2]) -> Option<&mut Slot> {
        let index = self.find(hash)?;
        self.slots.get_mut(index).filter(|slot| slot.offset >= 0)
    }

    /// Takes in a hash that it does not hold, growing to at most `most` slots; false when those are taken.
    fn add(&mut self, slot: Slot, most: usize) -> bool {
        if (self.used + 1) * 4 > self.slots.len() * 3 && self.slots.len() < most {
            let larger = (self.slots.len() * 2).max(FIRST_SLOTS).min(most);
            let old = std::mem::replace(&mut self.slots, vec![FREE; larger]);
            old.into_iter().filter(|slot| slot.offset >= 0).for_each(|slot| _ = self.place(slot));
        }
        let placed = self.place(slot);
        self.used += usize::from(placed);
        placed
    }

    fn place(&mut self, slot: Slot) -> bool {
        let free = self.find(slot.hash).and_then(|index| self.slots.get_mut(index));
        free.map(|free| *free = slot).is_some()
    }
}

/// Scales `hash` to below `count`.
fn scale(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}

fn shard_of(hash: [u64; 2], shards: usize) -> usize {
    let [_, second] = hash;
    scale(second, shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: i64) -> [u8; 8] {
        number.to_be_bytes()
    }

    #[test]
    fn the_last_offset_of_each_key_is_found_and_no_other() {
        let mut map = OffsetMap::new(1 << 20, 0.9);
        for offset in 0..30_000 {
            assert!(map.put(&key(offset % 10_000), Offset(offset)));
        }
        assert_eq!(map.len(), 10_000);
        for number in 0..10_000 {
            assert_eq!(map.get(&key(number)), Some(Offset(20_000 + number)));
        }
        assert_eq!(map.get(&key(10_000)), None);
        assert!(map.put(b"", Offset(7)));
        assert_eq!(map.get(b""), Some(Offset(7)));
    }

    #[test]
    fn an_older_offset_never_replaces_a_newer_one() {
        let mut map = OffsetMap::new(1000, 1.0);
        assert!(map.put(b"a", Offset(9)) && map.put(b"a", Offset(3)));
        assert_eq!(map.get(b"a"), Some(Offset(9)));
    }

    #[test]
    fn a_full_map_takes_known_keys_and_no_new_ones() {
        for (memory_bytes, load_factor, most) in [(0, 0.9, 1), (SLOT_BYTES * 10, 0.5, 5), (SLOT_BYTES * 10, 1.0, 10)] {
            let mut map = OffsetMap::new(memory_bytes, load_factor);
            let taken = (0..100).filter(|number| map.put(&key(*number), Offset(*number))).count();
            assert_eq!((taken, map.len()), (most, most));
            assert!(map.put(&key(0), Offset(100)));
            assert_eq!(map.get(&key(0)), Some(Offset(100)));
            assert_eq!(map.get(&key(99)), None);
        }
    }

    #[test]
    fn memory_is_taken_as_keys_come_and_never_more_than_was_given() {
        let memory_bytes = 8 << 20;
        let mut map = OffsetMap::new(memory_bytes, 0.9);
        let taken = |map: &OffsetMap| map.shards.iter().map(|shard| shard.slots.capacity() * SLOT_BYTES).sum::<usize>();
        assert_eq!(taken(&map), 0);
        assert!(map.put(b"one", Offset(0)));
        assert!(taken(&map) < 1000);
        let keys = (0..).take_while(|number| map.put(&key(*number), Offset(*number))).count();
        assert!(keys > memory_bytes / SLOT_BYTES * 8 / 10, "{keys}");
        assert!(taken(&map) <= memory_bytes);
    }
}

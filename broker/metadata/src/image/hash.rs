//! The hash of an image: the sum of the hashes of all that a snapshot would say of it, kept up with every change. So it can be asked
//! for at any time, and is the same whichever way an image was reached. Against mistakes, not against forgery.

use barnabas_protocol::records::metadata::MetadataRecord;

use crate::MAX_METADATA_VERSION;
use crate::record_version::record_version;

/// The sum over a set of things, to which they are added and from which they are taken again, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SetHash(u64);

impl SetHash {
    pub(crate) const fn add(&mut self, item: u64) {
        self.0 = self.0.wrapping_add(item);
    }

    pub(crate) const fn remove(&mut self, item: u64) {
        self.0 = self.0.wrapping_sub(item);
    }

    pub(crate) const fn value(self) -> u64 {
        self.0
    }
}

/// The hash of one thing, field by field. The same on every machine and in every release: nodes compare it.
pub(crate) struct ItemHash(u64);

impl ItemHash {
    /// Begins with the number of the record type that a snapshot says the thing with.
    pub(crate) const fn new(record_type: u64) -> Self {
        Self(mixed(record_type ^ 0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) const fn number(&mut self, number: u64) {
        self.0 = mixed(self.0.rotate_left(23) ^ number);
    }

    /// The length too, so that what is in one field cannot be taken for the beginning of the next.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(place, &byte)| *place = byte);
            self.number(u64::from_le_bytes(word));
        }
    }

    pub(crate) const fn finish(self) -> u64 {
        self.0
    }
}

/// The hash of a thing by the record that a snapshot says it with, for things of which there are few or whose records are small.
pub(crate) fn record_hash(record: &MetadataRecord<'_>) -> u64 {
    let mut hash = ItemHash::new(record.number().unsigned_abs().into());
    // What was replayed can be written: every record here is made of fields that were read from one.
    let encoded = record.encode(record_version(record, MAX_METADATA_VERSION)).unwrap_or_default();
    hash.bytes(&encoded);
    hash.finish()
}

/// Spreads every bit over all (the finaliser of splitmix64).
const fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&[u8]]) -> u64 {
        let mut hash = ItemHash::new(3);
        fields.iter().for_each(|field| hash.bytes(field));
        hash.finish()
    }

    #[test]
    fn fields_are_told_apart_and_order_counts_within_a_thing() {
        let hashes = [of(&[b"ab", b"c"]), of(&[b"a", b"bc"]), of(&[b"c", b"ab"]), of(&[b"abc"]), of(&[b"abc", b""])];
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash), "{hashes:?}");
        }
        assert_ne!(of(&[b"\0"]), of(&[b"\0\0"]));
    }

    #[test]
    fn a_set_has_one_hash_in_whatever_order_it_came_about() {
        let (one, two, three) = (of(&[b"1"]), of(&[b"2"]), of(&[b"3"]));
        let mut there = SetHash::default();
        [one, two].into_iter().for_each(|item| there.add(item));
        let mut back = SetHash::default();
        [three, two, one].into_iter().for_each(|item| back.add(item));
        assert_ne!(there, back);
        back.remove(three);
        assert_eq!(there, back);
    }
}

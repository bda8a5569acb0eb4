//! Recorded histories of each core replay to the same; what breaks a core breaks it again; a damaged file is refused, and says where.

mod coordinator;
mod raft;
mod replica;

use crate::{Head, Kind, Recording, Replayed, read, replay};

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

pub(crate) fn head(core: Kind) -> Head {
    let (name, reason) = ("orders-0".to_owned(), "asked for".to_owned());
    Head { release: "0.1.0".to_owned(), core, node: 1, name, reason, wall_ms: 7 }
}

pub(crate) fn replayed(bytes: &[u8], shown: usize) -> (Recording, Replayed, String) {
    let (recording, mut text) = (read(bytes).unwrap(), String::new());
    let replayed = replay(&recording, shown, &mut text).unwrap();
    (recording, replayed, text)
}

/// Cut anywhere, and with any bit of any byte turned, a file is refused, and the place named lies where the damage is or right after its line.
pub(crate) fn damage_everywhere(bytes: &[u8]) {
    let ends_of_lines: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
    for length in 0..bytes.len() {
        let error = read(&bytes[..length]).unwrap_err();
        assert!(error.position <= length && !error.what.is_empty(), "cut to {length}: {error}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1 << (at % 8);
        let error = read(&damaged).unwrap_err();
        let line = ends_of_lines.iter().filter(|&&end| end < at).count() + 1;
        assert!(error.line == line && error.position <= at + 9, "byte {at} of line {line}: {error}");
    }
}

#[test]
fn what_is_no_recording_or_of_another_format_is_refused_with_a_reason() {
    let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(refused(b"").contains("ends in its first line"));
    assert!(refused(b"\x7fELF\n").contains("no recording"));
    assert!(refused(b"barnabas recording, format 2\n").contains("format 2: this release reads 1"));
    assert!(refused(b"barnabas recording, format 1\n").contains("ends before its last line"));
}

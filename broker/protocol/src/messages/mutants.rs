//! Damaged messages: every decoder, in every version, gets frames that were right once. Nothing may panic, and none may take more memory than its
//! size allows. A failure prints the seed; `BARNABAS_MUTANTS` sets how many there are.

use std::fmt::Debug;

use super::tests::{contiguous, version_of};
use super::*;
use crate::wire::counting_allocator::peak_bytes;
use crate::wire::sample::{Random, Sample};
use crate::{Decode, Encode, Message, Reader, RequestHeader};

/// How many mutants there are in all, unless the environment says otherwise.
const MUTANTS: u64 = 20_000;
/// Memory for a frame of no bytes: the base that lists may take, twice while they grow, and an error with its path.
pub(crate) const BASE_BYTES: usize = 2 * 64 * 1024 + 4096;
/// Memory for each byte of a frame: 16 for lists, twice while they grow, and texts that are not UTF-8.
pub(crate) const BYTES_PER_BYTE: usize = 40;

/// Numbers that have been wrong before: lengths and counts around zero, null and the limits.
const SUSPECTS: [&[u8]; 10] = [
    &[0xff, 0xff, 0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x7f, 0xff],
    &[0xff, 0xff],
    &[0x80, 0x80, 0x04],
    &[1],
];

/// Damages `frame` in one to four places.
pub(crate) fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(frame.len() as u64 + 1) as usize;
        match random.below(6) {
            0 => frame.truncate(at),
            1 => frame.insert(at, random.next() as u8),
            2 if at < frame.len() => drop(frame.remove(at)),
            3 if at < frame.len() => frame[at] ^= 1 << random.below(8),
            4 => {
                let copy = frame[at..].to_vec();
                frame.extend(copy);
            }
            _ => {
                let suspect = SUSPECTS[random.below(SUSPECTS.len() as u64) as usize];
                let end = (at + suspect.len()).min(frame.len());
                frame.splice(at..end, suspect.iter().copied());
            }
        }
    }
}

/// Reads `frame`, and writes back what could be read.
fn survive<'a, M: Message + Decode<'a> + Encode + Debug>(frame: &'a [u8], version: i16, seed: u64) -> bool {
    let (decoded, peak) = peak_bytes(|| M::decode(&mut Reader::new(frame), version));
    let allowed = BASE_BYTES + BYTES_PER_BYTE * frame.len();
    assert!(peak <= allowed, "{} version {version}, seed {seed}: {peak} bytes for {}", M::NAME, frame.len());
    match decoded {
        Ok(message) => message.encode(version).is_ok(),
        Err(error) => {
            assert!(error.position() <= frame.len(), "seed {seed}: {error}");
            assert!(error.to_string().starts_with(M::NAME), "seed {seed}: {error}");
            false
        }
    }
}

/// Feeds mutants of samples of `$kind` to its decoder, and counts those that still were messages.
macro_rules! feed {
    ($read:ident, $each:expr; $($key:ident $module:ident $request:ident $response:ident;)*) => {$(
        feed!($read, $each, $request);
        feed!($read, $each, $response);
    )*};
    ($read:ident, $each:expr, $kind:ident) => {
        let versions = <$kind<'_> as Message>::VERSIONS;
        for mutant in 0..$each {
            let seed = mutant << 16 | u64::from(name_number::<$kind<'_>>());
            let mut random = Random(seed);
            let version = versions.min + random.below(u64::from((versions.max - versions.min + 1) as u16)) as i16;
            let mut frame = contiguous($kind::sample(&mut random, version_of::<$kind<'_>>(version)).encode(version).unwrap());
            mutate(&mut frame, &mut random);
            $read += u64::from(survive::<$kind<'_>>(&frame, version, seed));
        }
    };
}

macro_rules! count {
    ($($key:ident $module:ident $request:ident $response:ident;)*) => {
        /// How many messages there are.
        const MESSAGES: u64 = 2 * [$(stringify!($key)),*].len() as u64;
    };
}
crate::every_message!(count);

/// Tells messages apart in seeds.
fn name_number<M: Message>() -> u16 {
    M::NAME.bytes().fold(0, |hash, byte| u16::from(byte).wrapping_add(hash.wrapping_mul(31)))
}

pub(crate) fn mutants() -> u64 {
    std::env::var("BARNABAS_MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(MUTANTS)
}

#[test]
fn no_mutant_of_any_message_panics_or_takes_more_memory_than_its_size_allows() {
    let mut read = 0;
    let each = mutants() / MESSAGES + 1;
    crate::every_message!(feed read, each;);
    // Some mutants are messages still, most are not: otherwise this would test nothing.
    assert!(read > each && read < each * MESSAGES / 2, "{read} mutants of {} were read", each * MESSAGES);
}

#[test]
fn no_mutant_of_a_header_panics() {
    for seed in 0..mutants() / 10 {
        let mut random = Random(seed);
        let mut frame = vec![0, 3, 0, 12, 0, 0, 0, 7, 0, 2, b'm', b'e', 2, 9, 1, 0xaa, 10, 0];
        mutate(&mut frame, &mut random);
        let (header, peak) = peak_bytes(|| RequestHeader::decode(&mut Reader::new(&frame)));
        assert!(peak < 4096, "seed {seed}: {peak} bytes");
        if let Err(error) = header {
            assert!(error.position() <= frame.len(), "seed {seed}: {error}");
        }
    }
}

//! Damaged messages, records and headers: every decoder, in every version, gets bytes that were right once. None may panic, none may take more memory
//! or more reads than the size of its bytes allows, and every refusal says what was read, in which version, which field and which byte.
//!
//! `BARNABAS_MUTANTS` is the number of mutants of each message and version, `BARNABAS_SEED` the first one's seed: with the seed that a failure prints
//! and `BARNABAS_MUTANTS=1` it happens again at once.

use std::fmt::Debug;

use crate::messages::tests::{contiguous, version_of};
use crate::messages::*;
use crate::records::every::*;
use crate::wire::counting_allocator::{Cost, measured};
use crate::wire::sample::{Random, Sample};
use crate::{ApiKey, Decode, DecodeError, Encode, Message, Reader, RequestHeader, ResponseHeader};

/// Mutants of each message and version, unless the environment says otherwise.
const MUTANTS: u64 = 100;
/// Memory for bytes of no length: the base that lists may take, twice while they grow, and an error with its path.
const BASE_BYTES: usize = 2 * 64 * 1024 + 4096;
/// Memory for each byte read: 16 for lists, twice while they grow, and texts that are not UTF-8.
const BYTES_PER_BYTE: usize = 40;
/// Allocations besides those for lists and texts: an error and its path.
const BASE_ALLOCATIONS: usize = 8;
/// Reads besides those that take a byte each or follow one that took a length: keys and versions read twice, and one that finds nothing.
const BASE_READS: usize = 8;

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

/// Counts of long lists, and what such a list is filled with.
const LONG: [&[u8]; 4] = [&[0, 0, 0x0f, 0], &[0x80, 0x1e], &[0, 0, 1, 0], &[0x80, 0x02]];
const FILLED_WITH: [u8; 4] = [0, 1, 2, 0xff];

/// Damages `bytes` in one to four places.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next() as u8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            4 => {
                let copy = bytes[at..].to_vec();
                bytes.extend(copy);
            }
            _ => {
                let suspect = SUSPECTS[random.below(SUSPECTS.len() as u64) as usize];
                let end = (at + suspect.len()).min(bytes.len());
                bytes.splice(at..end, suspect.iter().copied());
            }
        }
    }
    if random.below(32) == 0 {
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        bytes.extend(LONG[random.below(LONG.len() as u64) as usize]);
        bytes.resize(bytes.len() + 4096, FILLED_WITH[random.below(FILLED_WITH.len() as u64) as usize]);
    }
}

/// Fails when reading `length` bytes took more than a fixed multiple of them.
pub(crate) fn check_cost(cost: Cost, length: usize, what: impl Fn() -> String) {
    let bounds = [
        ("bytes of memory", cost.peak_bytes, BASE_BYTES + BYTES_PER_BYTE * length),
        ("allocations", cost.allocations, BASE_ALLOCATIONS + length),
        ("reads", cost.reads, BASE_READS + 2 * length),
    ];
    for (unit, took, allowed) in bounds {
        assert!(took <= allowed, "{}: {took} {unit} for {length} bytes, {allowed} are allowed", what());
    }
}

/// The number in the environment variable `name`, if there is one.
fn number_in(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

/// Mutants of each message and version.
pub(crate) fn mutants() -> u64 {
    number_in("BARNABAS_MUTANTS").unwrap_or(MUTANTS)
}

/// The seeds of the mutants of each message and version.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    let first = number_in("BARNABAS_SEED").unwrap_or(0);
    first..first + mutants()
}

/// What was tried, and the most that it took.
#[derive(Default)]
struct Tally {
    pairs: u64,
    mutants: u64,
    read: u64,
    most: Option<(usize, usize)>,
}

impl Tally {
    fn count(&mut self, cost: Cost, length: usize, read: bool) {
        self.mutants += 1;
        self.read += u64::from(read);
        self.most = self.most.max(Some((cost.peak_bytes, length)));
    }

    /// Tells what was done, in the words that `e2e/fuzz/mutants` adds up, and fails when this tested nothing.
    fn report(&self, kind: &str) {
        let Self { pairs, mutants, read, most } = self;
        let (peak, length) = most.unwrap_or_default();
        println!(
            "{kind}: {pairs} pairs, {mutants} mutants, {read} still readable, \
             at most {peak} bytes of memory, for {length} bytes read; seeds {:?}",
            seeds()
        );
        // Some mutants are messages still, most are not.
        let enough = *mutants < 1000 || (*read > mutants / 100 && *read < mutants / 2);
        assert!(enough, "{read} of {mutants} mutants were read");
    }
}

/// Reads `bytes`, and writes back what could be read: in what is written nothing is found but what was read.
fn survive<'a, M: Message + Decode<'a> + Encode + Debug>(bytes: &'a [u8], version: i16, seed: u64) -> (bool, Cost) {
    let (decoded, cost) = measured(|| M::decode(&mut Reader::new(bytes), version));
    check_cost(cost, bytes.len(), || format!("{} version {version}, seed {seed}", M::NAME));
    match decoded {
        Ok(message) => {
            let written = message.encode(version).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(written.len(), message.size(version).unwrap(), "{} version {version}, seed {seed}", M::NAME);
            (true, cost)
        }
        Err(error) => {
            check_error(&error, &format!("{} version {version}, field ", M::NAME), bytes.len(), seed);
            (false, cost)
        }
    }
}

/// Fails unless `error` says what was read, the field, and a byte among `length`.
fn check_error(error: &DecodeError, what: &str, length: usize, seed: u64) {
    let text = error.to_string();
    let field = text.strip_prefix(what).and_then(|rest| rest.split_once(", byte "));
    let (field, rest) = field.unwrap_or_else(|| panic!("seed {seed}: {text}"));
    assert!(!field.is_empty() && field.split('.').count() <= DEEPEST, "seed {seed}: {text}");
    assert!(rest.starts_with(&format!("{}: ", error.position())), "seed {seed}: {text}");
    assert!(error.position() <= length, "seed {seed}: {text} of {length}");
}

/// How deep Kafka's structures lie in each other, tagged fields counted.
const DEEPEST: usize = 7;

/// Feeds mutants of samples of `$kind` in all versions to its decoder.
macro_rules! feed {
    ($tally:ident, $kind:ty) => {
        let versions = <$kind as Message>::VERSIONS;
        for version in versions.min..=versions.max {
            $tally.pairs += 1;
            for seed in seeds() {
                let mut random = Random::new(seed << 24 | u64::from(version as u16) << 16 | name_number(<$kind>::NAME));
                let sample = <$kind>::sample(&mut random, version_of::<$kind>(version));
                let mut bytes = contiguous(sample.encode(version).unwrap());
                mutate(&mut bytes, &mut random);
                let (read, cost) = survive::<$kind>(&bytes, version, seed);
                $tally.count(cost, bytes.len(), read);
            }
        }
    };
}

macro_rules! feed_messages {
    ($requests:ident $responses:ident; $($key:ident $module:ident $request:ident $response:ident;)*) => {$(
        feed!($requests, $request<'_>);
        feed!($responses, $response<'_>);
    )*};
}

macro_rules! feed_records {
    ($tally:ident; $list:ident $($variant:ident($($record:ident),+) = $number:literal;)*) => {
        $($(feed!($tally, $record<'_>);)+)*
    };
}

macro_rules! feed_data {
    ($tally:ident; $($data:ty;)*) => {
        $(feed!($tally, $data);)*
    };
}

/// Makes the mutants of one message other than those of the next.
fn name_number(name: &str) -> u64 {
    u64::from(name.bytes().fold(0_u16, |hash, byte| u16::from(byte).wrapping_add(hash.wrapping_mul(31))))
}

#[test]
fn no_mutant_of_any_message_panics_or_costs_more_than_its_size_allows() {
    let (mut requests, mut responses) = (Tally::default(), Tally::default());
    crate::every_message!(feed_messages requests responses;);
    requests.report("requests");
    responses.report("responses");
}

#[test]
fn no_mutant_of_any_record_panics_or_costs_more_than_its_size_allows() {
    let mut records = Tally::default();
    crate::every_record!(feed_records records;);
    crate::every_data_structure!(feed_data records;);
    records.report("records");
}

#[test]
fn no_mutant_of_a_header_panics_or_costs_more_than_its_size_allows() {
    let mut headers = Tally { pairs: 4, ..Tally::default() };
    for seed in seeds().start..seeds().start + 4 * mutants() {
        let mut random = Random::new(seed);
        let mut frame = vec![0, 3, 0, 12, 0, 0, 0, 7, 0, 2, b'm', b'e', 2, 9, 1, 0xaa, 10, 0];
        mutate(&mut frame, &mut random);
        let (header, cost) = measured(|| RequestHeader::decode(&mut Reader::new(&frame)));
        check_cost(cost, frame.len(), || format!("RequestHeader, seed {seed}"));
        headers.count(cost, frame.len(), header.is_ok());
        if let Err(error) = header {
            let version = if error.to_string().starts_with("RequestHeader version 1") { 1 } else { 2 };
            check_error(&error, &format!("RequestHeader version {version}, field "), frame.len(), seed);
        }
        let version = if seed % 2 == 0 { 8 } else { 12 };
        let rest = frame.get(4..).unwrap_or_default();
        let (header, cost) = measured(|| ResponseHeader::decode(&mut Reader::new(rest), ApiKey::Metadata, version));
        check_cost(cost, rest.len(), || format!("ResponseHeader, seed {seed}"));
        if let Err(error) = header {
            check_error(&error, &format!("ResponseHeader version {}, field ", version / 12), rest.len(), seed);
        }
    }
    println!("headers: {} mutants, {} still readable", headers.mutants, headers.read);
    assert!(headers.read > 0 && headers.read < headers.mutants);
}

//! Bytes that Apache Kafka's own classes have read and written back unchanged: every message and record in its lowest and its highest version. They
//! keep the wire format where it is. The classes are those of 4.3.1, and of 4.4.0 for versions that are new there.

use std::collections::BTreeSet;

use crate::messages::tests::{SAMPLES, contiguous, version_of};
use crate::messages::*;
use crate::records::every::*;
use crate::wire::Reader;
use crate::wire::sample::{Random, Sample};
use crate::{Encode, Message, Version};

/// No row that is suggested is longer.
const LONGEST_BYTES: usize = 250;
/// Message, version and bytes in hexadecimal, a row each under a heading.
const VERIFIED: &str = include_str!("verified.tsv");

fn from_hexadecimal(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

/// A row for a message that has none: the longest of some samples that is no monster.
fn row_to_verify<M: Message + Encode>(version: i16, sample: impl Fn(&mut Random, Version) -> M) -> String {
    let samples = (0..SAMPLES)
        .map(|seed| contiguous(sample(&mut Random::new(seed), version_of::<M>(version)).encode(version).unwrap()));
    let longest = samples.filter(|bytes| bytes.len() <= LONGEST_BYTES).max_by_key(Vec::len).unwrap_or_default();
    let text: String = longest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}\t{version}\t{text}", M::NAME)
}

/// What the rows are held against.
#[derive(Default)]
struct Outcome {
    /// How many rows were read and written.
    checked: usize,
    /// Rows that are not there.
    missing: BTreeSet<String>,
}

/// Version and bytes of the rows of the message `name`.
fn rows(name: &str) -> Vec<(i16, Vec<u8>)> {
    let rows = VERIFIED.lines().filter_map(|row| row.strip_prefix(name)?.strip_prefix('\t')?.split_once('\t'));
    rows.map(|(version, text)| (version.parse().unwrap(), from_hexadecimal(text))).collect()
}

/// Reads the rows of each `$kind` and writes them back.
macro_rules! check {
    ($outcome:ident $($kind:ty)*) => {$(
        let verified = rows(<$kind>::NAME);
        for version in [<$kind>::VERSIONS.min, <$kind>::VERSIONS.max] {
            if !verified.iter().any(|(number, _)| *number == version) {
                $outcome.missing.insert(row_to_verify(version, <$kind>::sample));
            }
        }
        for (version, bytes) in verified {
            let mut reader = Reader::new(&bytes);
            let message = <$kind>::decode(&mut reader, version).unwrap();
            reader.finish().unwrap();
            assert_eq!(contiguous(message.encode(version).unwrap()), bytes, "{} version {version}", <$kind>::NAME);
            $outcome.checked += 1;
        }
    )*};
}

macro_rules! check_messages {
    ($outcome:ident $($key:ident $module:ident $request:ident $response:ident;)*) => {
        $(check!($outcome $request $response);)*
    };
}

macro_rules! check_records {
    ($outcome:ident $list:ident $($variant:ident($($record:ident),+) = $number:literal;)*) => {
        $(check!($outcome $($record)+);)*
    };
}

macro_rules! check_data {
    ($outcome:ident; $($data:ty;)*) => {
        $(check!($outcome $data);)*
    };
}

#[test]
fn what_kafka_reads_and_writes_is_read_and_written_the_same() {
    let mut outcome = Outcome::default();
    crate::every_message!(check_messages outcome);
    crate::every_record!(check_records outcome);
    crate::every_data_structure!(check_data outcome;);
    let Outcome { checked, missing } = outcome;
    let missing: Vec<_> = missing.into_iter().collect();
    assert!(
        missing.is_empty(),
        "once Kafka's classes have read and written them unchanged, add to verified.tsv:\n{}",
        missing.join("\n")
    );
    assert_eq!(checked, VERIFIED.lines().count() - 1, "verified.tsv has rows of messages that are no more");
}

//! Runs every target over its corpus: a row `name<tab>bytes in hexadecimal` for each seed, made by our encoders, and for each input that once was
//! a finding. `BARNABAS_BLESS=1 cargo test -p barnabas-fuzz` adds the seeds that are missing.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Once;

use barnabas_protocol::messages::*;
use barnabas_protocol::records::every::*;
use barnabas_protocol::testing::{Random, Sample};
use barnabas_protocol::{ApiKey, Message, Request, Version, encode_request, encode_response};
use barnabas_records::control::{ControlRecord, EndTransactionMarker, transaction_marker_batch};
use barnabas_records::{BatchBuilder, Compression};
use barnabas_types::{Offset, ProducerEpoch, ProducerId, Segments, Timestamp};

use crate::TARGETS;
use crate::record::number_of;
use crate::reread::contiguous;

type Seed = (String, Vec<u8>);

fn path(target: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(format!("{target}.tsv"))
}

/// The rows of `target`'s corpus, with the missing seeds added first when that is asked for.
fn corpus(target: &str) -> Vec<Seed> {
    static BLESSED: Once = Once::new();
    BLESSED.call_once(|| {
        if std::env::var_os("BARNABAS_BLESS").is_some() {
            TARGETS.iter().for_each(|(target, _)| bless(target));
        }
    });
    rows(target)
}

fn rows(target: &str) -> Vec<Seed> {
    let text = std::fs::read_to_string(path(target)).unwrap_or_default();
    let bytes =
        |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    text.lines().map(|row| row.split_once('\t').unwrap()).map(|(name, hex)| (name.to_owned(), bytes(hex))).collect()
}

/// A small sample of `$kind` that says something, in version `$version`.
macro_rules! sample {
    ($kind:ident, $version:expr) => {{
        let at = Version { number: $version, flexible: <$kind<'_> as Message>::FLEXIBLE.contains($version) };
        let samples = (0..40).map(|seed| $kind::sample(&mut Random::new(seed), at));
        let size = |sample: &$kind<'_>| sample.size($version).unwrap();
        let mut samples: Vec<_> = samples.collect();
        samples.sort_by_key(size);
        // The smallest are empty, the largest have long texts.
        samples.swap_remove(samples.len() * 3 / 4)
    }};
}

fn in_versions<Q: Request>(name: &str, mut seed: impl FnMut(i16) -> Vec<u8>, seeds: &mut Vec<Seed>) {
    for version in BTreeSet::from([Q::VERSIONS.min, Q::VERSIONS.max]) {
        seeds.push((format!("{name} {version}"), seed(version)));
    }
}

macro_rules! message_seeds {
    ($requests:ident $responses:ident; $($key:ident $module:ident $request:ident $response:ident;)*) => {$(
        in_versions::<$request<'_>>(stringify!($key), |version| {
            without_length(encode_request(7, version, Some("me"), &sample!($request, version)).unwrap())
        }, &mut $requests);
        in_versions::<$request<'_>>(stringify!($key), |version| {
            let key = [ApiKey::$key.number().to_be_bytes(), version.to_be_bytes()].concat();
            [key, without_length(encode_response(7, version, &sample!($response, version)).unwrap())].concat()
        }, &mut $responses);
    )*};
}

macro_rules! record_seeds {
    ($seeds:ident; $list:ident $($variant:ident($($record:ident),+) = $number:literal;)*) => {$($(
        let number = number_of($record::NAME);
        let version = $record::VERSIONS.max;
        let body = contiguous(sample!($record, version).encode(version).unwrap());
        $seeds.push((stringify!($record).to_owned(), [&number.to_be_bytes()[..], &version.to_be_bytes(), &body].concat()));
    )+)*};
}

fn without_length(frame: Segments) -> Vec<u8> {
    contiguous(frame).split_off(4)
}

fn batches() -> Vec<Seed> {
    let codecs = [
        ("none", Compression::None),
        ("gzip", Compression::Gzip { level: -1 }),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd { level: 3 }),
    ];
    let mut seeds = Vec::new();
    for (choice, (name, codec)) in (0_u8..).zip(codecs) {
        let mut builder = BatchBuilder::new(Offset(0), codec).producer(ProducerId(9), ProducerEpoch(1), 5);
        for number in 0..5_i64 {
            let key = (number % 2 == 0).then_some(&b"key"[..]);
            builder.append(Timestamp(1_700_000_000_000 + number), key, Some(b"a value, a value"), &[]).unwrap();
        }
        seeds.push((name.to_owned(), [vec![choice], builder.build().unwrap()].concat()));
    }
    let marker = ControlRecord::Commit(EndTransactionMarker { coordinator_epoch: 2 });
    let marker = transaction_marker_batch(Timestamp(1), ProducerId(9), ProducerEpoch(1), &marker).unwrap();
    seeds.push(("marker".to_owned(), [vec![0], marker].concat()));
    seeds
}

/// The seeds that our encoders make for `target`.
fn made(target: &str) -> Vec<Seed> {
    let (mut requests, mut responses, mut records) = (Vec::new(), Vec::new(), Vec::new());
    barnabas_protocol::every_message!(message_seeds requests responses;);
    barnabas_protocol::every_record!(record_seeds records;);
    match target {
        "request" => requests,
        "response" => responses,
        "record" => records,
        "batch" => batches(),
        "request_header" => {
            requests.into_iter().step_by(7).map(|(name, bytes)| (name, bytes[..40.min(bytes.len())].to_vec())).collect()
        }
        "frame" => {
            let frames = [&b"\0\0\0\x03abc"[..], b"\0\0\0\0", b"\0\0\0\x01z\0\0\0\x02"];
            let long = [&[0, 0, 4, 0][..], &[7; 0x400]].concat();
            let mut seeds = vec![("three and a half".to_owned(), frames.concat()), ("1 KiB".to_owned(), long)];
            seeds.push(("too long".to_owned(), vec![0, 1, 0, 1, 9]));
            seeds
        }
        other => panic!("no seeds for {other}"),
    }
}

fn bless(target: &str) {
    let mut text = std::fs::read_to_string(path(target)).unwrap_or_default();
    let known: BTreeSet<String> = rows(target).into_iter().map(|(name, _)| name).collect();
    for (name, bytes) in made(target).into_iter().filter(|(name, _)| !known.contains(name)) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{name}\t{hex}").unwrap();
    }
    std::fs::write(path(target), text).unwrap();
}

#[test]
fn every_target_holds_over_its_corpus_and_each_of_its_prefixes() {
    for (target, body) in TARGETS {
        let seeds = corpus(target);
        assert!(seeds.len() >= 3, "the corpus of {target} has {} seeds", seeds.len());
        for (name, bytes) in seeds {
            println!("{target}: {name}");
            for end in (0..=bytes.len()).rev().take(300) {
                body(&bytes[..end]);
            }
        }
    }
}

#[test]
fn every_target_has_every_seed_that_our_encoders_make_and_all_are_small() {
    let mut size = 0;
    for (target, _) in TARGETS {
        let found: BTreeSet<String> = corpus(target).into_iter().map(|(name, _)| name).collect();
        let missing: Vec<_> =
            made(target).into_iter().map(|(name, _)| name).filter(|name| !found.contains(name)).collect();
        assert!(missing.is_empty(), "{target}: BARNABAS_BLESS=1 cargo test -p barnabas-fuzz adds {missing:?}");
        size += std::fs::metadata(path(target)).unwrap().len();
    }
    assert!(size < 300_000, "the corpus has {size} bytes");
}

#[test]
fn no_two_records_have_the_same_number() {
    let names: Vec<_> = made("record").into_iter().map(|(name, _)| name).collect();
    let numbers: BTreeSet<_> = names.iter().map(|name| number_of(name)).collect();
    assert_eq!(numbers.len(), names.len());
}

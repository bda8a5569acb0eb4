//! The command as a user sees it: the cases under `golden/protocol`, which `e2e/protocol/run` runs with the binary, and damaged captures.
//! `BARNABAS_BLESS=1` writes what is expected anew.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: ProtocolArguments,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/protocol")
}

/// What the command writes, and its exit code. Names of files that are in `directory` are meant there.
fn outcome(directory: &Path, arguments: &str) -> (String, u8) {
    let located = arguments.split(' ').map(|argument| match directory.join(argument) {
        file if file.is_file() => file.to_string_lossy().into_owned(),
        _ => argument.to_owned(),
    });
    let Ok(line) = Line::try_parse_from(["protocol".to_owned()].into_iter().chain(located)) else {
        return (String::new(), 2);
    };
    let mut written = Vec::new();
    let code = match write(&line.arguments, &mut written) {
        Ok(faults) => u8::from(faults > 0),
        Err(_) => 2,
    };
    (String::from_utf8(written).unwrap(), code)
}

#[test]
fn every_case_writes_what_it_wrote_before() {
    let (directory, mut count) = (golden(), 0);
    let cases = std::fs::read_to_string(directory.join("cases.tsv")).unwrap();
    for case in cases.lines().filter(|line| !line.starts_with('#')) {
        let [name, code, arguments] = case.split('\t').collect::<Vec<_>>()[..] else { panic!("{case}") };
        let (written, actual) = outcome(&directory, arguments);
        let file = directory.join(format!("{name}.txt"));
        if std::env::var_os("BARNABAS_BLESS").is_some() {
            std::fs::write(&file, &written).unwrap();
        }
        assert_eq!(written, std::fs::read_to_string(&file).unwrap(), "{name}: {arguments}");
        assert_eq!(actual.to_string(), code, "{name}: exit code of {arguments}");
        count += 1;
    }
    assert!(count > 20, "{count} cases");
}

/// Damaged copies of each file.
const SEEDS: u64 = 40;

/// Small and the same everywhere (SplitMix64).
fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 8) as usize
}

#[test]
fn damaged_captures_and_frames_are_told_and_nothing_panics() {
    let directory = golden();
    for name in ["kcat.pcap", "java.pcapng", "late.pcap", "api-versions.hex", "from-broker.bin"] {
        let whole = std::fs::read(directory.join(name)).unwrap();
        let mut longest = 0;
        for seed in 0..SEEDS {
            let (mut state, mut bytes) = (seed, whole.clone());
            for _ in 0..1 + random(&mut state) % 8 {
                let place = random(&mut state) % bytes.len();
                match random(&mut state) % 4 {
                    0 => bytes.truncate(place.max(4)),
                    1 => drop(bytes.drain(place..bytes.len().min(place + random(&mut state) % 40))),
                    _ => bytes[place] = random(&mut state) as u8,
                }
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            let mut written = Vec::new();
            let mut page = Page::new(&mut written, OutputFormat::Text, false);
            let filter = Filter { ports: Vec::new(), max_frame_bytes: 1 << 20 };
            // An error is as good as any other answer; the seed of a panic is printed by the harness below.
            let file = Box::new(std::io::Cursor::new(bytes.clone()));
            let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = capture::decode(file, filter, &mut page);
                Conversation::default().request(&bytes, &Origin::default(), &mut page).unwrap();
            }));
            assert!(decoded.is_ok(), "{name}, seed {seed}");
            longest = longest.max(written.len());
        }
        assert!(longest < 40 * whole.len() + 10_000, "{name}: {longest} bytes of text out of {}", whole.len());
    }
}

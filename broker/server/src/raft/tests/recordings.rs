//! What the driver records of its engine plays again to the same, and is left behind when the engine breaks.

use barnabas_raft::{HaltReason, Input};
use barnabas_recording::{Head, Kind, Replayed, read, replay};

use super::*;

fn replayed(file: &[u8]) -> (Head, Replayed) {
    let recording = read(file).unwrap();
    let replayed = replay(&recording, 5, &mut String::new()).unwrap();
    (recording.head, replayed)
}

/// What replica `id` recorded plays to the same.
pub(super) fn assert_replays(file: &[u8], id: i32) {
    let (head, replayed) = replayed(file);
    assert!(replayed.is_well() && replayed.inputs > 10, "replica {id}: {replayed}");
    assert_eq!((head.core, head.node, &*head.name), (Kind::Raft, id, "__cluster_metadata-0"));
}

#[test]
fn a_broken_invariant_leaves_a_file_that_breaks_it_again() {
    let context = QuorumContext::formatted();
    let (mut driver, _) = context.start();
    for number in 0..500 {
        driver.append(&[config("a", &number.to_string())], 30, NOW).unwrap();
        driver.sync(NOW).unwrap();
    }
    let halted = driver.handle(Input::Synced { end: Offset(1_000_000) }, NOW).unwrap_err();
    assert!(matches!(halted, QuorumError::Halted(HaltReason::Broken(_))), "{halted}");
    let name = format!("recording-{:013}-raft-__cluster_metadata-0.barnabas", WALL.0);
    let file = std::fs::read(context.directory.path().join(name)).unwrap();
    let (head, replayed) = replayed(&file);
    assert!(head.reason.contains("an invariant of the quorum is broken: offset 1000000"), "{head:?}");
    assert!(replayed.inputs > 256 && replayed.inputs <= 512, "two stretches at most: {replayed}");
    let (input, broken) = replayed.broken.unwrap();
    assert_eq!((input, replayed.diverged), (replayed.inputs, None));
    assert!(head.reason.ends_with(&broken), "{broken}");
}

#[test]
fn a_disk_that_fails_is_an_input_and_no_broken_invariant() {
    let context = QuorumContext::formatted();
    let (mut driver, _) = context.start();
    driver.handle(Input::DiskFailed, NOW).unwrap_err();
    let file = driver.recording(NOW).unwrap();
    assert!(replayed(&file).1.is_well());
    let entries = std::fs::read_dir(context.directory.path()).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.starts_with("recording-")), "{names:?}");
}

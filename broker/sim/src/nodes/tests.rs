//! Histories of whole nodes in a test's time; many more are played by the binary.

use barnabas_server::Seeded;

use super::play;

fn plays_well(seed: u64) {
    let ended = play(seed, None, true);
    if let Some(violation) = ended.violation {
        let lines = ended.trace.lines();
        let tail = lines.len().saturating_sub(60);
        panic!("seed {seed}: {violation:?}\n{}", lines[tail..].join("\n"));
    }
}

#[test]
fn nothing_is_wrong_where_nothing_fails() {
    plays_well(8);
}

#[test]
fn histories_with_faults_keep_every_invariant() {
    (1..4).for_each(plays_well);
}

#[test]
fn one_seed_is_one_history() {
    // In threads of their own: what a hash map's order hangs on differs between them.
    let lines = || std::thread::spawn(|| play(5, None, true).trace.lines().to_vec()).join().unwrap();
    let (one, other) = (lines(), lines());
    if let Some(index) = one.iter().zip(&other).position(|(one, other)| one != other) {
        let from = index.saturating_sub(5);
        panic!("{}\n\n{}", one[from..=index].join("\n"), other[from..=index].join("\n"));
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn a_bug_that_was_put_in_is_found() {
    let found = |name: &str| {
        let bug = Seeded::all().find(|bug| bug.name() == name);
        assert!(bug.is_some(), "{name}");
        (1..9).find_map(|seed| play(seed, bug, false).violation).map(|violation| violation.what)
    };
    assert_eq!(found("ServesUncommitted").as_deref(), Some("reads_are_consistent"));
    assert_eq!(found("KeepsFencedInSync").as_deref(), Some("in_sync_replicas_are_valid"));
}

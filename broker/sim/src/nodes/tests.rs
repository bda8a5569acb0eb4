//! Histories of whole nodes in a test's time; many more are played by the binary.

use std::time::Duration;

use barnabas_server::Seeded;
use tokio::time::Instant;

use super::{NODES, World, play, runtime};
use crate::world::Violation;

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

/// Every disk is slow: what anybody says of brokers that are not let in, all of whom run and can reach each other.
async fn with_slow_disks(seed: u64, takes: Duration) -> Option<String> {
    const LOOKS: u32 = 300;
    let mut world = World::new(seed, None, false);
    (1..=NODES).for_each(|place| world.cluster.start(place));
    if !world.well_again("forming").await {
        return Some("they did not form".to_owned());
    }
    (1..=NODES).for_each(|place| world.cluster.set_sync_takes(place, takes));
    for _ in 0..LOOKS {
        world.pass(Duration::from_millis(100)).await;
        if let Some(missing) = world.cluster.what_is_missing(&[]) {
            return Some(missing);
        }
    }
    None
}

#[test]
fn a_controller_with_a_slow_disk_takes_nobody_for_silent() {
    // A round of the controller's thread takes so long, and a session lasts 1.5 s or 3.
    for takes in [250, 500].map(Duration::from_millis) {
        for seed in (8..=80).step_by(8) {
            let missing = runtime().block_on(with_slow_disks(seed, takes));
            assert_eq!(missing, None, "seed {seed}, {takes:?}");
        }
    }
}

/// All run but the first, which is started and, some time later, cut off until the others do without it: what was wrong then, and how long it
/// took after that until all was well.
async fn cut_off_while_it_starts(after: Duration) -> (Option<Violation>, Duration) {
    const FIRST: usize = 1;
    const WITHOUT: Duration = Duration::from_secs(5);
    // A seed without faults.
    let mut world = World::new(8, None, false);
    (1..=NODES).for_each(|place| world.cluster.start(place));
    let mut began = Instant::now();
    if world.well_again("forming").await {
        world.cluster.kill(FIRST).await;
        world.pass(WITHOUT).await;
        let others = || (1..=NODES).filter(|other| *other != FIRST);
        // The answer of the controller and the metadata come far apart.
        others().for_each(|other| world.cluster.network().set_slow((other, FIRST), Some(Duration::from_millis(300))));
        world.cluster.start(FIRST);
        world.pass(after).await;
        world.cut(others().flat_map(|other| [(FIRST, other), (other, FIRST)]).collect(), Instant::now() + WITHOUT);
        world.pass(WITHOUT).await;
        world.come().await;
        world.cluster.network().heal();
        began = Instant::now();
        world.well_again("cut off while it starts").await;
    }
    (world.history.end().violation, began.elapsed())
}

#[test]
fn a_node_that_is_cut_off_while_it_is_let_in_is_let_in_soon_afterwards() {
    const SOON: Duration = Duration::from_secs(15);
    for after in (0..40).map(|step| Duration::from_millis(step * 50)) {
        let (violation, took) = runtime().block_on(cut_off_while_it_starts(after));
        assert!(violation.is_none() && took < SOON, "cut off after {after:?}: {took:?}, {violation:?}");
    }
}

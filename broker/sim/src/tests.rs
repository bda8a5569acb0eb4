//! A few whole histories: that they repeat, and that they hold. The many are played by `make show-sim`.

use super::*;

#[test]
fn a_seed_plays_the_same_history_every_time() {
    for seed in 0..6 {
        let (one, other) = (play(seed, None, false), play(seed, None, true));
        assert_eq!(one.trace.hash(), other.trace.hash(), "seed {seed}");
        assert_eq!(one.figures, other.figures, "seed {seed}");
    }
}

#[test]
fn the_script_of_a_seed_plays_its_history_again() {
    for seed in 0..6 {
        let drawn = play(seed, None, false);
        let script: Script = drawn.script.to_string().parse().unwrap();
        assert_eq!(script, drawn.script, "seed {seed}");
        assert_eq!(replay(&script, None, false).trace.hash(), drawn.trace.hash(), "seed {seed}");
    }
}

#[test]
fn different_seeds_play_different_histories() {
    let hashes: std::collections::BTreeSet<_> = (0..10).map(|seed| play(seed, None, false).trace.hash()).collect();
    assert_eq!(hashes.len(), 10);
}

#[test]
fn the_first_histories_hold_and_get_something_done() {
    let mut figures = figures::Figures::default();
    for seed in 0..30 {
        let outcome = play(seed, None, false);
        assert_eq!(outcome.violation, None, "seed {seed}");
        figures.absorb(&outcome.figures);
    }
    for what in ["elections won", "acknowledged", "truncations", "snapshots taken"] {
        assert!(figures.get(what) > 0, "{what}: {figures}");
    }
}

//! Which change of the voters comes next, and which waits.

use super::*;
use barnabas_types::Uuid;

/// A replica by its text: `2` keeps up, `2!` lags, `2'` is on its second volume, `2'!` both.
fn replica(text: &str) -> LiveReplica {
    let id = text.trim_end_matches(['\'', '!']).parse().unwrap();
    let lags = text.contains('!');
    LiveReplica { id, directory_id: directory(text), caught_up: !lags, lag: if lags { 50 } else { 0 } }
}

fn directory(text: &str) -> Uuid {
    let id: u8 = text.trim_end_matches(['\'', '!']).parse().unwrap();
    Uuid([id + 1 + if text.contains('\'') { 100 } else { 0 }; 16])
}

fn replicas(texts: &str) -> Vec<LiveReplica> {
    texts.split_whitespace().map(replica).collect()
}

fn quorum(leader: i32, voters: &str, observers: &str) -> LiveQuorum {
    LiveQuorum { leader, epoch: 1, voters: replicas(voters), observers: replicas(observers) }
}

fn after(leader: i32, voters: &str, observers: &str, wanted: &[i32]) -> String {
    let wanted = wanted.iter().map(|id| (*id, format!("host-{id}"))).collect();
    match next(&quorum(leader, voters, observers), &wanted) {
        Next::Settled => "settled".to_owned(),
        Next::Change(VoterChange::Add { id, host, .. }) => format!("add {id} at {host}"),
        Next::Change(VoterChange::Remove { id, directory_id }) => {
            format!("remove {id}{}", if directory_id == directory(&id.to_string()) { "" } else { "'" })
        }
        Next::Wait(why) => why,
    }
}

#[test]
fn nothing_is_due_when_the_voters_are_the_controllers_even_while_one_is_down() {
    assert_eq!(after(0, "0 1 2", "", &[0, 1, 2]), "settled");
    assert_eq!(after(0, "0 1 2!", "7 8", &[0, 1, 2]), "settled", "it comes back with its volume, or with a new one");
}

#[test]
fn a_lost_volume_costs_the_old_vote_once_its_successor_has_caught_up_and_then_the_successor_votes() {
    assert!(after(0, "0 1 2!", "2'!", &[0, 1, 2]).contains("up to 64 records behind"));
    assert_eq!(after(0, "0 1 2!", "2'", &[0, 1, 2]), "remove 2");
    assert_eq!(after(0, "0 1", "2'", &[0, 1, 2]), "add 2 at host-2");
    assert_eq!(
        after(0, "0 1", "2! 2'", &[0, 1, 2]),
        "add 2 at host-2",
        "the leader still tells of the directory that was lost"
    );
}

#[test]
fn an_old_vote_is_not_taken_away_while_a_second_voter_is_behind() {
    assert!(after(0, "0 1! 2!", "2'", &[0, 1, 2]).contains("2 of the other voters"));
    assert_eq!(after(0, "0 1 2 3! 4!", "4'", &[0, 1, 2, 3, 4]), "remove 4", "three of five go on");
    assert!(after(0, "0 1 2! 3! 4!", "4'", &[0, 1, 2, 3, 4]).contains("3 of the other voters"));
}

#[test]
fn a_quorum_grows_by_one_voter_at_a_time_and_only_by_one_that_has_caught_up() {
    assert!(after(0, "0", "", &[0, 1, 2]).contains("does not follow the leader yet"));
    assert!(after(0, "0", "1!", &[0, 1, 2]).contains("up to 64 records behind"));
    assert_eq!(after(0, "0", "1 2", &[0, 1, 2]), "add 1 at host-1");
    assert_eq!(after(0, "0 1", "2", &[0, 1, 2]), "add 2 at host-2");
    assert_eq!(after(0, "0 1 2", "3 4", &[0, 1, 2, 3, 4]), "add 3 at host-3");
    assert!(after(0, "0 1! 2!", "3", &[0, 1, 2, 3, 4]).contains("too few"), "2 of 4 would be no majority");
}

#[test]
fn a_quorum_shrinks_from_the_highest_id_the_dead_first_and_the_leader_last() {
    assert_eq!(after(0, "0 1 2 3 4", "", &[0, 1, 2]), "remove 4");
    assert_eq!(after(4, "0 1 2 3 4", "", &[0, 1, 2]), "remove 3");
    assert_eq!(after(4, "0 1 2 4", "", &[0, 1, 2]), "remove 4");
    assert_eq!(after(0, "0 1 2 3! 4", "", &[0, 1, 2]), "remove 3");
    assert_eq!(after(0, "0 1", "", &[0]), "remove 1");
    assert_eq!(after(0, "0 1!", "", &[0]), "remove 1");
    assert!(after(1, "0! 1 2", "", &[0, 1]).starts_with("node 2 is to leave, and too few"));
}

#[test]
fn controllers_of_another_pool_take_over_before_the_old_ones_leave() {
    assert_eq!(after(0, "0", "10", &[10]), "add 10 at host-10");
    assert_eq!(after(0, "0 10", "", &[10]), "remove 0");
}

#[test]
fn an_empty_volume_is_formatted_unasked_only_when_nothing_was_on_the_lost_one_alone() {
    let answers = |voters: &str, hosted: Option<Hosted>| Answers {
        quorum: Some(quorum(0, voters, "")),
        hosted: hosted.map(|held| BTreeMap::from([(2, held)])),
        ..Answers::default()
    };
    let copied = Some(Hosted { replicas: 3, alone: 0 });
    let alone = Some(Hosted { replicas: 3, alone: 1 });
    assert!(may_start_over(&answers("0 1 2!", None), 2, false));
    assert!(may_start_over(&answers("0 1 2!", copied), 2, true));
    assert!(!may_start_over(&answers("0 1 2!", alone), 2, true), "records would be gone in silence");
    assert!(!may_start_over(&answers("0 1 2!", None), 2, true), "nobody said what it held");
    assert!(!may_start_over(&answers("0 1! 2!", None), 2, false), "the majority is gone");
    assert!(!may_start_over(&answers("2!", None), 2, false), "it is the cluster");
    assert!(!may_start_over(&Answers::default(), 2, false), "nobody described the quorum");
}

#[test]
fn a_node_leaves_when_it_neither_votes_nor_holds_anything() {
    let answers = |voters: &str, replicas: usize| Answers {
        quorum: Some(quorum(0, voters, "")),
        hosted: Some(BTreeMap::from([(2, Hosted { replicas, alone: 0 })])),
        ..Answers::default()
    };
    assert!(may_leave(&answers("0 1", 0), 2, true));
    assert!(!may_leave(&answers("0 1", 1), 2, true));
    assert!(may_leave(&answers("0 1", 1), 2, false));
    assert!(!may_leave(&answers("0 1 2", 0), 2, false));
    assert!(!may_leave(&Answers::default(), 2, false));
}

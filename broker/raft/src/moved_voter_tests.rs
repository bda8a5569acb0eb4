//! Voters that have moved: asked where they are now, as long as the log says where they were. Who votes stays as it is.

use std::collections::BTreeSet;
use std::time::Duration;

use barnabas_types::{BrokerId, Now, Offset, Uuid};

use crate::*;

fn endpoint(port: u16) -> Endpoint {
    Endpoint { name: "CONTROLLER".into(), host: "node".into(), port }
}

fn key(id: i32) -> ReplicaKey {
    ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(u128::from(id.unsigned_abs())) }
}

/// The ports at which replica 1 asks for votes. Its log has voter n at port n; `moved` lead from a port to another.
fn asked(moved: &[(i32, u16, u16)]) -> BTreeSet<u16> {
    let voter = |id: i32| Voter {
        key: key(id),
        endpoints: vec![endpoint(u16::try_from(id).unwrap())],
        kraft_version: KRaftVersionRange { min: 0, max: 1 },
    };
    let voters = VoterSet((1..=3).map(voter).collect());
    let control = ControlHistory::from_snapshot(SnapshotId::default(), 1, Some(voters.clone()));
    let log = LogView::new(Offset(0), Offset(0), Vec::new(), Vec::new()).unwrap();
    let moved = moved.iter().map(|&(id, from, to)| MovedVoter {
        key: key(id),
        from: vec![vec![endpoint(from)]],
        to: vec![endpoint(to)],
    });
    let config = Config { moved_voters: moved.collect(), ..Config::new(key(1), "cluster", vec![endpoint(1)], 7) };
    let mut node = Node::new(config, Recovered { election: None, log, control }).unwrap();
    let (mut now, mut effects) = (Now::default(), Vec::new());
    node.handle(Input::Start, now, &mut effects);
    now.monotonic += Duration::from_secs(5);
    node.handle(Input::Tick, now, &mut effects);
    assert_eq!(*node.voters(), voters);
    let votes = effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, request: Request::Vote(_), .. } => Some(to.port),
        _ => None,
    });
    votes.collect()
}

#[test]
fn a_voter_that_has_moved_is_asked_where_it_is() {
    assert_eq!(asked(&[]), [2, 3].into());
    assert_eq!(asked(&[(2, 2, 20), (3, 3, 30)]), [20, 30].into());
}

#[test]
fn what_the_log_says_since_counts_more() {
    assert_eq!(asked(&[(2, 22, 20)]), [2, 3].into());
    // Node 4 is no voter, whatever is said of it.
    assert_eq!(asked(&[(4, 2, 20)]), [2, 3].into());
}

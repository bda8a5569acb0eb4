//! That each invariant notices what it is there for: facts that break it, and nothing else.

use barnabas_raft::{ReplicaKey, SnapshotId};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Uuid};

use super::*;
use crate::chain::{Batch, Chain, Link};
use crate::observed::{Committed, Replica, RoleName, Standing};

fn key(id: i32) -> ReplicaKey {
    ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(u128::from(id.unsigned_abs()) + 100) }
}

/// Three voters; each has batches 0..1 and 1..2 of epoch 1, synced and committed.
fn quorum() -> Observed {
    let mut seen = Observed::default();
    for id in 0..3 {
        let mut replica = Replica::new(key(id));
        for base in 0..2 {
            replica.log.push(Batch { base, end: base + 1, epoch: 1, digest: base.unsigned_abs() });
        }
        replica.durable_end = 2;
        let voters = vec![key(0), key(1), key(2)];
        replica.voters_in_log = vec![(1, voters.clone())];
        let role = if id == 0 { RoleName::Leader } else { RoleName::Follower };
        replica.standing =
            Standing { role, epoch: 1, leader: Some(0), high_watermark: Some(2), voters, ..Standing::default() };
        seen.committed =
            replica.log.after(0).map(|link| (link.batch.end, Committed { epoch: 1, history: link.history })).collect();
        seen.replicas.push(replica);
    }
    seen
}

fn append(seen: &mut Observed, place: usize, epoch: i32, digest: u64) -> Fact {
    let end = seen.replicas[place].log.end();
    let link = seen.replicas[place].log.push(Batch { base: end, end: end + 1, epoch, digest }).unwrap();
    Fact::Appended { place, link, voters: None }
}

/// Lets a replica become something else.
fn becomes(seen: &mut Observed, place: usize, change: impl FnOnce(&mut Standing)) -> Fact {
    let before = seen.replicas[place].standing.clone();
    change(&mut seen.replicas[place].standing);
    Fact::Moved { place, before }
}

fn lead(epoch: i32) -> impl Fn(&mut Standing) {
    move |standing| (standing.role, standing.epoch, standing.leader) = (RoleName::Leader, epoch, None)
}

/// Plays `facts`, each made by a change; returns who objected to the last one. Nobody objects before.
fn objection(seen: &mut Observed, facts: Facts) -> Option<&'static str> {
    let mut all = all();
    let count = facts.len();
    let mut objection = None;
    let led = Fact::Moved { place: 0, before: Standing::default() };
    assert!(all.iter_mut().all(|invariant| invariant.check(seen, &led).is_ok()));
    for (index, make) in facts.iter().enumerate() {
        let fact = make(seen);
        objection = all.iter_mut().find_map(|invariant| invariant.check(seen, &fact).err().map(|_| invariant.name()));
        assert!(objection.is_none() || index + 1 == count, "fact {index}: {objection:?}");
    }
    objection
}

type Facts = Vec<Box<dyn Fn(&mut Observed) -> Fact>>;

fn about_elections() -> Vec<(&'static str, Facts)> {
    vec![
        (
            "election_safety",
            vec![Box::new(|seen| becomes(seen, 0, lead(2))), Box::new(|seen| becomes(seen, 1, lead(2)))],
        ),
        (
            "one_known_leader",
            vec![
                Box::new(|seen| becomes(seen, 0, |standing| (standing.epoch, standing.leader) = (2, Some(1)))),
                Box::new(|seen| becomes(seen, 2, |standing| (standing.epoch, standing.leader) = (2, Some(0)))),
            ],
        ),
        (
            "vote_once",
            vec![
                Box::new(|_| Fact::Voted { place: 0, epoch: 2, candidate: key(1) }),
                Box::new(|_| Fact::Voted { place: 0, epoch: 3, candidate: key(2) }),
                Box::new(|_| Fact::Voted { place: 0, epoch: 2, candidate: key(2) }),
            ],
        ),
        ("epochs_only_grow", vec![Box::new(|seen| becomes(seen, 0, |standing| standing.epoch = 0))]),
        (
            "leader_is_a_voter",
            vec![Box::new(|seen| {
                seen.replicas[0].key = key(9);
                becomes(seen, 0, |standing| standing.role = RoleName::Candidate)
            })],
        ),
    ]
}

fn about_logs() -> Vec<(&'static str, Facts)> {
    vec![
        (
            "leader_append_only",
            vec![Box::new(|seen| {
                lead(1)(&mut seen.replicas[0].standing);
                let id = SnapshotId { end_offset: Offset(2), epoch: LeaderEpoch(1) };
                Fact::Installed { place: 0, id }
            })],
        ),
        (
            "log_matching",
            vec![
                Box::new(|seen| append(seen, 0, 2, 7)),
                Box::new(|seen| append(seen, 1, 3, 8)),
                Box::new(|seen| append(seen, 2, 2, 9)),
            ],
        ),
        (
            "synced_is_kept",
            vec![Box::new(|seen| {
                let before = seen.replicas[0].log.clone();
                seen.replicas[0].log.truncate(1);
                Fact::Started { place: 0, before, durable_end: 2 }
            })],
        ),
        (
            "committed_is_never_lost",
            vec![Box::new(|seen| {
                let mut other = Chain::default();
                (0..2).for_each(|base| _ = other.push(Batch { base, end: base + 1, epoch: 1, digest: 55 }));
                seen.replicas[1].log = other;
                seen.replicas[1].standing.high_watermark = Some(1);
                becomes(seen, 1, |standing| standing.high_watermark = Some(2))
            })],
        ),
        (
            "committed_is_never_lost",
            vec![Box::new(|seen| {
                let before = seen.replicas[1].log.clone();
                seen.replicas[1].log.truncate(1);
                Fact::Truncated { place: 1, before }
            })],
        ),
    ]
}

fn about_commits() -> Vec<(&'static str, Facts)> {
    vec![
        (
            "commit_is_durable_on_a_majority",
            vec![Box::new(|seen| {
                lead(1)(&mut seen.replicas[0].standing);
                append(seen, 0, 1, 7);
                append(seen, 1, 1, 7);
                seen.replicas[0].durable_end = 3;
                let link: Link = *seen.replicas[0].log.after(2).next().unwrap();
                seen.committed.insert(3, Committed { epoch: 1, history: link.history });
                becomes(seen, 0, |standing| standing.high_watermark = Some(3))
            })],
        ),
        (
            "leader_completeness",
            vec![Box::new(|seen| {
                seen.replicas[2].log.truncate(1);
                becomes(seen, 2, lead(2))
            })],
        ),
        (
            "high_watermark_only_grows",
            vec![Box::new(|seen| becomes(seen, 0, |standing| standing.high_watermark = Some(1)))],
        ),
        (
            "voters_change_one_at_a_time",
            vec![
                Box::new(|seen| voters(seen, vec![key(0), key(1), key(2)])),
                Box::new(|seen| voters(seen, vec![key(0), key(1), key(2), key(3)])),
                Box::new(|seen| voters(seen, vec![key(0), key(1)])),
            ],
        ),
        (
            "voters_in_force_are_the_newest",
            vec![
                Box::new(|_| Fact::Settled { place: 1 }),
                Box::new(|seen| {
                    seen.replicas[1].voters_in_log.push((2, vec![key(0), key(1)]));
                    Fact::Settled { place: 1 }
                }),
            ],
        ),
        (
            "snapshot_equivalence",
            vec![Box::new(|_| {
                let id = SnapshotId { end_offset: Offset(2), epoch: LeaderEpoch(4) };
                Fact::SnapshotTaken { place: 0, id }
            })],
        ),
        (
            "image_equality",
            vec![
                Box::new(|_| Fact::Applied { place: 0, offset: 2, image: 5, from_snapshot: false }),
                Box::new(|_| Fact::Applied { place: 1, offset: 2, image: 6, from_snapshot: true }),
            ],
        ),
        ("acknowledged_is_committed", vec![Box::new(|_| Fact::Acknowledged { place: 0, end: 3, epoch: 1 })]),
    ]
}

fn about_brokers() -> Vec<(&'static str, Facts)> {
    let registered = |place, life, epoch| Box::new(move |_: &mut Observed| Fact::Registered { place, life, epoch });
    vec![
        (
            "broker_epochs_only_grow",
            vec![registered(4, 1, 5), registered(4, 1, 5), registered(4, 2, 9), registered(4, 3, 8)],
        ),
        ("broker_epochs_only_grow", vec![registered(4, 1, 5), registered(4, 2, 5)]),
        ("broker_epochs_only_grow", vec![registered(4, 1, 5), registered(5, 1, 5)]),
    ]
    .into_iter()
    .map(|(name, facts)| (name, facts.into_iter().map(|fact| fact as Box<dyn Fn(&mut Observed) -> Fact>).collect()))
    .chain([(
        "unfenced_broker_knows_itself",
        vec![
            Box::new(|_: &mut Observed| Fact::LetIn { place: 4, epoch: 5, applied: 6 })
                as Box<dyn Fn(&mut Observed) -> Fact>,
            Box::new(|_| Fact::LetIn { place: 4, epoch: 5, applied: 5 }),
        ],
    )])
    .collect()
}

/// The leader changes the voters; what it appended before is committed by then.
fn voters(seen: &mut Observed, voters: Vec<ReplicaKey>) -> Fact {
    seen.replicas[0].standing.high_watermark = Some(seen.replicas[0].log.end());
    match append(seen, 0, 1, 7) {
        Fact::Appended { place, link, .. } => Fact::Appended { place, link, voters: Some(voters) },
        other => other,
    }
}

#[test]
fn each_invariant_notices_what_it_is_there_for() {
    let cases: Vec<_> =
        [about_elections(), about_logs(), about_commits(), about_brokers()].into_iter().flatten().collect();
    for invariant in all() {
        assert!(cases.iter().any(|(name, _)| *name == invariant.name()), "{} has no case", invariant.name());
    }
    for (name, facts) in cases {
        assert_eq!(objection(&mut quorum(), facts), Some(name));
    }
}

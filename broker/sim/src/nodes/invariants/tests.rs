//! Each invariant finds what it is for, in a history that is written down.

use super::super::history::StoredBatch;
use super::super::history::{Acks, Assigned, Event, Record};
use super::super::scene::{Kept, Scene, Shape};
use super::{LAST_READERS, all};

/// The names of the invariants that find something wrong with `events`.
fn found(events: &[Event]) -> Vec<&'static str> {
    found_in(&Scene::quiet(vec![Shape::SAFE]), events)
}

/// The names of the invariants that find something wrong with `events` in `scene`.
fn found_in(scene: &Scene, events: &[Event]) -> Vec<&'static str> {
    let mut all = all(scene);
    let finds = |invariant: &mut Box<dyn super::Invariant>| events.iter().any(|event| invariant.check(event).is_err());
    let mut found: Vec<&'static str> = Vec::new();
    for invariant in &mut all {
        if finds(invariant) {
            found.push(invariant.name());
        }
    }
    found
}

fn sent(acks: Acks, count: u64) -> Event {
    Event::Sent { producer: 7, acks, partition: 0, first: 0, count }
}

fn kept(acks: Acks, offset: i64, first: u64) -> Event {
    Event::Kept { producer: 7, acks, partition: 0, offset, leader_epoch: 1, first, count: 1, durable_on: 2 }
}

fn read(consumer: u32, offset: i64, number: u64) -> Event {
    let record = Some(Record { producer: 7, number });
    Event::Read { consumer, partition: 0, offset, record, epoch: 1, watermark: 100 }
}

fn replica(log_end: i64, high_watermark: i64) -> Event {
    Event::Replica { node: 2, partition: 0, leads: true, in_sync: 1, leader_epoch: 1, log_end, high_watermark }
}

fn assigned(isr: &[i32], eligible: &[i32], partition_epoch: i32) -> Assigned {
    Assigned {
        replicas: vec![1, 2, 3],
        isr: isr.to_vec(),
        eligible: eligible.to_vec(),
        last_known: Vec::new(),
        leader: isr.first().copied().unwrap_or(-1),
        leader_epoch: 1,
        partition_epoch,
        unfenced: vec![1, 2, 3],
        broker_epochs: vec![(1, 10), (2, 20), (3, 30)],
    }
}

fn image(assigned: Assigned) -> Event {
    Event::Image { node: 1, partition: 0, assigned }
}

const WHOLE: Event = Event::Whole { partition: 0, end: 2 };

#[test]
fn a_history_in_which_all_is_well_is_found_well() {
    let events = [
        image(assigned(&[1, 2, 3], &[], 1)),
        sent(Acks::All, 2),
        kept(Acks::All, 0, 0),
        replica(1, 0),
        replica(2, 2),
        image(assigned(&[1], &[2, 3], 2)),
        read(1, 0, 0),
        read(1, 1, 1),
        read(LAST_READERS, 0, 0),
        read(LAST_READERS, 1, 1),
        WHOLE,
    ];
    assert_eq!(found(&events), [""; 0]);
}

#[test]
fn a_watermark_that_goes_back_is_found() {
    assert_eq!(found(&[replica(9, 5), replica(9, 4)]), ["watermark_only_grows"]);
    let told = |watermark| Event::Watermark { consumer: 1, partition: 0, leader_epoch: 1, watermark };
    assert_eq!(found(&[told(5), told(4)]), ["watermark_only_grows"]);
    assert_eq!(found(&[replica(3, 4)]), ["watermark_only_grows"], "past the log");
}

#[test]
fn a_committed_record_that_is_gone_or_another_is_found() {
    let events = [sent(Acks::All, 2), kept(Acks::All, 0, 0), WHOLE];
    assert_eq!(found(&events), ["committed_is_never_lost"]);
    let events = [sent(Acks::All, 2), kept(Acks::All, 1, 0), read(1, 1, 1)];
    assert_eq!(found(&events), ["committed_is_never_lost", "idempotent_order"]);
    let somewhere = Event::KeptSomewhere { producer: 7, partition: 0, first: 0, count: 1 };
    assert_eq!(found(&[somewhere, WHOLE]), ["committed_is_never_lost"]);
    let twice = [kept(Acks::All, 1, 0), kept(Acks::All, 1, 0)];
    assert_eq!(found(&twice), [""; 0], "it was sent again");
    assert_eq!(found(&[kept(Acks::All, 1, 0), kept(Acks::All, 1, 1)]), ["committed_is_never_lost"]);
    let out = Event::OutOfRange { consumer: 1, partition: 0, position: 4, leader_epoch: 2 };
    assert_eq!(found(&[out]), ["committed_is_never_lost"]);
}

#[test]
fn two_records_at_one_offset_are_found() {
    let events = [sent(Acks::Leader, 9), read(1, 0, 3), read(2, 0, 4)];
    assert_eq!(found(&events), ["reads_are_consistent"]);
}

#[test]
fn replicas_that_cannot_be_in_sync_are_found() {
    let with = |change: &dyn Fn(&mut Assigned)| {
        let mut assigned = assigned(&[1, 2], &[], 1);
        change(&mut assigned);
        found(&[image(assigned)])
    };
    assert_eq!(with(&|_| ()), [""; 0]);
    let changes: [&dyn Fn(&mut Assigned); 12] = [
        &|assigned| (assigned.isr, assigned.leader) = (Vec::new(), -1),
        &|assigned| (assigned.isr, assigned.leader, assigned.eligible) = (Vec::new(), -1, vec![1]),
        &|assigned| (assigned.isr, assigned.leader, assigned.last_known) = (Vec::new(), -1, vec![4]),
        &|assigned| assigned.leader = -1,
        &|assigned| assigned.last_known = vec![1],
        &|assigned| (assigned.isr, assigned.unfenced) = (vec![1], vec![2]),
        &|assigned| assigned.isr.push(4),
        &|assigned| assigned.isr.push(1),
        &|assigned| assigned.leader = 3,
        &|assigned| assigned.unfenced = vec![2, 3],
        &|assigned| assigned.eligible = vec![3],
        &|assigned| assigned.unfenced = vec![1, 3],
    ];
    for change in changes {
        assert_eq!(with(change), ["in_sync_replicas_are_valid"]);
    }
    for eligible in [vec![], vec![1, 2]] {
        let nobody = Assigned { last_known: vec![1], ..assigned(&[], &eligible, 1) };
        assert_eq!(found(&[image(nobody)]), [""; 0], "all have gone");
    }
    let (one, other) = (image(assigned(&[1, 2], &[], 1)), image(assigned(&[1, 3], &[], 1)));
    assert_eq!(found(&[one, other]), ["in_sync_replicas_are_valid"]);
}

#[test]
fn a_replica_in_sync_that_stays_behind_is_found() {
    let before = [image(assigned(&[1, 2, 3], &[], 1)), sent(Acks::All, 1), kept(Acks::All, 5, 0)];
    let looks = |count| before.iter().cloned().chain(std::iter::repeat_n(replica(5, 0), count)).collect::<Vec<_>>();
    assert_eq!(found(&looks(80)), [""; 0]);
    assert_eq!(found(&looks(81)), ["in_sync_replicas_have_what_is_committed"]);
}

#[test]
fn who_joins_without_what_was_committed_before_is_found() {
    let before = [image(assigned(&[1, 3], &[], 1)), sent(Acks::All, 1), kept(Acks::All, 5, 0), Event::Looks];
    let joins = [image(assigned(&[1, 2, 3], &[], 2)), replica(5, 0)];
    let with_looks = |looks| {
        let looks = std::iter::repeat_n(Event::Looks, looks);
        before.iter().cloned().chain(looks).chain(joins.iter().cloned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&with_looks(1)), ["in_sync_replicas_have_what_is_committed"]);
    assert_eq!(found(&with_looks(0)), [""; 0], "it was committed since the look before the last");
}

/// As [`assigned`], with brokers 1 and 2 in these epochs.
fn registered(isr: &[i32], eligible: &[i32], partition_epoch: i32, broker_epochs: [i64; 2]) -> Event {
    let broker_epochs = (1..).zip(broker_epochs).collect();
    let last_known = if isr.is_empty() { vec![1] } else { Vec::new() };
    image(Assigned { last_known, broker_epochs, ..assigned(isr, eligible, partition_epoch) })
}

#[test]
fn who_is_forgotten_while_eligible_and_who_becomes_it_from_outside_is_found() {
    let epochs = [10, 20];
    let follows = |after: Event| found(&[registered(&[1, 2], &[], 1, epochs), after]);
    let name = ["eligible_replicas_are_accounted_for"];
    assert_eq!(follows(registered(&[1], &[2], 2, epochs)), [""; 0]);
    assert_eq!(follows(registered(&[1], &[], 2, epochs)), name, "2 is forgotten");
    assert_eq!(follows(registered(&[], &[1], 2, epochs)), name, "2 is forgotten");
    assert_eq!(follows(registered(&[1], &[], 2, [10, 21])), [""; 0], "2 has registered anew");
    assert_eq!(follows(registered(&[1], &[3], 2, [10, 21])), name, "3 was not in sync");
    assert_eq!(follows(registered(&[1], &[], 3, epochs)), [""; 0], "what was between is not known");
    let late = [registered(&[1], &[], 2, epochs), registered(&[1, 2], &[], 1, epochs)];
    assert_eq!(found(&late), name, "the earlier epoch is seen later");
    let unclean = Scene::quiet(vec![Shape { unclean: true, ..Shape::SAFE }]);
    let lost = [registered(&[1, 2], &[], 1, epochs), registered(&[1], &[], 2, epochs)];
    assert_eq!(found_in(&unclean, &lost), [""; 0]);
}

#[test]
fn who_stays_eligible_after_a_power_cut_that_cost_it_records_is_found() {
    let scene = Scene::quiet(vec![Shape::SAFE, Shape { kept: Kept::Replicated, ..Shape::SAFE }]);
    let eligible = |epoch, registered_in| registered(&[1], &[2], epoch, [10, registered_in]);
    let power = |had_stopped| Event::LosesPower { node: 2, broker_epoch: 20, had_stopped };
    let events = |had_stopped, after: &[Event]| {
        let before = [registered(&[1, 2], &[], 1, [10, 20]), eligible(2, 20), power(had_stopped), eligible(2, 20)];
        before.iter().chain(after).cloned().collect::<Vec<_>>()
    };
    assert_eq!(found_in(&scene, &events(false, &[eligible(2, 21)])), ["eligible_replicas_are_accounted_for"]);
    assert_eq!(found_in(&scene, &events(true, &[eligible(2, 21)])), [""; 0], "all was synced");
    assert_eq!(found(&events(false, &[eligible(2, 21)])), [""; 0], "nothing is kept before it is synced");
    let back = [registered(&[1], &[], 3, [10, 21]), registered(&[1, 2], &[], 4, [10, 21]), eligible(5, 21)];
    assert_eq!(found_in(&scene, &events(false, &back)), [""; 0], "it has caught up since");
}

#[test]
fn who_is_eligible_or_elected_without_what_was_committed_is_found() {
    let name = ["in_sync_replicas_have_what_is_committed"];
    let before = [registered(&[1, 2], &[], 1, [10, 20]), sent(Acks::All, 1), kept(Acks::All, 5, 0)];
    let looks = [Event::Looks, Event::Looks];
    let follower = |log_end| Event::Replica {
        node: 2,
        partition: 0,
        leads: false,
        in_sync: 0,
        leader_epoch: 1,
        log_end,
        high_watermark: 0,
    };
    let then = |events: &[Event]| before.iter().chain(&looks).chain(events).cloned().collect::<Vec<_>>();
    let eligible = registered(&[1], &[2], 2, [10, 20]);
    assert_eq!(found(&then(&[eligible.clone(), follower(6)])), [""; 0]);
    assert_eq!(found(&then(&[eligible.clone(), follower(5)])), name);
    let leads = |log_end| {
        let Event::Image { assigned, .. } = registered(&[2], &[1], 2, [10, 20]) else { unreachable!() };
        let leads = Event::Replica {
            node: 2,
            partition: 0,
            leads: true,
            in_sync: 1,
            leader_epoch: 2,
            log_end,
            high_watermark: 0,
        };
        [image(Assigned { leader_epoch: 2, ..assigned }), leads]
    };
    assert_eq!(found(&then(&leads(6))), [""; 0]);
    assert_eq!(found(&then(&leads(5))), name);

    let power = Event::LosesPower { node: 2, broker_epoch: 20, had_stopped: false };
    let lost = then(&[eligible.clone(), power.clone(), follower(5)]);
    assert_eq!(found(&lost), name, "what is synced is not lost");
    let replicated = Scene::quiet(vec![Shape { kept: Kept::Replicated, ..Shape::SAFE }]);
    assert_eq!(found_in(&replicated, &lost), [""; 0], "the controller does not know yet");
    let kept_on = registered(&[1], &[2], 3, [10, 21]);
    let both = ["eligible_replicas_are_accounted_for", name[0]];
    assert_eq!(found_in(&replicated, &then(&[eligible, power, kept_on, follower(5)])), both);
}

#[test]
fn a_gap_and_a_repetition_are_found_in_what_an_idempotent_producer_sent() {
    let sent = sent(Acks::All, 9);
    assert_eq!(found(&[sent.clone(), read(1, 0, 0), read(1, 1, 2)]), ["idempotent_order"]);
    assert_eq!(found(&[sent, read(1, 0, 0), read(1, 1, 0)]), ["idempotent_order"]);
    let missed = Event::OutOfOrder { producer: 7, partition: 0, first: 3 };
    assert_eq!(found(&[missed]), ["idempotent_order"]);
}

#[test]
fn a_loss_without_another_leader_and_a_record_that_comes_twice_are_found() {
    let (sent, kept) = (sent(Acks::Leader, 2), kept(Acks::Leader, 0, 0));
    let newest = image(assigned(&[1, 2, 3], &[], 1));
    let fault = Event::Fault("one".to_owned());
    assert_eq!(found(&[sent.clone(), newest, fault.clone(), kept.clone(), WHOLE]), ["only_allowed_losses"]);
    let led_by_another = image(Assigned { leader_epoch: 2, ..assigned(&[2, 3], &[], 2) });
    assert_eq!(found(&[sent.clone(), led_by_another.clone(), fault, kept.clone(), WHOLE]), [""; 0]);
    assert_eq!(found(&[sent.clone(), led_by_another, kept, WHOLE]), ["only_allowed_losses"], "nothing failed");
    assert_eq!(found(&[sent.clone(), read(1, 0, 0), read(1, 1, 0)]), ["only_allowed_losses"]);
    assert_eq!(found(&[sent, read(1, 0, 2)]), ["only_allowed_losses"], "never sent");
}

#[test]
fn what_nobody_was_waited_for_is_lost_only_where_something_failed() {
    let sent = sent(Acks::None, 1);
    let fault = Event::Fault("one".to_owned());
    assert_eq!(found(&[sent.clone(), WHOLE]), ["only_allowed_losses"]);
    assert_eq!(found(&[sent.clone(), read(1, 0, 0), WHOLE]), ["only_allowed_losses"], "not in the end");
    assert_eq!(found(&[sent.clone(), read(LAST_READERS, 0, 0), WHOLE]), [""; 0]);
    assert_eq!(found(&[sent, fault, WHOLE]), [""; 0]);
}

#[test]
fn what_too_few_have_synced_when_it_is_kept_is_found() {
    let on = |durable_on| {
        let Event::Kept { producer, acks, partition, offset, leader_epoch, first, count, .. } = kept(Acks::All, 0, 0)
        else {
            unreachable!()
        };
        [Event::Kept { producer, acks, partition, offset, leader_epoch, first, count, durable_on }]
    };
    let name = ["kept_by_all_is_durable"];
    assert_eq!(found(&on(1)), name);
    let in_one = |shape| Scene::quiet(vec![shape]);
    assert_eq!(found_in(&in_one(Shape { min_in_sync: 1, ..Shape::SAFE }), &on(1)), [""; 0]);
    assert_eq!(found_in(&in_one(Shape { min_in_sync: 1, ..Shape::SAFE }), &on(0)), name);
    assert_eq!(found_in(&in_one(Shape { kept: Kept::Replicated, ..Shape::SAFE }), &on(0)), [""; 0]);
    assert_eq!(found_in(&in_one(Shape { unclean: true, ..Shape::SAFE }), &on(0)), [""; 0]);
}

#[test]
fn a_stop_that_leaves_too_few_where_all_was_well_is_found() {
    let (one, two) = (image(assigned(&[1], &[2], 3)), image(assigned(&[1, 2], &[], 2)));
    let (stops, rolled) = (Event::Stops { place: 3 }, Event::Rolled { place: 3 });
    assert_eq!(found(&[stops.clone(), two.clone(), one.clone()]), ["orderly_stop_leaves_enough"]);
    assert_eq!(found(&[stops.clone(), two, rolled, one.clone()]), [""; 0], "another fault may follow");
    let behind = [one.clone(), image(assigned(&[1, 2], &[], 4)), stops.clone(), one.clone()];
    assert_eq!(found(&behind), [""; 0], "who starts again knows the newest later");
    let all_needed = Scene::quiet(vec![Shape { min_in_sync: 3, ..Shape::SAFE }]);
    assert_eq!(found_in(&all_needed, &[stops, one]), [""; 0], "nobody can be spared");
}

#[test]
fn what_may_be_lost_in_an_unclean_election_is_no_violation_and_everything_else_is() {
    let scene = Scene::quiet(vec![Shape { unclean: true, ..Shape::SAFE }]);
    let lost = [sent(Acks::All, 2), kept(Acks::All, 0, 0), read(1, 0, 0), read(1, 1, 1), read(2, 0, 1), WHOLE];
    assert_eq!(found_in(&scene, &lost), [""; 0]);
    assert_ne!(found(&lost), [""; 0]);
    assert_eq!(found_in(&scene, &[replica(9, 5), replica(9, 4)]), ["watermark_only_grows"]);
}

#[test]
fn logs_that_differ_in_the_end_are_found() {
    let batch = |offset, crc| StoredBatch { offset, leader_epoch: 1, crc };
    let stored = |place, batches| Event::Stored { place, partition: 0, batches };
    let one = stored(1, vec![batch(0, 7), batch(1, 8)]);
    assert_eq!(found(&[one.clone(), stored(2, vec![batch(0, 7), batch(1, 8)])]), [""; 0]);
    assert_eq!(found(&[one.clone(), stored(2, vec![batch(0, 7), batch(1, 9)])]), ["replicas_agree"]);
    assert_eq!(found(&[one, stored(2, vec![batch(0, 7)])]), ["replicas_agree"]);
}

#[test]
fn a_watermark_that_moves_under_the_minimum_is_found() {
    let alone = || Event::Image { node: 2, partition: 0, assigned: assigned(&[2], &[], 1) };
    let moves = |first: Event| {
        let still = std::iter::repeat_n(replica(5, 2), 12);
        [first].into_iter().chain(still).chain([replica(5, 3)]).collect::<Vec<_>>()
    };
    assert_eq!(found(&moves(alone())), ["watermark_waits_for_enough"]);
    let two = Event::Image { node: 2, partition: 0, assigned: assigned(&[2, 3], &[], 1) };
    assert_eq!(found(&moves(two)), [""; 0]);
    let mut knows = moves(alone());
    if let Some(Event::Replica { in_sync, .. }) = knows.last_mut() {
        *in_sync = 2;
    }
    assert_eq!(found(&knows), [""; 0], "the leader was told of a second by the controller, and no image says so yet");
    let newer = Event::Image { node: 3, partition: 0, assigned: assigned(&[2, 3], &[], 2) };
    let with_newer: Vec<_> = [alone(), newer].into_iter().chain(moves(alone()).into_iter().skip(1)).collect();
    assert_eq!(found(&with_newer), [""; 0], "the leader may know of it");
    assert_eq!(found(&[alone(), replica(5, 2), replica(5, 3)]), [""; 0], "it may not have taken it over");
}

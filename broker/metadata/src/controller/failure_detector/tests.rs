//! Each kind of evidence by itself and beside others, step by step.

use std::time::Duration;

use barnabas_types::{BrokerId, Uuid};

use super::*;

const fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn incarnation(id: i32) -> Uuid {
    Uuid::from_u128(100 + u128::try_from(id).unwrap())
}

fn pulsing(id: i32) -> WatchedBroker {
    WatchedBroker { id: BrokerId(id), epoch: 7, incarnation_id: incarnation(id), fenced: false, pulses: true }
}

fn kafkas(id: i32) -> WatchedBroker {
    WatchedBroker { pulses: false, ..pulsing(id) }
}

/// A detector whose effects are told as words.
struct Watch {
    detector: FailureDetector,
    now: Duration,
    /// Probes under way: the broker and the number.
    probes: Vec<(i32, u64)>,
}

impl Watch {
    /// Active for so long that everybody was heard and has answered, unless `brokers` are not let in.
    fn of(brokers: &[WatchedBroker]) -> Self {
        let mut watch = Self::beginning(brokers, None);
        for broker in brokers {
            watch.heard(broker.id.0);
            watch.answers(broker.id.0);
        }
        watch
    }

    fn beginning(brokers: &[WatchedBroker], former: Option<i32>) -> Self {
        let mut watch = Self { detector: FailureDetector::default(), now: ms(10_000), probes: Vec::new() };
        watch.tell(DetectorInput::BecameActive { former: former.map(BrokerId), silent_since: None });
        watch.tell(DetectorInput::Brokers(brokers.to_vec()));
        watch
    }

    fn tell(&mut self, input: DetectorInput) -> Vec<String> {
        let mut effects = Vec::new();
        self.detector.handle(input, self.now, &mut effects);
        effects.into_iter().filter_map(|effect| self.word(effect)).collect()
    }

    /// Probes are kept and not told of.
    fn word(&mut self, effect: DetectorEffect) -> Option<String> {
        match effect {
            DetectorEffect::Probe { probe, broker, .. } => {
                assert!(self.probes.iter().all(|(other, _)| *other != broker.0), "{broker} is asked twice at once");
                self.probes.push((broker.0, probe));
                None
            }
            DetectorEffect::Fence { broker, evidence: Evidence { lead, finding, .. }, .. } => {
                Some(format!("{broker} {lead:?} {finding:?}"))
            }
            DetectorEffect::Unreachable { broker } => Some(format!("{broker} cannot be reached")),
        }
    }

    fn heard(&mut self, broker: i32) -> Vec<String> {
        self.tell(DetectorInput::Heard { broker: BrokerId(broker), epoch: 7, connection: broker.unsigned_abs().into() })
    }

    fn breaks(&mut self, broker: i32) -> Vec<String> {
        self.tell(DetectorInput::Ended { connection: broker.unsigned_abs().into() })
    }

    fn is_asked(&self, broker: i32) -> bool {
        self.probes.iter().any(|(other, _)| *other == broker)
    }

    fn probed(&mut self, broker: i32, outcome: ProbeOutcome) -> Vec<String> {
        let position = self.probes.iter().position(|(other, _)| *other == broker).expect("a probe is under way");
        let (_, probe) = self.probes.remove(position);
        self.tell(DetectorInput::Probed { probe, outcome })
    }

    fn answers(&mut self, broker: i32) -> Vec<String> {
        self.probed(broker, ProbeOutcome::Answered(Some((BrokerId(broker), incarnation(broker)))))
    }

    /// Lets time pass in small steps. Those in `heard` send their heartbeats; who is asked and in neither list is silent.
    fn pass(&mut self, time: u64, heard: &[i32], answering: &[i32]) -> Vec<String> {
        let mut told = Vec::new();
        let mut asked: Vec<(i32, Duration)> = self.probes.iter().map(|(broker, _)| (*broker, self.now)).collect();
        for step in 1..=time / 50 {
            self.now += ms(50);
            told.extend(self.tell(DetectorInput::Tick));
            if step % 5 == 0 {
                heard.iter().for_each(|broker| told.extend(self.heard(*broker)));
            }
            for broker in answering.iter().copied().filter(|broker| self.is_asked(*broker)).collect::<Vec<_>>() {
                told.extend(self.answers(broker));
            }
            for (broker, _) in self.probes.clone() {
                let since = match asked.iter().find(|(other, _)| *other == broker) {
                    Some((_, since)) => *since,
                    None => {
                        asked.push((broker, self.now));
                        self.now
                    }
                };
                if self.now - since >= PROBE_TIMEOUT {
                    asked.retain(|(other, _)| *other != broker);
                    told.extend(self.probed(broker, ProbeOutcome::Silent));
                }
            }
        }
        told
    }
}

#[test]
fn a_broken_connection_and_a_refused_probe_are_death_at_once() {
    for broker in [pulsing(1), kafkas(1)] {
        let mut watch = Watch::of(&[broker]);
        assert_eq!(watch.breaks(1), [""; 0]);
        assert!(watch.is_asked(1), "at once");
        assert_eq!(watch.probed(1, ProbeOutcome::Refused), ["1 Broken Refused"]);
        assert!(watch.detector.is_dead(BrokerId(1), 7) && !watch.detector.is_dead(BrokerId(1), 6));
        assert_eq!(watch.pass(1000, &[], &[]), [""; 0], "once is enough, for a while");
    }
}

#[test]
fn a_broken_connection_alone_is_none() {
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.breaks(1);
    assert_eq!(watch.pass(20_000, &[], &[1]), [""; 0], "it answers, whatever becomes of its heartbeats");
    watch.heard(1);
    watch.tell(DetectorInput::Ended { connection: 99 });
    watch.pass(300, &[1], &[1]);
    assert!(!watch.is_asked(1), "that connection was another's, or one of before");
}

#[test]
fn a_refused_probe_alone_is_none() {
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.tell(DetectorInput::Contested { broker: BrokerId(1), has_directories: false });
    assert_eq!(watch.probed(1, ProbeOutcome::Refused), [""; 0], "it was heard a moment ago");
    watch.heard(1);
    assert_eq!(watch.pass(10_000, &[1], &[]), [""; 0]);
}

#[test]
fn missing_heartbeats_alone_are_none() {
    let mut watch = Watch::of(&[pulsing(1), pulsing(2)]);
    assert_eq!(watch.pass(60_000, &[2], &[1, 2]), [""; 0]);
}

#[test]
fn missing_heartbeats_and_a_silent_probe_are_death_after_a_bounded_time() {
    let mut watch = Watch::of(&[pulsing(1), pulsing(2)]);
    assert_eq!(watch.pass(1350, &[2], &[2]), [""; 0]);
    assert_eq!(watch.pass(150, &[2], &[2]), ["1 Missing Silent"]);
}

#[test]
fn missing_heartbeats_and_a_refused_probe_take_as_long_for_it_may_have_closed_its_listeners_to_stop() {
    let mut watch = Watch::of(&[pulsing(1), pulsing(2)]);
    watch.pass(550, &[2], &[2]);
    let mut told = Vec::new();
    for _ in 0..10 {
        if watch.is_asked(1) {
            told.extend(watch.probed(1, ProbeOutcome::Refused));
        }
        told.extend(watch.pass(100, &[2], &[2]));
    }
    assert_eq!(told, ["1 Missing Refused"]);
}

#[test]
fn a_stall_of_half_a_second_again_and_again_is_none() {
    let mut watch = Watch::of(&[pulsing(1), pulsing(2)]);
    for _ in 0..100 {
        assert_eq!(watch.pass(750, &[2], &[2]), [""; 0]);
        assert_eq!(watch.pass(250, &[1, 2], &[1, 2]), [""; 0]);
    }
}

#[test]
fn the_silence_of_kafkas_brokers_is_left_to_the_session_timeout() {
    let mut watch = Watch::of(&[kafkas(1), pulsing(2)]);
    assert_eq!(watch.pass(60_000, &[2], &[2]), [""; 0]);
    watch.breaks(1);
    assert_eq!(watch.pass(1500, &[2], &[2]), ["1 Broken Silent"], "its connection is broken as well");
}

#[test]
fn a_new_controller_asks_everybody_and_believes_a_refusal_of_the_lost_leader_at_once() {
    let brokers = [pulsing(1), pulsing(2), pulsing(3), WatchedBroker { fenced: true, ..pulsing(4) }];
    let mut watch = Watch::beginning(&brokers, Some(1));
    assert!([1, 2, 3].iter().all(|broker| watch.is_asked(*broker)) && !watch.is_asked(4));
    assert_eq!(watch.probed(1, ProbeOutcome::Refused), ["1 Unheard Refused"]);
    assert_eq!(watch.probed(2, ProbeOutcome::Refused), [""; 0], "it may be heard yet");
    watch.answers(3);
    watch.heard(3);
    let mut told = Vec::new();
    for _ in 0..5 {
        told.extend(watch.pass(100, &[3], &[3]));
        if watch.is_asked(2) {
            told.extend(watch.probed(2, ProbeOutcome::Refused));
        }
    }
    assert_eq!(told, ["2 Unheard Refused"]);
}

#[test]
fn a_new_controller_fences_who_is_silent_after_the_bounded_time_and_nobody_who_answers() {
    let mut watch = Watch::beginning(&[pulsing(1), pulsing(2), kafkas(3)], Some(1));
    assert_eq!(watch.pass(1350, &[], &[2]), [""; 0]);
    assert_eq!(watch.pass(150, &[], &[2]), ["1 Unheard Silent"]);
    assert_eq!(watch.pass(20_000, &[], &[2]).iter().filter(|told| !told.starts_with('1')).count(), 0);
}

#[test]
fn a_broker_whose_listener_is_not_reached_from_here_is_left_to_the_session_timeout() {
    let other = ProbeOutcome::Answered(Some((BrokerId(9), incarnation(9))));
    for outcome in [ProbeOutcome::Refused, other] {
        let mut watch = Watch::beginning(&[pulsing(1), pulsing(2)], None);
        watch.heard(2);
        watch.answers(2);
        let mut told = Vec::new();
        for round in 0..300 {
            // No heartbeat falls between a probe and its refusal, which comes at once.
            told.extend(watch.heard(1));
            while watch.is_asked(1) {
                watch.now += ms(1);
                told.extend(watch.probed(1, outcome));
            }
            if round % 10 == 3 {
                told.extend(watch.breaks(1));
            }
            told.extend(watch.pass(100, &[2], &[2]));
        }
        assert_eq!(told, ["1 cannot be reached"], "{outcome:?}");
        watch.breaks(1);
        assert_eq!(watch.pass(20_000, &[2], &[2]), [""; 0]);
        watch.heard(1);
        for _ in 0..400 {
            watch.pass(100, &[1, 2], &[1, 2]);
        }
        watch.breaks(1);
        assert_eq!(watch.probed(1, ProbeOutcome::Refused), ["1 Broken Refused"], "it has answered meanwhile");
    }
}

#[test]
fn a_listener_that_has_never_answered_is_no_evidence_beside_a_broken_connection() {
    let mut watch = Watch::beginning(&[pulsing(1), pulsing(2)], None);
    watch.heard(2);
    watch.answers(2);
    watch.heard(1);
    watch.probed(1, ProbeOutcome::Refused);
    assert_eq!(watch.breaks(1), [""; 0]);
    assert_eq!(watch.probed(1, ProbeOutcome::Refused), [""; 0], "nothing says that it would not refuse always");
    assert_eq!(watch.pass(1250, &[2], &[2]), [""; 0]);
    assert_eq!(watch.pass(300, &[2], &[2]), ["1 Broken Silent"]);
}

#[test]
fn a_refusal_from_before_the_connection_broke_is_asked_for_again_at_once() {
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.tell(DetectorInput::Contested { broker: BrokerId(1), has_directories: false });
    watch.now += ms(1);
    watch.probed(1, ProbeOutcome::Refused);
    watch.now += ms(1);
    assert_eq!(watch.breaks(1), [""; 0], "it was refused while the connection held");
    watch.now += ms(1);
    assert_eq!(watch.probed(1, ProbeOutcome::Refused), ["1 Broken Refused"]);
    // A probe that was under way when it broke.
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.tell(DetectorInput::Contested { broker: BrokerId(1), has_directories: false });
    watch.now += ms(1);
    watch.breaks(1);
    watch.now += ms(1);
    assert_eq!(watch.probed(1, ProbeOutcome::Refused), [""; 0]);
    assert_eq!(watch.probed(1, ProbeOutcome::Refused), ["1 Broken Refused"], "the next one has left at once");
}

#[test]
fn another_process_at_the_same_address_shows_that_the_old_one_is_gone() {
    let other = ProbeOutcome::Answered(Some((BrokerId(1), incarnation(55))));
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.breaks(1);
    assert_eq!(watch.probed(1, other), ["1 Broken OtherProcess"]);
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.tell(DetectorInput::Contested { broker: BrokerId(1), has_directories: false });
    assert_eq!(watch.probed(1, other), [""; 0], "while the old one is heard, that address is another's");
}

#[test]
fn a_successor_that_has_the_directories_is_let_in_once_the_old_process_would_have_been_heard() {
    // All nodes have lost power: nobody has heard of anybody, and who starts does not answer yet.
    let mut watch = Watch::beginning(&[pulsing(1), pulsing(2)], None);
    for broker in [1, 2] {
        watch.tell(DetectorInput::Contested { broker: BrokerId(broker), has_directories: true });
    }
    assert_eq!(watch.pass(450, &[], &[]), [""; 0]);
    assert_eq!(watch.pass(100, &[], &[]), ["1 Unheard Succeeded", "2 Unheard Succeeded"]);
    let mut watch = Watch::of(&[pulsing(1), pulsing(2)]);
    watch.tell(DetectorInput::Contested { broker: BrokerId(1), has_directories: true });
    assert_eq!(watch.pass(550, &[2], &[2]), ["1 Missing Succeeded"]);
}

#[test]
fn a_process_with_copies_of_the_directories_of_one_that_lives_shows_nothing() {
    let mut watch = Watch::of(&[pulsing(1), pulsing(2)]);
    for _ in 0..50 {
        watch.tell(DetectorInput::Contested { broker: BrokerId(1), has_directories: true });
        assert_eq!(watch.pass(1000, &[1, 2], &[2]), [""; 0]);
    }
}

#[test]
fn without_the_directories_a_successor_shows_nothing() {
    let mut watch = Watch::beginning(&[pulsing(1), pulsing(2)], None);
    watch.heard(2);
    watch.answers(2);
    watch.tell(DetectorInput::Contested { broker: BrokerId(1), has_directories: false });
    assert_eq!(watch.pass(1000, &[2], &[2]), [""; 0]);
}

#[test]
fn a_starting_process_that_was_killed_is_succeeded_as_well() {
    let starting = WatchedBroker { fenced: true, ..pulsing(1) };
    let mut watch = Watch::beginning(&[starting, pulsing(2)], None);
    watch.tell(DetectorInput::Contested { broker: BrokerId(1), has_directories: true });
    assert_eq!(watch.pass(650, &[2], &[2]), ["1 Unheard Succeeded"]);
}

#[test]
fn a_broker_that_is_fenced_loses_its_session_when_it_is_gone() {
    let starting = WatchedBroker { fenced: true, ..pulsing(1) };
    let mut watch = Watch::beginning(&[starting, pulsing(2)], None);
    watch.heard(1);
    assert!(!watch.is_asked(1), "its death would change nothing");
    watch.breaks(1);
    assert_eq!(watch.probed(1, ProbeOutcome::Refused), ["1 Broken Refused"]);
    assert_eq!(watch.pass(20_000, &[2], &[2]), [""; 0], "once");
    let mut watch = Watch::beginning(&[starting, pulsing(2)], None);
    watch.heard(1);
    watch.breaks(1);
    assert_eq!(watch.pass(20_000, &[2], &[2]), [""; 0], "a broker that starts does not answer yet");
}

#[test]
fn a_controller_that_was_itself_asleep_hears_first() {
    let mut watch = Watch::of(&[pulsing(1), pulsing(2)]);
    watch.pass(500, &[1, 2], &[1, 2]);
    for _ in 0..20 {
        watch.now += ms(5000);
        assert_eq!(watch.tell(DetectorInput::Tick), [""; 0]);
        assert_eq!(watch.pass(1200, &[], &[]), [""; 0]);
        watch.heard(1);
        watch.heard(2);
    }
    assert_eq!(watch.pass(1600, &[2], &[2]), ["1 Missing Silent"]);
}

#[test]
fn a_controller_that_hears_nobody_is_cut_off_itself() {
    let mut watch = Watch::of(&[pulsing(1), pulsing(2), pulsing(3)]);
    assert_eq!(watch.pass(20_000, &[], &[]), [""; 0]);
    watch.heard(2);
    assert_eq!(watch.pass(1200, &[2], &[]), [""; 0], "the others may come back a little later");
    watch.heard(1);
    assert_eq!(watch.pass(400, &[1, 2], &[]), ["3 Missing Silent"]);
}

#[test]
fn what_this_node_could_not_ask_says_nothing() {
    let mut watch = Watch::of(&[pulsing(1), pulsing(2)]);
    let mut told = Vec::new();
    for _ in 0..100 {
        if watch.is_asked(1) {
            told.extend(watch.probed(1, ProbeOutcome::NotAsked));
        }
        told.extend(watch.pass(50, &[2], &[2]));
    }
    assert_eq!(told, [""; 0]);
}

#[test]
fn nobody_is_judged_by_who_is_not_the_active_controller() {
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.breaks(1);
    watch.tell(DetectorInput::Resigned);
    assert_eq!(watch.probed(1, ProbeOutcome::Refused), [""; 0]);
    assert_eq!(watch.detector.deadline(), None);
    assert_eq!(watch.tell(DetectorInput::Brokers(vec![pulsing(1)])), [""; 0]);
}

#[test]
fn who_was_found_dead_and_is_heard_again_is_not_fenced_late() {
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.breaks(1);
    watch.probed(1, ProbeOutcome::Refused);
    watch.heard(1);
    assert!(!watch.detector.is_dead(BrokerId(1), 7));
}

#[test]
fn a_probe_of_a_registration_before_says_nothing_about_this_one() {
    let mut watch = Watch::of(&[pulsing(1)]);
    watch.breaks(1);
    let again = WatchedBroker { epoch: 8, incarnation_id: incarnation(9), ..pulsing(1) };
    let (_, probe) = watch.probes.remove(0);
    watch.tell(DetectorInput::Brokers(vec![again]));
    assert_eq!(watch.tell(DetectorInput::Probed { probe, outcome: ProbeOutcome::Refused }), [""; 0]);
    assert!(!watch.detector.is_dead(BrokerId(1), 8));
}

#[test]
fn not_more_are_asked_at_once_than_a_node_has_sockets_for() {
    let brokers: Vec<WatchedBroker> = (1..=1000).map(pulsing).collect();
    let mut watch = Watch::beginning(&brokers, None);
    assert_eq!(watch.probes.len(), MAX_PROBES);
    let asked = watch.probes.clone();
    asked.iter().for_each(|(broker, _)| _ = watch.answers(*broker));
    assert_eq!(watch.probes.len(), MAX_PROBES, "the next ones");
}

/// The controller after one that was silent for 1.1 s.
fn after_a_silent_one() -> Watch {
    let mut watch = Watch { detector: FailureDetector::default(), now: ms(10_000), probes: Vec::new() };
    watch.tell(DetectorInput::BecameActive { former: Some(BrokerId(1)), silent_since: Some(ms(8_900)) });
    watch.tell(DetectorInput::Brokers(vec![pulsing(1), pulsing(2)]));
    watch
}

#[test]
fn the_silence_for_which_the_quorum_lost_its_leader_counts_against_its_broker() {
    let mut watch = after_a_silent_one();
    assert!(watch.is_asked(1));
    assert_eq!(watch.pass(250, &[2], &[2]), [""; 0]);
    assert_eq!(watch.pass(50, &[2], &[2]), ["1 Unheard Silent"], "1.4 s since it was heard of");
}

#[test]
fn a_leader_that_was_lost_and_answers_is_alive() {
    let mut watch = after_a_silent_one();
    assert_eq!(watch.pass(250, &[2], &[2]), [""; 0]);
    watch.answers(1);
    assert_eq!(watch.pass(3000, &[1, 2], &[1, 2]), [""; 0]);
    let mut watch = after_a_silent_one();
    watch.heard(1);
    assert_eq!(watch.pass(1000, &[2], &[2]), [""; 0], "heard: its silence begins anew");
    assert_eq!(watch.pass(500, &[2], &[2]), ["1 Missing Silent"]);
}

#[test]
fn a_new_controller_that_sleeps_has_not_listened_to_the_former_leader_either() {
    let mut watch = after_a_silent_one();
    watch.now += ms(400);
    assert_eq!(watch.pass(1350, &[2], &[2]), [""; 0]);
    assert_eq!(watch.pass(150, &[2], &[2]), ["1 Unheard Silent"]);
}

#[test]
fn a_leader_that_was_silent_for_long_is_asked_all_the_same() {
    let mut watch = Watch { detector: FailureDetector::default(), now: ms(10_000), probes: Vec::new() };
    watch.tell(DetectorInput::BecameActive { former: Some(BrokerId(1)), silent_since: Some(ms(5_000)) });
    watch.tell(DetectorInput::Brokers(vec![pulsing(1), pulsing(2)]));
    assert_eq!(watch.pass(200, &[2], &[2]), [""; 0]);
    assert_eq!(watch.pass(50, &[2], &[2]), ["1 Unheard Silent"]);
    let mut other = Watch { detector: FailureDetector::default(), now: ms(10_000), probes: Vec::new() };
    other.tell(DetectorInput::BecameActive { former: Some(BrokerId(3)), silent_since: Some(ms(5_000)) });
    other.tell(DetectorInput::Brokers(vec![pulsing(1), pulsing(2)]));
    assert_eq!(other.pass(1350, &[2], &[2]), [""; 0], "nobody else is concerned");
}

//! Who may stop, one after the other.

use barnabas_protocol::messages::create_topics::CreatableTopic;

use super::*;
use crate::History;
use crate::controller::caught_up::{CatchingUp, catching_up};
use crate::controller::heartbeat::Heartbeat;
use crate::controller::tests::{ControllerContext, assigned, heartbeat};

/// Three brokers, topic `a` on all of them, and a minimum of two in sync.
fn three() -> ControllerContext {
    with(vec![assigned("a", &[(0, &[1, 2, 3])])])
}

fn with(topics: Vec<CreatableTopic<'static>>) -> ControllerContext {
    let mut context = ControllerContext::with_brokers(3);
    context.inherit("min.insync.replicas", "2");
    for result in context.create(topics) {
        result.unwrap();
    }
    context
}

fn ask(context: &mut ControllerContext, broker: i32) -> Result<Duration, StopRefusal> {
    let epoch = context.epoch(broker);
    let outcome = context.decide(|controller, context| controller.permit_stop(context, BrokerId(broker), epoch));
    let Outcome { records, response } = outcome.unwrap();
    assert_eq!(response.metadata_end.0, context.next_offset());
    assert!(records.len() == 1 || response.permit.is_err(), "what is given has to be committed first");
    context.apply(&records);
    response.permit
}

fn hindered(result: Result<Duration, StopRefusal>) -> Vec<(String, i32, Hindrance)> {
    let Err(StopRefusal::Partitions { named, count }) = result else { panic!("{result:?}") };
    assert_eq!(named.len(), count.min(MAX_NAMED_PARTITIONS));
    named.into_iter().map(|one| (one.topic.to_string(), one.partition, one.hindrance)).collect()
}

#[test]
fn one_broker_may_stop_at_a_time_until_it_is_gone_gives_it_back_or_its_time_is_over() {
    let mut context = three();
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT));
    context.now += Duration::from_secs(10);
    let held = |seconds| Err(StopRefusal::Held { by: BrokerId(1), for_another: Duration::from_secs(seconds) });
    assert_eq!(ask(&mut context, 2), held(20));
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT), "who has it may ask again, and has it for longer");
    assert_eq!(ask(&mut context, 2), held(30));

    context.now += STOP_PERMIT;
    assert_eq!(ask(&mut context, 2), Ok(STOP_PERMIT), "it has ended by itself");
    let epoch = context.epoch(2);
    let released = context.decide(|controller, context| controller.release_stop_permit(context, BrokerId(2), epoch));
    let Outcome { records, response } = released.unwrap();
    assert_eq!(response.0, context.next_offset());
    context.apply(&records);
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT));

    // It stops: from then on the ISR says what may be done.
    let stop = Heartbeat { want_shut_down: true, ..heartbeat(1, context.epoch(1), context.next_offset()) };
    context.beat(&stop);
    assert_eq!(ask(&mut context, 2), held(30), "it is still on its way");
    context.fence(1);
    let minimum = Hindrance::FallsBelowMinIsr { min_isr: 2 };
    assert_eq!(hindered(ask(&mut context, 2)), [("a".to_owned(), 0, minimum)]);
}

#[test]
fn a_broker_stays_that_a_partition_needs_for_its_minimum_or_its_leader() {
    let mut context = three();
    context.fence(3);
    for broker in [1, 2] {
        let minimum = Hindrance::FallsBelowMinIsr { min_isr: 2 };
        assert_eq!(hindered(ask(&mut context, broker)), [("a".to_owned(), 0, minimum)]);
    }
    assert_eq!(ask(&mut context, 3), Ok(STOP_PERMIT), "who is in no ISR is missed nowhere");
    context.fence(2);
    assert_eq!(hindered(ask(&mut context, 1)), [("a".to_owned(), 0, Hindrance::LosesLeader)]);
    // Nobody needs it for what nobody is led by.
    context.fence(1);
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT));
}

#[test]
fn a_partition_under_its_minimum_keeps_only_who_could_not_be_followed() {
    let mut context = with(vec![assigned("a", &[(0, &[1, 2, 3])])]);
    context.inherit("min.insync.replicas", "1");
    context.fence(3);
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT), "one of two is enough");
    context.now += STOP_PERMIT;
    context.inherit("min.insync.replicas", "3");
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT), "it is under its minimum, whoever stays");
}

#[test]
fn a_partition_that_waiting_would_never_help_keeps_nobody() {
    // One replica; and as many as have to be in sync.
    let mut context = with(vec![assigned("single", &[(0, &[1])]), assigned("pair", &[(0, &[1, 2])])]);
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT));
    // But its leader is missed.
    context.fence(2);
    context.now += STOP_PERMIT;
    assert_eq!(hindered(ask(&mut context, 1)), [("pair".to_owned(), 0, Hindrance::LosesLeader)]);
}

#[test]
fn a_broker_that_shares_nothing_waits_for_nobody_and_nobody_for_it() {
    let mut context = with(vec![assigned("single", &[(0, &[3])]), assigned("pair", &[(0, &[1, 2])])]);
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT));
    assert_eq!(ask(&mut context, 3), Ok(STOP_PERMIT));
    let held = Err(StopRefusal::Held { by: BrokerId(1), for_another: STOP_PERMIT });
    assert_eq!(ask(&mut context, 2), held, "the permit is still the first one's");
    let now = context.now;
    context.controller.activate(now, &PermitsBefore::since(now));
    assert_eq!(ask(&mut context, 3), Ok(STOP_PERMIT), "whatever the controller before has said");
}

#[test]
fn a_follower_whose_directory_is_lost_is_no_heir() {
    let mut context = with(vec![assigned("pair", &[(0, &[1, 2])])]);
    context.inherit("min.insync.replicas", "1");
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT));
    let (epoch, directory) = (context.epoch(2), Uuid::from_u128(1002));
    let lost = Heartbeat { offline_log_dirs: vec![directory], ..heartbeat(2, epoch, context.next_offset()) };
    context.beat(&lost);
    assert_eq!(hindered(ask(&mut context, 1)), [("pair".to_owned(), 0, Hindrance::LosesLeader)]);
}

#[test]
fn a_refusal_names_some_partitions_and_counts_all() {
    let partitions: Vec<(i32, &[i32])> = (0..50).map(|id| (id, &[1, 2, 3][..])).collect();
    let mut context = with(vec![assigned("wide", &partitions)]);
    context.fence(2);
    let Err(StopRefusal::Partitions { named, count }) = ask(&mut context, 1) else { panic!("it must stay") };
    assert_eq!((named.len(), count), (MAX_NAMED_PARTITIONS, 50));
    assert_eq!(*named[0].isr, [BrokerId(1), BrokerId(3)]);
}

/// A node that follows the log of a cluster, and may be its next controller.
struct Follower {
    history: History,
    before: PermitsBefore,
}

impl Follower {
    /// It has read everything until now as a whole.
    fn of(context: &ControllerContext) -> Self {
        let history = History::new(context.controller.head().clone());
        Self { history, before: PermitsBefore::since(context.now) }
    }

    /// `records` are committed: the controller has decided on them before, and hears so.
    fn read(&mut self, context: &mut ControllerContext, records: &[MetadataRecord<'static>]) {
        context.apply(records);
        records.iter().for_each(|record| self.history.replay(record).unwrap());
        self.before.read(self.history.permit(), context.now);
    }

    fn asks(&mut self, context: &mut ControllerContext, broker: i32) -> Result<Duration, StopRefusal> {
        let epoch = context.epoch(broker);
        let outcome = context.decide(|controller, context| controller.permit_stop(context, BrokerId(broker), epoch));
        let Outcome { records, response } = outcome.unwrap();
        self.read(context, &records);
        response.permit
    }

    fn takes_over(&self, context: &mut ControllerContext) {
        let now = context.now;
        context.controller.activate(now, &self.before);
    }
}

#[test]
fn a_new_controller_knows_who_was_permitted_to_stop_and_lets_the_next_go_as_soon_as_that_one_has() {
    let mut context = three();
    context.inherit("min.insync.replicas", "1");
    let mut follower = Follower::of(&context);
    context.now += Duration::from_secs(100);
    assert_eq!(follower.asks(&mut context, 1), Ok(STOP_PERMIT));
    context.now += Duration::from_secs(10);
    follower.takes_over(&mut context);
    let held = Err(StopRefusal::Held { by: BrokerId(1), for_another: Duration::from_secs(20) });
    assert_eq!(ask(&mut context, 2), held);
    // It was the controller, and has stopped.
    context.fence(1);
    assert_eq!(ask(&mut context, 2), Ok(STOP_PERMIT));
}

#[test]
fn a_permit_that_was_given_back_or_is_long_over_holds_up_no_new_controller() {
    let mut context = three();
    let mut follower = Follower::of(&context);
    context.now += Duration::from_secs(100);
    assert_eq!(follower.asks(&mut context, 1), Ok(STOP_PERMIT));
    let epoch = context.epoch(1);
    let back = context.decide(|controller, context| controller.release_stop_permit(context, BrokerId(1), epoch));
    follower.read(&mut context, &back.unwrap().records);
    follower.takes_over(&mut context);
    assert_eq!(follower.asks(&mut context, 2), Ok(STOP_PERMIT));

    context.now += STOP_PERMIT;
    follower.takes_over(&mut context);
    assert_eq!(follower.asks(&mut context, 3), Ok(STOP_PERMIT), "2 may have stopped, and has not");
    // Asked for again it is good for longer, which is another record.
    context.now += Duration::from_secs(20);
    assert_eq!(follower.asks(&mut context, 3), Ok(STOP_PERMIT));
    context.now += Duration::from_secs(20);
    follower.takes_over(&mut context);
    let held = Err(StopRefusal::Held { by: BrokerId(3), for_another: Duration::from_secs(10) });
    assert_eq!(follower.asks(&mut context, 1), held);
}

#[test]
fn a_new_controller_that_has_read_too_little_waits_until_no_permit_before_that_can_be_good() {
    let mut context = three();
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT));
    // It began with a snapshot, in which no permit stands.
    let follower = Follower::of(&context);
    context.now += Duration::from_secs(9);
    follower.takes_over(&mut context);
    let refused = Err(StopRefusal::MayBeHeld { for_another: Duration::from_secs(21) });
    assert_eq!(ask(&mut context, 2), refused);
    context.now += Duration::from_secs(21);
    assert_eq!(ask(&mut context, 2), Ok(STOP_PERMIT));
    // The first of a cluster has nobody before it.
    let mut first = Controller::default();
    first.activate(Duration::from_secs(7), &PermitsBefore::since(Duration::from_secs(7)));
    assert_eq!(first.permits.not_before, Duration::ZERO);
}

#[test]
fn what_a_controller_commits_itself_it_knows_when_it_leads_again() {
    let mut context = three();
    let mut follower = Follower::of(&context);
    context.now += Duration::from_secs(100);
    let epoch = context.epoch(1);
    let outcome = context.decide(|controller, context| controller.permit_stop(context, BrokerId(1), epoch)).unwrap();
    context.apply(&outcome.records);
    follower.history.go_on(context.controller.head().clone(), &outcome.records);
    follower.before.read(follower.history.permit(), context.now);
    follower.takes_over(&mut context);
    let held = Err(StopRefusal::Held { by: BrokerId(1), for_another: STOP_PERMIT });
    assert_eq!(ask(&mut context, 2), held);
    assert_eq!(follower.history.visible(), context.controller.head());
}

#[test]
fn who_has_lost_what_it_was_permitted_for_loses_the_permit() {
    let mut context = three();
    assert_eq!(ask(&mut context, 1), Ok(STOP_PERMIT));
    context.fence(3);
    assert!(ask(&mut context, 1).is_err(), "it is needed now");
    assert_eq!(context.controller.permits.given, None);
}

#[test]
fn a_permit_of_which_there_was_no_room_to_tell_is_none_and_one_taken_back_so_is_one_still() {
    let mut context = three();
    context.inherit("min.insync.replicas", "1");
    let epoch = context.epoch(1);
    let refused = context.decide(|controller, context| controller.permit_stop(context, BrokerId(1), epoch)).unwrap();
    assert_eq!(refused.response.permit, Ok(STOP_PERMIT));
    // Somebody else's record does not make it one.
    context.apply(&[NoOpRecord::default().into()]);
    assert_eq!(ask(&mut context, 2), Ok(STOP_PERMIT));
    let epoch = context.epoch(2);
    let back = context.decide(|controller, context| controller.release_stop_permit(context, BrokerId(2), epoch));
    assert_eq!(back.unwrap().records.len(), 1);
    let held = Err(StopRefusal::Held { by: BrokerId(2), for_another: STOP_PERMIT });
    assert_eq!(ask(&mut context, 1), held);
}

#[test]
fn who_is_not_registered_so_any_more_is_told_so() {
    let mut context = three();
    let stale = context.epoch(1) - 1;
    let asked = context.decide(|controller, context| controller.permit_stop(context, BrokerId(1), stale));
    assert_eq!(asked.unwrap_err(), StaleBrokerEpoch { broker: BrokerId(1), epoch: stale });
    let released = context.decide(|controller, context| controller.release_stop_permit(context, BrokerId(9), 0));
    assert_eq!(released.unwrap_err(), StaleBrokerEpoch { broker: BrokerId(9), epoch: 0 });
}

#[test]
fn a_broker_has_caught_up_when_it_is_let_in_and_in_every_isr() {
    let partitions: Vec<(i32, &[i32])> = (0..5).map(|id| (id, &[1, 2, 3][..])).collect();
    let mut context = with(vec![assigned("wide", &partitions), assigned("elsewhere", &[(0, &[1, 2])])]);
    let look = |context: &ControllerContext, broker| catching_up(context.controller.head(), BrokerId(broker), 2);
    assert!(look(&context, 3).is_caught_up());
    context.fence(3);
    let topic: Arc<str> = "wide".into();
    let behind = vec![(Arc::clone(&topic), 0), (topic, 1)];
    assert_eq!(look(&context, 3), CatchingUp { is_fenced: true, behind: behind.clone(), behind_count: 5 });
    context.start_broker(3, 33);
    let back = look(&context, 3);
    assert_eq!(back, CatchingUp { is_fenced: false, behind, behind_count: 5 });
    assert!(!back.is_caught_up());
    assert!(!look(&context, 9).is_caught_up(), "nobody knows it");
}

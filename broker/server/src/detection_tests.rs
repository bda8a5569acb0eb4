//! Brokers that die, stop and start over while the others look: three whole nodes in one process. How fast it is on a machine with room is
//! measured elsewhere, with processes; here it has to be faster than a session.

use std::time::{Duration, Instant};

use barnabas_protocol::ErrorCode;
use barnabas_types::{BrokerId, TopicIdPartition};

use crate::node::Running;
use crate::quorum_tests::{Nodes, create};

/// `broker.session.timeout.ms` is 9 s.
const BEFORE_THE_SESSION_ENDS: Duration = Duration::from_secs(7);

const FENCINGS: &str = "barnabas_failure_detection_fencings_total";

fn metric(running: &Running, name: &str) -> u64 {
    let text = String::from_utf8(running.node.metrics.render().unwrap()).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64).sum()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Nodes {
    /// True when the node at `index` knows that another broker is fenced.
    fn knows_as_fenced(&self, index: usize, other: usize) -> bool {
        let id = BrokerId(i32::try_from(other).unwrap() + 1);
        self.node(index).node.image().brokers.get(id).is_some_and(|broker| broker.fenced)
    }
}

/// Kills one of three nodes, which is the active controller or is not, and has a record acknowledged by whoever leads then.
async fn kill(is_active: bool) {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "copied", 3).await, ErrorCode::NONE);
    let key = TopicIdPartition { topic_id: nodes.in_sync("copied", 3).await, partition: 0 };
    // Node 1 is started again, on threads of its own, and then leads the quorum or does not.
    nodes.running[0].take().unwrap().stop().await.unwrap();
    let (threads, started) = nodes.start_to_die(0);
    nodes.running[0] = Some(started.await);
    nodes.in_sync("copied", 3).await;
    while is_active && nodes.active() != 0 {
        let active = nodes.active();
        nodes.running[active].take().unwrap().stop().await.unwrap();
        nodes.running[active] = Some(nodes.start_one(active).await);
        nodes.in_sync("copied", 3).await;
    }
    let active = nodes.active();
    until("everybody was asked", || metric(nodes.node(active), "barnabas_failure_detection_probes_total") >= 2).await;
    let before = metric(nodes.node(active), FENCINGS);
    assert_eq!(before, 0, "who was stopped is not dead");
    let begin = Instant::now();
    threads.shutdown_background();
    // With it go the connections that waited for their next request.
    drop(nodes.running[0].take());
    until("it is fenced", || nodes.knows_as_fenced(1, 0) && nodes.knows_as_fenced(2, 0)).await;
    let fenced = begin.elapsed();
    let leader = nodes.leader(1, key).unwrap();
    let (code, _) = nodes.produce(leader, key, "after").await;
    println!("fenced everywhere after {fenced:?}, first record acknowledged after {:?}", begin.elapsed());
    assert_eq!(code, ErrorCode::NONE);
    assert!(begin.elapsed() < BEFORE_THE_SESSION_ENDS);
    assert_eq!(metric(nodes.node(nodes.active()), FENCINGS), 1);
    nodes.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_killed_is_fenced_long_before_its_session_ends() {
    kill(false).await;
}

#[tokio::test]
async fn the_active_controller_that_is_killed_is_fenced_as_a_broker_by_its_successor() {
    kill(true).await;
}

#[tokio::test]
async fn a_clean_stop_is_no_death_and_a_fenced_broker_comes_back() {
    let mut nodes = Nodes::start().await;
    let active = nodes.active();
    let other = (active + 1) % 3;
    let probes = "barnabas_failure_detection_probes_total{outcome=\"answered\"}";
    until("everybody has answered", || metric(nodes.node(active), probes) >= 2).await;
    nodes.running[other].take().unwrap().stop().await.unwrap();
    let back = nodes.start_one(other).await;
    nodes.running[other] = Some(back);
    assert_eq!(metric(nodes.node(active), FENCINGS), 0);
    nodes.await_brokers(active, 3).await;
    nodes.stop().await;
}

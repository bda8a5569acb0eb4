//! What keeps a broker from being stopped, out of what was seen of its partitions: the rule by which the active controller gives the permit
//! to stop. Who else may stop at the moment only that one knows.

use super::broker::listed;
use super::observed::{Observed, Partition};
use super::report::{Report, counted};

/// How many topics are asked for their minimum at most.
const MAX_TOPICS: usize = 100;

/// Explains it, as notes: a broker that is needed is well.
pub fn explain(report: &mut Report, id: i32, observed: &Observed) {
    let (mut leaderless, mut below) = (Vec::new(), Vec::new());
    for topic in &observed.topics {
        for partition in topic.partitions.iter().filter(|partition| is_held_in_sync(partition, id)) {
            let name = || format!("{}-{}", topic.name, partition.index);
            if loses_leader(partition, id) {
                leaderless.push(name());
            } else if observed.minimums.get(&topic.name).is_some_and(|&minimum| falls_below(partition, minimum)) {
                below.push(name());
            }
        }
    }
    let losses = [
        (leaderless, "leave", "without a leader: nobody else that is up is in sync"),
        (below, "take", "below min.insync.replicas, and nothing could be produced there with acks=all"),
    ];
    for (partitions, what, how) in losses {
        let Some(first) = partitions.first() else { continue };
        report.note(
            format!(
                "Stopping it now would {what} {} {how} ({}).",
                counted(partitions.len(), "partition"),
                listed(&partitions)
            ),
            Some(format!(
                "wait until other replicas are in sync; `barnabas why {first}` says what they wait for. Told to stop, it stays for up to \
                 barnabas.shutdown.grace.ms."
            )),
        );
    }
}

/// The topics of which it has to be known how many replicas have to be in sync, by what was seen.
pub fn undecided(observed: &Observed, id: i32) -> Vec<String> {
    let matters = |partition: &Partition| {
        is_held_in_sync(partition, id) && partition.isr.len() < partition.replicas.len() && !loses_leader(partition, id)
    };
    let topics = observed.topics.iter().filter(|topic| topic.partitions.iter().any(matters));
    topics.take(MAX_TOPICS).map(|topic| topic.name.clone()).collect()
}

/// What it alone has is missed however long it stays.
fn is_held_in_sync(partition: &Partition, id: i32) -> bool {
    partition.replicas.len() > 1 && partition.isr.contains(&id) && partition.leader.is_some()
}

fn loses_leader(partition: &Partition, id: i32) -> bool {
    let is_other = |member: &&i32| **member != id;
    let has_others = partition.isr.iter().any(|member| is_other(&member));
    let heirs = if has_others { &partition.isr } else { &partition.eligible_leaders };
    !heirs.iter().filter(is_other).any(|heir| !partition.offline.contains(heir))
}

/// Where all replicas are needed for the minimum nothing would ever be stopped.
fn falls_below(partition: &Partition, minimum: usize) -> bool {
    partition.isr.len() == minimum && minimum < partition.replicas.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::observed::{Quorum, Topic};
    use super::*;

    fn seen(partitions: Vec<Partition>, minimum: Option<usize>) -> Observed {
        let name = "orders".to_owned();
        Observed {
            cluster_id: "c".into(),
            brokers: Vec::new(),
            quorum: Ok(Quorum::default()),
            topics: vec![Topic { name: name.clone(), partitions }],
            disks: BTreeMap::new(),
            min_insync_replicas: None,
            minimums: minimum.map(|minimum| (name, minimum)).into_iter().collect(),
        }
    }

    fn partition(replicas: &[i32], isr: &[i32]) -> Partition {
        Partition { leader: Some(isr[0]), replicas: replicas.into(), isr: isr.into(), ..Partition::default() }
    }

    fn said(observed: &Observed) -> Vec<String> {
        let mut report = Report::new("broker 1", "");
        explain(&mut report, 1, observed);
        report.findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_broker_that_partitions_need_is_said_to_be_needed_and_for_what() {
        let below = seen(vec![partition(&[1, 2, 3], &[2, 1]), partition(&[1, 2, 3], &[1, 2, 3])], Some(2));
        assert_eq!(
            said(&below),
            [
                "Stopping it now would take 1 partition below min.insync.replicas, and nothing could be produced there with acks=all (orders-0)."
            ]
        );
        assert_eq!(undecided(&below, 1), ["orders"]);
        let mut down = partition(&[1, 2], &[1, 2]);
        down.offline = vec![2];
        let leaderless = said(&seen(vec![partition(&[1, 2, 3], &[1]), down], Some(1)));
        assert!(
            leaderless[0].starts_with("Stopping it now would leave 2 partitions without a leader"),
            "{leaderless:?}"
        );
    }

    #[test]
    fn a_broker_that_can_be_done_without_or_that_waiting_would_not_help_is_not_mentioned() {
        for (partition, minimum) in [
            (partition(&[1, 2, 3], &[1, 2, 3]), Some(2)),
            (partition(&[1, 2, 3], &[1, 2]), Some(1)),
            (partition(&[1, 2, 3], &[1, 2]), Some(3)),
            (partition(&[1, 2, 3], &[1, 2]), None),
            (partition(&[1, 2, 3], &[2, 3]), Some(2)),
            (partition(&[1, 2], &[1, 2]), Some(2)),
            (partition(&[1], &[1]), Some(1)),
        ] {
            assert_eq!(said(&seen(vec![partition.clone()], minimum)), [] as [&str; 0], "{partition:?} {minimum:?}");
        }
        let mut eligible = partition(&[1, 2], &[1]);
        eligible.eligible_leaders = vec![2];
        assert_eq!(said(&seen(vec![eligible], Some(2))), [] as [&str; 0]);
    }
}

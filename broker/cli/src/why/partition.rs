//! What is wrong with a partition, out of what was seen of it and its brokers. Asks nobody.

use std::collections::BTreeSet;

use super::observed::{Observed, Partition, Topic};
use super::report::{Report, counted, named};

/// Explains it.
#[must_use]
pub fn explain(topic: &str, index: i32, observed: &Observed) -> Report {
    let subject = format!("{topic}-{index}");
    let Some(found) = observed.topics.iter().find(|found| found.name == topic) else {
        let mut report = Report::new(subject, "There is no such topic.");
        report.wrong(
            format!("Cluster {} has no topic {topic}.", observed.cluster_id),
            "see `kafka-topics --list` for how it is spelt, or create it.",
        );
        return report;
    };
    match found.partitions.iter().find(|partition| partition.index == index) {
        Some(partition) => explain_found(subject, partition, observed, found),
        None => {
            let mut report = Report::new(subject, "There is no such partition.");
            let last = found.partitions.len().saturating_sub(1);
            report.wrong(
                format!("Topic {topic} has {}, 0 to {last}.", counted(found.partitions.len(), "partition")),
                "name one of them, or add partitions (kafka-topics --alter --partitions).",
            );
            report
        }
    }
}

fn explain_found(subject: String, partition: &Partition, observed: &Observed, topic: &Topic) -> Report {
    let leader = partition.leader.map_or("Nobody leads it".to_owned(), |leader| format!("Broker {leader} leads it"));
    let state = format!(
        "{leader} in epoch {}; its replicas are {}, in sync {}.",
        partition.leader_epoch,
        named("broker", &partition.replicas),
        if partition.isr.is_empty() { "none".to_owned() } else { named("broker", &partition.isr) }
    );
    let mut report = Report::new(subject, state);
    explain_leader(&mut report, partition, observed);
    explain_min_insync(&mut report, partition, observed);
    for &replica in &partition.replicas {
        if !partition.isr.contains(&replica) || partition.offline.contains(&replica) {
            explain_replica(&mut report, replica, partition, observed);
        }
    }
    explain_log(&mut report, partition, observed, &topic.name);
    explain_placement(&mut report, partition, observed);
    report
}

fn explain_leader(report: &mut Report, partition: &Partition, observed: &Observed) {
    match partition.leader {
        None => {
            let eligible: Vec<i32> = partition.isr.iter().chain(&partition.eligible_leaders).copied().collect();
            let who = named("broker", &eligible);
            report.wrong_for(
eligible.iter().filter_map(|&id| observed.silent_ms(id)).min(),
                format!("Nobody leads it: it can be neither written nor read. Only {who} may lead without losing records."),
                format!(
                    "bring {who} back with the same disks. If they are lost for good, give up what only they had: kafka-leader-election \
                     --election-type unclean."
                ),
            );
        }
        Some(leader) => match observed.disks.get(&leader) {
            Some(Err(error)) => {
                let address = observed.broker(leader).map(|broker| broker.address.clone()).unwrap_or_default();
                report.wrong(
                    format!("Its leader, broker {leader}, does not answer at {address}: {error}."),
                    "clients cannot reach it either if this host cannot: check that advertised.listeners names an address that they \
                     resolve and that nothing is in between; see the broker's log.",
                );
            }
            Some(Ok(_)) | None => {
                if let Some(&preferred) = partition.replicas.first().filter(|&&preferred| preferred != leader) {
                    report.note(
                        format!("Its preferred leader is broker {preferred}."),
                        partition.isr.contains(&preferred).then(|| {
                            "it moves back by itself with auto.leader.rebalance.enable, or at once by kafka-leader-election \
                             --election-type preferred."
                                .to_owned()
                        }),
                    );
                }
            }
        },
    }
}

fn explain_min_insync(report: &mut Report, partition: &Partition, observed: &Observed) {
    let Some(configured) = observed.min_insync_replicas else { return };
    let needed = configured.min(partition.replicas.len());
    let in_sync = partition.isr.len();
    if in_sync < needed && partition.leader.is_some() {
        report.wrong(
            format!("Producers with acks=all are refused (NOT_ENOUGH_REPLICAS): {in_sync} in sync, and min.insync.replicas asks for {needed}."),
            "bring the replicas named here back. Lowering min.insync.replicas of the topic lets writes through at once, with fewer copies.",
        );
    } else if in_sync == needed && partition.replicas.len() > needed {
        report.note("One more replica out of sync, and producers with acks=all are refused.", None);
    } else if partition.replicas.len() > 1 && configured >= partition.replicas.len() {
        report.note(
            "min.insync.replicas is as high as the number of replicas: each restart of a broker holds up producers with acks=all.",
            Some("set it one lower than the number of replicas.".to_owned()),
        );
    }
}

/// Why a replica is not in sync, or not there.
fn explain_replica(report: &mut Report, replica: i32, partition: &Partition, observed: &Observed) {
    let silent = observed.silent_ms(replica);
    match observed.broker(replica) {
        None => {
            report.wrong(
                format!("Broker {replica}, one of its replicas, is not registered."),
                format!("start it, or move the replica to another broker (kafka-reassign-partitions). `barnabas why broker {replica}` says more."),
            );
        }
        Some(broker) if broker.is_fenced => {
            report.wrong_for(
                silent,
                format!("Broker {replica}, one of its replicas, is down: the controller has fenced it."),
                format!("start it, or see its log. `barnabas why broker {replica}` says more."),
            );
        }
        Some(_) if partition.offline.contains(&replica) => {
            report.wrong(
                format!("The replica on broker {replica} is offline, though the broker is up: its log directory has failed, or the log is damaged."),
                format!("see `barnabas why broker {replica}` and the broker's log; repair or replace the disk and restart the broker."),
            );
        }
        Some(_) => {
            report.wrong(
                format!("The replica on broker {replica} is behind: it is not in sync, though the broker is up."),
                format!(
                    "wait, if the broker has just come back; else see whether broker {replica} is overloaded or its disk slow \
                     (replica.lag.time.max.ms says how far behind is out of sync)."
                ),
            );
        }
    }
}

/// Whether the leader has the log that it is to serve.
fn explain_log(report: &mut Report, partition: &Partition, observed: &Observed, topic: &str) {
    let Some((leader, Ok(disks))) = partition.leader.and_then(|leader| Some((leader, observed.disks.get(&leader)?)))
    else {
        return;
    };
    let key = (topic.to_owned(), partition.index);
    match disks.iter().find(|disk| disk.partitions.contains(&key)) {
        Some(disk) => {
            if let Some(error) = &disk.error {
                report.wrong(
                    format!("Its log on broker {leader} lies in {}, which has failed ({error}).", disk.path),
                    "repair or replace the disk and restart the broker.",
                );
            }
        }
        None => {
            let failed: Vec<&str> =
                disks.iter().filter(|disk| disk.error.is_some()).map(|disk| disk.path.as_str()).collect();
            if !failed.is_empty() {
                report.wrong(
                    format!(
                        "Broker {leader} leads it and shows no log of it; {} of that broker failed.",
                        failed.join(", ")
                    ),
                    "repair or replace the disk and restart the broker.",
                );
            }
        }
    }
}

fn explain_placement(report: &mut Report, partition: &Partition, observed: &Observed) {
    if partition.replicas.len() == 1 {
        report.note(
            "It has one replica: while that broker is down it can be neither written nor read, and its disk is the only copy.",
            (observed.brokers.len() > 1).then(|| "give it more replicas (kafka-reassign-partitions).".to_owned()),
        );
        return;
    }
    let rack = |id: &i32| observed.broker(*id).and_then(|broker| broker.rack.clone());
    let racks: BTreeSet<String> = observed.brokers.iter().filter_map(|broker| broker.rack.clone()).collect();
    let used: BTreeSet<Option<String>> = partition.replicas.iter().map(rack).collect();
    if let (true, [Some(only)]) = (racks.len() > 1, used.iter().cloned().collect::<Vec<_>>().as_slice()) {
        report.note(
            format!("All of its replicas are in rack {only}: they fail together."),
            Some("spread them (kafka-reassign-partitions).".to_owned()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::observed::{Broker, Disk, Quorum, Replica};
    use super::super::report::Severity;
    use super::*;

    fn broker(id: i32) -> Broker {
        Broker { id, address: format!("b{id}:9092"), ..Broker::default() }
    }

    fn healthy() -> Partition {
        Partition {
            leader: Some(1),
            leader_epoch: 4,
            replicas: vec![1, 2, 3],
            isr: vec![1, 2, 3],
            ..Partition::default()
        }
    }

    fn seen(partition: Partition) -> Observed {
        let disk = Disk { path: "/d".into(), partitions: vec![("orders".into(), 0)], ..Disk::default() };
        Observed {
            cluster_id: "c".into(),
            brokers: (1..=3).map(broker).collect(),
            quorum: Ok(Quorum::default()),
            topics: vec![Topic { name: "orders".into(), partitions: vec![partition] }],
            disks: [(1, Ok(vec![disk]))].into(),
            min_insync_replicas: Some(2),
            minimums: std::collections::BTreeMap::new(),
        }
    }

    fn wrong(observed: &Observed) -> Vec<String> {
        let report = explain("orders", 0, observed);
        let wrong = report.findings.iter().filter(|finding| finding.severity == Severity::Wrong);
        wrong.map(|finding| finding.what.clone()).collect()
    }

    #[test]
    fn a_partition_with_all_replicas_in_sync_is_well() {
        let report = explain("orders", 0, &seen(healthy()));
        assert_eq!(report.findings, []);
        assert_eq!(
            report.state,
            "Broker 1 leads it in epoch 4; its replicas are brokers 1, 2 and 3, in sync brokers 1, 2 and 3."
        );
    }

    #[test]
    fn a_topic_or_partition_that_is_not_there_is_said_to_be() {
        assert!(explain("other", 0, &seen(healthy())).text().contains("has no topic other"));
        assert!(explain("orders", 9, &seen(healthy())).text().contains("has 1 partition, 0 to 0"));
    }

    #[test]
    fn without_a_leader_it_says_who_could_lead_and_since_when_they_are_gone() {
        let mut observed =
            seen(Partition { leader: None, isr: vec![2], eligible_leaders: vec![3], offline: vec![2, 3], ..healthy() });
        let quorum = observed.quorum.as_mut().unwrap();
        quorum.leader = 1;
        quorum.voters = vec![Replica { id: 1, last_fetch_ms: Some(90_000), ..Replica::default() }];
        quorum.observers = vec![Replica { id: 2, last_fetch_ms: Some(30_000), ..Replica::default() }];
        observed.brokers[1].is_fenced = true;
        observed.brokers[2].is_fenced = true;
        let report = explain("orders", 0, &observed);
        assert!(report.findings[0].what.contains("Only brokers 2 and 3 may lead"), "{report:?}");
        assert_eq!(report.findings[0].for_ms, Some(60_000));
        assert!(report.findings[0].fix.as_ref().unwrap().contains("--election-type unclean"));
        assert!(report.text().contains("Broker 2, one of its replicas, is down"));
    }

    #[test]
    fn each_reason_for_a_replica_out_of_sync_has_its_own_sentence() {
        let out = Partition { isr: vec![1, 2], ..healthy() };
        assert_eq!(
            wrong(&seen(out.clone())),
            ["The replica on broker 3 is behind: it is not in sync, though the broker is up."]
        );
        let mut fenced = seen(out.clone());
        fenced.brokers[2].is_fenced = true;
        assert!(wrong(&fenced)[0].contains("the controller has fenced it"));
        let mut gone = seen(out.clone());
        gone.brokers.pop();
        assert!(wrong(&gone)[0].contains("is not registered"));
        assert!(wrong(&seen(Partition { offline: vec![3], ..out }))[0].contains("its log directory has failed"));
    }

    #[test]
    fn below_min_insync_replicas_producers_are_refused() {
        let found = wrong(&seen(Partition { isr: vec![1], ..healthy() }));
        assert!(found[0].contains("acks=all are refused") && found.len() == 3, "{found:?}");
        let edge = explain("orders", 0, &seen(Partition { isr: vec![1, 2], ..healthy() }));
        assert!(edge.text().contains("One more replica out of sync"));
        let strict = explain("orders", 0, &Observed { min_insync_replicas: Some(3), ..seen(healthy()) });
        assert!(strict.is_healthy() && strict.text().contains("as high as the number of replicas"));
    }

    #[test]
    fn a_leader_that_does_not_answer_or_whose_disk_failed_is_wrong() {
        let mut silent = seen(healthy());
        silent.disks.insert(1, Err("connection refused".into()));
        assert!(wrong(&silent)[0].contains("does not answer at b1:9092: connection refused"));
        let mut failed = seen(healthy());
        let disk = Disk { path: "/d".into(), error: Some("KAFKA_STORAGE_ERROR".into()), ..Disk::default() };
        failed.disks.insert(1, Ok(vec![disk]));
        assert!(wrong(&failed)[0].contains("shows no log of it; /d of that broker failed"));
    }

    #[test]
    fn placement_and_preferred_leaders_are_notes() {
        let moved = explain("orders", 0, &seen(Partition { leader: Some(2), ..healthy() }));
        assert!(moved.is_healthy() && moved.text().contains("preferred leader is broker 1"));
        let single = explain("orders", 0, &seen(Partition { replicas: vec![1], isr: vec![1], ..healthy() }));
        assert!(single.is_healthy() && single.text().contains("It has one replica"));
        let mut racked = seen(healthy());
        racked.brokers.push(Broker { rack: Some("b".into()), ..broker(4) });
        racked.brokers.iter_mut().take(3).for_each(|broker| broker.rack = Some("a".into()));
        assert!(explain("orders", 0, &racked).text().contains("All of its replicas are in rack a"));
    }
}

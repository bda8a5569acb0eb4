//! What is wrong with a broker, out of what was seen of it. Asks nobody.

use super::observed::{Broker, Disk, Observed, Partition};
use super::quorum::SILENT_MS;
use super::report::{Report, counted, duration, named};
use super::stopping;

/// A volume with less free than this part of it is nearly full, as the broker's own reserve has it.
const RESERVE_PART: i64 = 20;
/// At most so much is reserved, in bytes.
const MAX_RESERVE_BYTES: i64 = 1 << 30;
/// How many partitions are named before the rest is counted.
const NAMED_PARTITIONS: usize = 5;

/// Explains it.
#[must_use]
pub fn explain(id: i32, observed: &Observed) -> Report {
    let subject = format!("broker {id}");
    let Some(broker) = observed.broker(id) else {
        let mut ids: Vec<i32> = observed.brokers.iter().map(|broker| broker.id).collect();
        ids.sort_unstable();
        let mut report = Report::new(subject, "It is not registered.");
        report.wrong(
            format!("Cluster {} has {}, and none with id {id}.", observed.cluster_id, named("broker", &ids)),
            "start it, or see its log for why it cannot register: it has to be formatted for this cluster \
             (`barnabas storage info`), and controller.quorum.bootstrap.servers has to lead to the controllers.",
        );
        return report;
    };
    let led = partitions(observed, |partition| partition.leader == Some(id));
    let held = partitions(observed, |partition| partition.replicas.contains(&id));
    let state = format!(
        "{} at {}; it holds {} and leads {}.",
        if broker.is_fenced { "Registered, but fenced," } else { "It serves" },
        broker.address,
        counted(held.len(), "partition"),
        led.len()
    );
    let mut report = Report::new(subject, state);
    explain_life(&mut report, broker, observed);
    match observed.disks.get(&id) {
        Some(Ok(disks)) => disks.iter().for_each(|disk| explain_disk(&mut report, disk)),
        Some(Err(error)) if !broker.is_fenced => {
            report.wrong(
                format!("The controller hears from it, but it does not answer at {}: {error}.", broker.address),
                "clients cannot reach it either if this host cannot: check that advertised.listeners names an address that they resolve and \
                 that nothing is in between; see the broker's log.",
            );
        }
        Some(Err(_)) | None => {}
    }
    explain_partitions(&mut report, id, broker, observed);
    stopping::explain(&mut report, id, observed);
    report
}

fn explain_life(report: &mut Report, broker: &Broker, observed: &Observed) {
    let id = broker.id;
    if broker.is_fenced {
        report.wrong_for(
observed.silent_ms(id),
            "The controller has fenced it: it heard nothing of it for broker.session.timeout.ms, or the broker is still starting. It leads \
             nothing, and clients are not sent to it.",
            "start it, or see its log: a broker that starts opens its partitions first (barnabas_opening_* on its admin port). If it runs, \
             see whether it reaches the controllers. If it is gone for good, kafka-cluster unregister after its partitions were moved.",
        );
        return;
    }
    if let Some(silent) = observed.silent_ms(id).filter(|silent| *silent > SILENT_MS) {
        report.wrong_for(
            Some(silent),
            "It serves, but has fetched no metadata: what it tells clients of topics and leaders is old.",
            "see whether it reaches the active controller, and its log.",
        );
    }
    let Ok(quorum) = &observed.quorum else { return };
    let replicas = quorum.observers.iter().chain(&quorum.voters).filter(|replica| replica.id == id);
    let behind = replicas.filter_map(|replica| {
        let behind = quorum.high_watermark? - replica.log_end?;
        let ago = quorum.ago_ms(replica.last_caught_up_ms?)?;
        (behind > 0 && ago > SILENT_MS && quorum.ago_ms(replica.last_fetch_ms?)? <= SILENT_MS).then_some((behind, ago))
    });
    if let Some((behind, ago)) = behind.min() {
        report.note(
            format!("It lacks {behind} records of the metadata, and has had all of it {} ago.", duration(ago)),
            None,
        );
    }
}

fn explain_disk(report: &mut Report, disk: &Disk) {
    if let Some(error) = &disk.error {
        report.wrong(
            format!("Its log directory {} has failed ({error}): the partitions in it are offline.", disk.path),
            "see the broker's log for the first error, repair or replace the disk, and restart the broker. Partitions with other replicas are \
             copied back.",
        );
        return;
    }
    if let (Some(total), Some(usable)) = (disk.total_bytes, disk.usable_bytes) {
        let reserve = (total / RESERVE_PART).min(MAX_RESERVE_BYTES);
        if usable <= reserve {
            report.wrong(
                format!("Log directory {} is full: {} of {} are free, and Produce is refused below the reserve.", disk.path, bytes(usable), bytes(total)),
                "free space or enlarge the volume (shorter retention frees it within minutes); it goes on by itself then.",
            );
        } else if usable <= reserve.saturating_mul(2) {
            report.note(
                format!("Log directory {} is nearly full: {} of {} are free.", disk.path, bytes(usable), bytes(total)),
                Some("free space or enlarge the volume.".to_owned()),
            );
        }
    }
    if disk.is_cordoned {
        report.note(format!("No new partitions are placed in {} (cordoned.log.dirs).", disk.path), None);
    }
}

fn explain_partitions(report: &mut Report, id: i32, broker: &Broker, observed: &Observed) {
    let leaderless = partitions(observed, |partition| partition.leader.is_none() && partition.replicas.contains(&id));
    if let Some(first) = leaderless.first() {
        report.wrong(
            format!("{} of its partitions are led by nobody: {}.", leaderless.len(), listed(&leaderless)),
            format!("`barnabas why {first}` says who could lead."),
        );
    }
    let offline = partitions(observed, |partition| partition.offline.contains(&id));
    if !offline.is_empty() && !broker.is_fenced {
        report.wrong(
            format!("{} of its replicas are offline, though it is up: {}.", offline.len(), listed(&offline)),
            "see its log directories and its log.",
        );
    }
    let behind = partitions(observed, |partition| {
        partition.replicas.contains(&id) && !partition.isr.contains(&id) && !partition.offline.contains(&id)
    });
    if !behind.is_empty() && !broker.is_fenced {
        report.wrong(
            format!("{} of its replicas are not in sync: {}.", behind.len(), listed(&behind)),
            "wait, if it has just come back; else see whether its disk or its network is slow.",
        );
    }
    let preferred = partitions(observed, |partition| {
        partition.replicas.first() == Some(&id) && partition.leader.is_some_and(|leader| leader != id)
    });
    if !preferred.is_empty() && !broker.is_fenced {
        report.note(
            format!("It is the preferred leader of {} that others lead.", counted(preferred.len(), "partition")),
            Some("they move back by themselves with auto.leader.rebalance.enable, or at once by kafka-leader-election --election-type preferred.".to_owned()),
        );
    }
}

/// The partitions for which it is so, by name.
fn partitions(observed: &Observed, is_so: impl Fn(&Partition) -> bool) -> Vec<String> {
    let topics = observed.topics.iter();
    let named = topics.flat_map(|topic| topic.partitions.iter().map(move |partition| (topic, partition)));
    named
        .filter(|(_, partition)| is_so(partition))
        .map(|(topic, partition)| format!("{}-{}", topic.name, partition.index))
        .collect()
}

pub(super) fn listed(partitions: &[String]) -> String {
    let shown: Vec<&str> = partitions.iter().take(NAMED_PARTITIONS).map(String::as_str).collect();
    match partitions.len().saturating_sub(NAMED_PARTITIONS) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Bytes as a person says them.
fn bytes(count: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", count / size, count % size * 10 / size),
        None => format!("{count} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::observed::{Quorum, Replica, Topic};
    use super::super::report::Severity;
    use super::*;

    const NOW: i64 = 1_000_000;

    /// Broker 1 beside the active controller 100, with a partition of three.
    fn seen() -> Observed {
        let broker = |id| Broker { id, address: format!("b{id}:9092"), ..Broker::default() };
        let replica = |id, ago| Replica {
            id,
            log_end: Some(50),
            last_fetch_ms: Some(NOW - ago),
            last_caught_up_ms: Some(NOW - ago),
            ..Replica::default()
        };
        let partition =
            Partition { leader: Some(1), replicas: vec![1, 2, 3], isr: vec![1, 2, 3], ..Partition::default() };
        Observed {
            cluster_id: "c".into(),
            brokers: vec![broker(1), broker(2), broker(3)],
            quorum: Ok(Quorum {
                leader: 100,
                high_watermark: Some(50),
                voters: vec![replica(100, 0)],
                observers: vec![replica(1, 100), replica(2, 34_000), replica(3, 90)],
                ..Quorum::default()
            }),
            topics: vec![Topic { name: "orders".into(), partitions: vec![partition] }],
            disks: [(
                1,
                Ok(vec![Disk {
                    path: "/d".into(),
                    total_bytes: Some(100 << 30),
                    usable_bytes: Some(50 << 30),
                    ..Disk::default()
                }]),
            )]
            .into(),
            min_insync_replicas: None,
            minimums: BTreeMap::new(),
        }
    }

    fn partition(observed: &mut Observed) -> &mut Partition {
        &mut observed.topics[0].partitions[0]
    }

    fn disk(observed: &mut Observed) -> &mut Disk {
        &mut observed.disks.get_mut(&1).unwrap().as_mut().unwrap()[0]
    }

    fn wrong(observed: &Observed, id: i32) -> Vec<String> {
        let report = explain(id, observed);
        let wrong = report.findings.iter().filter(|finding| finding.severity == Severity::Wrong);
        wrong.map(|finding| finding.what.clone()).collect()
    }

    #[test]
    fn a_broker_that_serves_and_is_in_sync_is_well() {
        let report = explain(1, &seen());
        assert_eq!(report.findings, []);
        assert_eq!(report.state, "It serves at b1:9092; it holds 1 partition and leads 1.");
    }

    #[test]
    fn a_broker_that_is_not_registered_is_said_not_to_be() {
        assert_eq!(wrong(&seen(), 7), ["Cluster c has brokers 1, 2 and 3, and none with id 7."]);
    }

    #[test]
    fn a_fenced_broker_is_told_with_how_long_it_has_been_silent() {
        let mut observed = seen();
        observed.brokers[1].is_fenced = true;
        let report = explain(2, &observed);
        assert_eq!(report.findings[0].for_ms, Some(34_000));
        assert!(report.findings[0].what.starts_with("The controller has fenced it"), "{report:?}");
    }

    #[test]
    fn a_broker_that_fetches_no_metadata_or_does_not_answer_is_wrong() {
        assert!(wrong(&seen(), 2)[0].contains("has fetched no metadata"));
        let mut observed = seen();
        observed.disks.insert(1, Err("connection refused".into()));
        assert!(wrong(&observed, 1)[0].contains("does not answer at b1:9092: connection refused"));
        let mut slow = seen();
        let replica = &mut slow.quorum.as_mut().unwrap().observers[0];
        (replica.log_end, replica.last_caught_up_ms) = (Some(20), Some(NOW - 60_000));
        assert!(explain(1, &slow).text().contains("lacks 30 records of the metadata, and has had all of it 60 s ago"));
    }

    #[test]
    fn failed_full_and_cordoned_disks_are_told_apart() {
        let mut failed = seen();
        disk(&mut failed).error = Some("KAFKA_STORAGE_ERROR".into());
        assert!(wrong(&failed, 1)[0].contains("/d has failed"));
        let mut full = seen();
        disk(&mut full).usable_bytes = Some(1 << 30);
        assert_eq!(
            wrong(&full, 1),
            ["Log directory /d is full: 1.0 GiB of 100.0 GiB are free, and Produce is refused below the reserve."]
        );
        let mut nearly = seen();
        (disk(&mut nearly).usable_bytes, disk(&mut nearly).is_cordoned) = (Some(3 << 29), true);
        let report = explain(1, &nearly);
        assert!(report.is_healthy() && report.findings.len() == 2, "{report:?}");
    }

    #[test]
    fn what_is_wrong_with_its_partitions_is_counted_and_named() {
        let mut leaderless = seen();
        partition(&mut leaderless).leader = None;
        assert_eq!(wrong(&leaderless, 1), ["1 of its partitions are led by nobody: orders-0."]);
        let mut behind = seen();
        partition(&mut behind).isr = vec![2, 3];
        assert_eq!(wrong(&behind, 1), ["1 of its replicas are not in sync: orders-0."]);
        let mut offline = seen();
        (partition(&mut offline).isr, partition(&mut offline).offline) = (vec![2, 3], vec![1]);
        assert_eq!(wrong(&offline, 1), ["1 of its replicas are offline, though it is up: orders-0."]);
        let mut moved = seen();
        partition(&mut moved).leader = Some(3);
        assert!(explain(1, &moved).text().contains("preferred leader of 1 partition that others lead"));
    }

    #[test]
    fn many_partitions_are_named_in_part() {
        let names: Vec<String> = (0..8).map(|index| format!("t-{index}")).collect();
        assert_eq!(listed(&names), "t-0, t-1, t-2, t-3, t-4 and 3 more");
        assert_eq!((bytes(512), bytes(1536), bytes(3 << 29)), ("512 bytes".into(), "1.5 KiB".into(), "1.5 GiB".into()));
    }
}

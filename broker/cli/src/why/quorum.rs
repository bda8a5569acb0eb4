//! What is wrong with the quorum, out of what was seen of it. Asks nobody.

use super::observed::{Observed, Quorum, Replica};
use super::report::{Report, duration, named};

/// A replica that has not fetched for so long is not there: followers fetch at least twice a second, and Kafka gives up a leader that
/// does not answer for two.
pub const SILENT_MS: i64 = 5_000;

/// Explains it.
#[must_use]
pub fn explain(observed: &Observed) -> Report {
    match &observed.quorum {
        Ok(quorum) => explain_seen(observed, quorum),
        Err(error) => leaderless(error),
    }
}

fn leaderless(error: &str) -> Report {
    let mut report = Report::new("quorum", "No leader answers for it.");
    report.wrong(
        format!("The quorum could not be described ({error}). Nothing of the cluster's metadata can change: no topic, no leader of a partition, no configuration. What runs goes on as it is."),
        "more than half of the voters have to run and reach each other by their controller listeners. Look at each controller's log and at \
         what is between them; `barnabas storage info` tells whose directories a stopped node has. A voter that came late or lost its disk does not count until it \
         has copied everything from a leader (its log says so): then the voters that are down have to come back. If the names of the voters have \
         changed, `barnabas storage set-voters` writes the new ones.",
    );
    report
}

fn explain_seen(observed: &Observed, quorum: &Quorum) -> Report {
    let ids: Vec<i32> = quorum.voters.iter().map(|voter| voter.id).collect();
    let committed = quorum.high_watermark.map_or("(not known yet)".to_owned(), |offset| offset.to_string());
    let state = format!(
        "Node {} leads it in epoch {}; its {} {}; committed up to offset {committed}.",
        quorum.leader,
        quorum.epoch,
        if ids.len() == 1 { "voter is" } else { "voters are" },
        named("node", &ids),
    );
    let mut report = Report::new("quorum", state);
    let mut silent = Vec::new();
    for voter in quorum.voters.iter().filter(|voter| voter.id != quorum.leader) {
        if explain_voter(&mut report, quorum, voter) {
            silent.push(voter.id);
        }
    }
    explain_majority(&mut report, quorum, &silent);
    explain_observers(&mut report, observed, quorum);
    report
}

/// Says what is wrong with a voter, and whether it is gone.
fn explain_voter(report: &mut Report, quorum: &Quorum, voter: &Replica) -> bool {
    let id = voter.id;
    let address = quorum.addresses.get(&id).map(|address| format!(" ({address})")).unwrap_or_default();
    let replaced = quorum.observers.iter().find(|observer| {
        observer.id == id && !voter.directory_id.is_zero() && observer.directory_id != voter.directory_id
    });
    if let Some(replacement) = replaced {
        report.wrong_for(
voter.last_fetch_ms.and_then(|then| quorum.ago_ms(then)),
            format!(
                "Node {id} runs with another disk than the one it votes with: its vote belongs to directory {}, and it has directory {}. \
                 It follows and does not vote.",
                voter.directory_id, replacement.directory_id
            ),
            format!(
                "if the old disk is lost for good, remove its vote and add the new one: kafka-metadata-quorum remove-controller \
                 --controller-id {id} --controller-directory-id {}, then add-controller on the node.",
                voter.directory_id
            ),
        );
        return true;
    }
    let mend = format!(
        "start node {id}, or see its log for why it does not reach node {}. If its disk is lost, replace the voter: remove it, and add \
         the node again with its new disk (kafka-metadata-quorum remove-controller, add-controller).",
        quorum.leader
    );
    match voter.last_fetch_ms.map(|then| quorum.ago_ms(then)) {
        None => {
            report.wrong(format!("Voter {id}{address} has not fetched since node {} leads.", quorum.leader), mend);
            true
        }
        Some(Some(ago)) if ago > SILENT_MS => {
            report.wrong_for(Some(ago), format!("Voter {id}{address} does not fetch from the leader."), mend);
            true
        }
        Some(_) => {
            explain_lag(report, quorum, voter);
            false
        }
    }
}

fn explain_lag(report: &mut Report, quorum: &Quorum, voter: &Replica) {
    let behind =
        quorum.high_watermark.zip(voter.log_end).map(|(high_watermark, end)| high_watermark.saturating_sub(end));
    let ago = voter.last_caught_up_ms.and_then(|then| quorum.ago_ms(then));
    if let (Some(behind @ 1..), Some(ago)) = (behind, ago)
        && ago > SILENT_MS
    {
        report.wrong_for(
            Some(ago),
            format!("Voter {} fetches, but lacks {behind} committed records.", voter.id),
            "see whether its disk or its network is slow; a voter that has just come back catches up by itself.",
        );
    }
}

fn explain_majority(report: &mut Report, quorum: &Quorum, silent: &[i32]) {
    let voters = quorum.voters.len();
    let majority = voters / 2 + 1;
    let up = voters.saturating_sub(silent.len());
    if voters == 1 {
        report.note(
            "There is one voter: while it is down nothing can change, and its disk is the only copy of the metadata.",
            None,
        );
    } else if up <= majority && !silent.is_empty() {
        report.wrong(
            format!(
                "{up} of {voters} voters take part, and {majority} are needed: one more failure stops every change."
            ),
            format!("bring {} back before anything else is restarted.", named("voter", silent)),
        );
    } else if voters.is_multiple_of(2) {
        report.note(
            format!("{voters} voters survive no more failures than {} would.", voters - 1),
            Some("add a voter or remove one.".to_owned()),
        );
    }
}

fn explain_observers(report: &mut Report, observed: &Observed, quorum: &Quorum) {
    for observer in &quorum.observers {
        let is_voter = quorum.voters.iter().any(|voter| voter.id == observer.id);
        let ago = observer.last_fetch_ms.and_then(|then| quorum.ago_ms(then));
        if let Some(ago) = ago.filter(|ago| *ago > SILENT_MS && !is_voter) {
            let kind = if observed.broker(observer.id).is_some() { "Broker" } else { "Observer" };
            report.note(format!("{kind} {} has fetched no metadata for {}.", observer.id, duration(ago)), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use barnabas_types::Uuid;

    use super::super::report::Severity;
    use super::*;

    const NOW: i64 = 1_000_000;

    fn replica(id: i32, fetched_ago: Option<i64>) -> Replica {
        Replica {
            id,
            directory_id: Uuid::from_u128(1000 + id.unsigned_abs() as u128),
            log_end: Some(50),
            last_fetch_ms: fetched_ago.map(|ago| NOW - ago),
            last_caught_up_ms: fetched_ago.map(|ago| NOW - ago),
        }
    }

    fn seen(voters: Vec<Replica>) -> Observed {
        let quorum = Quorum { leader: 1, epoch: 7, high_watermark: Some(50), voters, ..Quorum::default() };
        Observed {
            cluster_id: "c".into(),
            brokers: Vec::new(),
            quorum: Ok(quorum),
            topics: Vec::new(),
            disks: Default::default(),
            min_insync_replicas: None,
            minimums: std::collections::BTreeMap::new(),
        }
    }

    fn wrong(report: &Report) -> Vec<&str> {
        let wrong = report.findings.iter().filter(|finding| finding.severity == Severity::Wrong);
        wrong.map(|finding| finding.what.as_str()).collect()
    }

    #[test]
    fn a_quorum_whose_voters_fetch_is_well() {
        let report = explain(&seen(vec![replica(1, Some(0)), replica(2, Some(300)), replica(3, Some(400))]));
        assert_eq!(report.findings, []);
        assert_eq!(
            report.state,
            "Node 1 leads it in epoch 7; its voters are nodes 1, 2 and 3; committed up to offset 50."
        );
    }

    #[test]
    fn a_quorum_that_nobody_leads_changes_nothing() {
        let report = explain(&Observed { quorum: Err("timed out".into()), ..seen(Vec::new()) });
        assert!(!report.is_healthy() && report.text().contains("more than half of the voters"), "{}", report.text());
    }

    #[test]
    fn a_silent_voter_is_named_with_the_time_and_the_margin_that_is_left() {
        let report = explain(&seen(vec![replica(1, Some(0)), replica(2, Some(34_000)), replica(3, Some(10))]));
        assert_eq!(wrong(&report).len(), 2, "{report:?}");
        assert_eq!(report.findings[0].for_ms, Some(34_000));
        assert!(report.findings[1].what.starts_with("2 of 3 voters take part"));
        let five = (1..=5).map(|id| replica(id, Some(if id == 5 { 60_000 } else { 0 }))).collect();
        assert_eq!(wrong(&explain(&seen(five))), ["Voter 5 does not fetch from the leader."]);
    }

    #[test]
    fn a_voter_that_never_fetched_is_wrong_without_a_time() {
        let report = explain(&seen(vec![replica(1, Some(0)), replica(2, None), replica(3, Some(0))]));
        assert!(wrong(&report)[0].contains("has not fetched since node 1 leads"));
        assert_eq!(report.findings[0].for_ms, None);
    }

    #[test]
    fn a_voter_with_a_new_disk_is_told_how_to_vote_again() {
        let mut observed = seen(vec![replica(1, Some(0)), replica(2, Some(90_000)), replica(3, Some(0))]);
        let new_disk = Replica { directory_id: Uuid::from_u128(5000), ..replica(2, Some(100)) };
        observed.quorum.as_mut().unwrap().observers.push(new_disk);
        let report = explain(&observed);
        assert!(wrong(&report)[0].contains("another disk than the one it votes with"), "{report:?}");
        assert!(report.findings[0].fix.as_ref().unwrap().contains("remove-controller --controller-id 2"));
    }

    #[test]
    fn a_voter_that_fetches_and_stays_behind_is_slow() {
        let slow = Replica { log_end: Some(20), last_caught_up_ms: Some(NOW - 20_000), ..replica(2, Some(100)) };
        let report = explain(&seen(vec![replica(1, Some(0)), slow, replica(3, Some(0))]));
        assert_eq!(wrong(&report), ["Voter 2 fetches, but lacks 30 committed records."]);
    }

    #[test]
    fn one_voter_and_even_numbers_are_notes() {
        for count in [1, 4] {
            let report = explain(&seen((1..=count).map(|id| replica(id, Some(0))).collect()));
            assert!(report.is_healthy() && report.findings.len() == 1, "{report:?}");
        }
    }

    #[test]
    fn a_broker_that_fetches_no_metadata_is_a_note() {
        let mut observed = seen(vec![replica(1, Some(0))]);
        observed.quorum.as_mut().unwrap().observers.push(replica(9, Some(30_000)));
        observed.brokers.push(super::super::observed::Broker { id: 9, ..Default::default() });
        let report = explain(&observed);
        assert!(
            report.is_healthy() && report.text().contains("Broker 9 has fetched no metadata for 30 s."),
            "{report:?}"
        );
    }
}

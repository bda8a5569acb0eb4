//! The disk reports: a vote is kept, records are kept, or nothing can be kept any more.

use barnabas_types::Offset;

use crate::{Broken, Candidate, ControlRecord, Effect, ElectionState, HaltReason, Node, Resigned, Role};

pub(crate) fn on_election_persisted(node: &mut Node, kept: ElectionState, out: &mut Vec<Effect>) {
    if let Role::Candidate(candidate) = node.role
        && kept == ElectionState::voted(candidate.epoch, node.config.key)
    {
        win(node, candidate, out);
    }
}

fn win(node: &mut Node, candidate: Candidate, out: &mut Vec<Effect>) {
    let leader = candidate.win(node.log.end());
    let records = first_records(node);
    let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
    node.log.begin_epoch(leader.epoch);
    let Some(base_offset) = node.log.extend(count) else {
        node.halt(HaltReason::Broken(Broken::OffsetsExhausted { log_end: leader.epoch_start }), out);
        return;
    };
    out.push(Effect::PersistElection(ElectionState::led(leader.epoch, node.config.key.id)));
    out.push(Effect::AppendControl { base_offset, epoch: leader.epoch, records });
    node.role = Role::Leader(leader);
}

/// The LeaderChange, and the voters where they belong into the log and are not in it (or listen elsewhere by now).
fn first_records(node: &Node) -> Vec<ControlRecord> {
    let voters = node.config.voters.keys();
    let mut records =
        vec![ControlRecord::LeaderChange { leader: node.config.key, granting: vec![node.config.key], voters }];
    if node.config.kraft_version >= 1 && node.config.voters_in_log.as_ref() != Some(&node.config.voters) {
        records.push(ControlRecord::KRaftVersion { version: node.config.kraft_version });
        records.push(ControlRecord::Voters(node.config.voters.clone()));
    }
    records
}

pub(crate) fn on_synced(node: &mut Node, end: Offset, out: &mut Vec<Effect>) {
    let log_end = node.log.end();
    let Role::Leader(leader) = &mut node.role else { return };
    if end > log_end {
        node.halt(HaltReason::Broken(Broken::DurableBeyondEnd { durable_end: end, log_end }), out);
        return;
    }
    let first = leader.high_watermark.is_none();
    if let Some(high_watermark) = leader.synced(end) {
        out.push(Effect::Commit { high_watermark });
        if first {
            out.push(Effect::Lead { epoch: leader.epoch });
        }
    }
}

pub(crate) fn on_disk_failed(node: &mut Node, out: &mut Vec<Effect>) {
    // A failed sync may have dropped pages that were never written: what is in memory proves nothing about the disk.
    if !matches!(node.role, Role::Resigned(Resigned { .. })) {
        node.halt(HaltReason::DiskFailed, out);
    }
}

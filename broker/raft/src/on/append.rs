//! Append: the leader gives a batch its offset; everybody else refuses it.

use barnabas_types::LeaderEpoch;

use crate::{AppendRefusal, Effect, Node, Role};

pub(crate) fn on_append(node: &mut Node, token: u64, decided: LeaderEpoch, records: u32, out: &mut Vec<Effect>) {
    let epoch = node.epoch();
    let refusal = match &node.role {
        // Before its LeaderChange is committed a leader does not know all that is: nobody can have decided anything.
        Role::Leader(leader) if leader.high_watermark.is_some() => {
            if decided != epoch {
                AppendRefusal::OtherEpoch { decided, epoch }
            } else if records == 0 {
                AppendRefusal::Empty
            } else if let Some(base_offset) = node.log.extend(records) {
                out.push(Effect::Append { token, base_offset, epoch });
                out.push(Effect::Sync);
                return;
            } else {
                AppendRefusal::OffsetsExhausted { log_end: node.log.end(), records }
            }
        }
        Role::Leader(_)
        | Role::Unattached(_)
        | Role::Follower(_)
        | Role::Prospective(_)
        | Role::Candidate(_)
        | Role::Resigned(_) => AppendRefusal::NotLeader { epoch },
    };
    out.push(Effect::RefuseAppend { token, refusal });
}

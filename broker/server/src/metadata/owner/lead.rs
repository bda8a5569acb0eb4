//! What the owner does while this node leads the quorum: decisions become records, records wait until they are committed, and whoever
//! asked is answered.

use std::sync::Arc;

use barnabas_metadata::{Context, Controller, MAX_RECORDS_PER_REQUEST, Outcome, first_batch, fit};
use barnabas_protocol::records::metadata::{MetadataRecord, NoOpRecord};
use barnabas_types::{BrokerId, LeaderEpoch, Offset};

use super::{Leading, Owner, Uncommitted};
use crate::metadata::controller::{Completion, Decision};
use crate::metadata::error::{ControllerError, Fatal};
use crate::raft::{self, AppendRecordsError};

impl Owner {
    /// Begins to decide, on what is committed. Writes the first records of a new cluster, or undoes what the one before has cut in half.
    pub(super) fn lead(&mut self, epoch: LeaderEpoch) -> Result<(), Fatal> {
        let mut controller = Controller::new(self.committed.visible().clone());
        #[cfg(feature = "simulated")]
        if let Some(crate::bug::Seeded::Controller(bug)) = self.runtime.bug() {
            controller.put_in(bug);
        }
        controller.activate(self.runtime.now().monotonic, &self.permits);
        self.last_append = self.runtime.now().monotonic;
        if let Some((configured, in_force)) = controller.min_isr_that_does_not_count(&*self.rules) {
            tracing::warn!(
                "min.insync.replicas={configured} in the configuration counts for nothing: the cluster has {in_force}, which `kafka-configs --alter \
                 --entity-type brokers --entity-default` changes (eligible.leader.replicas.version is 1)"
            );
        }
        self.leading = Some(Leading { epoch, controller });
        tracing::info!(epoch = epoch.0, "this node is the active controller");
        if self.committed.in_transaction() {
            self.append(vec![MetadataRecord::AbortTransaction(Default::default())], None)?;
        }
        if self.committed.visible().features.metadata_version() == 0 {
            let bootstrap = raft::read_bootstrap(self.quorum.disk().fs(), &self.metadata_log_dir)?;
            self.append(first_batch(bootstrap, &*self.rules), None)?;
        }
        let own = self.quorum.node().key().id;
        self.active.send_modify(|active| active.id = Some(own));
        self.unpublished = true;
        Ok(())
    }

    /// Decides no more. Records that are not committed may still be, by the next leader: whoever waits for them has to look.
    pub(super) fn leadership_lost(&mut self) {
        if let Some(leading) = self.leading.take() {
            tracing::info!(epoch = leading.epoch.0, "this node is not the active controller any more");
            self.active.send_modify(|active| active.id = active.id.filter(|_| active.epoch > leading.epoch));
            self.unpublished = true;
        }
        for completion in std::mem::take(&mut self.uncommitted).into_iter().filter_map(|one| one.completion) {
            completion(Err(ControllerError::NotController));
        }
    }

    /// Fences the brokers whose sessions have ended. After the commands of a round, which may hold their heartbeats; those that wait for a
    /// later one, and pulses, count as well.
    pub(super) fn fence_silent(&mut self) -> Result<(), Fatal> {
        if let Some(leading) = &mut self.leading {
            for (broker, (epoch, at)) in self.heard.take() {
                leading.controller.heard(broker, epoch, at);
            }
        }
        while self.leading.is_some() {
            let decision: Decision = Box::new(|turn| {
                let nobody_waits: Completion = Box::new(|_| ());
                let Ok((controller, context)) = turn else { return (Vec::new(), nobody_waits) };
                let Outcome { records, response } = controller.fence_silent(context);
                let Some(BrokerId(broker)) = response else { return (records, nobody_waits) };
                let tell: Completion = Box::new(move |written| match written {
                    Ok(_) => tracing::warn!(broker, "a broker has not been heard of for its session timeout: fenced"),
                    Err(error) => {
                        tracing::warn!(broker, %error, "a broker has not been heard of for its session timeout, and cannot be fenced yet")
                    }
                });
                (records, tell)
            });
            let before = self.quorum.log_end();
            self.decide(decision)?;
            if self.quorum.log_end() == before {
                break;
            }
        }
        Ok(())
    }

    /// Elects what is due and nobody asks for. One step a round: others get their turn in between.
    pub(super) fn elect_periodically(&mut self) -> Result<(), Fatal> {
        if self.leading.is_none() {
            return Ok(());
        }
        self.decide(Box::new(|turn| {
            let nobody_waits: Completion = Box::new(|_| ());
            let Ok((controller, context)) = turn else { return (Vec::new(), nobody_waits) };
            let Outcome { records, response } = controller.elect_periodically(context);
            let (Some(election), partitions @ 1..) = (response, records.len()) else { return (records, nobody_waits) };
            let tell: Completion = Box::new(move |written| match written {
                Ok(_) => tracing::info!(?election, partitions, "partitions have another leader"),
                Err(error) => tracing::warn!(?election, partitions, %error, "partitions get no other leader yet"),
            });
            (records, tell)
        }))
    }

    pub(super) fn decide(&mut self, decision: Decision) -> Result<(), Fatal> {
        let Some(leading) = &mut self.leading else {
            drop(decision(Err(ControllerError::NotController)));
            return Ok(());
        };
        let runtime = self.runtime.clone();
        let mut random = move || u128::from_be_bytes(runtime.random_bytes());
        let mut context = Context {
            rules: &*self.rules,
            random: &mut random,
            default_partitions: self.settings.default_partitions,
            default_replication_factor: self.settings.default_replication_factor,
            next_offset: self.quorum.log_end(),
            now: self.runtime.now().monotonic,
            broker_session_timeout: self.settings.broker_session_timeout,
            leader_imbalance_check_interval: self.settings.leader_imbalance_check_interval,
            unclean_leader_election_interval: self.settings.unclean_leader_election_interval,
        };
        let (records, completion) = decision(Ok((&mut leading.controller, &mut context)));
        self.append(records, Some(completion))
    }

    /// Appends records, in as many batches as they need, and lets the controller decide on them from here on.
    fn append(
        &mut self,
        mut records: Vec<MetadataRecord<'static>>,
        mut completion: Option<Completion>,
    ) -> Result<(), Fatal> {
        let Some(leading) = &mut self.leading else {
            completion.into_iter().for_each(|completion| completion(Err(ControllerError::NotController)));
            return Ok(());
        };
        let (now, version) = (self.runtime.now(), leading.controller.head().features.metadata_version());
        // The very first record sets the version; it looks the same in every one.
        let version = if version == 0 { barnabas_metadata::MAX_METADATA_VERSION } else { version };
        // What the log does not say must not become part of the metadata here either.
        records.iter_mut().for_each(|record| fit(record, version));
        let (mut end, mut written, mut refused) = (self.quorum.log_end(), 0, None);
        for chunk in records.chunks(MAX_RECORDS_PER_REQUEST) {
            let error = match self.quorum.append(chunk, version, now) {
                Ok(appended) => {
                    chunk.iter().try_for_each(|record| leading.controller.replay(record))?;
                    (end, written, self.last_append) = (appended, written + chunk.len(), now.monotonic);
                    continue;
                }
                Err(AppendRecordsError::Encode(error)) => ControllerError::Encode(Arc::new(error)),
                Err(AppendRecordsError::Refused(_)) => ControllerError::NotController,
                Err(AppendRecordsError::NoRoom(error)) => ControllerError::NoRoom(Arc::new(error)),
                Err(AppendRecordsError::Quorum(error)) => return Err(error.into()),
            };
            refused = Some(error);
            break;
        }
        if let Some(error) = refused {
            completion.take().into_iter().for_each(|completion| completion(Err(error.clone())));
            if written == 0 {
                return Ok(());
            }
            // What needs several batches holds record by record: what is in the log stays, and the rest is decided on anew.
            records.truncate(written);
            leading.controller.broke_off(now.monotonic);
        }
        self.uncommitted.push_back(Uncommitted { end, records, completion });
        Ok(())
    }

    /// Nothing for a while: a record all the same, so that everybody sees the quorum move.
    pub(super) fn append_no_op(&mut self) -> Result<(), Fatal> {
        let Some(interval) = self.settings.max_idle_interval else { return Ok(()) };
        let idle = self.runtime.now().monotonic.saturating_sub(self.last_append) >= interval;
        if idle && self.leading.is_some() {
            self.append(vec![MetadataRecord::NoOp(NoOpRecord::default())], None)?;
        }
        Ok(())
    }

    /// What was decided and is committed now becomes part of the committed metadata. Returns whom to answer, once it is published.
    pub(super) fn commit_decided(&mut self) -> Result<Vec<(Completion, Offset)>, Fatal> {
        let high_watermark = self.quorum.high_watermark();
        let all = self.uncommitted.back().is_none_or(|last| last.end <= high_watermark);
        // What was decided is what is committed then; replayed again it would be the same a second time in memory.
        let same = all && !self.committed.in_transaction();
        let (mut answers, mut records) = (Vec::new(), Vec::new());
        let (mut ended, mut any) = (self.applied, false);
        while let Some(done) = self.uncommitted.pop_front_if(|next| next.end <= high_watermark) {
            match same {
                true => records.extend(done.records),
                false => done.records.iter().try_for_each(|record| self.committed.replay(record))?,
            }
            (ended, any) = (ended.max(done.end), true);
            answers.extend(done.completion.map(|completion| (completion, done.end)));
        }
        if let Some(leading) = self.leading.as_ref().filter(|_| same && any) {
            self.committed.go_on(leading.controller.head().clone(), &records);
        }
        self.permits.read(self.committed.permit(), self.runtime.now().monotonic);
        let applied = if all { high_watermark.max(ended) } else { ended };
        self.unpublished |= applied > self.applied;
        self.applied = applied;
        Ok(answers)
    }
}

//! Leader election by a Lease: of several operators one acts. The decision is pure; the driver around it only reads, writes and
//! sleeps. A leader that cannot renew in time ends itself before another may begin.

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use std::time::Duration;
use tokio::time::Instant;

/// A leader that was not heard of for so long is taken for gone.
const LEASE_SECONDS: i32 = 15;
/// A leader that could not renew for so long stops by itself; less than the above, so that there are never two.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often a leader renews and others look.
const RETRY: Duration = Duration::from_secs(2);

/// What a candidate knows.
#[derive(Debug, Default)]
pub struct Candidate {
    /// The lease as it was last seen to change, and when that was by our own clock: clocks of other machines are not trusted.
    seen: Option<(Option<String>, Option<MicroTime>, Duration)>,
}

/// What to do about a lease.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write ourselves into it; true when the lease is ours already.
    Hold { renewal: bool },
    /// Somebody else has it.
    Wait,
}

impl Candidate {
    /// Looks at the lease at a moment of a clock that only goes forward.
    pub fn decide(&mut self, lease: &LeaseSpec, identity: &str, now: Duration) -> Decision {
        let holder = lease.holder_identity.as_deref().unwrap_or_default();
        if holder == identity {
            return Decision::Hold { renewal: true };
        }
        if holder.is_empty() {
            return Decision::Hold { renewal: false };
        }
        let current = (lease.holder_identity.clone(), lease.renew_time.clone());
        let since = match &self.seen {
            Some((holder, renewed, since)) if (holder, renewed) == (&current.0, &current.1) => *since,
            _ => now,
        };
        self.seen = Some((current.0, current.1, since));
        let seconds = lease.lease_duration_seconds.unwrap_or(LEASE_SECONDS).clamp(1, 3600);
        if now.saturating_sub(since) >= Duration::from_secs(seconds.unsigned_abs().into()) {
            Decision::Hold { renewal: false }
        } else {
            Decision::Wait
        }
    }
}

/// The lease that the operators of one installation share.
pub struct Election {
    pub api: Api<Lease>,
    pub name: String,
    pub identity: String,
}

impl Election {
    /// Waits until this process is the one that acts.
    pub async fn acquire(&self) {
        let mut candidate = Candidate::default();
        let started = Instant::now();
        loop {
            match self.attempt(&mut candidate, started.elapsed()).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = format!("{error:#}"), lease = self.name, "no leader election"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Renews for as long as this process leads.
    ///
    /// # Errors
    /// The lease went to another process, or could not be renewed in time. The process has to end.
    pub async fn keep(&self) -> Result<()> {
        let mut candidate = Candidate::default();
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RETRY).await;
            let attempt = self.attempt(&mut candidate, renewed.elapsed());
            match tokio::time::timeout_at(renewed + RENEW_DEADLINE, attempt).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => bail!("the lease {} belongs to another operator now", self.name),
                Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), lease = self.name, "lease not renewed"),
                Err(_) => bail!("the lease {} was not renewed for {} s", self.name, RENEW_DEADLINE.as_secs()),
            }
        }
    }

    /// Gives the lease back, so that the next operator need not wait for its end.
    pub async fn release(&self) {
        let released = async {
            let mut lease = self.api.get(&self.name).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(&self.identity) {
                spec.holder_identity = None;
                self.api.replace(&self.name, &PostParams::default(), &lease).await?;
            }
            Ok::<(), kube::Error>(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(RETRY, released).await {
            tracing::debug!(%error, lease = self.name, "lease not given back");
        }
    }

    /// Reads the lease and writes it when it is ours to hold. The resource version keeps two writers apart.
    async fn attempt(&self, candidate: &mut Candidate, elapsed: Duration) -> Result<bool> {
        let Some(mut lease) = self.api.get_opt(&self.name).await.context("read the lease")? else {
            return self.create().await;
        };
        let current = lease.spec.clone().unwrap_or_default();
        let Decision::Hold { renewal } = candidate.decide(&current, &self.identity, elapsed) else { return Ok(false) };
        let now = MicroTime(Timestamp::now());
        let transitions = current.lease_transitions.unwrap_or(0);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            acquire_time: if renewal { current.acquire_time.clone() } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(if renewal { transitions } else { transitions.saturating_add(1) }),
            ..current
        });
        match self.api.replace(&self.name, &PostParams::default(), &lease).await {
            Ok(_) => Ok(true),
            // Somebody was faster; whether that ends our time is seen at the next look.
            Err(kube::Error::Api(status)) if status.code == 409 && !renewal => Ok(false),
            Err(error) => Err(error).context("write the lease"),
        }
    }

    async fn create(&self) -> Result<bool> {
        let now = MicroTime(Timestamp::now());
        let lease = Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(LEASE_SECONDS),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        };
        match self.api.create(&PostParams::default(), &lease).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error).context("make the lease"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str, renewed_second: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed_second).unwrap())),
            ..LeaseSpec::default()
        }
    }

    const fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_lease_that_nobody_holds_is_taken() {
        assert_eq!(Candidate::default().decide(&LeaseSpec::default(), "me", at(0)), Decision::Hold { renewal: false });
    }

    #[test]
    fn a_lease_that_is_renewed_is_left_alone_for_ever() {
        let mut candidate = Candidate::default();
        for second in 0..100 {
            let lease = held_by("other", i64::try_from(second).unwrap() / 10);
            assert_eq!(candidate.decide(&lease, "me", at(second)), Decision::Wait, "at {second} s");
        }
    }

    #[test]
    fn a_lease_that_stands_still_is_taken_after_its_duration_by_our_own_clock() {
        let mut candidate = Candidate::default();
        // Renewed in what looks like the far past: the other machine's clock may be wrong.
        let lease = held_by("other", 5);
        assert_eq!(candidate.decide(&lease, "me", at(1000)), Decision::Wait);
        assert_eq!(candidate.decide(&lease, "me", at(1014)), Decision::Wait);
        assert_eq!(candidate.decide(&lease, "me", at(1015)), Decision::Hold { renewal: false });
    }

    #[test]
    fn a_leader_stops_before_another_may_begin() {
        // At worst the deadline falls into the sleep between two attempts.
        assert!(RENEW_DEADLINE + RETRY < Duration::from_secs(LEASE_SECONDS.unsigned_abs().into()));
    }
}

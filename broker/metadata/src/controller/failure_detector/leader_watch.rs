//! Whether the leader of the quorum answers at its listener, for a voter that may have to take its place: told by what comes of asking there each
//! [`ASK_INTERVAL`], by a connection of its own, so that neither a disk nor a Fetch that waits for news is taken for silence. Decides only
//! when silence is to be told; asks nobody, and what a quorum does about it is the quorum's.

use std::time::Duration;

use barnabas_types::{BrokerId, LeaderEpoch};

use super::OWN_STALL;

/// How often the leader is asked, and how long an answer is awaited before a new connection is tried.
pub const ASK_INTERVAL: Duration = Duration::from_millis(250);
/// How often somebody looks, and silence is told again.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// No answer for so long is silence: a stall of half a second, and all that lies between two answers.
const SILENT_AFTER: Duration = Duration::from_millis(900);

/// The leader answers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderSilence {
    /// Who.
    pub leader: BrokerId,
    /// The epoch that it leads.
    pub epoch: LeaderEpoch,
    /// When it answered last.
    pub since: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub struct LeaderWatch {
    leader: Option<(BrokerId, LeaderEpoch)>,
    /// When it answered last; none when it never has, of which nothing follows.
    answered: Option<Duration>,
    looked: Duration,
    is_silent: bool,
}

impl LeaderWatch {
    /// Another node leads the quorum, in this epoch. While nobody does, what is known of the last one stays: the next may have to know.
    pub fn follow(&mut self, leader: BrokerId, epoch: LeaderEpoch) {
        if self.leader != Some((leader, epoch)) {
            *self = Self { leader: Some((leader, epoch)), looked: self.looked, ..Self::default() };
        }
    }

    /// It has answered.
    pub fn answered(&mut self, leader: BrokerId, now: Duration) {
        if self.leader.is_some_and(|(id, _)| id == leader) {
            (self.answered, self.is_silent) = (Some(now), false);
        }
    }

    /// To be called each [`WATCH_INTERVAL`]: the silence, as long as it lasts. Who has not looked for long was itself asleep, and counts anew.
    pub fn look(&mut self, now: Duration) -> Option<LeaderSilence> {
        if now.saturating_sub(self.looked) > OWN_STALL && self.answered.is_some() {
            (self.answered, self.is_silent) = (Some(now), false);
        }
        self.looked = now;
        self.is_silent = self.answered.is_some_and(|answered| now.saturating_sub(answered) >= SILENT_AFTER);
        self.silence()
    }

    /// Since when `leader`, which the quorum has lost, has been silent; none when it was lost for another reason.
    #[must_use]
    pub fn silent_since(&self, leader: BrokerId) -> Option<Duration> {
        self.silence().filter(|silence| silence.leader == leader).map(|silence| silence.since)
    }

    fn silence(&self) -> Option<LeaderSilence> {
        let (leader, epoch) = self.leader.filter(|_| self.is_silent)?;
        Some(LeaderSilence { leader, epoch, since: self.answered? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: BrokerId = BrokerId(2);
    const EPOCH: LeaderEpoch = LeaderEpoch(5);

    const fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    /// A watch whose leader has answered at the start of `since`, and has been looked at since.
    fn silent_from(since: u64, until: u64) -> (LeaderWatch, Vec<u64>) {
        let mut watch = LeaderWatch::default();
        watch.follow(LEADER, EPOCH);
        watch.look(ms(since));
        watch.answered(LEADER, ms(since));
        let told = (since..=until).step_by(50).filter(|now| watch.look(ms(*now)).is_some()).collect();
        (watch, told)
    }

    #[test]
    fn silence_is_told_after_nearly_a_second_and_again_while_it_lasts() {
        let (mut watch, told) = silent_from(1000, 2000);
        assert_eq!(told, [1900, 1950, 2000]);
        assert_eq!(watch.look(ms(2010)), Some(LeaderSilence { leader: LEADER, epoch: EPOCH, since: ms(1000) }));
        watch.answered(LEADER, ms(2020));
        assert_eq!((watch.look(ms(2030)), watch.silent_since(LEADER)), (None, None));
    }

    #[test]
    fn a_stall_of_half_a_second_behind_an_answer_is_none() {
        let (watch, told) = silent_from(1000, 1000 + 250 + 500 + 100);
        assert_eq!((told, watch.silent_since(LEADER)), (vec![], None));
    }

    #[test]
    fn who_never_answered_is_not_silent() {
        let mut watch = LeaderWatch::default();
        watch.follow(LEADER, EPOCH);
        assert!((0..10_000).step_by(100).all(|now| watch.look(ms(now)).is_none()));
        let (mut watch, _) = silent_from(1000, 2000);
        watch.follow(LEADER, LeaderEpoch(6));
        assert!((2000..10_000).step_by(100).all(|now| watch.look(ms(now)).is_none()), "in another epoch, too");
    }

    #[test]
    fn who_was_asleep_itself_holds_it_against_nobody() {
        let (mut watch, _) = silent_from(1000, 1500);
        assert_eq!(watch.look(ms(2500)), None);
        assert_eq!(watch.look(ms(2800)), None);
        assert_eq!(watch.look(ms(3100)), None);
        assert!(watch.look(ms(3400)).is_some());
    }

    #[test]
    fn the_silence_of_who_was_lost_is_remembered_and_nobody_else_s() {
        let (mut watch, _) = silent_from(1000, 2000);
        watch.follow(LEADER, EPOCH);
        watch.answered(BrokerId(3), ms(2010));
        assert_eq!(watch.silent_since(LEADER), Some(ms(1000)));
        assert_eq!(watch.silent_since(BrokerId(3)), None);
    }
}

//! Tells a replica now and then that its leader answers nothing, whether that is so or not: nothing may hang on the truth of it. Draws no
//! chance, so that a history without it is what it was.

use barnabas_raft::{Follower, Role};
use barnabas_types::Now;

use super::{Failed, Process};

impl Process {
    pub(super) fn hear_of_silence(&mut self, now: Now) -> Result<(), Failed> {
        if let Role::Follower(Follower { leader, epoch, .. }) = *self.driver.node().role()
            && self.hears_of_silence
            && now.monotonic.subsec_millis().is_multiple_of(2)
        {
            self.driver.leader_silent(leader, epoch, now)?;
        }
        Ok(())
    }
}

//! The client's side of a fetch session (KIP-227): which session the next request belongs to. Knows no partition.

/// A fetch session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Session {
    /// 0 when there is none.
    pub id: i32,
    /// The number of the next request; 0 when that begins a session.
    pub epoch: i32,
}

impl Session {
    /// True when the next request names all partitions.
    pub(super) const fn is_full(self) -> bool {
        self.epoch == 0
    }

    /// The leader has answered: it keeps the session `id`, or none.
    pub(super) fn answered(&mut self, id: i32) {
        let next = match self.epoch {
            // After the last number comes 1 again: 0 begins a session.
            i32::MAX => 1,
            epoch => epoch.saturating_add(1),
        };
        *self = if id == 0 { Self::default() } else { Self { id, epoch: next } };
    }

    /// The leader has none, or an answer to a new one made no sense.
    pub(super) fn forgotten(&mut self) {
        *self = Self::default();
    }

    /// The two sides may disagree: the next request ends it and begins another.
    pub(super) fn begin_anew(&mut self) {
        self.epoch = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_a_session_are_numbered_from_1_and_after_the_last_number_from_1_again() {
        let mut session = Session::default();
        assert!(session.is_full());
        session.answered(7);
        assert_eq!(session, Session { id: 7, epoch: 1 });
        session.answered(7);
        assert_eq!(session, Session { id: 7, epoch: 2 });
        session.epoch = i32::MAX;
        session.answered(7);
        assert_eq!(session, Session { id: 7, epoch: 1 });
    }

    #[test]
    fn a_session_that_may_be_out_of_step_is_ended_by_the_request_that_begins_the_next() {
        let mut session = Session { id: 7, epoch: 3 };
        session.begin_anew();
        assert_eq!((session, session.is_full()), (Session { id: 7, epoch: 0 }, true));
        session.forgotten();
        assert_eq!(session, Session::default());
    }
}

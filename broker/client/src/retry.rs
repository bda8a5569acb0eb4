//! When to try again: after growing pauses, until the call's time is up. Knows no API.

use std::time::Duration;

use tokio::time::Instant;

use crate::ClientError;

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause, as `reconnect.backoff.max.ms` of Kafka's clients.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Instant,
    pause: Duration,
}

impl Retry {
    /// Attempts until `call_timeout` from now.
    pub(crate) fn new(call_timeout: Duration) -> Self {
        Self { deadline: Instant::now() + call_timeout, pause: FIRST_PAUSE }
    }

    /// Pauses before the next attempt, or gives the error back when there shall be none.
    pub(crate) async fn after(&mut self, error: ClientError) -> Result<(), ClientError> {
        let resume_at = Instant::now() + self.pause;
        if !error.is_retriable() || resume_at >= self.deadline {
            return Err(error);
        }
        tracing::debug!(%error, pause = ?self.pause, "call failed, trying again");
        tokio::time::sleep_until(resume_at).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::{ApiKey, ErrorCode};

    use super::*;

    fn refused(code: ErrorCode) -> ClientError {
        ClientError::Refused { api: ApiKey::Metadata, what: "t".to_owned(), code, message: None }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_a_second_until_the_time_is_up() {
        let start = Instant::now();
        let mut retry = Retry::new(Duration::from_secs(5));
        let mut resumed = Vec::new();
        while retry.after(refused(ErrorCode::NOT_CONTROLLER)).await.is_ok() {
            resumed.push(start.elapsed().as_millis());
        }
        assert_eq!(resumed, [50, 150, 350, 750, 1550, 2550, 3550, 4550]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_error_comes_back_at_once() {
        let start = Instant::now();
        for code in [ErrorCode::TOPIC_ALREADY_EXISTS, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION] {
            let error = Retry::new(Duration::from_secs(5)).after(refused(code)).await.unwrap_err();
            assert_eq!(error.code(), Some(code));
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

//! Whether a source is worth trying.
//!
//! A source that cannot be connected to several times in a row is left alone for a while: its calls fail at once, and do
//! not wait for a connection each. Then one call tries it, and the others wait for what that one finds.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tidegate_core::{Error, ErrorCode, Result};

/// So many failures to connect in a row open the breaker.
const FAILURES: u32 = 3;

/// How long an open breaker lets nothing through.
const OPEN: Duration = Duration::from_secs(5);

/// The circuit breaker of one source. It is told the time.
pub(crate) struct Breaker(Mutex<State>);

enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        /// Whether a call is trying the source.
        is_tried: bool,
        /// What the last failure said.
        message: String,
    },
}

/// The right to try the source. It is told how that went, and may be dropped when that says nothing of the source.
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    is_trial: bool,
}

impl State {
    fn refusal(&self, now: Instant) -> Option<Error> {
        match self {
            Self::Open { until, is_tried, message } if now < *until || *is_tried => {
                let message = format!("{message}; it failed {FAILURES} times in a row and is left alone for a moment");
                let wait = until.saturating_duration_since(now);
                Some(Error::new(ErrorCode::SourceUnavailable, message).with_retry_after(wait))
            }
            _ => None,
        }
    }
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Closed { failures: 0 }))
    }

    /// Fails while the source is left alone, with the time that is left of it.
    pub(crate) fn check(&self, now: Instant) -> Result<()> {
        self.state().refusal(now).map_or(Ok(()), Err)
    }

    /// Lets a call through, when the source is not left alone.
    pub(crate) fn enter(&self, now: Instant) -> Result<Pass<'_>> {
        let mut state = self.state();
        if let Some(refusal) = state.refusal(now) {
            return Err(refusal);
        }
        let is_trial = match &mut *state {
            State::Closed { .. } => false,
            State::Open { is_tried, .. } => {
                *is_tried = true;
                true
            }
        };
        Ok(Pass { breaker: self, is_trial })
    }

    /// Lets a call through in any case: somebody wants to know whether the source can be reached.
    pub(crate) fn force(&self) -> Pass<'_> {
        Pass { breaker: self, is_trial: false }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can leave the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Notes how the call ended.
    pub(crate) fn note<T>(mut self, outcome: &Result<T>, now: Instant) {
        let mut state = self.breaker.state();
        match outcome {
            Err(error) if error.code() == ErrorCode::SourceUnavailable && error.is_while_connecting() => {
                let failures = match &*state {
                    State::Closed { failures } => failures + 1,
                    State::Open { .. } => FAILURES,
                };
                *state = if failures < FAILURES {
                    State::Closed { failures }
                } else {
                    State::Open { until: now + OPEN, is_tried: false, message: error.message().to_owned() }
                };
                self.is_trial = false;
            }
            Err(error) if !answers(error.code()) => {}
            _ => {
                *state = State::Closed { failures: 0 };
                self.is_trial = false;
            }
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        // A trial that found nothing out leaves it to the next call.
        if self.is_trial
            && let State::Open { is_tried, .. } = &mut *self.breaker.state()
        {
            *is_tried = false;
        }
    }
}

/// Whether an error with this code came from the source. The others may come about without it, or while it is silent.
fn answers(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DatabaseError | ErrorCode::StatementNotAllowed | ErrorCode::SourceAuthenticationFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Result<()> {
        Err(Error::new(ErrorCode::SourceUnavailable, "db:5432 refuses the connection").while_connecting())
    }

    fn failed(code: ErrorCode) -> Result<()> {
        Err(Error::new(code, "no"))
    }

    /// A breaker that has just opened.
    fn open(now: Instant) -> Breaker {
        let breaker = Breaker::new();
        for _ in 0..FAILURES {
            breaker.enter(now).unwrap().note(&down(), now);
        }
        breaker
    }

    #[test]
    fn an_open_breaker_refuses_with_the_last_message_and_the_time_that_is_left() {
        let now = Instant::now();
        let breaker = open(now);
        let error = breaker.enter(now + Duration::from_millis(1500)).err().unwrap();
        assert_eq!((error.code(), error.retry_after_seconds()), (ErrorCode::SourceUnavailable, Some(4)));
        assert!(error.message().starts_with("db:5432 refuses the connection; "), "{error}");
        assert!(!error.is_while_connecting());
    }

    #[test]
    fn only_failures_to_connect_in_a_row_open_it() {
        let now = Instant::now();
        let breaker = Breaker::new();
        for _ in 0..FAILURES {
            breaker.enter(now).unwrap().note(&down(), now);
            breaker.enter(now).unwrap().note(&failed(ErrorCode::DatabaseError), now);
            breaker.enter(now).unwrap().note(&down(), now);
            breaker.enter(now).unwrap().note(&Ok(()), now);
        }
        // The connection of a statement may break though the server is well.
        for _ in 0..2 * FAILURES {
            breaker.enter(now).unwrap().note(&failed(ErrorCode::SourceUnavailable), now);
        }
        assert!(breaker.check(now).is_ok());
    }

    #[test]
    fn one_trial_is_let_through_and_closes_it_when_it_succeeds() {
        let opened = Instant::now();
        let breaker = open(opened);
        let later = opened + OPEN;
        let trial = breaker.enter(later).unwrap();
        assert_eq!(breaker.enter(later).err().unwrap().retry_after_seconds(), Some(1));
        trial.note(&Ok(()), later);
        assert!(breaker.enter(later).is_ok() && breaker.enter(later).is_ok());
    }

    #[test]
    fn a_failed_trial_leaves_it_open_for_as_long_again() {
        let opened = Instant::now();
        let breaker = open(opened);
        let later = opened + OPEN;
        breaker.enter(later).unwrap().note(&down(), later);
        assert_eq!(breaker.enter(later).err().unwrap().retry_after_seconds(), Some(OPEN.as_secs()));
        assert!(breaker.enter(later + OPEN).is_ok());
    }

    #[test]
    fn a_trial_that_found_nothing_out_leaves_it_to_the_next_call() {
        let opened = Instant::now();
        let breaker = open(opened);
        let later = opened + OPEN;
        drop(breaker.enter(later).unwrap());
        breaker.enter(later).unwrap().note(&failed(ErrorCode::Timeout), later);
        breaker.enter(later).unwrap().note(&failed(ErrorCode::DatabaseError), later);
        assert!(breaker.enter(later).is_ok() && breaker.enter(later).is_ok());
    }

    #[test]
    fn a_test_of_the_connection_goes_through_an_open_breaker_and_closes_it() {
        let now = Instant::now();
        let breaker = open(now);
        breaker.force().note(&Ok(()), now);
        assert!(breaker.enter(now).is_ok());
    }
}

//! Where the time of a run goes.

use std::time::Instant;

use tidegate_core::execution::Timing;

/// The moments of a run that its sink sees.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    /// When a session was ready; the last one, when one was lost before it had answered.
    pub(crate) session_ready: Option<Instant>,
    /// When the first row was there, or the answer that there is none.
    pub(crate) answered: Option<Instant>,
}

impl Moments {
    /// The phases between the moments. `rows_ended` is none when the run failed.
    pub(crate) fn timing(self, began: Instant, dispatched: Instant, rows_ended: Option<Instant>) -> Timing {
        let phase = |from: Option<Instant>, to: Option<Instant>| Some(micros(from?, to?));
        Timing {
            prepare_us: micros(began, dispatched),
            session_us: phase(Some(dispatched), self.session_ready),
            first_row_us: phase(self.session_ready, self.answered),
            rows_us: phase(self.answered, rows_ended),
        }
    }
}

/// The microseconds between two moments.
pub(crate) fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_phase_that_was_not_ended_is_absent() {
        let began = Instant::now();
        let at = |micros| began + Duration::from_micros(micros);
        let mut moments = Moments::default();
        let timing = moments.timing(began, at(5), None);
        assert_eq!(timing, Timing { prepare_us: 5, ..Timing::default() });
        moments = Moments { session_ready: Some(at(7)), answered: Some(at(20)) };
        let timing = moments.timing(began, at(5), Some(at(120)));
        let expected = Timing { prepare_us: 5, session_us: Some(2), first_row_us: Some(13), rows_us: Some(100) };
        assert_eq!(timing, expected);
        assert_eq!(moments.timing(began, at(5), None), Timing { rows_us: None, ..expected });
    }
}

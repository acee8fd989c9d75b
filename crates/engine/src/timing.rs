//! Where the time of a run goes.

use std::time::{Duration, Instant};

use tidegate_core::execution::Timing;

/// The moments of a run, as far as it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    /// When the call came in.
    pub(crate) began: Instant,
    /// When its statement was compiled and guarded.
    pub(crate) prepared: Instant,
    /// When its plan was judged; none when no plan was.
    pub(crate) planned: Option<Instant>,
    /// When the source let it in.
    pub(crate) admitted: Option<Instant>,
    /// When a session was ready; the last one, when one was lost before it had answered.
    pub(crate) session_ready: Option<Instant>,
    /// When the first row was there, or the answer that there is none.
    pub(crate) answered: Option<Instant>,
}

impl Moments {
    /// The moments of a run that has a statement and no more.
    pub(crate) fn of(began: Instant, prepared: Instant) -> Self {
        Self { began, prepared, planned: None, admitted: None, session_ready: None, answered: None }
    }

    /// The phases between the moments. `rows_ended` is none when the run failed; `encoding` is the part of the last phase
    /// that went into decoding and encoding.
    pub(crate) fn timing(self, rows_ended: Option<Instant>, encoding: Duration) -> Timing {
        let phase = |from: Option<Instant>, to: Option<Instant>| Some(micros(from?, to?));
        let last = phase(self.answered, rows_ended);
        // It is an estimate, so it may say more than there was.
        let encode = last.map(|last| last.min(whole_micros(encoding)));
        Timing {
            prepare_us: micros(self.began, self.prepared),
            plan_us: phase(Some(self.prepared), self.planned),
            queue_us: phase(self.planned.or(Some(self.prepared)), self.admitted),
            connect_us: phase(self.admitted, self.session_ready),
            first_row_us: phase(self.session_ready, self.answered),
            rows_us: last.zip(encode).map(|(last, encode)| last - encode),
            encode_us: encode,
        }
    }
}

/// So many rows are timed from the first on.
const FIRST: u32 = 4;

/// And one in so many of the others: reading the clock twice takes half as long as encoding a small row.
const SAMPLE: u32 = 32;

/// How long rows take from their first cell to their end, estimated from some of them.
#[derive(Debug, Default)]
pub(crate) struct RowClock {
    rows: u32,
    timed: u32,
    spent: Duration,
    began: Option<Instant>,
}

impl RowClock {
    /// Says that the first cell of a row is there.
    pub(crate) fn row_begins(&mut self) {
        if self.rows < FIRST || self.rows.is_multiple_of(SAMPLE) {
            self.began = Some(Instant::now());
        }
    }

    /// Says that the row is written.
    pub(crate) fn row_ended(&mut self) {
        self.rows = self.rows.saturating_add(1);
        if let Some(began) = self.began.take() {
            self.spent += began.elapsed();
            self.timed += 1;
        }
    }

    /// How long all rows took.
    pub(crate) fn estimate(&self) -> Duration {
        self.spent.mul_f64(f64::from(self.rows) / f64::from(self.timed.max(1)))
    }
}

/// The microseconds between two moments.
pub(crate) fn micros(from: Instant, to: Instant) -> u64 {
    whole_micros(to.saturating_duration_since(from))
}

fn whole_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_was_not_ended_is_absent() {
        let began = Instant::now();
        let at = |micros| began + Duration::from_micros(micros);
        let mut moments = Moments::of(began, at(5));
        assert_eq!(moments.timing(None, Duration::ZERO), Timing { prepare_us: 5, ..Timing::default() });
        moments.admitted = Some(at(6));
        moments.session_ready = Some(at(9));
        moments.answered = Some(at(20));
        let failed = Timing {
            prepare_us: 5,
            queue_us: Some(1),
            connect_us: Some(3),
            first_row_us: Some(11),
            ..Timing::default()
        };
        assert_eq!(moments.timing(None, Duration::from_micros(30)), failed);
        let timing = moments.timing(Some(at(120)), Duration::from_micros(30));
        assert_eq!(timing, Timing { rows_us: Some(70), encode_us: Some(30), ..failed });
        let more_than_there_was = moments.timing(Some(at(120)), Duration::from_secs(1));
        assert_eq!(more_than_there_was, Timing { rows_us: Some(0), encode_us: Some(100), ..failed });
        moments = Moments { prepared: at(3), planned: Some(at(5)), ..moments };
        let planned = moments.timing(None, Duration::ZERO);
        assert_eq!(planned, Timing { prepare_us: 3, plan_us: Some(2), ..failed });
    }

    #[test]
    fn rows_that_are_not_timed_take_as_long_as_those_that_are() {
        let mut clock = RowClock::default();
        assert_eq!(clock.estimate(), Duration::ZERO);
        for _ in 0..100 {
            clock.row_begins();
            clock.row_ended();
        }
        // The first four, then rows 32, 64 and 96.
        assert_eq!((clock.rows, clock.timed), (100, 7));
        clock.spent = Duration::from_micros(7);
        assert_eq!(clock.estimate(), Duration::from_micros(100));
    }
}

//! When each line is due. Numbers only.

use std::time::Duration;

use crate::time::Instant;

/// Line n is due at start + n × interval. This is computed for each line separately, so that a
/// delay of one line doesn't move the next.
///
/// The schedule is held while there is no connection and while the person pauses: afterwards the
/// lines continue where they were, at their own pace, instead of making up for the lost time. The
/// same happens when a line of a live source is late ([`Schedule::postpone`]) and after a seek
/// ([`Schedule::restart`]).
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Duration,
    pace: Pace,
}

#[derive(Clone, Copy, Debug)]
enum Pace {
    NotStarted,
    Running { start: Instant },
    Held { start: Instant, since: Instant },
}

impl Schedule {
    /// Returns a schedule that hasn't started.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, pace: Pace::NotStarted }
    }

    /// Starts, or continues after a [`Schedule::hold`].
    pub fn release(&mut self, now: Instant) {
        match self.pace {
            Pace::NotStarted => self.pace = Pace::Running { start: now },
            Pace::Running { .. } => {}
            Pace::Held { start, since } => self.pace = Pace::Running { start: start + now.since(since) },
        }
    }

    /// Stops until [`Schedule::release`].
    pub fn hold(&mut self, now: Instant) {
        if let Pace::Running { start } = self.pace {
            self.pace = Pace::Held { start, since: now };
        }
    }

    /// Makes line 0 due now, or as soon as the schedule continues.
    pub fn restart(&mut self, now: Instant) {
        match &mut self.pace {
            Pace::NotStarted => {}
            Pace::Running { start } => *start = now,
            Pace::Held { start, since } => *start = *since,
        }
    }

    /// Makes line `n` due now, because it was due but not available before, and delays the lines
    /// after it by the same time.
    pub fn postpone(&mut self, n: u64, now: Instant) {
        if let Some(due) = self.due(n)
            && let Pace::Running { start } = &mut self.pace
        {
            *start = *start + now.since(due);
        }
    }

    /// Returns when line `n`, counted from 0, is due; `None` while nothing is.
    pub fn due(&self, n: u64) -> Option<Instant> {
        let Pace::Running { start } = self.pace else { return None };
        Some(start + self.offset(n))
    }

    /// Returns the time from line 0 to line `n`.
    pub fn offset(&self, n: u64) -> Duration {
        times(self.interval, n)
    }
}

fn times(interval: Duration, n: u64) -> Duration {
    let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(micros.saturating_mul(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_millis(1_000);

    #[test]
    fn a_line_is_due_at_start_plus_n_intervals() {
        let check = |interval: Duration, n: u64, due_us: u64| {
            let mut schedule = Schedule::new(interval);
            assert_eq!(schedule.due(n), None, "nothing is due before the start");
            schedule.release(START);
            assert_eq!(schedule.due(n), Some(Instant::from_micros(1_000_000 + due_us)), "{interval:?}, line {n}");
        };
        check(Duration::from_secs(1), 0, 0);
        check(Duration::from_secs(1), 119, 119_000_000);
        // Rounding errors don't add up: a third of a second to the microsecond.
        check(Duration::from_micros(333_333), 3_000_000, 999_999_000_000);
        check(Duration::ZERO, 1_000_000, 0);
        check(Duration::from_secs(86_400), 10_000_000, 864_000_000_000_000_000);
        check(Duration::from_secs(86_400), u64::MAX, u64::MAX - 1_000_000);
    }

    #[test]
    fn no_line_is_due_while_held_and_the_pace_stays_afterwards() {
        let mut schedule = Schedule::new(Duration::from_secs(1));
        schedule.release(START);
        schedule.hold(START + Duration::from_millis(2_500));
        schedule.hold(START + Duration::from_millis(9_000));
        assert_eq!(schedule.due(3), None);
        schedule.release(START + Duration::from_millis(60_000));
        schedule.release(START + Duration::from_millis(70_000));
        assert_eq!(schedule.due(3), Some(START + Duration::from_millis(60_500)));
        assert_eq!(schedule.due(4), Some(START + Duration::from_millis(61_500)));
    }

    #[test]
    fn a_thousand_lines_end_to_the_microsecond() {
        // Ten pauses of odd lengths, a late line and no rounding in between.
        let mut schedule = Schedule::new(Duration::from_millis(10));
        schedule.release(START);
        let mut late = Duration::ZERO;
        for n in 0..1_000 {
            let due = START + Duration::from_millis(10 * n) + late;
            assert_eq!(schedule.due(n), Some(due), "line {n}");
            if n % 100 == 50 {
                let pause = Duration::from_micros(1_234_567 + n);
                schedule.hold(due + Duration::from_micros(3_141));
                schedule.release(due + Duration::from_micros(3_141) + pause);
                late += pause;
            }
            if n == 500 {
                schedule.postpone(501, due + Duration::from_secs(1));
                late += Duration::from_millis(990);
            }
        }
    }

    #[test]
    fn a_late_line_moves_those_after_it_and_no_early_one_does() {
        let mut schedule = Schedule::new(Duration::from_secs(1));
        schedule.release(START);
        schedule.postpone(3, START + Duration::from_millis(2_900));
        assert_eq!(schedule.due(3), Some(START + Duration::from_secs(3)));
        schedule.postpone(3, START + Duration::from_millis(3_700));
        assert_eq!(schedule.due(3), Some(START + Duration::from_millis(3_700)));
        assert_eq!(schedule.due(4), Some(START + Duration::from_millis(4_700)));
    }

    #[test]
    fn after_a_jump_a_line_is_due_at_once_or_when_it_goes_on() {
        let mut schedule = Schedule::new(Duration::from_secs(1));
        schedule.restart(START);
        assert_eq!(schedule.due(0), None);
        schedule.release(START);
        schedule.restart(START + Duration::from_millis(5_300));
        assert_eq!(schedule.due(1), Some(START + Duration::from_millis(6_300)));
        schedule.hold(START + Duration::from_millis(5_900));
        schedule.restart(START + Duration::from_millis(8_000));
        schedule.release(START + Duration::from_millis(9_000));
        assert_eq!(schedule.due(0), Some(START + Duration::from_millis(9_000)));
    }
}

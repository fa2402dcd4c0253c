//! When which line is due. Numbers only.

use std::time::Duration;

use mqtt_crawl::time::Instant;

/// Line n is due at start + n × interval: computed anew for each line, so that
/// no delay of one line moves the next.
///
/// The schedule is held while there is no connection: afterwards the story goes
/// on where it was, at its own pace, instead of making up for the lost time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
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
    /// A schedule that hasn't started.
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, pace: Pace::NotStarted }
    }

    /// Starts, or goes on after a [`Schedule::hold`].
    pub(crate) fn release(&mut self, now: Instant) {
        match self.pace {
            Pace::NotStarted => self.pace = Pace::Running { start: now },
            Pace::Running { .. } => {}
            Pace::Held { start, since } => self.pace = Pace::Running { start: start + now.since(since) },
        }
    }

    /// Stands still until [`Schedule::release`].
    pub(crate) fn hold(&mut self, now: Instant) {
        if let Pace::Running { start } = self.pace {
            self.pace = Pace::Held { start, since: now };
        }
    }

    /// When line `n`, counted from 0, is due; `None` while nothing is.
    pub(crate) fn due(&self, n: u64) -> Option<Instant> {
        let Pace::Running { start } = self.pace else { return None };
        Some(start + times(self.interval, n))
    }

    /// How long `lines` lines take from the first of them to the last.
    pub(crate) fn span(&self, lines: u64) -> Duration {
        times(self.interval, lines.saturating_sub(1))
    }
}

/// In 128 bits: a script that loops with a day between its lines still has a
/// right answer.
fn times(interval: Duration, n: u64) -> Duration {
    let micros = interval.as_micros().saturating_mul(u128::from(n));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
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
        // No rounding adds up: a third of a second to the microsecond.
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
    fn a_span_has_one_interval_less_than_lines() {
        let schedule = Schedule::new(Duration::from_secs(1));
        assert_eq!(schedule.span(0), Duration::ZERO);
        assert_eq!(schedule.span(1), Duration::ZERO);
        assert_eq!(schedule.span(120), Duration::from_secs(119));
    }
}

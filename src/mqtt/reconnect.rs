//! Whether and when to try again, by reason.
//!
//! A wrong password stays wrong when it is sent again, but a broker that is restarting comes back. The policy
//! distinguishes the two, so that clients aren't locked out and brokers aren't flooded with attempts.

use std::time::Duration;

use super::error::{Failure, Stage};
use super::failure_history::RECURRENT;
use super::packet::ReasonCode;

/// The ceiling of the first wait.
pub const FIRST_WAIT_MAX: Duration = Duration::from_secs(1);
/// The longest wait, except for [`LONG_WAIT`].
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// The wait after a quota or an administrator ended the connection, because an immediate retry would cause it again.
pub const LONG_WAIT: Duration = Duration::from_secs(300);
/// After a connection that lasted this long, waits start from [`FIRST_WAIT_MAX`] again.
pub const STABLE_AFTER: Duration = Duration::from_secs(30);

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No automatic retry: the user has to change something first.
    Never,
    /// After a back-off.
    BackOff,
    /// After a back-off that is never short, because the failure occurred a third time.
    Slow,
    /// After [`LONG_WAIT`].
    Long,
}

/// Decides what to do after this failure; `times` counts its occurrences.
pub fn policy(failure: &Failure, times: u32) -> Retry {
    let retry = match failure {
        Failure::Refused { refusal, .. } => by_reason(refusal.reason()),
        Failure::ServerDisconnect(disconnect) => by_reason(disconnect.reason),
        Failure::EncodeFailed(_) => Retry::Never,
        // The server accepts a WebSocket only to state a refusal: a page of this origin isn't allowed there. Firefox
        // reports such a WebSocket as closed and never as open.
        Failure::Closed { stage: Stage::Dialing | Stage::AwaitingConnAck, closed } if closed.is_refusal() => {
            Retry::Never
        }
        // The server repeats the violation each time, so closing is right and another attempt isn't.
        Failure::Violation(_) if times >= RECURRENT => Retry::Never,
        Failure::Violation(_) | Failure::Closed { .. } | Failure::Timeout(_) => Retry::BackOff,
    };
    if retry == Retry::BackOff && times >= RECURRENT { Retry::Slow } else { retry }
}

/// Whether a server that gives this reason may mean a packet that we sent.
pub fn is_about_packets(reason: ReasonCode) -> bool {
    !matches!(
        reason,
        ReasonCode::SUCCESS
            | ReasonCode::KEEP_ALIVE_TIMEOUT
            | ReasonCode::SESSION_TAKEN_OVER
            | ReasonCode::USE_ANOTHER_SERVER
            | ReasonCode::SERVER_MOVED
            | ReasonCode::ADMINISTRATIVE_ACTION
            // Busy, shutting down, connection rate, connect time.
            | ReasonCode(0x89 | 0x8B | 0x9F | 0xA0)
    )
}

fn by_reason(reason: ReasonCode) -> Retry {
    match reason {
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION
        | ReasonCode::CLIENT_IDENTIFIER_NOT_VALID
        | ReasonCode::BAD_USER_NAME_OR_PASSWORD
        | ReasonCode::NOT_AUTHORIZED
        | ReasonCode::BANNED
        | ReasonCode::BAD_AUTHENTICATION_METHOD
        | ReasonCode::SESSION_TAKEN_OVER
        | ReasonCode::USE_ANOTHER_SERVER
        | ReasonCode::SERVER_MOVED => Retry::Never,
        ReasonCode::QUOTA_EXCEEDED | ReasonCode::ADMINISTRATIVE_ACTION => Retry::Long,
        _ => Retry::BackOff,
    }
}

/// Exponential back-off with full jitter: the n-th wait is between 0 and `FIRST_WAIT_MAX * 2^n`, at most [`WAIT_MAX`],
/// so that a thousand tabs that lost the same broker don\'t reconnect in step.
#[derive(Clone, Debug)]
pub struct BackOff {
    failures: u32,
    random: u64,
}

impl BackOff {
    /// Creates a back-off without failures; equal seeds give equal waits.
    pub fn new(seed: u64) -> Self {
        // xorshift never leaves the state zero.
        Self { failures: 0, random: seed | 1 }
    }

    /// Returns the next wait.
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = self.next_ceiling();
        ceiling.mul_f64(self.fraction())
    }

    /// Returns the next wait that is never short: at least half of the ceiling.
    pub fn next_slow_wait(&mut self) -> Duration {
        let ceiling = self.next_ceiling();
        ceiling.mul_f64(0.5 + self.fraction() / 2.0)
    }

    fn next_ceiling(&mut self) -> Duration {
        let ceiling = FIRST_WAIT_MAX.saturating_mul(1 << self.failures.min(6)).min(WAIT_MAX);
        self.failures = self.failures.saturating_add(1);
        ceiling
    }

    /// Starts over, because the connection works.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// xorshift64*; returns a number in [0, 1).
    fn fraction(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let bits = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::packet::{Disconnect, Refusal};

    #[test]
    fn waits_stay_below_their_ceilings_and_spread_over_them() {
        for (failures, ceiling_s) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (40, 60)] {
            let waits: Vec<_> = (0..1_000)
                .map(|seed| {
                    let mut back_off = BackOff::new(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
                    back_off.failures = failures;
                    back_off.next_wait().as_secs_f64()
                })
                .collect();
            let ceiling = f64::from(ceiling_s);
            assert!(waits.iter().all(|wait| (0.0..=ceiling).contains(wait)));
            let mean = waits.iter().sum::<f64>() / 1_000.0;
            assert!((0.45..0.55).contains(&(mean / ceiling)), "{failures}: mean {mean}");
        }
    }

    #[test]
    fn each_reason_has_its_policy() {
        let refused = |code| Failure::Refused {
            refusal: Refusal::V5(ReasonCode(code)),
            reason_string: None,
            server_reference: None,
        };
        let old = |code| Failure::Refused { refusal: Refusal::V311(code), reason_string: None, server_reference: None };
        for never in [0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x9C, 0x9D] {
            assert_eq!(policy(&refused(never), 1), Retry::Never, "{never:#x}");
        }
        for never in [1, 2, 4, 5] {
            assert_eq!(policy(&old(never), 1), Retry::Never, "{never}");
        }
        for again in [0x80, 0x88, 0x89, 0x9F] {
            assert_eq!(policy(&refused(again), 1), Retry::BackOff, "{again:#x}");
        }
        assert_eq!(policy(&old(3), 1), Retry::BackOff);
        let disconnect = |code| Failure::ServerDisconnect(Disconnect::new(ReasonCode(code)));
        assert_eq!(policy(&disconnect(0x8E), 1), Retry::Never);
        assert_eq!(policy(&disconnect(0x98), 1), Retry::Long);
        assert_eq!(policy(&disconnect(0x8B), 1), Retry::BackOff);
        assert_eq!(policy(&disconnect(0x00), 1), Retry::BackOff);
    }
}

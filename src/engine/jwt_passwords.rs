//! Passwords that are JWTs: what the page shows of the one in its field and of the one in use.

use crate::credentials::jwt::Jwt;
use crate::protocol::connection::Secret;
use crate::protocol::connection::{ConnectionState, JwtInfo};
use crate::time::Instant;

/// The two passwords, as far as they are JWTs.
#[derive(Debug, Default)]
pub(super) struct JwtPasswords {
    /// In the page's password field.
    typed: Option<(Secret, Jwt)>,
    /// In use by the connection.
    in_use: Option<Jwt>,
    /// When they were last checked, in wall-clock time, and until when the result is valid.
    checked_at: Instant,
    changes_at: Option<Instant>,
}

impl JwtPasswords {
    /// When the state changes with time, in wall-clock time.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.changes_at
    }

    /// What is wrong with the token in use, to report if a broker refuses it.
    pub(super) fn error(&self, wall_now: Instant) -> Option<String> {
        self.in_use.as_ref().filter(|token| token.has_expired(wall_now)).map(|token| token.description(wall_now))
    }

    /// What the page shows of the token in its field. `password` is the one in use.
    pub(super) fn info(&self, state: ConnectionState, password: Option<&Secret>) -> Option<JwtInfo> {
        let (typed, token) = self.typed.as_ref()?;
        let is_away = state.is_away();
        Some(JwtInfo {
            text: token.description(self.checked_at),
            has_expired: token.has_expired(self.checked_at),
            can_renew: !is_away && password != Some(typed),
        })
    }

    /// Handles input in the page's password field.
    pub(super) fn inspect(&mut self, password: Secret, wall_now: Instant) {
        self.typed = Jwt::recognise(&password.0).map(|token| (password, token));
        self.refresh(wall_now);
    }

    /// The connection uses this password from now on.
    pub(super) fn use_password(&mut self, password: Option<&Secret>, wall_now: Instant) {
        self.in_use = password.and_then(|password| Jwt::recognise(&password.0));
        self.refresh(wall_now);
    }

    /// Checks the tokens again.
    pub(super) fn refresh(&mut self, wall_now: Instant) {
        let typed = self.typed.iter().map(|(_, token)| token);
        self.checked_at = wall_now;
        self.changes_at = typed.chain(&self.in_use).filter_map(|token| token.next_change(wall_now)).min();
    }
}

/// The bytes for CONNECT. White space around a token comes from pasting and is removed; in any other password it is
/// kept.
pub(super) fn password_bytes(password: &Secret) -> Vec<u8> {
    let text = match Jwt::recognise(&password.0) {
        Some(_) => password.0.trim(),
        None => &password.0,
    };
    text.as_bytes().to_vec()
}

//! Passwords that are JWTs: what the page shows of the one in its field and of the one in use, and how a new one
//! replaces it.

use crate::credentials::jwt::Jwt;
use crate::engine::Engine;
use crate::protocol::connection::Secret;
use crate::protocol::connection::{ConnectionState, JwtInfo};
use crate::time::Instant;

/// The state of the two tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// In the page's password field.
    typed: Option<(Secret, Jwt)>,
    /// In use by the connection.
    in_use: Option<Jwt>,
    /// When they were last checked, and until when the result is valid.
    looked_at: Instant,
    changes_at: Option<Instant>,
}

impl Tokens {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.changes_at
    }

    /// What to report if a broker refuses the token in use.
    pub(super) fn complaint(&self, now: Instant) -> Option<String> {
        self.in_use.as_ref().filter(|token| token.has_expired(now)).map(|token| token.words(now))
    }

    fn look(&mut self, now: Instant) {
        let typed = self.typed.iter().map(|(_, token)| token);
        self.looked_at = now;
        self.changes_at = typed.chain(&self.in_use).filter_map(|token| token.next_change(now)).min();
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

impl Engine {
    pub(super) fn token_note(&self) -> Option<JwtInfo> {
        let (password, token) = self.tokens.typed.as_ref()?;
        let in_use = self.request.as_ref().and_then(|request| request.password.as_ref());
        let is_away = matches!(self.connection.state, ConnectionState::Idle | ConnectionState::Stopped);
        Some(JwtInfo {
            words: token.words(self.tokens.looked_at),
            has_expired: token.has_expired(self.tokens.looked_at),
            can_renew: !is_away && in_use != Some(password),
        })
    }

    /// Handles input in the page's password field.
    pub(super) fn examine(&mut self, password: Secret, now: Instant) {
        self.tokens.typed = Jwt::recognise(&password.0).map(|token| (password, token));
        self.tokens.look(self.wall(now));
        self.page_dirty = true;
    }

    /// Starts the connection with this password.
    pub(super) fn use_password(&mut self, password: Option<&Secret>, now: Instant) {
        self.tokens.in_use = password.and_then(|password| Jwt::recognise(&password.0));
        self.tokens.look(self.wall(now));
    }

    /// Uses this password for the next attempts. The current connection isn't changed, because MQTT can replace
    /// credentials only in an AUTH exchange.
    pub(super) fn renew(&mut self, password: Secret, now: Instant) {
        self.session.set_password(password_bytes(&password));
        self.use_password(Some(&password), now);
        if let Some(request) = &mut self.request {
            request.password = Some(password);
        }
        self.connection.notice = match self.connection.state {
            ConnectionState::Connected => Some("The new token will be used for the next connection.".to_owned()),
            _ => None,
        };
        self.page_dirty = true;
        self.session.wake(now);
    }

    /// Checks the tokens again if their state may have changed with time.
    pub(super) fn tokens_age(&mut self, now: Instant) {
        let wall = self.wall(now);
        if self.tokens.changes_at.is_some_and(|changes_at| changes_at <= wall) {
            self.tokens_look(now);
        }
    }

    /// Checks the tokens again.
    pub(super) fn tokens_look(&mut self, now: Instant) {
        let wall = self.wall(now);
        self.tokens.look(wall);
        self.page_dirty = true;
        if let (ConnectionState::Connected, Some(_)) = (self.connection.state, self.tokens.complaint(wall)) {
            self.connection.notice = Some(
                "This connection's token has expired; the broker may disconnect. Enter a new token in the password \
                 field."
                    .to_owned(),
            );
        }
    }
}

//! The claims of a password that is a signed token (JSON Web Token, RFC 7519), which brokers such as VerneMQ and EMQX
//! accept.
//!
//! Only the broker can check the signature. The claims are read here so that the page can show the token's subject and
//! validity.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::rfc3339;
use crate::time::Instant;

/// The claims that are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwt {
    /// The subject (`sub`, RFC 7519 section 4.1.2).
    pub subject: Option<String>,
    /// The token is refused from then on (`exp`, section 4.1.4); `None`: never.
    pub expires_at: Option<Instant>,
    /// The token is refused before then (`nbf`, section 4.1.5).
    pub not_before: Option<Instant>,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    #[expect(dead_code, reason = "its presence distinguishes a token from other text (RFC 7515, section 4.1.1)")]
    alg: &'a RawValue,
}

/// If a claim has the wrong type, the other claims are still shown; refusing the token is up to the broker.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    sub: Option<&'a RawValue>,
    #[serde(borrow)]
    exp: Option<&'a RawValue>,
    #[serde(borrow)]
    nbf: Option<&'a RawValue>,
}

impl Jwt {
    /// Parses a password; returns `None` if it isn't a signed token.
    pub fn recognise(password: &str) -> Option<Self> {
        let mut parts = password.trim().split('.');
        let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let (header, claims) = (decode(header)?, decode(claims)?);
        serde_json::from_str::<Header<'_>>(&header).ok()?;
        let claims: Claims<'_> = serde_json::from_str(&claims).ok()?;
        Some(Self {
            subject: claims.sub.and_then(|sub| serde_json::from_str(sub.get()).ok()),
            expires_at: claims.exp.and_then(moment),
            not_before: claims.nbf.and_then(moment),
        })
    }

    /// Whether a broker with the same clock refuses it as expired.
    pub fn has_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// When the text of [`Jwt::description`] changes next.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        [self.not_before, self.expires_at].into_iter().flatten().filter(|&change| change > now).min()
    }

    /// The text that describes the token.
    pub fn description(&self, now: Instant) -> String {
        let whose = match &self.subject {
            Some(subject) => format!("JWT for “{subject}”"),
            None => "JWT without a subject".to_owned(),
        };
        match (self.expires_at, self.not_before) {
            (Some(expires_at), _) if self.has_expired(now) => {
                format!("{whose}. Expired on {}. Enter a new token.", Utc(expires_at))
            }
            (_, Some(not_before)) if not_before > now => {
                format!("{whose}. Valid from {}.", Utc(not_before))
            }
            (Some(expires_at), _) => format!("{whose}. Expires on {}.", Utc(expires_at)),
            (None, _) => format!("{whose}. Never expires."),
        }
    }
}

fn decode(part: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Parses seconds since the epoch, possibly with a fraction (RFC 7519, NumericDate), which is dropped.
fn moment(claim: &RawValue) -> Option<Instant> {
    let number = claim.get();
    if number.starts_with('-') {
        return Some(Instant::EPOCH);
    }
    let seconds: u64 = number.split('.').next()?.parse().ok()?;
    Some(Instant::from_millis(seconds.saturating_mul(1_000)))
}

/// A UTC time in seconds.
pub(crate) struct Utc(pub(crate) Instant);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut time = Vec::new();
        rfc3339::put_time(self.0, &mut time);
        let time = String::from_utf8_lossy(&time);
        match (time.get(..10), time.get(11..19)) {
            (Some(day), Some(second)) => write!(f, "{day} at {second} UTC"),
            _ => f.write_str(&time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T10:00:00Z
    const NOW: Instant = Instant::from_millis(1_795_255_200_000);

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn claims_are_described() {
        for (claims, text) in [
            (r#"{"sub":"alice","exp":1795258800}"#, "JWT for “alice”. Expires on 2026-11-21 at 11:00:00 UTC."),
            (
                r#"{"sub":"alice","exp":1795255200}"#,
                "JWT for “alice”. Expired on 2026-11-21 at 10:00:00 UTC. Enter a new token.",
            ),
            (r#"{"iat":1}"#, "JWT without a subject. Never expires."),
            (
                r#"{"sub":"b","exp":1795258800.5,"nbf":1795255201}"#,
                "JWT for “b”. Valid from 2026-11-21 at 10:00:01 UTC.",
            ),
            // Types that the RFC doesn't allow, and times out of range.
            (r#"{"sub":7,"exp":"soon"}"#, "JWT without a subject. Never expires."),
            (r#"{"exp":-5}"#, "JWT without a subject. Expired on 1970-01-01 at 00:00:00 UTC. Enter a new token."),
        ] {
            let jwt = Jwt::recognise(&token(r#"{"alg":"HS256"}"#, claims)).expect(claims);
            assert_eq!(jwt.description(NOW), text);
        }
        let far = Jwt::recognise(&token(r#"{"alg":"none"}"#, r#"{"exp":99999999999999999}"#)).expect("a token");
        assert!(!far.has_expired(NOW), "{}", far.description(NOW));
    }

    #[test]
    fn other_passwords_are_not_recognised() {
        let good = token(r#"{"alg":"HS256"}"#, "{}");
        assert!(Jwt::recognise(&format!("  {good}\n")).is_some(), "pasted with a line's end");
        for password in [
            "",
            "secret",
            "a.b.c",
            "1.2.3",
            "..",
            &format!("{good}.more"),
            &token(r#"{"typ":"JWT"}"#, "{}"),
            &token("[]", "{}"),
            &token(r#"{"alg":"HS256"}"#, "7"),
            &token(r#"{"alg":"HS256"}"#, "\u{0}"),
        ] {
            assert_eq!(Jwt::recognise(password), None, "{password}");
        }
    }

    #[test]
    fn next_change_of_the_description() {
        let jwt = Jwt {
            expires_at: Some(Instant::from_millis(9)),
            not_before: Some(Instant::from_millis(5)),
            ..Jwt::default()
        };
        for (now_ms, next_ms) in [(0, Some(5)), (5, Some(9)), (9, None)] {
            assert_eq!(jwt.next_change(Instant::from_millis(now_ms)), next_ms.map(Instant::from_millis));
        }
    }
}

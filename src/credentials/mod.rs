//! Finds and removes credentials in the text of an address, a user name or a link.
//!
//! Gateways accept credentials in the query of a WebSocket's address: presigned URLs of AWS and Google, shared access
//! signatures of Azure, `?access_token=`. AWS custom authorizers accept them in the user name. Such a text is sent
//! exactly as it was typed. For display, storage and links, [`redact_url`] or [`redact_user_name`] of it is used.

pub mod jwt;

use std::ops::Range;

use crate::credentials::jwt::Jwt;
use crate::time::Instant;
use crate::{rfc3339, urlencoded};

/// Complete names of credentials; compared without case, punctuation and a number at the end.
///
/// `code` is the key of an Azure function.
const NAMES: [&str; 20] = [
    "pw",
    "psw",
    "pin",
    "sig",
    "sign",
    "sas",
    "hmac",
    "otp",
    "totp",
    "psk",
    "cred",
    "creds",
    "code",
    "basic",
    "ticket",
    "session",
    "sess",
    "sid",
    "assertion",
    "senha",
];

/// Suffixes of credential names.
const NAME_ENDS: [&str; 6] = ["auth", "pass", "pwd", "key", "sessid", "sas"];

/// Names with such a suffix that hold no credential.
const OTHER_KEYS: [&str; 6] = ["publickey", "partitionkey", "rowkey", "sortkey", "routingkey", "orderingkey"];

/// Substrings of credential names.
const NAME_PARTS: [&str; 20] = [
    "sessionid",
    "password",
    "passwort",
    "kennwort",
    "passwd",
    "passphrase",
    "passcode",
    "motdepasse",
    "contrase",
    "secret",
    "token",
    "signature",
    "credential",
    "apikey",
    "accesskey",
    "authorization",
    "authentication",
    "authz",
    "bearer",
    "jwt",
];

/// Whether a parameter of this name holds a credential, such as `token`, `X-Amz-Signature` or `api_key`.
pub fn is_credential_name(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let name = name.trim_end_matches(|char: char| char.is_ascii_digit());
    NAMES.contains(&name)
        || NAME_ENDS.iter().any(|end| name.ends_with(end)) && !OTHER_KEYS.iter().any(|other| name.ends_with(other))
        || NAME_PARTS.iter().any(|part| name.contains(part))
}

/// Returns the address without user name and password, and with empty values for parameters that contain credentials.
/// Accepts any text, even if it isn't an address yet.
///
/// The names of the parameters are kept, so that a receiver of the address sees what is missing.
pub fn redact_url(url: &str) -> String {
    redact_url_in(url, 0)
}

/// The same for an address in that many others.
fn redact_url_in(url: &str, depth: usize) -> String {
    let mut url = url.to_owned();
    while let Some(range) = user_info(&url) {
        url.replace_range(range, "");
    }
    let (path, query) = split_query(&url);
    redact_path(path, depth) + &redact_query(query, depth)
}

/// Returns the user name with empty values for parameters that contain credentials; empty if the whole name is a signed
/// token (JWT).
pub fn redact_user_name(user_name: &str) -> String {
    let (name, query) = split_query(user_name);
    // Azure's signature is meant for the password, but is typed into either field.
    match holds_token(name) || name.trim_start().starts_with("SharedAccessSignature ") {
        true => String::new(),
        false => redact_query(name, 0) + &redact_query(query, 0),
    }
}

/// The range of user name and password in an address, including the `@` after them.
///
/// Passwords are typed unescaped, with `/`, `?` and `@` in them, although an address would have to escape these. So if
/// the text before the first of these characters can't be host and port, the credentials end at the last `@`.
pub fn user_info(url: &str) -> Option<Range<usize>> {
    let is_scheme = |name: &str| !name.contains([':', '@', '/', '?', '#']);
    let start = url.split_once("://").filter(|(name, _)| is_scheme(name)).map_or(0, |(name, _)| name.len() + 3);
    let rest = &url[start..];
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    // A bracket starts an IPv6 address.
    let is_bad_port = !authority.starts_with('[')
        && authority
            .split_once(':')
            .is_some_and(|(_, port)| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()));
    // `ws:///…`, `//…`, `ws:/…`, `ws//…`, `ws://ws://…`: the first part isn't a host.
    let is_no_host = authority.is_empty() || is_bad_port || start == 0 && rest[authority.len()..].starts_with("//");
    let searched = if is_no_host { rest } else { authority };
    let end = ["@", "%40"].into_iter().filter_map(|at| Some(searched.rfind(at)? + at.len())).max()?;
    Some(start..start + end)
}

/// Returns when the credentials in an address expire, if it has such dates: the earliest of them.
pub fn url_expires_at(url: &str) -> Option<Instant> {
    let parameters: Vec<_> = parameters(split_query(url).1).collect();
    let value_of =
        |name: &str| parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let presigned = ["X-Amz-", "X-Goog-"].into_iter().filter_map(|vendor| {
        let signed_at = compact_time(value_of(&format!("{vendor}Date"))?)?;
        let seconds: u32 = value_of(&format!("{vendor}Expires"))?.parse().ok()?;
        Some(signed_at + std::time::Duration::from_secs(seconds.into()))
    });
    // `se` of a shared access signature: seconds, or a date.
    let names = ["se", "exp", "expires", "expires_at", "expires_on", "expiry", "expiration"];
    let named = names.into_iter().filter_map(|name| {
        let value = value_of(name)?;
        // A shared access signature may have only a date, or no seconds.
        let parse = |rest: &str| rfc3339::parse_time(&format!("{}{rest}", value.trim_end_matches('Z')));
        unix_time(value)
            .or_else(|| ["Z", ":00Z", "T00:00:00Z"].into_iter().find_map(parse))
            .or_else(|| rfc3339::parse_time(value))
    });
    let tokens = parameters.iter().filter_map(|(_, value)| Jwt::recognise(value)?.expires_at);
    presigned.chain(named).chain(tokens).min()
}

/// Splits before the first `?` or `#`.
fn split_query(text: &str) -> (&str, &str) {
    text.split_at(text.find(['?', '#']).unwrap_or(text.len()))
}

/// Returns a path without those levels that are signed tokens, and without credentials in its parameters: a level may
/// be `name=value`, or have `;name=value` at its end.
fn redact_path(path: &str, depth: usize) -> String {
    path.split('/').map(|level| redact_query(level, depth)).collect::<Vec<_>>().join("/")
}

/// The number of addresses and queries that are looked for in one another. What is encoded more often is removed.
const NESTED_MAX: usize = 4;

/// Returns the query, with its `?`, without the values that are credentials.
fn redact_query(query: &str, depth: usize) -> String {
    let parts = query.split_inclusive(SEPARATORS).map(|part| {
        let (parameter, separator) = part.split_at(part.trim_end_matches(SEPARATORS).len());
        let (name, value) = parameter.split_once('=').unwrap_or(("", parameter));
        let text = decoded(value);
        let is_switch = ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word));
        let is_credential = is_credential_name(&decoded(&decoded(name))) && !is_switch
            || holds_token(&text)
            || is_header(&text)
            // The value may be an address or a query itself, or JSON.
            || depth == NESTED_MAX && text != value
            || depth < NESTED_MAX && text.contains("://") && redact_url_in(&text, depth + 1) != text
            || depth < NESTED_MAX && text != value && redact_query(&text, depth + 1) != text
            || text.starts_with('{') && text.split('"').any(is_credential_name);
        match is_credential {
            true => format!("{}{separator}", &parameter[..parameter.len() - value.len()]),
            false => part.to_owned(),
        }
    });
    parts.collect()
}

/// Whether a word of a text is a signed token, alone or after another word such as `Bearer`.
fn holds_token(text: &str) -> bool {
    text.split_whitespace().any(|word| Jwt::recognise(word).is_some())
}

/// Whether a text is the value of an `Authorization` header.
fn is_header(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(scheme, _)| ["Bearer", "Basic"].iter().any(|is| scheme.eq_ignore_ascii_case(is)))
}

/// The characters between parameters, and before the first one.
const SEPARATORS: [char; 4] = ['?', '#', '&', ';'];

fn parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split(SEPARATORS).filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        Some((decoded(name), decoded(value)))
    })
}

/// Text that can't be decoded is returned unchanged.
fn decoded(text: &str) -> String {
    urlencoded::decode(text).unwrap_or_else(|| text.to_owned())
}

/// `20261130T101112Z`, as in presigned URLs.
fn compact_time(text: &str) -> Option<Instant> {
    let part = |range: Range<usize>| text.get(range);
    let (date, time) = (part(0..8)?, part(8..16)?);
    rfc3339::parse_time(&format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date.get(..4)?,
        date.get(4..6)?,
        date.get(6..)?,
        time.get(1..3)?,
        time.get(3..5)?,
        time.get(5..7)?
    ))
}

/// Seconds since the epoch, or milliseconds if there are so many; shorter numbers mean something else.
fn unix_time(text: &str) -> Option<Instant> {
    let number: u64 = text.parse().ok().filter(|&number| number > 1_000_000_000)?;
    Some(Instant::from_millis(if number > 100_000_000_000 { number } else { number * 1_000 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `{"alg":"none"}`, `{"exp":1795258800}`
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3OTUyNTg4MDB9.c2ln";

    /// Without a limit each level would double the work.
    #[test]
    fn addresses_in_one_another_end() {
        let within =
            |inner: &str| format!("ws://host/?a={}", inner.replace('%', "%25").replace('?', "%3F").replace('=', "%3D"));
        let nested = |levels: usize, inner: &str| (0..levels).fold(inner.to_owned(), |inner, _| within(&inner));
        assert_eq!(redact_url(&nested(40, "ws://host/mqtt")), "ws://host/?a=");
        let harmless = nested(2, "ws://host/mqtt?room=1");
        assert_eq!(redact_url(&harmless), harmless);
        assert_eq!(redact_url(&nested(2, "ws://host/mqtt?token=1")), "ws://host/?a=");
    }

    #[test]
    fn addresses_lose_their_credentials_and_nothing_else() {
        for (url, redacted) in [
            ("wss://host:8084/mqtt", "wss://host:8084/mqtt"),
            ("wss://host/a@b/mqtt?room=a@b", "wss://host/a@b/mqtt?room=a@b"),
            ("ws://[::1]:8083/mqtt", "ws://[::1]:8083/mqtt"),
            ("", ""),
            ("wss://ana:secret@host/mqtt", "wss://host/mqtt"),
            ("wss://ana@host", "wss://host"),
            ("ana:secret@host:8083/mqtt", "host:8083/mqtt"),
            ("http://ana:se@cret@host", "http://host"),
            ("wss://ana:se/cr?et@host/mqtt", "wss://host/mqtt"),
            ("wss://ana:secret%40host/mqtt", "wss://host/mqtt"),
            ("wss://wss://ana:secret@host/mqtt", "wss://host/mqtt"),
            ("ws:///ana:secret@host", "ws://host"),
            ("//ana:secret@host", "host"),
            ("ws:/ana:secret@host", "host"),
            ("ws:\\\\ana:secret@host", "host"),
            ("ws//ana:secret@host", "host"),
            ("wss://ana:secret@[::1]:8084/mqtt", "wss://[::1]:8084/mqtt"),
            ("wss://gate/?target=mqtt://ana:secret@host", "wss://gate/?target="),
            ("wss://gate/?target=mqtt%3A%2F%2Fana%3Asecret%40host", "wss://gate/?target="),
            ("wss://gate/?target=mqtt://host", "wss://gate/?target=mqtt://host"),
            ("wss://host/mqtt;token=secret/a;b=c", "wss://host/mqtt;token=/a;b=c"),
            ("wss://host/?withCredentials=true&oauth=false", "wss://host/?withCredentials=true&oauth=false"),
            ("wss://host/mqtt?token=secret", "wss://host/mqtt?token="),
            ("wss://host/mqtt?a=1&access_token=secret&b=2", "wss://host/mqtt?a=1&access_token=&b=2"),
            ("wss://host/mqtt?a=1;%74oken=secret#jwt=secret", "wss://host/mqtt?a=1;%74oken=#jwt="),
            ("wss://host/mqtt?%2574oken=secret", "wss://host/mqtt?%2574oken="),
            ("wss://host/mqtt?token%3Dsecret&a=1", "wss://host/mqtt?&a=1"),
            ("wss://host/mqtt?back=%2Fx%3Ftoken%3Dsecret&a=b%3Dc", "wss://host/mqtt?back=&a=b%3Dc"),
            ("wss://host/mqtt?data=%7B%22token%22%3A%22secret%22%7D", "wss://host/mqtt?data="),
            ("wss://host/mqtt?header=Bearer%20secret", "wss://host/mqtt?header="),
            ("wss://host/token=secret/mqtt", "wss://host/token=/mqtt"),
            ("wss://host/mqtt?token=&secret=", "wss://host/mqtt?token=&secret="),
            (
                "wss://x.iot.aws.example/mqtt?X-Amz-Date=20261130T101112Z&X-Amz-Credential=secret&X-Amz-Signature=secret",
                "wss://x.iot.aws.example/mqtt?X-Amz-Date=20261130T101112Z&X-Amz-Credential=&X-Amz-Signature=",
            ),
            (
                "wss://host/?sr=hub&sig=sec%2Fret%3D&se=1795258800&skn=owner",
                "wss://host/?sr=hub&sig=&se=1795258800&skn=owner",
            ),
            (&format!("wss://host/mqtt?t={TOKEN}&a=1"), "wss://host/mqtt?t=&a=1"),
            (&format!("wss://host/mqtt?{TOKEN}"), "wss://host/mqtt?"),
            (&format!("wss://host/{TOKEN}/mqtt"), "wss://host//mqtt"),
        ] {
            assert_eq!(redact_url(url), redacted, "{url}");
        }
    }

    #[test]
    fn user_names_keep_their_at_sign() {
        for (user_name, redacted) in [
            ("ana@example.com", "ana@example.com"),
            ("hub.example/device/?api-version=2021-04-12", "hub.example/device/?api-version=2021-04-12"),
            (
                "ana?x-amz-customauthorizer-name=a&x-amz-customauthorizer-signature=secret&token=secret",
                "ana?x-amz-customauthorizer-name=a&x-amz-customauthorizer-signature=&token=",
            ),
            (TOKEN, ""),
            (&format!("Bearer {TOKEN}"), ""),
            ("SharedAccessSignature sr=h&sig=secret&se=1", ""),
            ("user=ana&password=secret", "user=ana&password="),
            ("ana;Token=secret", "ana;Token="),
        ] {
            assert_eq!(redact_user_name(user_name), redacted, "{user_name}");
        }
    }

    #[test]
    fn names_are_known_in_any_spelling() {
        for name in [
            "pw",
            "auth",
            "apikey",
            "api-key",
            "API_KEY",
            "jwt",
            "key",
            "sig",
            "credential",
            "token",
            "id_token",
            "X-Amz-Security-Token",
            "X-Goog-Signature",
            "sharedaccesssignature",
            "db_password",
            "basicAuth",
            "pass",
            "key1",
            "app_key",
            "AppKey",
            "device-key",
            "Passwort",
            "contraseña",
            "PHPSESSID",
            "sid",
            "hmac",
            "sign",
            "ticket",
            "authentication",
            "x-ms-sas",
        ] {
            assert!(is_credential_name(name), "{name}");
        }
        for name in
            ["", "room", "user", "client_id", "se", "sr", "partition_key", "publicKey", "keyboard", "author", "design"]
        {
            assert!(!is_credential_name(name), "{name}");
        }
    }

    #[test]
    fn url_expiry_is_parsed() {
        for (url, expires_ms) in [
            ("wss://host/mqtt", None),
            ("wss://host/mqtt?X-Amz-Date=20261121T100000Z&X-Amz-Expires=3600", Some(1_795_258_800_000)),
            ("wss://host/mqtt?x-goog-date=20261121T100000Z&x-goog-expires=60", Some(1_795_255_260_000)),
            ("wss://host/mqtt?X-Amz-Date=today&X-Amz-Expires=3600", None),
            ("wss://host/mqtt?sig=a&se=1795258800", Some(1_795_258_800_000)),
            ("wss://host/mqtt?sig=a&se=2026-11-21T11%3A00%3A00Z", Some(1_795_258_800_000)),
            ("wss://host/mqtt?expires=20", None),
            ("wss://host/mqtt?sig=a&se=2026-11-21T11:00Z", Some(1_795_258_800_000)),
            ("wss://host/mqtt?sig=a&se=2026-11-21", Some(1_795_219_200_000)),
            ("wss://host/mqtt?expiry=1795258800000", Some(1_795_258_800_000)),
            (&format!("wss://host/mqtt?t={TOKEN}&exp=1795258801"), Some(1_795_258_800_000)),
        ] {
            assert_eq!(url_expires_at(url), expires_ms.map(Instant::from_millis), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_password_survives(
            password in "[A-Z][ -~]{3,12}Z",
            scheme in prop::sample::select(vec!["", "ws://", "wss://", "http://"]),
            tail in prop::sample::select(vec!["", "/mqtt", ":8083/mqtt?a=1"]),
        ) {
            let url = format!("{scheme}ana:{password}@host{tail}");
            // A number before a slash could be a port.
            prop_assume!(!password.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert_eq!(redact_url(&url), format!("{scheme}host{tail}"));
        }

        #[test]
        fn once_is_enough(text in "(wss://)?[a-z:@/?&=#%0-9.]{0,40}") {
            let once = redact_url(&text);
            prop_assert_eq!(redact_url(&once), once.clone());
        }
    }
}

//! The address of a broker, as a person enters it.
//!
//! `ws`, `wss`, `mqtt` and `mqtts` URLs are parsed but never rewritten: the socket gets what was typed, path and query
//! included. The parser is written by hand, because the crate `url` and its tables would add more to the page's size
//! than all users of this module together.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::credentials;

/// The scheme of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// MQTT over a WebSocket.
    Ws,
    /// MQTT over a WebSocket over TLS.
    Wss,
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over TLS.
    Mqtts,
}

impl Scheme {
    /// The default port.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Ws => 80,
            Self::Wss => 443,
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
        }
    }

    /// The scheme as text, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
        }
    }

    /// Whether the connection is encrypted.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Wss | Self::Mqtts)
    }

    /// Whether it uses a WebSocket.
    pub const fn is_web_socket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Ws, Self::Wss, Self::Mqtt, Self::Mqtts]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.name()))
    }
}

/// A broker's address with valid parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BrokerUrl {
    text: String,
    scheme: Scheme,
    host: String,
    port: u16,
    path_at: usize,
}

/// What is wrong with an address. The text says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerUrlError {
    /// The address is empty.
    #[error("The broker URL is empty. Enter one like ws://127.0.0.1:8080/mqtt.")]
    Empty,
    /// It contains a space or control character.
    #[error("The broker URL contains a space or an invisible character. Remove it, or write %20 in the path.")]
    Blank,
    /// It doesn't start with `scheme://`.
    #[error("The broker URL has no scheme. Did you mean {suggestion} ?")]
    MissingScheme {
        /// The address with a scheme in front.
        suggestion: String,
    },
    /// It has a scheme for web pages.
    #[error("{scheme}:// is for web pages. Use {suggestion} instead.")]
    WebPage {
        /// The address as entered.
        scheme: String,
        /// The address with a WebSocket scheme.
        suggestion: String,
    },
    /// It has an unsupported scheme.
    #[error("Unsupported scheme {scheme}://. Use ws://, wss://, mqtt:// or mqtts://.")]
    UnknownScheme {
        /// The scheme as entered.
        scheme: String,
    },
    /// It has `user:password@` before the host.
    #[error(
        "The broker URL contains a user name or password. Remove everything up to the @ and use the fields for user \
         name and password instead: URLs are visible and get shared."
    )]
    Credentials,
    /// It has a `#…` at the end.
    #[error("The broker URL contains a #. The broker receives nothing after it: remove it, or write %23 in the path.")]
    Fragment,
    /// There is nothing between `://` and the port or path.
    #[error("The broker URL has no host, e.g. {scheme}://127.0.0.1:8080/mqtt.")]
    NoHost {
        /// The scheme as entered.
        scheme: &'static str,
    },
    /// The host contains characters beyond ASCII.
    #[error("Use the ASCII form (Punycode, xn--…) of the host name {host}.")]
    HostNotAscii {
        /// The host as entered.
        host: String,
    },
    /// The host is invalid.
    #[error("{host} isn't a host name or an IP address. Write IPv6 addresses in brackets: [::1].")]
    BadHost {
        /// The host as entered.
        host: String,
    },
    /// The port is invalid.
    #[error("The port must be a number from 1 to 65535.")]
    BadPort,
    /// It is a TCP address, which a browser can't open.
    #[error(
        "Browsers can't open TCP connections, so {scheme}:// doesn't work here. Use the address of the broker's \
         WebSocket listener, for example {suggestion} (on a different port than {port})."
    )]
    TcpInBrowser {
        /// The scheme as entered.
        scheme: &'static str,
        /// A WebSocket address on the same host.
        suggestion: String,
        /// The TCP port, as entered or by default.
        port: u16,
    },
}

impl BrokerUrl {
    /// Parses an address. White space around it is removed; nothing else is changed.
    ///
    /// # Errors
    /// The first problem, with what to do about it.
    pub fn parse(text: &str) -> Result<Self, BrokerUrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BrokerUrlError::Empty);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BrokerUrlError::Blank);
        }
        if credentials::user_info(text).is_some() {
            return Err(BrokerUrlError::Credentials);
        }
        let Some((scheme_name, rest)) = text.split_once("://") else {
            return Err(BrokerUrlError::MissingScheme { suggestion: with_scheme(text) });
        };
        let Some(scheme) = Scheme::parse(scheme_name) else {
            return Err(wrong_scheme(scheme_name, rest));
        };
        if rest.contains('#') {
            return Err(BrokerUrlError::Fragment);
        }
        let authority_bytes = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let authority = &rest[..authority_bytes];
        let (host, port) = split_port(authority, scheme)?;
        let path_at = text.len() - rest.len() + authority_bytes;
        if text[path_at..].starts_with('\\') {
            return Err(BrokerUrlError::BadHost { host: authority.to_owned() });
        }
        Ok(Self { text: text.to_owned(), scheme, host, port, path_at })
    }

    /// The whole address as it was entered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host name or IP address; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; the scheme's default if none is given.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path and query exactly as entered; may be empty.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// Whether the broker runs on the machine of the page.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Whether the address belongs to this machine or a private network.
    pub fn is_local(&self) -> bool {
        is_local(&self.host)
    }

    /// Returns the address, if a page may open it.
    ///
    /// # Errors
    /// A TCP address.
    pub fn for_browser(self) -> Result<Self, BrokerUrlError> {
        if !self.scheme.is_web_socket() {
            let port = self.port;
            let (scheme, example_port) = if self.scheme.is_tls() { ("wss", 8084) } else { ("ws", 8080) };
            let path = if self.path().len() > 1 { self.path() } else { "/mqtt" };
            let suggestion = format!("{scheme}://{}:{example_port}{path}", self.bracketed_host());
            let suggestion = credentials::redact_url(&suggestion);
            return Err(BrokerUrlError::TcpInBrowser { scheme: self.scheme.name(), suggestion, port });
        }
        Ok(self)
    }

    /// The text about `ws://` to another machine on a page that was loaded over https: browsers block such mixed
    /// content, but a person may have allowed it for the site. All browsers but Safari exempt loopback.
    pub fn mixed_content(&self, page: PageOrigin) -> Option<String> {
        if !page.is_https || self.scheme != Scheme::Ws || self.is_loopback() {
            return None;
        }
        let suggestion = credentials::redact_url(&format!("wss{}", &self.text[Scheme::Ws.name().len()..]));
        Some(format!(
            "Browsers block ws:// to other machines from https pages, unless the site is allowed insecure content. Use \
             {suggestion} (the broker needs a TLS listener), or open this page over http."
        ))
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The origin of the page, which decides what browsers let it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageOrigin {
    /// It was loaded over https.
    pub is_https: bool,
    /// It was loaded neither from this machine nor from a private network.
    pub is_public: bool,
}

impl PageOrigin {
    /// Parses `location.origin`, such as `https://host:8443`; a file has `null`.
    pub fn parse(origin: &str) -> Self {
        let (scheme, rest) = origin.split_once("://").unwrap_or_default();
        let host = match rest.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => rest.split([':', '/']).next(),
        };
        let is_public = host.is_some_and(|host| !host.is_empty() && !is_local(host));
        Self { is_https: scheme == "https", is_public }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    // RFC 6761, section 6.3: the same holds for all names below it.
    host.rsplit('.').next().is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Decided by the address alone: a name that resolves to a private address isn't recognised, except for those of
/// multicast DNS.
fn is_local(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    is_loopback(host)
        || name.ends_with(".local")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_private() || ip.is_link_local())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_unique_local() || ip.is_unicast_link_local())
}

fn with_scheme(text: &str) -> String {
    let rest = text.trim_start_matches(['/', ':']);
    format!("ws://{}", if rest.is_empty() { "127.0.0.1:8080/mqtt".to_owned() } else { credentials::redact_url(rest) })
}

fn wrong_scheme(scheme: &str, rest: &str) -> BrokerUrlError {
    let lower = scheme.to_ascii_lowercase();
    let better = match lower.as_str() {
        "http" => "ws",
        "https" => "wss",
        "tcp" => "mqtt",
        "ssl" | "tls" => "mqtts",
        _ => {
            return BrokerUrlError::UnknownScheme { scheme: scheme.to_owned() };
        }
    };
    if lower.starts_with("http") {
        return BrokerUrlError::WebPage {
            scheme: lower,
            suggestion: format!("{better}://{}", credentials::redact_url(rest)),
        };
    }
    BrokerUrlError::UnknownScheme { scheme: scheme.to_owned() }
}

/// Host (without brackets) and port of `host`, `host:port` or `[ipv6]:port`.
fn split_port(authority: &str, scheme: Scheme) -> Result<(String, u16), BrokerUrlError> {
    // The text after a colon may be a password whose @ isn't typed yet.
    let shown = if authority.starts_with('[') { authority } else { authority.split(':').next().unwrap_or_default() };
    let bad_host = || BrokerUrlError::BadHost { host: shown.to_owned() };
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (host, rest) = inside.split_once(']').ok_or_else(bad_host)?;
            host.parse::<Ipv6Addr>().map_err(|_| bad_host())?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return Err(bad_host()),
            };
            (host, port)
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            check_name(host, scheme)?;
            if port.is_some_and(|port| port.contains(':')) {
                return Err(bad_host());
            }
            (host, port)
        }
    };
    let port = match port {
        None => scheme.default_port(),
        Some(text) => parse_port(text).ok_or(BrokerUrlError::BadPort)?,
    };
    Ok((host.to_owned(), port))
}

/// Digits only: `u16::from_str` would accept a sign.
fn parse_port(text: &str) -> Option<u16> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&port| port != 0)
}

fn check_name(host: &str, scheme: Scheme) -> Result<(), BrokerUrlError> {
    /// RFC 1035, section 2.3.4.
    const NAME_MAX_BYTES: usize = 253;
    if host.is_empty() {
        return Err(BrokerUrlError::NoHost { scheme: scheme.name() });
    }
    if !host.is_ascii() {
        return Err(BrokerUrlError::HostNotAscii { host: host.to_owned() });
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let sound = name.len() <= NAME_MAX_BYTES
        && name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    // A name that ends in a number is an IPv4 address or invalid, as in browsers, which would refuse 1.2.3.400 without
    // giving a reason.
    let ends_in_number =
        name.rsplit('.').next().is_some_and(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()));
    if !sound || (ends_in_number && name.parse::<Ipv4Addr>().is_err()) {
        return Err(BrokerUrlError::BadHost { host: host.to_owned() });
    }
    Ok(())
}

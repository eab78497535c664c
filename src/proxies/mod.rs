//! Which proxy is used for what, as `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in
//! upper or lower case. No I/O.
//!
//! A variable that is set and cannot be used is an error, and never ignored: whoever sets it does
//! not want requests to go out directly. No error has a value: it may have a password.

mod exceptions;

use std::fmt;
use std::net::Ipv6Addr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};

use self::exceptions::Exceptions;
use crate::config::Environment;

/// The proxies.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    all: Option<Proxy>,
    exceptions: Exceptions,
}

impl Proxies {
    /// As the environment says.
    ///
    /// # Errors
    /// A variable cannot be used.
    pub fn new(environment: &Environment) -> Result<Self, String> {
        let value = |upper: &str| {
            let lower = upper.to_ascii_lowercase();
            let (first, second) = (environment.text(upper)?, environment.text(&lower)?);
            let parsed = |name: &str, value: Option<&str>| {
                let unusable = |why| format!("{name} cannot be used: {why}");
                value.map(|value| Proxy::parse(value).map_err(unusable)).transpose()
            };
            // Both count, so that neither is wrong without anybody noticing.
            let (first, second) = (parsed(upper, first)?, parsed(&lower, second)?);
            Ok::<_, String>(first.or(second))
        };
        let (http, https, all) = (value("HTTP_PROXY")?, value("HTTPS_PROXY")?, value("ALL_PROXY")?);
        let (upper, lower) = (environment.text("NO_PROXY")?, environment.text("no_proxy")?);
        Ok(Self {
            http,
            https,
            all,
            exceptions: Exceptions::parse(upper.or(lower).unwrap_or_default()),
        })
    }

    /// The proxy for requests to this URL.
    #[must_use]
    pub fn find(&self, uri: &Uri) -> Option<&Proxy> {
        self.find_or(uri, self.all.as_ref())
    }

    /// As [`Self::find`], but without `ALL_PROXY`, which programs in Go do not read.
    #[must_use]
    pub fn find_as_go(&self, uri: &Uri) -> Option<&Proxy> {
        self.find_or(uri, None)
    }

    fn find_or<'a>(&'a self, uri: &Uri, all: Option<&'a Proxy>) -> Option<&'a Proxy> {
        let (proxy, default_port) = match uri.scheme_str() {
            Some("http") => (&self.http, 80),
            Some("https") => (&self.https, 443),
            _ => return None,
        };
        let proxy = proxy.as_ref().or(all)?;
        let port = uri.port_u16().unwrap_or(default_port);
        let is_exception = self.exceptions.contain(uri.host()?, port);
        Some(proxy).filter(|_| !is_exception)
    }
}

/// What is spoken to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// SOCKS 5. The proxy resolves names.
    Socks5,
}

impl Protocol {
    fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub protocol: Protocol,
    /// As in a URL: an IPv6 address is in brackets.
    host: String,
    port: u16,
    login: Option<(String, String)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Proxy").field(&self.uri()).finish()
    }
}

/// The longest that SOCKS 5 can send (<https://www.rfc-editor.org/rfc/rfc1929>).
const LONGEST_OF_SOCKS: usize = 255;

impl Proxy {
    /// Parses a URL. Without a scheme, HTTP is spoken.
    ///
    /// # Errors
    /// It is no URL of a proxy.
    pub fn parse(url: &str) -> Result<Self, String> {
        let is_usable = |char: char| char.is_ascii_graphic() && !"\"'<>\\^`{|}".contains(char);
        if !url.chars().all(is_usable) {
            return Err("it has a space, a line break, a quote or another character that URLs do \
                        not have"
                .to_owned());
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "http" => Protocol::Http,
            "https" => Protocol::Https,
            "socks5" | "socks5h" => Protocol::Socks5,
            _ => return Err("its scheme must be http, https or socks5".to_owned()),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !["", "/"].contains(&path) {
            let why = "nothing may follow its host and port; in a password write / as %2F, ? as \
                       %3F and # as %23";
            return Err(why.to_owned());
        }
        let (login, address) = match authority.split_once('@') {
            Some((login, address)) => (Some(parse_login(login, protocol)?), address),
            None => (None, authority),
        };
        let (host, port) = parse_address(address, protocol)?;
        Ok(Self { protocol, host, port, login })
    }

    /// The URL, without user and password.
    #[must_use]
    pub fn uri(&self) -> Uri {
        self.uri_of("").unwrap_or_default()
    }

    /// The URL with user and password, for a client that takes nothing else.
    #[must_use]
    pub fn uri_with_login(&self) -> Uri {
        let Some((user, password)) = &self.login else { return self.uri() };
        // Each byte as `%61`: any of them may have a meaning in a URL.
        let encoded = |text: &str| {
            let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
            bytes.collect::<String>()
        };
        let login = format!("{}:{}@", encoded(user), encoded(password));
        self.uri_of(&login).unwrap_or_else(|| self.uri())
    }

    fn uri_of(&self, login: &str) -> Option<Uri> {
        let Self { protocol, host, port, .. } = self;
        format!("{}://{login}{host}:{port}/", protocol.scheme()).parse().ok()
    }

    /// User and password.
    #[must_use]
    pub fn login(&self) -> Option<(&str, &str)> {
        self.login.as_ref().map(|(user, password)| (&**user, &**password))
    }

    /// User and password as HTTP sends them.
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        let (user, password) = self.login()?;
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn parse_login(login: &str, protocol: Protocol) -> Result<(String, String), String> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (user, password) = (decoded(user), decoded(password));
    let unusable = || "in a user or password write % as %25 and @ as %40".to_owned();
    let (user, password) = user.zip(password).ok_or_else(unusable)?;
    if protocol == Protocol::Socks5 && user.len().max(password.len()) > LONGEST_OF_SOCKS {
        return Err(format!("SOCKS takes users and passwords of up to {LONGEST_OF_SOCKS} bytes"));
    }
    Ok((user, password))
}

/// The text with its percent encodings resolved.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            bytes.extend(hex::decode(after.get(..2)?).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

fn parse_address(address: &str, protocol: Protocol) -> Result<(String, u16), String> {
    if address.contains('@') {
        return Err("it has more than one @; in a password write it as %40".to_owned());
    }
    let end_of_host = match address.find(']') {
        Some(bracket) => bracket + 1,
        None => address.find(':').unwrap_or(address.len()),
    };
    let (host, port) = address.split_at(end_of_host);
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_name = |host: &str| {
        let is_of_name = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        host.chars().any(|char| char.is_ascii_alphanumeric()) && host.chars().all(is_of_name)
    };
    let is_host = inner.map_or_else(|| is_name(host), |ip| ip.parse::<Ipv6Addr>().is_ok());
    if !is_host {
        return Err("it has no valid host; write an IPv6 address in brackets".to_owned());
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => protocol.default_port(),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().ok().filter(|port| *port > 0).ok_or(NO_PORT)?
        }
        _ => return Err(NO_PORT.to_owned()),
    };
    Ok((host.to_ascii_lowercase(), port))
}

const NO_PORT: &str = "its port is not a number from 1 to 65535";

#[cfg(test)]
mod tests;

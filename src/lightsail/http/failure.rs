//! Why there was no answer: one text for each cause, with the host. No text contains anything that
//! differs between requests, or secrets of a URL (such as a proxy's password).

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use http::{StatusCode, Uri};
use k8s_openapi::jiff::Timestamp;

use crate::lightsail::stable_text::stable;

/// The name of a host has no address.
#[derive(Debug, thiserror::Error)]
#[error("DNS: {0}")]
pub(super) struct NoAddress(pub(super) io::Error);

/// The CA that issued a certificate is not trusted. Its name, as in `CN=Example CA,O=Example`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnknownIssuer(pub(super) String);

/// There was no answer, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lightsail) struct Failure {
    /// The host of the request, with its port if that is unusual.
    host: String,
    /// The proxy on the way there, if it is the proxy that failed.
    proxy: Option<String>,
    pub(in crate::lightsail) cause: Cause,
    /// The SDK was told to use such endpoints, and this is one.
    is_fips: bool,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lightsail) enum Cause {
    NameNotResolved,
    NameUnanswered,
    Refused,
    ConnectTimeout,
    ConnectFailed(String),
    ProxyAnswered(StatusCode),
    UntrustedIssuer(String),
    Tls(String),
    Timeout(Duration),
    /// By the host, or by something on the way.
    Closed {
        is_before_sending: bool,
    },
    Lost(String),
    Answered(u16),
    /// What cannot be an answer.
    Unreadable(u16),
    /// A credentials server provides none. It says why in plain text, or not at all.
    Denied {
        status: u16,
        why: Option<String>,
    },
    Insecure,
}

impl Cause {
    /// A label of metrics.
    pub(in crate::lightsail) fn code(&self) -> &'static str {
        match self {
            Self::NameNotResolved | Self::NameUnanswered => "NameNotResolved",
            Self::Refused => "ConnectionRefused",
            Self::ConnectTimeout => "ConnectTimeout",
            Self::ConnectFailed(_) => "ConnectionFailed",
            Self::ProxyAnswered(_) => "ProxyRefused",
            Self::UntrustedIssuer(_) => "UntrustedCertificate",
            Self::Tls(_) => "TLSFailed",
            Self::Timeout(_) => TIMEOUT,
            Self::Closed { .. } => "ConnectionClosed",
            Self::Lost(_) => "ConnectionLost",
            Self::Answered(_) => "ServiceError",
            Self::Unreadable(_) => UNREADABLE,
            Self::Denied { .. } => "CredentialsDenied",
            Self::Insecure => "InsecureEndpoint",
        }
    }

    /// Whether it proves that the request did not reach its host.
    pub(in crate::lightsail) fn is_before_sending(&self) -> bool {
        match self {
            Self::NameNotResolved
            | Self::NameUnanswered
            | Self::Refused
            | Self::ConnectTimeout
            | Self::ConnectFailed(_)
            | Self::ProxyAnswered(_)
            | Self::UntrustedIssuer(_)
            | Self::Tls(_)
            | Self::Insecure => true,
            Self::Closed { is_before_sending } => *is_before_sending,
            Self::Timeout(_)
            | Self::Lost(_)
            | Self::Answered(_)
            | Self::Unreadable(_)
            | Self::Denied { .. } => false,
        }
    }
}

/// The code of an answer that did not come in time.
pub(in crate::lightsail) const TIMEOUT: &str = "Timeout";

/// The code of what cannot be an answer.
pub(in crate::lightsail) const UNREADABLE: &str = "UnreadableAnswer";

/// The code of what cannot be an answer either, but asks for fewer requests.
pub(in crate::lightsail) const TOO_MANY: &str = "TooManyRequests";

/// Its message.
pub(in crate::lightsail) fn unreadable(host: &str, status: u16) -> String {
    format!("{host} returned HTTP {status} with a body that is not an API response")
}

impl Failure {
    pub(in crate::lightsail) fn new(uri: &Uri, cause: Cause) -> Self {
        Self { host: host(uri), proxy: None, cause, is_fips: false }
    }

    pub(in crate::lightsail) fn of_proxy(uri: &Uri, proxy: &Uri, cause: Cause) -> Self {
        Self { proxy: Some(host(proxy)), ..Self::new(uri, cause) }
    }

    /// The same, where `AWS_USE_FIPS_ENDPOINT` or the profile asks for such endpoints.
    pub(super) fn with_fips(self) -> Self {
        let is_fips = self.host.split('.').any(|label| label.ends_with("-fips"));
        Self { is_fips, ..self }
    }

    /// What an error of the HTTP client means. Connection errors contain their own causes.
    pub(super) fn of(uri: &Uri, error: &(dyn StdError + 'static)) -> Self {
        let own = chain(error).find_map(|error| error.downcast_ref::<Self>());
        own.cloned().unwrap_or_else(|| {
            let is_closed = chain(error).any(is_closing);
            let closed = Cause::Closed { is_before_sending: false };
            let cause = if is_closed { closed } else { Cause::Lost(innermost(error)) };
            Self::new(uri, cause)
        })
    }

    /// Who closed a connection is unknown, so the proxy is always named.
    pub(super) fn by_way_of(self, proxy: Option<&Uri>) -> Self {
        let is_closed = matches!(self.cause, Cause::Closed { .. });
        Self { proxy: self.proxy.or(proxy.filter(|_| is_closed).map(host)), ..self }
    }
}

/// Whether a connection was closed. Depending on the moment, that shows as a reset, an early end or
/// a failed write.
fn is_closing(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof, WriteZero,
    };
    let is_closed = |error: &hyper::Error| {
        error.is_incomplete_message() || error.is_closed() || error.is_canceled()
    };
    let kinds =
        [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof, WriteZero];
    error.downcast_ref().is_some_and(is_closed)
        || error.downcast_ref::<io::Error>().is_some_and(|error| kinds.contains(&error.kind()))
}

/// What an error during a connection attempt means.
pub(super) fn cause_of(error: &(dyn StdError + 'static)) -> Cause {
    for error in chain(error) {
        if let Some(NoAddress(error)) = error.downcast_ref() {
            let is_late = error.kind() == io::ErrorKind::TimedOut;
            return if is_late { Cause::NameUnanswered } else { Cause::NameNotResolved };
        }
        if let Some(UnknownIssuer(issuer)) = error.downcast_ref() {
            return Cause::UntrustedIssuer(issuer.clone());
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            if let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = error
                && let Some(UnknownIssuer(issuer)) = other.0.downcast_ref()
            {
                return Cause::UntrustedIssuer(issuer.clone());
            }
            return Cause::Tls(tls_words(error));
        }
        match error.downcast_ref().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Cause::Refused,
            Some(io::ErrorKind::TimedOut) => return Cause::ConnectTimeout,
            _ => {}
        }
        if is_closing(error) {
            return Cause::Closed { is_before_sending: true };
        }
    }
    Cause::ConnectFailed(innermost(error))
}

/// What is wrong with a certificate, without the time of the check, which differs each time.
fn tls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError::{ExpiredContext, NotValidYetContext};
    use rustls::pki_types::UnixTime;
    let date = |time: &UnixTime| {
        let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    };
    let rustls::Error::InvalidCertificate(invalid) = error else {
        return stable(&error.to_string());
    };
    if let ExpiredContext { not_after, .. } = invalid {
        return format!("its certificate expired at {}", date(not_after));
    }
    if let NotValidYetContext { not_before, .. } = invalid {
        let date = date(not_before);
        return format!("its certificate is not valid before {date}; is the clock right?");
    }
    stable(&error.to_string())
}

/// The error and its sources. An `io::Error` hides the error that it was made from: its source is
/// that error's source.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

/// The innermost error says most.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    stable(&chain(error).last().unwrap_or(error).to_string())
}

/// Longer words, with the port, are left out of messages.
const LONGEST_HOST: usize = 110;

/// Host and port; without the port if it is the scheme's own.
pub(super) fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let cut = host.get(..LONGEST_HOST).map(|start| format!("{start}…"));
    let host = cut.filter(|_| host.len() > LONGEST_HOST).unwrap_or_else(|| host.to_owned());
    match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => host,
        (Some(port), _) => format!("{host}:{port}"),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, proxy, cause, is_fips } = self;
        let peer =
            proxy.as_ref().map_or_else(|| host.clone(), |proxy| format!("the proxy {proxy}"));
        match cause {
            Cause::NameNotResolved => write!(formatter, "DNS has no address for {peer}")?,
            Cause::NameUnanswered => write!(formatter, "DNS gave no answer for {peer}")?,
            Cause::Refused => write!(formatter, "{peer} refuses connections")?,
            Cause::ConnectTimeout => {
                write!(formatter, "{peer} cannot be reached: the connection timed out")?;
            }
            Cause::ConnectFailed(why) => write!(formatter, "{peer} cannot be reached: {why}")?,
            Cause::ProxyAnswered(status) => {
                let status = status.as_u16();
                write!(formatter, "{peer} refused to connect to {host}: it returned {status}")?;
                if status == 407 {
                    formatter.write_str("; put the user and password into the URL of the proxy")?;
                }
            }
            Cause::UntrustedIssuer(issuer) => write!(
                formatter,
                "the certificate of {peer} is from an unknown CA ({issuer}); if that is a private \
                 CA or the CA of a proxy, set AWS_CA_BUNDLE to the file with its certificate"
            )?,
            Cause::Tls(why) => write!(formatter, "TLS with {peer} failed: {why}")?,
            Cause::Timeout(time) => {
                write!(formatter, "{host} did not respond within {time:.0?}")?;
            }
            Cause::Closed { .. } => {
                write!(formatter, "the connection to {host} ")?;
                if let Some(proxy) = proxy {
                    write!(formatter, "through the proxy {proxy} ")?;
                }
                formatter.write_str("was closed")?;
            }
            Cause::Lost(why) => write!(formatter, "the connection to {host} was lost: {why}")?,
            Cause::Answered(status) | Cause::Denied { status, why: None } => {
                write!(formatter, "{host} returned HTTP {status}")?;
            }
            Cause::Denied { status, why: Some(why) } => {
                write!(formatter, "{host} returned HTTP {status}: {why}")?;
            }
            Cause::Unreadable(status) => formatter.write_str(&unreadable(host, *status))?,
            Cause::Insecure => write!(
                formatter,
                "nothing was sent to {host}: the endpoint uses plain HTTP to another machine; use \
                 https, or if you are sure, set --allow-insecure-endpoints (in the chart, \
                 aws.allowInsecureEndpoint)"
            )?,
        }
        if *cause == Cause::NameNotResolved && proxy.is_none() && *is_fips {
            formatter.write_str(
                "; AWS_USE_FIPS_ENDPOINT is set, and not every service has a FIPS endpoint in \
                 every region",
            )?;
        }
        Ok(())
    }
}

impl StdError for Failure {}

#[cfg(test)]
mod tests {
    use rustls::pki_types::UnixTime;

    use super::*;
    use crate::lightsail::Error;

    #[test]
    fn a_name_without_an_address_is_told_however_long_it_is() {
        let told = |uri: &str| Failure::new(&uri.parse().unwrap(), Cause::NameNotResolved);
        let fips = told("https://sts-fips.eu-west-1.amazonaws.com/");
        assert_eq!(fips.to_string(), "DNS has no address for sts-fips.eu-west-1.amazonaws.com");
        assert!(fips.with_fips().to_string().contains("; AWS_USE_FIPS_ENDPOINT is set"));
        let other = told("https://sts.eu-west-1.amazonaws.com/").with_fips().to_string();
        assert_eq!(other, "DNS has no address for sts.eu-west-1.amazonaws.com");
        let long = told(&format!("https://{}.example:8443/", "a".repeat(200))).to_string();
        assert_eq!(long, format!("DNS has no address for {}…:8443", "a".repeat(110)));
    }

    #[test]
    fn the_dates_of_a_certificate_are_kept_and_the_time_of_the_check_is_not() {
        use rustls::CertificateError::{ExpiredContext, NotValidYetContext};
        let at = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
        let uri = Uri::from_static("https://sts.example/");
        for (time, not_after, not_before) in [(2_000, 1_000, 3_000), (2_500, 1_000, 3_000)] {
            for (error, expected) in [
                (
                    ExpiredContext { time: at(time), not_after: at(not_after) },
                    "TLS with sts.example failed: its certificate expired at 1970-01-01T00:16:40Z",
                ),
                (
                    NotValidYetContext { time: at(time), not_before: at(not_before) },
                    "TLS with sts.example failed: its certificate is not valid before \
                     1970-01-01T00:50:00Z; is the clock right?",
                ),
            ] {
                let cause = cause_of(&rustls::Error::InvalidCertificate(error));
                let error = Error::from(&Failure::new(&uri, cause));
                assert_eq!(error.message, expected);
            }
        }
    }

    #[test]
    fn the_proxy_is_named_by_which_a_connection_went_that_was_closed() {
        let uri = Uri::from_static("https://sts.example/");
        let proxy = Uri::from_static("http://proxy.example:3128/");
        let closed = |is_before_sending| Cause::Closed { is_before_sending };
        let expected =
            "the connection to sts.example through the proxy proxy.example:3128 was closed";
        for failure in [
            Failure::of_proxy(&uri, &proxy, closed(true)),
            Failure::new(&uri, closed(true)).by_way_of(Some(&proxy)),
            Failure::new(&uri, closed(false)).by_way_of(Some(&proxy)),
        ] {
            assert_eq!(failure.to_string(), expected);
        }
        let other = Failure::new(&uri, Cause::Answered(503)).by_way_of(Some(&proxy));
        assert_eq!(other.to_string(), "sts.example returned HTTP 503");
        let denied = Cause::Denied { status: 403, why: Some("no association".to_owned()) };
        let denied = Failure::new(&uri, denied).to_string();
        assert_eq!(denied, "sts.example returned HTTP 403: no association");
    }
}

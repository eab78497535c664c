//! Why there was no answer: one text for each cause, with the host. No text has what differs from
//! one request to the next, or what a URL may hide (a password of a proxy).

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use http::{StatusCode, Uri};
use k8s_openapi::jiff::Timestamp;

/// The name of a host has no address.
#[derive(Debug, thiserror::Error)]
#[error("DNS: {0}")]
pub(super) struct NoAddress(pub(super) io::Error);

/// The CA that issued a certificate is not known here. Its name, as in `CN=Example CA,O=Example`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnknownIssuer(pub(super) String);

/// There was no answer, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lightsail) struct Failure {
    /// The host that was to be reached, with its port if that is unusual.
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
    Lost(String),
    Answered(u16),
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
            Self::Timeout(_) => "Timeout",
            Self::Lost(_) => "ConnectionLost",
            Self::Answered(_) => "ServiceError",
            Self::Insecure => "InsecureEndpoint",
        }
    }

    /// Whether it proves that the request did not get to its host.
    pub(in crate::lightsail) fn is_before_sending(&self) -> bool {
        !matches!(self, Self::Timeout(_) | Self::Lost(_) | Self::Answered(_))
    }
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

    /// What an error of the HTTP client means. Errors of connecting have their own in them.
    pub(super) fn of(uri: &Uri, error: &(dyn StdError + 'static)) -> Self {
        let own = chain(error).find_map(|error| error.downcast_ref::<Self>());
        own.cloned().unwrap_or_else(|| Self::new(uri, Cause::Lost(innermost(error))))
    }
}

/// What an error met while a connection was made means.
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
    }
    Cause::ConnectFailed(innermost(error))
}

/// What is wrong with a certificate, without the time of the check.
fn tls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError::{ExpiredContext, NotValidYetContext};
    use rustls::pki_types::UnixTime;
    let date = |time: &UnixTime| {
        let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    };
    let rustls::Error::InvalidCertificate(invalid) = error else { return error.to_string() };
    if let ExpiredContext { not_after, .. } = invalid {
        return format!("its certificate expired at {}", date(not_after));
    }
    if let NotValidYetContext { not_before, .. } = invalid {
        let date = date(not_before);
        return format!("its certificate is not valid before {date}; is the clock right?");
    }
    error.to_string()
}

/// The error and what is behind it. An `io::Error` hides the error that it was made of: its own
/// source is that error's source.
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

/// The last error behind this one says most.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
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
            Cause::NameUnanswered => write!(formatter, "DNS did not answer about {peer}")?,
            Cause::Refused => write!(formatter, "{peer} refuses connections")?,
            Cause::ConnectTimeout => {
                write!(formatter, "{peer} cannot be reached: nothing answers there")?;
            }
            Cause::ConnectFailed(why) => write!(formatter, "{peer} cannot be reached: {why}")?,
            Cause::ProxyAnswered(status) => {
                let status = status.as_u16();
                write!(formatter, "{peer} does not connect to {host}: it answered {status}")?;
                if status == 407 {
                    formatter.write_str("; put user and password into its URL")?;
                }
            }
            Cause::UntrustedIssuer(issuer) => write!(
                formatter,
                "the certificate of {peer} is from an unknown CA ({issuer}); if it is a proxy's or \
                 a private one, name its file in AWS_CA_BUNDLE"
            )?,
            Cause::Tls(why) => write!(formatter, "no TLS with {peer}: {why}")?,
            Cause::Timeout(time) => {
                write!(formatter, "{host} did not answer within {time:.0?}")?;
            }
            Cause::Lost(why) => write!(formatter, "the connection to {host} was lost: {why}")?,
            Cause::Answered(status) => write!(formatter, "{host} answered HTTP {status}")?,
            Cause::Insecure => write!(
                formatter,
                "nothing was sent to {host}: the endpoint is plain http on another machine; use \
                 https, or --allow-insecure-endpoints if you mean it"
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
    use super::*;

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
}

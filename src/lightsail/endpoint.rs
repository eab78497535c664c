//! Which endpoints can be used, and where plain http may go: the answer to `DownloadDefaultKeyPair`
//! holds a private key, and a request for credentials a token.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::loopback::is_loopback;

/// Where AWS provides credentials to machines and containers, over plain http:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>,
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>.
const CREDENTIALS: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// Why this cannot be the URL of an endpoint, as the end of a sentence. Without the value, which
/// may contain a password.
pub(super) fn fault(url: &str) -> Option<&'static str> {
    if url.is_empty() {
        return Some("is empty");
    }
    let uri = url.parse::<Uri>().ok();
    let Some((uri, authority)) = uri.as_ref().and_then(|uri| Some((uri, uri.authority()?))) else {
        return Some("is not a URL, as in https://lightsail.example.com");
    };
    let (_, port) = authority.as_str().rsplit_once(':').unwrap_or_default();
    let is_port = port.is_empty() || port.ends_with(']') || authority.port_u16().is_some();
    if !["https", "http"].contains(&uri.scheme_str().unwrap_or_default()) {
        Some("does not begin with https:// or http://")
    } else if authority.as_str().contains('@') {
        Some("has a user or a password, which AWS endpoints do not use")
    } else if url.contains(['?', '#']) {
        Some("has something after its path")
    } else if authority.host().is_empty() || !is_port {
        Some("has no usable host and port")
    } else {
        None
    }
}

/// Whether others cannot read what is sent there.
pub(super) fn is_secure(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    uri.scheme_str() == Some("https") || is_loopback(host) || gives_credentials(host)
}

/// Whether it is one of the addresses where AWS provides credentials on the machine itself.
pub(super) fn gives_credentials(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| CREDENTIALS.contains(&ip))
}

#[cfg(test)]
mod tests {
    use super::{fault, is_secure};

    #[test]
    fn what_cannot_be_an_endpoint_is_refused_without_its_value() {
        for url in [
            "https://lightsail.eu-west-1.amazonaws.com",
            "https://vpce-1.lightsail.eu-west-1.vpce.amazonaws.com:443/",
            "http://127.0.0.1:4566",
            "http://localhost:4566/some/path/",
            "http://[::1]:4566",
            "HTTPS://lightsail.example",
            "https://[::1]",
        ] {
            assert_eq!(fault(url), None, "{url}");
        }
        for (url, expected) in [
            ("", "is empty"),
            ("secret", "does not begin with https://"),
            ("not a secret", "is not a URL"),
            ("/secret", "is not a URL"),
            ("https://secret.example\n", "is not a URL"),
            (" https://secret.example", "is not a URL"),
            ("http://[::1", "is not a URL"),
            ("https://", "is not a URL"),
            ("secret.example:443", "does not begin with https://"),
            ("ftp://secret.example/", "does not begin with https://"),
            ("https://ann:secret@sts.example/", "has a user or a password"),
            ("https://secret@sts.example/", "has a user or a password"),
            ("https://sts.example/?t=secret", "has something after its path"),
            ("https://sts.example/#secret", "has something after its path"),
            ("https://sts.example:99999", "has no usable host"),
            ("https://sts.example:secret", "has no usable host"),
            ("https://:443", "has no usable host"),
        ] {
            let found = fault(url).unwrap_or_default();
            assert!(found.starts_with(expected) && !found.contains("secret"), "{url:?}: {found}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let is_secure = |uri: &str| uri.parse().is_ok_and(|uri| is_secure(&uri));
        for uri in [
            "https://lightsail.eu-west-1.amazonaws.com/",
            "http://127.0.0.1:4566/",
            "http://localhost/",
            "http://[::1]:1/",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://[fd00:ec2::254]/latest/api/token",
        ] {
            assert!(is_secure(uri), "{uri}");
        }
        for uri in [
            "http://lightsail.eu-west-1.amazonaws.com/",
            "http://10.0.0.1/",
            "http://169.254.1.1/",
            "http://[fd00:ec2::1]/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "x",
        ] {
            assert!(!is_secure(uri), "{uri}");
        }
    }
}

//! Where plain http may go: the answer to `DownloadDefaultKeyPair` holds a private key, and a
//! request for credentials a token.

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
    use super::is_secure;

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

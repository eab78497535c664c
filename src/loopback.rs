//! Which hosts are this machine: what is sent there may be plain http, and no proxy is needed.

use std::net::IpAddr;

/// Whether a URL's host, an IPv6 address in brackets or not, is this machine.
#[must_use]
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

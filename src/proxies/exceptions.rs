//! For which hosts no proxy is used, as `kubectl` and other programs in Go read `NO_PROXY`
//! (<https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config>).

use std::net::IpAddr;

/// The entries of `NO_PROXY`.
#[derive(Clone, Debug, Default)]
pub(super) struct Exceptions(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    hosts: Hosts,
    /// All if there is none.
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    /// An address and the length of its prefix.
    Network(IpAddr, u32),
    /// Names that end so, with a dot in front of it.
    Below(String),
    /// The same, and the name itself.
    From(String),
}

impl Exceptions {
    /// What is no entry matches nothing.
    pub(super) fn parse(list: &str) -> Self {
        let entries = list.split(',').map(|entry| entry.trim().to_ascii_lowercase());
        Self(entries.filter_map(|entry| Entry::parse(&entry)).collect())
    }

    /// Whether no proxy is used for this host of a URL.
    pub(super) fn contain(&self, host: &str, port: u16) -> bool {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse().ok();
        let fits = |entry: &Entry| {
            entry.port.is_none_or(|own| own == port) && entry.hosts.contain(&host, address)
        };
        self.0.iter().any(fits)
    }
}

impl Entry {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self { hosts: Hosts::All, port: None });
        }
        if let Some((address, length)) = entry.split_once('/') {
            let (address, length) = (address.parse().ok()?, length.parse().ok()?);
            let is_possible = length <= bits(address).1;
            return is_possible
                .then_some(Self { hosts: Hosts::Network(address, length), port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            // An IPv6 address without a port has more colons, or ends with a bracket.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (entry, None),
        };
        let host = host.trim_matches(['[', ']']);
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self { hosts: Hosts::Network(address, bits(address).1), port });
        }
        let below = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let hosts = match below {
            "" | "." => return None,
            below if below.starts_with('.') => Hosts::Below(below.to_owned()),
            name => Hosts::From(name.to_owned()),
        };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    fn contain(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Network(network, length) => {
                address.is_some_and(|address| is_in(address, *network, *length))
            }
            Self::Below(end) => host.ends_with(end) && host.len() > end.len(),
            Self::From(name) => host
                .strip_suffix(name.as_str())
                .is_some_and(|front| front.is_empty() || front.ends_with('.')),
        }
    }
}

/// The address as a number, and how many bits it has. One of IPv4 in IPv6 is one of IPv4.
fn bits(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn is_in(address: IpAddr, network: IpAddr, length: u32) -> bool {
    let ((address, own), (network, all)) = (bits(address), bits(network));
    own == all && (length == 0 || (address ^ network) >> (all - length) == 0)
}

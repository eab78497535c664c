//! Points: the requests that the operator sends in a scenario, by what they are and how often they
//! were sent before. The same run sends them again.

use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

use anyhow::{Context, Result};
use http::Method;
use testbed::api_proxy::{Forwarded, Matcher};
use testbed::simulator::Request;

/// A request, and how many of its kind came before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Point {
    pub(super) kind: Kind,
    pub(super) before: usize,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Of the API server. The namespace in the path is `-`.
    Kubernetes { method: String, path: String },
    /// Of Lightsail or STS.
    Aws { operation: String, resource: Option<String> },
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Kubernetes { method, path } => write!(formatter, "{method} {path}")?,
            Kind::Aws { operation, resource: Some(resource) } => {
                write!(formatter, "{operation} {resource}")?;
            }
            Kind::Aws { operation, resource: None } => write!(formatter, "{operation}")?,
        }
        write!(formatter, " #{}", self.before + 1)
    }
}

impl Point {
    /// Whether it changes nothing.
    pub(super) fn is_read(&self) -> bool {
        match &self.kind {
            Kind::Kubernetes { method, .. } => method == "GET",
            Kind::Aws { operation, .. } => operation.starts_with("Get"),
        }
    }

    /// The request of the API server, in a run's own namespace.
    pub(super) fn matcher(&self, namespace: &str) -> Result<Option<Matcher>> {
        let Kind::Kubernetes { method, path } = &self.kind else { return Ok(None) };
        let method: Method = method.parse().context("a method")?;
        let path = path.replacen("/namespaces/-/", &format!("/namespaces/{namespace}/"), 1);
        let path = path
            .strip_suffix("/namespaces/-")
            .map_or(path.clone(), |start| format!("{start}/namespaces/{namespace}"));
        Ok(Some(Matcher::nth(method, path, self.before)))
    }
}

/// The points of a run, in the order in which the requests came. What comes by the clock is none:
/// the renewal of the Lease, and watches.
pub(super) fn points(namespace: &str, kubernetes: &[Forwarded], aws: &[Request]) -> Vec<Point> {
    let in_namespace = format!("/namespaces/{namespace}");
    let of_kubernetes = kubernetes.iter().filter(|it| is_counted(it)).map(|request| {
        let path = request.whole_path().replacen(&in_namespace, "/namespaces/-", 1);
        (request.at, Kind::Kubernetes { method: request.method.to_string(), path })
    });
    let of_aws = aws.iter().map(|request| {
        let (operation, resource) = (request.operation.clone(), request.resource.clone());
        (request.at, Kind::Aws { operation, resource })
    });
    let mut all: Vec<(SystemTime, Kind)> = of_kubernetes.chain(of_aws).collect();
    all.sort();
    let mut counts: HashMap<Kind, usize> = HashMap::new();
    let number = |(_, kind): (SystemTime, Kind)| {
        let count = counts.entry(kind.clone()).or_default();
        let point = Point { kind, before: *count };
        *count += 1;
        point
    };
    all.into_iter().map(number).collect()
}

/// Whether it is a request of a reconciliation. Those of accounts do not count: they may be of
/// another run's account.
pub(super) fn is_counted(request: &Forwarded) -> bool {
    !request.path.contains("watch=true")
        && !request.path.contains("/lightsailaccounts")
        && !request.path.contains("/leases/")
        && !request.whole_path().ends_with("/leases")
}

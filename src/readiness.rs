//! What is missing for the operator to be ready: `/readyz` serves it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;

use crate::ids::Region;

/// This many lines of each list are shown.
const MOST: usize = 20;

/// What is missing for the operator to be ready, and what is wrong all the same. Clones are the
/// same lists.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    missing: Arc<Mutex<Missing>>,
    troubles: Arc<Mutex<Troubles>>,
}

#[derive(Debug, Default)]
struct Missing {
    /// What is missing.
    all: BTreeMap<String, Lack>,
    /// The kinds and namespaces whose objects are listed.
    listed: BTreeSet<(String, String)>,
}

#[derive(Debug)]
struct Lack {
    why: String,
    /// The kind, if its objects in a namespace could not be listed.
    of_namespace: Option<String>,
}

impl Missing {
    /// Whether that is news.
    fn note(&mut self, what: String, lack: Lack) -> bool {
        let why = lack.why.clone();
        self.all.insert(what, lack).is_none_or(|before| before.why != why)
    }

    /// Whether the operator is not ready without it. Whoever manages a namespace can make it
    /// impossible to list that one, so it is not needed while another one is listed (I14).
    fn is_needed(&self, lack: &Lack) -> bool {
        let is_listed = |kind: &String| self.listed.iter().any(|(of, _)| of == kind);
        !lack.of_namespace.as_ref().is_some_and(is_listed)
    }
}

/// By the region, unless it is everywhere, and what goes wrong there.
type Troubles = BTreeMap<(Option<Region>, String), Trouble>;

#[derive(Debug)]
struct Trouble {
    /// Whether its region has never answered: it may not exist.
    is_unknown: bool,
    why: String,
}

/// Where something goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Extent<'a> {
    /// Everywhere.
    All,
    /// In this region.
    Region(&'a Region),
    /// In this region, which has never answered. Anybody can name such regions, so what goes wrong
    /// there is shown last (I14).
    UnknownRegion(&'a Region),
}

impl Readiness {
    /// Notes that something is missing, and why. Whether that is news.
    pub fn missing(&self, what: &str, why: impl Into<String>) -> bool {
        let lack = Lack { why: why.into(), of_namespace: None };
        self.missing.lock().note(what.to_owned(), lack)
    }

    /// Notes that something is there.
    pub fn there(&self, what: &str) {
        self.missing.lock().all.remove(what);
    }

    /// Notes that the objects of this kind cannot be listed in a namespace, or at all, and why.
    /// Whether that is news.
    pub fn unlisted(&self, kind: &str, namespace: Option<&str>, why: impl Into<String>) -> bool {
        let lack = Lack { why: why.into(), of_namespace: namespace.map(|_| kind.to_owned()) };
        let mut missing = self.missing.lock();
        missing.listed.retain(|(of, own)| of != kind || Some(own.as_str()) != namespace);
        missing.note(list(kind, namespace), lack)
    }

    /// Notes that they are listed.
    pub fn listed(&self, kind: &str, namespace: Option<&str>) {
        let mut missing = self.missing.lock();
        missing.all.remove(&list(kind, namespace));
        missing.listed.extend(namespace.map(|namespace| (kind.to_owned(), namespace.to_owned())));
    }

    /// Notes that something goes wrong, in a region or everywhere, that a restart would not mend,
    /// or that it does no more. The operator is ready all the same.
    pub fn trouble(&self, extent: Extent<'_>, what: String, why: Option<String>) {
        let (region, is_unknown) = match extent {
            Extent::All => (None, false),
            Extent::Region(region) => (Some(region), false),
            Extent::UnknownRegion(region) => (Some(region), true),
        };
        let (mut troubles, at) = (self.troubles.lock(), (region.cloned(), what));
        match why {
            Some(why) => drop(troubles.insert(at, Trouble { is_unknown, why })),
            None => drop(troubles.remove(&at)),
        }
    }

    /// Nothing is asked in a region any more.
    pub fn forget_region(&self, region: &Region) {
        self.troubles.lock().retain(|(other, _), _| other.as_ref() != Some(region));
    }

    /// What `/readyz` answers: the first of each list, and how many there are besides.
    #[must_use]
    pub fn report(&self) -> (StatusCode, String) {
        let missing = self.missing.lock();
        let lacks = missing.all.iter().map(|(what, lack)| (lack, (what, &lack.why)));
        let (needed, others): (Vec<_>, Vec<_>) =
            lacks.partition(|(lack, _)| missing.is_needed(lack));
        let line = |(_, line)| line;
        let troubles = self.troubles.lock();
        let mut troubles: Vec<_> = troubles.iter().collect();
        troubles.sort_by_key(|(_, trouble)| trouble.is_unknown);
        let troubles = troubles.iter().map(|((_, what), trouble)| (what, &trouble.why));
        let troubles = lines(others.into_iter().map(line).chain(troubles));
        let missing = lines(needed.into_iter().map(line));
        if missing.is_empty() {
            return (StatusCode::OK, format!("ok\n{troubles}"));
        }
        (StatusCode::SERVICE_UNAVAILABLE, missing + &troubles)
    }
}

/// What the report calls a list of objects.
pub(crate) fn list(kind: &str, namespace: Option<&str>) -> String {
    namespace.map_or_else(|| kind.to_owned(), |namespace| format!("{kind} in {namespace}"))
}

fn lines<'a>(list: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let mut lines: Vec<_> = list.map(|(what, why)| format!("{what}: {why}\n")).collect();
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    if more > 0 {
        lines.push(format!("and {more} more\n"));
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i14_a_namespace_that_cannot_be_listed_is_not_missing_beside_others() {
        let (readiness, kind) = (Readiness::default(), "HostKeyReset");
        let status = |readiness: &Readiness| readiness.report().0.as_u16();
        assert!(readiness.unlisted(kind, Some("team-b"), "forbidden"));
        assert_eq!(status(&readiness), 503, "it may be that none can be listed");
        readiness.listed("LightsailKeyPair", Some("team-a"));
        readiness.unlisted(kind, Some("team-b"), "forbidden");
        assert_eq!(status(&readiness), 503, "that is another kind");
        readiness.listed(kind, Some("team-a"));
        let report = "ok\nHostKeyReset in team-b: forbidden\n";
        assert_eq!(readiness.report(), (StatusCode::OK, report.to_owned()));
        assert!(!readiness.unlisted(kind, Some("team-b"), "forbidden"), "that is no news");
        readiness.listed(kind, Some("team-b"));
        assert_eq!(readiness.report().1, "ok\n");
        readiness.unlisted(kind, Some("team-a"), "forbidden");
        assert_eq!(status(&readiness), 200, "it is the other one now");
        readiness.unlisted(kind, Some("team-b"), "forbidden");
        assert_eq!(status(&readiness), 503, "none is left");
    }

    #[test]
    fn i14_regions_that_nobody_knows_hide_no_trouble() {
        let readiness = Readiness::default();
        let broken = || Some("no answer".to_owned());
        for number in 0..100 {
            let region = Region::from(format!("aa-north-{number}"));
            readiness.trouble(Extent::UnknownRegion(&region), region.to_string(), broken());
        }
        let known = Region::from("us-east-1");
        readiness.trouble(Extent::Region(&known), "the key pairs".to_owned(), broken());
        readiness.trouble(Extent::All, "the API server".to_owned(), broken());
        let (status, report) = readiness.report();
        assert_eq!(status, StatusCode::OK);
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines[..3], ["ok", "the API server: no answer", "the key pairs: no answer"]);
        assert_eq!((lines.len(), lines[MOST + 1]), (MOST + 2, "and 82 more"));
        readiness.trouble(Extent::Region(&known), "the key pairs".to_owned(), None);
        assert!(!readiness.report().1.contains("the key pairs"));
    }
}

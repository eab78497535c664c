//! What is missing for the operator to be ready: `/readyz` serves it.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;

use crate::ids::Region;

/// So many lines of each list are shown.
const MOST: usize = 20;

/// What is missing for the operator to be ready, and what is wrong all the same. Clones are the
/// same lists.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeMap<String, String>>>,
    troubles: Arc<Mutex<BTreeMap<Trouble, String>>>,
}

/// Where something goes wrong, unless it is everywhere, and what.
type Trouble = (Option<Region>, String);

impl Readiness {
    /// Notes that something is missing, and why. Whether that is news.
    pub fn missing(&self, what: &str, why: impl Into<String>) -> bool {
        let why = why.into();
        self.missing.lock().insert(what.to_owned(), why.clone()).is_none_or(|before| before != why)
    }

    /// Notes that something is there.
    pub fn there(&self, what: &str) {
        self.missing.lock().remove(what);
    }

    /// Notes that something goes wrong, in a region or everywhere, that a restart would not mend,
    /// or that it does no more. The operator is ready all the same.
    pub fn trouble<'a>(
        &self,
        region: impl Into<Option<&'a Region>>,
        what: String,
        why: Option<String>,
    ) {
        let (mut troubles, what) = (self.troubles.lock(), (region.into().cloned(), what));
        match why {
            Some(why) => drop(troubles.insert(what, why)),
            None => drop(troubles.remove(&what)),
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
        let missing = lines(missing.iter());
        let troubles = self.troubles.lock();
        let troubles = lines(troubles.iter().map(|((_, what), why)| (what, why)));
        if missing.is_empty() {
            return (StatusCode::OK, format!("ok\n{troubles}"));
        }
        (StatusCode::SERVICE_UNAVAILABLE, missing + &troubles)
    }
}

fn lines<'a>(list: impl ExactSizeIterator<Item = (&'a String, &'a String)>) -> String {
    let more = list.len().saturating_sub(MOST);
    let mut lines: Vec<_> = list.take(MOST).map(|(what, why)| format!("{what}: {why}\n")).collect();
    if more > 0 {
        lines.push(format!("and {more} more\n"));
    }
    lines.concat()
}

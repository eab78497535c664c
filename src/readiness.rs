//! What is missing for the operator to be ready: `/readyz` serves it.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;

/// So many lines of each list are shown.
const MOST: usize = 20;

/// What is missing for the operator to be ready, and what is wrong all the same. Clones are the
/// same lists.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeMap<String, String>>>,
    troubles: Arc<Mutex<BTreeMap<String, String>>>,
}

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

    /// Notes that something goes wrong that a restart would not mend, or that it does no more. The
    /// operator is ready all the same.
    pub fn trouble(&self, what: String, why: Option<String>) {
        let mut troubles = self.troubles.lock();
        match why {
            Some(why) => drop(troubles.insert(what, why)),
            None => drop(troubles.remove(&what)),
        }
    }

    /// What `/readyz` answers: the first of each list, and how many there are besides.
    #[must_use]
    pub fn report(&self) -> (StatusCode, String) {
        let lines = |list: &Mutex<BTreeMap<String, String>>| -> String {
            let list = list.lock();
            let mut lines: Vec<String> =
                list.iter().take(MOST).map(|(what, why)| format!("{what}: {why}\n")).collect();
            if list.len() > MOST {
                lines.push(format!("and {} more\n", list.len() - MOST));
            }
            lines.concat()
        };
        let (missing, troubles) = (lines(&self.missing), lines(&self.troubles));
        if missing.is_empty() {
            return (StatusCode::OK, format!("ok\n{troubles}"));
        }
        (StatusCode::SERVICE_UNAVAILABLE, missing + &troubles)
    }
}

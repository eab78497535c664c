//! What tenants try against each other, the platform team, the operator and AWS. A tenant has the
//! chart's roles for tenants and `edit` in one namespace, and acts as a ServiceAccount of it.
//!
//! A row is what is tried, and what the tenant is shown for it. What counts is checked after each
//! row, and is not in the operator's words: what was asked of Lightsail by which session
//! ([`Arena::check`]), and the pairs, tags, Secrets and host keys that were there before.

mod adoption;
pub(crate) mod arena;
mod deputies;
mod information;
mod names;
mod ownership;
mod references;
mod resets;
mod second_wall;
mod secrets;
mod shares;

use serde_json::{Value, json};

use self::arena::Arena;
use crate::bed::Namespaced;

/// What a tenant is shown.
pub(crate) enum Shown {
    /// The API server refuses the object, with this among its words.
    Refused(&'static str),
    /// The object has this reason.
    Reason(&'static str),
}

/// What a tenant tries: the members of an object.
pub(crate) struct Row {
    name: &'static str,
    object: Value,
    shown: Shown,
}

/// An object with this spec, which the API server refuses with these words.
pub(crate) fn refused(name: &'static str, spec: Value, words: &'static str) -> Row {
    Row { name, object: of(spec), shown: Shown::Refused(words) }
}

/// An object with this spec, which comes to show this reason.
pub(crate) fn shows(name: &'static str, spec: Value, reason: &'static str) -> Row {
    Row { name, object: of(spec), shown: Shown::Reason(reason) }
}

fn of(spec: Value) -> Value {
    Value::Object([("spec".to_owned(), spec)].into_iter().collect())
}

impl Row {
    /// With these metadata.
    pub(crate) fn with(mut self, metadata: Value) -> Self {
        self.object["metadata"] = metadata;
        self
    }
}

/// Tries all rows, one after the other, and takes back what was tried.
pub(crate) async fn try_all<K: Namespaced>(arena: &Arena, rows: Vec<Row>) {
    for (number, row) in rows.into_iter().enumerate() {
        let mut object = row.object;
        let name = object["metadata"]["name"].as_str().map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("row-{number}"));
        object["metadata"]["name"] = json!(name);
        let created = arena.attacker.create_raw::<K>(&object).await;
        match row.shown {
            Shown::Refused(words) => {
                let error = created.expect_err(row.name);
                assert!(error.contains(words), "{}: {error}", row.name);
            }
            Shown::Reason(reason) => {
                created.expect(row.name);
                arena.wait::<K>(&name, reason).await;
                arena.check(row.name).await;
                arena.clean_up::<K>(&name).await;
            }
        }
        arena.check(row.name).await;
    }
}

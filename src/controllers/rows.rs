//! What is kept in memory of each object: enough to know whether a change of it asks for a pass, and which objects want the same
//! key pair. Whatever decides anything is read live in the pass.

use std::collections::{HashMap, HashSet};

use k8s_openapi::jiff::Timestamp;

use super::ObjectRef;
use super::key_pair::plan::Rival;

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The object's uid.
    pub uid: String,
    /// What a pass depends on: when it changes, a pass is due. The status is not in it, as the operator writes that itself.
    pub trigger: Trigger,
    /// The key pair that the object wants.
    pub claim: Option<Claim>,
}

/// What a pass depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The generation of the spec.
    pub generation: i64,
    /// Whether the object is being deleted.
    pub deleting: bool,
    /// Whether the finalizer is there.
    pub finalizer: bool,
    /// The annotation that asks for a pass.
    pub reconcile: Option<String>,
    /// The mark of a reset.
    pub executed: Option<String>,
}

/// A wish for a key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The region.
    pub region: String,
    /// The name in Lightsail.
    pub name: String,
    /// The owner tag of the object.
    pub owner: String,
    /// When the object was created.
    pub created_at: Option<Timestamp>,
    /// The pair that the status records.
    pub arn: Option<String>,
}

impl Claim {
    fn place(&self) -> (String, String) {
        (self.region.clone(), self.name.clone())
    }
}

/// All objects of a kind.
#[derive(Debug, Default)]
pub struct Rows {
    rows: HashMap<ObjectRef, Row>,
    by_place: HashMap<(String, String), HashSet<ObjectRef>>,
}

impl Rows {
    /// Takes in what an object is now. Whether a pass is due.
    pub fn apply(&mut self, at: &ObjectRef, row: Row) -> bool {
        let before = self.remove(at);
        if let Some(claim) = &row.claim {
            self.by_place.entry(claim.place()).or_default().insert(at.clone());
        }
        let is_due = before.is_none_or(|before| before.uid != row.uid || before.trigger != row.trigger);
        self.rows.insert(at.clone(), row);
        is_due
    }

    /// Forgets an object that is gone.
    pub fn remove(&mut self, at: &ObjectRef) -> Option<Row> {
        let row = self.rows.remove(at)?;
        if let Some(claim) = &row.claim
            && let Some(there) = self.by_place.get_mut(&claim.place())
        {
            there.remove(at);
            if there.is_empty() {
                self.by_place.remove(&claim.place());
            }
        }
        Some(row)
    }

    /// The objects of a namespace, or all, that are not among those.
    #[must_use]
    pub fn others(&self, namespace: Option<&str>, seen: &HashSet<ObjectRef>) -> Vec<ObjectRef> {
        let in_namespace = |at: &&ObjectRef| namespace.is_none_or(|namespace| namespace == at.namespace);
        self.rows.keys().filter(in_namespace).filter(|at| !seen.contains(*at)).cloned().collect()
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The other objects that want this name in this region.
    #[must_use]
    pub fn rivals(&self, at: &ObjectRef, region: &str, name: &str) -> Vec<Rival> {
        let there = self.by_place.get(&(region.to_owned(), name.to_owned())).into_iter().flatten();
        let rows = there.filter(|other| *other != at).filter_map(|other| self.rows.get(other));
        let rival = |row: &Row| {
            let claim = row.claim.as_ref()?;
            Some(Rival {
                uid: row.uid.clone(),
                owner: claim.owner.clone(),
                created_at: claim.created_at,
                arn: claim.arn.clone(),
                deleting: row.trigger.deleting,
            })
        };
        rows.filter_map(rival).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &str) -> ObjectRef {
        ObjectRef { namespace: "n".to_owned(), name: name.to_owned() }
    }

    fn row(generation: i64, name: &str) -> Row {
        let trigger = Trigger { generation, deleting: false, finalizer: false, reconcile: None, executed: None };
        let claim = Claim {
            region: "eu-west-1".to_owned(),
            name: name.to_owned(),
            owner: "c/n/o".to_owned(),
            created_at: None,
            arn: None,
        };
        Row { uid: "u".to_owned(), trigger, claim: Some(claim) }
    }

    #[test]
    fn a_pass_is_due_for_what_is_new_or_changed_and_not_for_a_status() {
        let mut rows = Rows::default();
        assert!(rows.apply(&at("a"), row(1, "fleet")));
        let mut with_status = row(1, "fleet");
        with_status.claim = with_status.claim.map(|claim| Claim { arn: Some("arn".to_owned()), ..claim });
        assert!(!rows.apply(&at("a"), with_status));
        assert!(rows.apply(&at("a"), row(2, "fleet")));
        assert!(rows.apply(&at("a"), Row { uid: "made again".to_owned(), ..row(2, "fleet") }));
    }

    #[test]
    fn rivals_are_those_that_want_the_same_name_in_the_same_region() {
        let mut rows = Rows::default();
        for (object, name) in [("a", "fleet"), ("b", "fleet"), ("c", "other")] {
            rows.apply(&at(object), row(1, name));
        }
        assert_eq!(rows.rivals(&at("a"), "eu-west-1", "fleet").len(), 1);
        assert_eq!(rows.rivals(&at("a"), "eu-west-2", "fleet").len(), 0);
        rows.apply(&at("b"), row(2, "other"));
        assert_eq!(rows.rivals(&at("a"), "eu-west-1", "fleet").len(), 0);
        rows.remove(&at("c"));
        assert_eq!(rows.rivals(&at("b"), "eu-west-1", "other").len(), 0);
        assert_eq!(rows.others(Some("n"), &HashSet::from([at("a")])), [at("b")]);
        assert!(rows.others(Some("elsewhere"), &HashSet::new()).is_empty());
    }
}

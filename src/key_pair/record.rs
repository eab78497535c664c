//! What earlier reconciliations recorded in the status of a `LightsailKeyPair`, in domain types.
//! Pure.

use k8s_openapi::jiff::Timestamp;

use crate::api::conditions::{READY, STALLED, find, is_true, reason};
use crate::api::key_pair::{Ensure, ImportIntent, Origin, ReplacePolicy};
use crate::api::{
    FINALIZER, LightsailKeyPair, LightsailKeyPairSpec, LightsailKeyPairStatus, Operation, Reason,
};
use crate::engine::objects;
use crate::ids::{AccountId, Arn, Fingerprint};
use crate::ssh::Fingerprints;

/// What the status says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The account.
    pub account: Option<AccountId>,
    /// The pair that is this object's.
    pub arn: Option<Arn>,
    /// When Lightsail created it.
    pub created_at: Option<String>,
    /// Its fingerprint, verbatim.
    pub fingerprint: Option<Fingerprint>,
    /// The public key that it was imported with.
    pub public_key_sha256: Option<String>,
    /// How the object came to it.
    pub origin: Option<Origin>,
    /// The Secret that held the private key last.
    pub secret_name: Option<String>,
    /// The keys of the tags that it has set.
    pub managed_tag_keys: Vec<String>,
    /// The import that is under way.
    pub intent: Option<Intent>,
    /// The last operation, if it is a deletion that was under way when it was answered.
    pub deletion: Option<Operation>,
    /// When the last operation began, if it is a deletion.
    pub deleted_at: Option<Timestamp>,
    /// Whether the pair on record was deleted: Lightsail said so in an earlier reconciliation.
    pub was_deleted: bool,
    /// The last operation, if it is the import of the intent, and was under way then.
    pub import: Option<Operation>,
    /// When the last operation began, if it is an import that has not failed.
    pub imported_at: Option<Timestamp>,
}

impl Recorded {
    /// Whether the object may have a pair. Before the pair was recorded it may have been tagged
    /// already. Neither a finalizer proves that, which users can set, nor that the account was
    /// looked up for it.
    #[must_use]
    pub fn may_have_pair(&self) -> bool {
        self.arn.is_some() || self.origin.is_some() || self.intent.is_some()
    }
}

/// Whether the import or the adoption of a pair is on record. An adoption that ended in a conflict
/// came to nothing.
#[must_use]
pub(super) fn may_be_under_way(status: &LightsailKeyPairStatus) -> bool {
    let is_in_conflict = reason(&status.conditions, READY) == Some(Reason::NameConflict);
    status.import_intent.is_some() || (status.origin.is_some() && !is_in_conflict)
}

/// An import that is about to be sent, or whose answer is not on record yet (I12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The account.
    pub account: AccountId,
    /// The public key.
    pub public_key_sha256: String,
    /// The fingerprints that Lightsail may print for it.
    pub fingerprints: Fingerprints,
    /// The time by Lightsail's clock: what it created earlier does not come from this import.
    pub date: Option<Timestamp>,
    /// The pair that was recorded before, and is gone: a read that shows it is an old one.
    pub replaced: Option<Replaced>,
}

/// A pair that is gone, and whose name another one is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its ARN. A fake of Lightsail may make ARNs of names: then the next pair has the same.
    pub arn: Arn,
    /// When it was created, in Lightsail's words.
    pub created_at: Option<String>,
    /// How the object came to it.
    pub origin: Option<Origin>,
}

/// What earlier reconciliations recorded.
pub(super) fn recorded(object: &LightsailKeyPair) -> Recorded {
    recorded_and_begun(object, None)
}

/// As [`recorded`], with the operation that was begun and is not in the status yet.
pub(super) fn recorded_and_begun(object: &LightsailKeyPair, begun: Option<&Operation>) -> Recorded {
    let Some(status) = &object.status else { return Recorded::default() };
    let last = begun.or(status.last_operation.as_ref());
    let under_way = || last.filter(|last| last.is_under_way()).cloned();
    Recorded {
        account: status.account_id.as_deref().map(Into::into),
        arn: status.arn.as_deref().map(Into::into),
        created_at: status.created_at.clone(),
        fingerprint: status.fingerprint.as_deref().map(Into::into),
        public_key_sha256: status.public_key_sha256.clone(),
        origin: status.origin,
        secret_name: status.secret_name.clone(),
        managed_tag_keys: status.managed_tag_keys.clone(),
        intent: status.import_intent.as_ref().map(intent),
        deletion: under_way().filter(is_deletion),
        deleted_at: last.filter(|last| is_deletion(last)).and_then(Operation::created),
        was_deleted: was_deleted(status, last),
        import: under_way().filter(|last| status.import_intent.is_some() && !is_deletion(last)),
        imported_at: last.filter(|last| is_import(last)).and_then(Operation::created),
    }
}

fn is_deletion(operation: &Operation) -> bool {
    operation.type_.as_deref() == Some("DeleteKeyPair")
}

fn is_import(operation: &Operation) -> bool {
    operation.type_.as_deref() == Some("ImportKeyPair") && !operation.failed()
}

/// Whether the last operation deleted the pair on record, and not the one that it replaced.
fn was_deleted(status: &LightsailKeyPairStatus, last: Option<&Operation>) -> bool {
    let made: Option<Timestamp> = status.created_at.as_ref().and_then(|made| made.parse().ok());
    let deletion = last.filter(|last| is_deletion(last) && last.succeeded());
    let deleted = deletion.and_then(Operation::created);
    deleted.zip(made).is_some_and(|(deleted, made)| deleted > made)
}

fn intent(intent: &ImportIntent) -> Intent {
    Intent {
        account: intent.account_id.as_str().into(),
        public_key_sha256: intent.public_key_sha256.clone(),
        fingerprints: Fingerprints::from_forms(intent.fingerprints.clone()),
        date: intent.date.as_ref().and_then(|date| date.parse().ok()),
        replaced: intent.replaced_arn.as_deref().map(|arn| Replaced {
            arn: arn.into(),
            created_at: intent.replaced_created_at.clone(),
            origin: intent.replaced_origin,
        }),
    }
}

/// A field of the status that was written, and is not kept, of those that the next steps rely on.
pub(super) fn lost(
    written: &LightsailKeyPairStatus,
    kept: Option<&LightsailKeyPairStatus>,
) -> Option<&'static str> {
    let none = LightsailKeyPairStatus::default();
    let kept = kept.unwrap_or(&none);
    let fields = [
        ("status.importIntent", written.import_intent == kept.import_intent),
        ("status.origin", written.origin == kept.origin),
        ("status.managedTagKeys", written.managed_tag_keys == kept.managed_tag_keys),
    ];
    fields.into_iter().find_map(|(field, is_kept)| (!is_kept).then_some(field))
}

/// Whether the object is Ready for its present generation, and nobody has asked for more.
pub(super) fn was_acted_on(object: &LightsailKeyPair) -> bool {
    let is_present =
        |status: &LightsailKeyPairStatus| is_current(object) && is_true(&status.conditions, READY);
    object.status.as_ref().is_some_and(is_present) && !objects::is_asked(object)
}

/// Whether whoever acted on an object that this process does not act on, or did not know, may have
/// sent a deletion of its pair: unless nobody has acted, or the object was content with its pair,
/// and nothing but an edit of its spec can have changed that.
pub(super) fn may_be_deleted_elsewhere(object: &LightsailKeyPair) -> bool {
    // What the API server fills in for a new object has the generation -1.
    let is_touched = |status: &LightsailKeyPairStatus| {
        status.observed_generation >= 0 || status.account_id.is_some()
    };
    let is_content = object.spec.ensure == Ensure::Present
        && was_acted_on(object)
        && !is_replaced_with_its_source(object);
    let is_deleting = object.metadata.deletion_timestamp.is_some();
    // The finalizer comes before the first status that tells of a deletion.
    let is_touched =
        object.status.as_ref().is_some_and(is_touched) || objects::has_finalizer(object, FINALIZER);
    is_deleting || (is_touched && !is_content)
}

/// Whether a key that is not in the spec may change, and the pair is replaced then.
fn is_replaced_with_its_source(object: &LightsailKeyPair) -> bool {
    let LightsailKeyPairSpec { imported, generated, .. } = &object.spec;
    let is_replaced = |policy: ReplacePolicy| policy == ReplacePolicy::Recreate;
    let from_elsewhere = imported.as_ref().filter(|it| it.public_key_from.is_some());
    from_elsewhere.is_some_and(|it| is_replaced(it.replace_policy))
        || generated.as_ref().is_some_and(|it| is_replaced(it.replace_policy))
}

/// Why the object is Stalled, if it shows that for its present generation.
pub(super) fn stalled_for(object: &LightsailKeyPair) -> Option<Reason> {
    let status = object.status.as_ref().filter(|_| is_current(object))?;
    reason(&status.conditions, STALLED).filter(|_| is_true(&status.conditions, STALLED))
}

/// With which words the object shows that a call or operation of its own has failed.
pub(super) fn failed_with(object: &LightsailKeyPair) -> Option<String> {
    let is_failed = stalled_for(object) == Some(Reason::OperationFailed);
    let status = object.status.as_ref().filter(|_| is_failed)?;
    find(&status.conditions, STALLED).map(|condition| condition.message.clone())
}

/// Whether the present generation was observed.
pub(super) fn is_current(object: &LightsailKeyPair) -> bool {
    let observed = object.status.as_ref().map(|status| status.observed_generation);
    observed.is_some() && observed == object.metadata.generation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i1_who_acts_elsewhere_may_be_deleting_the_pair_of_an_object_that_is_not_content() {
        let ready = |generation: i64| {
            serde_json::json!([{ "type": "Ready", "status": "True", "reason": "Imported",
                "message": "", "lastTransitionTime": "2026-11-24T12:00:00Z",
                "observedGeneration": generation }])
        };
        let (present, none) = (serde_json::json!({}), serde_json::json!({}));
        let is_ready = serde_json::json!({ "observedGeneration": 2, "conditions": ready(2) });
        let unobserved = serde_json::json!({ "observedGeneration": -1 });
        let from = serde_json::json!({ "configMapKeyRef": { "name": "a", "key": "b" } });
        let from = |policy: &str| {
            let imported = serde_json::json!({ "replacePolicy": policy, "publicKeyFrom": from });
            serde_json::json!({ "imported": imported })
        };
        for (name, spec, status, metadata, expected) in [
            ("new", present.clone(), unobserved.clone(), none.clone(), false),
            (
                "about to import",
                present.clone(),
                serde_json::json!({ "observedGeneration": -1, "accountID": "1" }),
                none.clone(),
                true,
            ),
            (
                "the operator's, and no status was written yet",
                serde_json::json!({ "ensure": "Absent" }),
                unobserved,
                serde_json::json!({ "finalizers": [FINALIZER] }),
                true,
            ),
            ("Ready", present.clone(), is_ready.clone(), none.clone(), false),
            (
                "edited since",
                present.clone(),
                serde_json::json!({ "observedGeneration": 1, "conditions": ready(1) }),
                none.clone(),
                true,
            ),
            (
                "not Ready",
                present.clone(),
                serde_json::json!({ "observedGeneration": 2 }),
                none.clone(),
                true,
            ),
            (
                "it should have no pair",
                serde_json::json!({ "ensure": "Absent" }),
                is_ready.clone(),
                none.clone(),
                true,
            ),
            (
                "it is replaced when a key changes that is not in its spec",
                from("Recreate"),
                is_ready.clone(),
                none.clone(),
                true,
            ),
            ("it is not", from("Never"), is_ready.clone(), none.clone(), false),
            (
                "it is replaced when its Secret changes",
                serde_json::json!({ "generated": { "replacePolicy": "Recreate" } }),
                is_ready.clone(),
                none.clone(),
                true,
            ),
            (
                "it is being deleted",
                present,
                is_ready.clone(),
                serde_json::json!({ "deletionTimestamp": "2026-11-24T12:00:00Z" }),
                true,
            ),
        ] {
            let mut object = serde_json::json!({
                "metadata": { "name": "fleet", "namespace": "team-a", "generation": 2 },
                "spec": { "type": "Imported", "region": "eu-west-1" }, "status": status,
            });
            for (part, more) in [("spec", spec), ("metadata", metadata)] {
                object[part].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            }
            let object: LightsailKeyPair = serde_json::from_value(object).unwrap();
            assert_eq!(may_be_deleted_elsewhere(&object), expected, "{name}");
        }
    }

    #[test]
    fn i12_nothing_relies_on_what_is_not_kept() {
        type Change = fn(&mut LightsailKeyPairStatus);
        let written = || LightsailKeyPairStatus {
            import_intent: Some(ImportIntent::default()),
            origin: Some(Origin::Adopted),
            managed_tag_keys: vec!["team".to_owned()],
            ..LightsailKeyPairStatus::default()
        };
        let rows: [(&str, Change, Option<&str>); 6] = [
            ("all of it is kept", |_| {}, None),
            ("others may write the rest", |kept| kept.observed_generation = 7, None),
            ("an intent", |kept| kept.import_intent = None, Some("status.importIntent")),
            (
                "a part of an intent",
                |kept| kept.import_intent.as_mut().unwrap().fingerprints.push("f".to_owned()),
                Some("status.importIntent"),
            ),
            ("an adoption", |kept| kept.origin = None, Some("status.origin")),
            (
                "the keys of the tags",
                |kept| kept.managed_tag_keys.clear(),
                Some("status.managedTagKeys"),
            ),
        ];
        for (name, change, expected) in rows {
            let mut kept = written();
            change(&mut kept);
            assert_eq!(lost(&written(), Some(&kept)), expected, "{name}");
        }
        assert_eq!(lost(&written(), None), Some("status.importIntent"));
        assert_eq!(lost(&LightsailKeyPairStatus::default(), None), None);
    }
}

//! The status of a `LightsailKeyPair`: read into the plan's words, and made of what a pass came to.
//! Pure.

use std::collections::BTreeSet;

use crate::api::conditions::{Conditions, FINGERPRINT_VERIFIED, READY, is_true};
use crate::api::key_pair::Origin;
use crate::api::{LightsailKeyPair, LightsailKeyPairStatus, RECONCILE_ANNOTATION, Reason};
use crate::controllers::objects;
use crate::controllers::outcome::Verdict;
use crate::lightsail::KeyPair;
use crate::ssh::Match;

use super::plan::{self, Desired, Kind, Observed, Recorded};

/// What earlier passes recorded.
pub(super) fn recorded(object: &LightsailKeyPair) -> Recorded {
    let Some(status) = &object.status else { return Recorded::default() };
    Recorded {
        account: status.account_id.clone(),
        arn: status.arn.clone(),
        created_at: status.created_at.clone(),
        fingerprint: status.fingerprint.clone(),
        public_key_sha256: status.public_key_sha256.clone(),
        origin: status.origin,
        managed_tag_keys: status.managed_tag_keys.clone(),
    }
}

/// Whether the object is Ready for its present generation, and nobody has asked for another look.
pub(super) fn was_acted_on(object: &LightsailKeyPair) -> bool {
    let is_present = |status: &LightsailKeyPairStatus| {
        Some(status.observed_generation) == object.metadata.generation
            && is_true(&status.conditions, READY)
    };
    object.status.as_ref().is_some_and(is_present) && !is_asked(object)
}

/// Whether somebody asked for a look now, and no pass has handled that yet.
pub(super) fn is_asked(object: &LightsailKeyPair) -> bool {
    let asked = objects::annotation(object, RECONCILE_ANNOTATION);
    let handled =
        object.status.as_ref().and_then(|status| status.last_handled_reconcile.as_deref());
    asked.is_some() && asked != handled
}

/// The status as it is, but without a pair.
pub(super) fn with_record(
    object: &LightsailKeyPair,
    account: Option<String>,
    origin: Option<Origin>,
) -> LightsailKeyPairStatus {
    let mut status = object.status.clone().unwrap_or_else(unobserved);
    status.account_id = account.or(status.account_id);
    record(&mut status, None, origin);
    status
}

fn unobserved() -> LightsailKeyPairStatus {
    LightsailKeyPairStatus { observed_generation: -1, ..LightsailKeyPairStatus::default() }
}

fn record(status: &mut LightsailKeyPairStatus, pair: Option<&KeyPair>, origin: Option<Origin>) {
    status.arn = pair.map(|pair| pair.arn.clone());
    status.created_at = pair.and_then(|pair| pair.created_at.clone());
    status.support_code = pair.and_then(|pair| pair.support_code.clone());
    status.fingerprint = pair.and_then(|pair| pair.fingerprint.clone());
    status.origin = origin;
    if pair.is_none() {
        status.public_key_sha256 = None;
        status.managed_tag_keys.clear();
    }
}

/// The status after a pass. What the pass did not get to see stays as it was.
pub(super) fn status(
    object: &LightsailKeyPair,
    desired: &Desired,
    observed: &Observed,
    verdict: &Verdict,
) -> LightsailKeyPairStatus {
    let before = object.status.clone().unwrap_or_else(unobserved);
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = before.clone();
    status.observed_generation = generation;
    status.last_handled_reconcile =
        objects::annotation(object, RECONCILE_ANNOTATION).map(str::to_owned);
    status.key_pair_name = Some(desired.name.clone());
    if verdict.reason != Reason::WrongAccount {
        status.account_id = observed.account.clone().or(before.account_id.clone());
    }
    let own = plan::own_pair(desired, observed);
    if let Some((pair, origin)) = &own {
        record(&mut status, Some(pair), Some(*origin));
    } else if verdict.reason == Reason::Absent {
        record(&mut status, None, None);
    }
    status.managed_tag_keys =
        managed_tag_keys(desired, own.as_ref().map(|(pair, _)| pair), &status);
    status.planned_step = desired.suspend.then(|| verdict.planned.unwrap_or("None").to_owned());
    status.public_key_sha256 =
        public_key_sha256(desired, observed, own.as_ref().map(|(pair, _)| pair), verdict, &before);
    status.secret_name = secret_name(desired, observed, &before);
    status.effective_deletion_policy =
        Some(plan::effective_deletion_policy(desired, status.origin));
    let operation = observed.done.delete.as_ref().or(observed.done.import.as_ref());
    status.last_operation = operation
        .filter(|operation| operation.id.is_some())
        .cloned()
        .or(before.last_operation.clone());
    let mut conditions =
        verdict.conditions(Conditions::new(&before.conditions, generation, observed.now));
    if let Some((pair, _)) = own.filter(|_| verdict.reason != Reason::Absent)
        && let Some(matches) = plan::verified(desired, observed, &pair)
    {
        let (status, reason, message) = match matches {
            Match::Same => {
                ("True", "FingerprintMatches", "the fingerprint in Lightsail is that of the key")
            }
            Match::Different => (
                "False",
                "FingerprintDiffers",
                "the fingerprint in Lightsail is not that of the key",
            ),
            Match::Unknown => {
                ("Unknown", "FingerprintUnknown", "Lightsail gives no fingerprint of a known form")
            }
        };
        conditions = conditions.with(FINGERPRINT_VERIFIED, status, reason, message);
    }
    status.conditions = conditions.into_list();
    status
}

/// The keys that this object has set, now or before, and that are still there.
fn managed_tag_keys(
    desired: &Desired,
    own: Option<&KeyPair>,
    status: &LightsailKeyPairStatus,
) -> Vec<String> {
    let Some(pair) = own else { return status.managed_tag_keys.clone() };
    let keys: BTreeSet<&String> =
        status.managed_tag_keys.iter().chain(desired.tags.keys()).collect();
    keys.into_iter().filter(|key| pair.tags.contains_key(*key)).cloned().collect()
}

/// The key that Lightsail has, not the one that the spec has by now: a change that was refused, or
/// that could not be carried out yet, must stay visible as a change. The fingerprint tells; where
/// there is none, the import does, or the first look.
fn public_key_sha256(
    desired: &Desired,
    observed: &Observed,
    own: Option<&KeyPair>,
    verdict: &Verdict,
    before: &LightsailKeyPairStatus,
) -> Option<String> {
    if verdict.reason == Reason::Absent {
        return None;
    }
    if let Kind::Default { .. } = &desired.kind {
        let found = observed.secret.as_ref().and_then(Option::as_ref).filter(|found| found.is_own);
        let kept = found.and_then(|found| found.key.as_ref()).map(|key| key.public().sha256());
        return kept.or_else(|| before.public_key_sha256.clone());
    }
    let is_new = observed.done.import.is_some() || before.public_key_sha256.is_none();
    let key = own.zip(plan::wanted_key(desired, observed)).filter(|(pair, key)| {
        match key.fingerprints().compare(pair.fingerprint.as_deref()) {
            Match::Same => true,
            Match::Unknown => is_new,
            Match::Different => false,
        }
    });
    key.map(|(_, key)| key.sha256()).or_else(|| before.public_key_sha256.clone())
}

fn secret_name(
    desired: &Desired,
    observed: &Observed,
    before: &LightsailKeyPairStatus,
) -> Option<String> {
    let (Kind::Default { secret, .. } | Kind::Generated { secret, .. }) = &desired.kind else {
        return None;
    };
    let found = observed.secret.as_ref().and_then(Option::as_ref);
    let is_kept_there = found.is_some_and(|found| found.is_own && found.key.is_some());
    if is_kept_there { Some(secret.name.clone()) } else { before.secret_name.clone() }
}

//! The status of a `LightsailKeyPair`, made of what a reconciliation came to. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::message::Message;
use super::world::{Desired, DesiredPair, Observed};
use super::{claim, plan};
use crate::api::conditions::{Conditions, FINGERPRINT_VERIFIED, READY, find, reason};
use crate::api::key_pair::{ImportIntent, Origin};
use crate::api::{LightsailKeyPair, LightsailKeyPairStatus, Operation, Reason};
use crate::engine::objects;
use crate::engine::{State, Verdict};
use crate::ids::AccountId;
use crate::lightsail::{Imported, KeyPair};
use crate::ssh::{Match, PublicKey};

/// The status before a pair that was there is tagged: with the tag alone it would pass as imported
/// after a crash, and would be deleted with the object. An object that shows a conflict, or a
/// refusal by its account, would not count for what is on record.
pub(super) fn adopting(
    object: &LightsailKeyPair,
    desired: &Desired,
    observed: &Observed,
) -> LightsailKeyPairStatus {
    let account = observed.account.as_ref();
    let mut status = without_pair(object, desired, account, Some(Origin::Adopted));
    let shown = reason(&status.conditions, READY);
    if claim::is_refused(shown) || shown == Some(Reason::NameConflict) {
        show_progress(&mut status, object, observed, &Message::Adopting);
    }
    status
}

fn show_progress(
    status: &mut LightsailKeyPairStatus,
    object: &LightsailKeyPair,
    observed: &Observed,
    message: &Message<'_>,
) {
    let generation = object.metadata.generation.unwrap_or_default();
    let conditions = Conditions::new(&status.conditions, generation, observed.now);
    let verdict = Verdict::wait(message.reason(), message.to_string(), Duration::ZERO);
    status.conditions = verdict.conditions(conditions).into_list();
}

/// The status before tags are set.
pub(super) fn tagging(object: &LightsailKeyPair, desired: &Desired) -> LightsailKeyPairStatus {
    let mut status = object.status.clone().unwrap_or_else(unobserved);
    let keys: BTreeSet<String> =
        status.managed_tag_keys.into_iter().chain(desired.tags.keys().cloned()).collect();
    status.managed_tag_keys = keys.into_iter().collect();
    status
}

/// The status before a key is imported (I12). An object that is new, or was refused by its account
/// before, shows that it is under way: in a large crowd, the next write comes after minutes.
pub(super) fn intending(
    object: &LightsailKeyPair,
    desired: &Desired,
    observed: &Observed,
    key: &PublicKey,
    date: Option<Timestamp>,
) -> LightsailKeyPairStatus {
    let (before, account) = (object.status.as_ref(), observed.account.as_ref());
    let (replaced_arn, replaced_created_at, replaced_origin) =
        before.map(replaced).unwrap_or_default();
    let mut status = without_pair(object, desired, account, None);
    let shown = reason(&status.conditions, READY);
    if shown.is_none() || claim::is_refused(shown) {
        show_progress(&mut status, object, observed, &Message::Importing);
    }
    status.import_intent = Some(ImportIntent {
        account_id: account.map(AccountId::to_string).unwrap_or_default(),
        public_key_sha256: key.sha256(),
        fingerprints: key.fingerprints().forms().to_vec(),
        date: date.map(|date| date.to_string()),
        replaced_arn,
        replaced_created_at,
        replaced_origin,
    });
    status
}

/// The ARN of the last pair on record, when it was created, and how the object came to it.
fn replaced(before: &LightsailKeyPairStatus) -> (Option<String>, Option<String>, Option<Origin>) {
    if before.arn.is_some() {
        return (before.arn.clone(), before.created_at.clone(), before.origin);
    }
    let intent = before.import_intent.clone().unwrap_or_default();
    (intent.replaced_arn, intent.replaced_created_at, intent.replaced_origin)
}

/// The status as it is, but that no pair is this object's yet, or any more. The one that comes will
/// have the tags of the spec.
fn without_pair(
    object: &LightsailKeyPair,
    desired: &Desired,
    account: Option<&AccountId>,
    origin: Option<Origin>,
) -> LightsailKeyPairStatus {
    let mut status = object.status.clone().unwrap_or_else(unobserved);
    status.account_id = account.map(AccountId::to_string).or(status.account_id);
    record(&mut status, None, origin);
    let is_kept = plan::is_kept_as_it_is(desired, origin);
    status.managed_tag_keys = desired.tags.keys().filter(|_| !is_kept).cloned().collect();
    status
}

fn unobserved() -> LightsailKeyPairStatus {
    LightsailKeyPairStatus { observed_generation: -1, ..LightsailKeyPairStatus::default() }
}

fn record(status: &mut LightsailKeyPairStatus, pair: Option<&KeyPair>, origin: Option<Origin>) {
    status.arn = pair.map(|pair| pair.arn.to_string());
    status.created_at = pair.and_then(|pair| pair.created_at.clone());
    status.support_code = pair.and_then(|pair| pair.support_code.clone());
    status.fingerprint = pair.and_then(|pair| pair.fingerprint.as_ref()).map(ToString::to_string);
    status.origin = origin;
    status.import_intent = None;
    if pair.is_none() {
        status.public_key_sha256 = None;
        status.managed_tag_keys.clear();
    }
}

/// The status with this verdict about a reconciliation that could not be finished. Where `Ready`
/// decides what the object claims, it stays, and only the verdict's other condition is new.
pub(super) fn unfinished(
    object: &LightsailKeyPair,
    verdict: &Verdict,
    now: Timestamp,
) -> LightsailKeyPairStatus {
    let before = object.status.clone().unwrap_or_else(unobserved);
    // The API server refuses the -1 of what was never observed in a condition.
    let generation = before.observed_generation.max(0);
    let mut conditions = verdict.conditions(Conditions::new(&before.conditions, generation, now));
    if let Some(verified) = find(&before.conditions, FINGERPRINT_VERIFIED) {
        conditions = conditions.with_old(verified);
    }
    let mut conditions = conditions.into_list();
    let kept = find(&before.conditions, READY);
    if let Some(kept) = kept.filter(|_| claim::decides_claims(reason(&before.conditions, READY))) {
        for ready in conditions.iter_mut().filter(|condition| condition.type_ == READY) {
            ready.clone_from(kept);
        }
    }
    LightsailKeyPairStatus { conditions, ..before }
}

/// The status after a reconciliation. What that did not get to read stays as it was.
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
    status.last_handled_reconcile = objects::asked(object).map(Cow::into_owned);
    status.key_pair_name = Some(desired.name.to_string());
    if verdict.reason != Reason::WrongAccount {
        let account = observed.account.as_ref().map(AccountId::to_string);
        status.account_id = account.or(before.account_id.clone());
    }
    let own = plan::own_pair(desired, observed);
    if let Some((pair, origin)) = &own {
        record(&mut status, Some(pair), Some(*origin));
        let is_ready = verdict.state == State::Ready;
        // The key itself is the evidence, in whatever form its fingerprint is listed now.
        let is_verified = is_ready && plan::verified(desired, observed, pair) == Some(Match::Same);
        let is_default = matches!(desired.pair, DesiredPair::Default { .. });
        if status.arn == before.arn && !is_default && !is_verified {
            // What was recorded identifies the pair (I1): one that differs from it, and is refused
            // for that, must not be recorded as if it were that one.
            let found = |text: Option<String>| text.filter(|_| is_ready);
            status.created_at = before.created_at.clone().or_else(|| found(status.created_at));
            status.fingerprint = before.fingerprint.clone().or_else(|| found(status.fingerprint));
        }
    } else if verdict.reason == Reason::Absent {
        record(&mut status, None, None);
    }
    if observed.done.import_refused {
        status.import_intent = status.import_intent.and_then(|it| refused(observed, it));
    } else if observed.sent.is_none() || plan::came_to_nothing(desired, observed) {
        status.import_intent = status.import_intent.and_then(|it| unsent(observed, it));
    }
    status.managed_tag_keys =
        managed_tag_keys(desired, own.as_ref().map(|(pair, _)| pair), &status);
    status.planned_step = desired.suspend.then(|| verdict.planned.unwrap_or("None").to_owned());
    status.public_key_sha256 =
        public_key_sha256(desired, observed, own.as_ref().map(|(pair, _)| pair), verdict, &before);
    status.secret_name = secret_name(desired, observed, &before);
    status.effective_deletion_policy =
        Some(plan::effective_deletion_policy(desired, status.origin));
    status.last_operation = last_operation(observed, &before);
    let mut conditions =
        verdict.conditions(Conditions::new(&before.conditions, generation, observed.now));
    if let Some((pair, _)) = own.filter(|_| verdict.reason != Reason::Absent)
        && let Some(matches) = plan::verified(desired, observed, &pair)
    {
        let (status, reason, message) = verified_condition(matches);
        conditions = conditions.with(FINGERPRINT_VERIFIED, status, reason, message);
    }
    status.conditions = conditions.into_list();
    status
}

/// The operation that was begun last.
fn last_operation(observed: &Observed, before: &LightsailKeyPairStatus) -> Option<Operation> {
    let imported = match &observed.done.import {
        Some(Imported::Accepted(operation)) => Some(operation),
        Some(Imported::NameTaken) | None => None,
    };
    // What is looked up is the one that was begun or is on record, whose type is the call's.
    let begun = observed.begun.as_ref();
    let type_ = begun.or(before.last_operation.as_ref()).and_then(|last| last.type_.clone());
    let read = observed.operation.found().map(|read| Operation { type_, ..read.clone() });
    // An import follows the deletion of what it replaces.
    let all = [imported, observed.done.delete.as_ref(), read.as_ref(), begun];
    let last = all.into_iter().flatten().find(|operation| operation.id.is_some()).cloned();
    last.or_else(|| before.last_operation.clone())
}

/// What the condition about the fingerprint says.
fn verified_condition(matches: Match) -> (&'static str, Reason, &'static str) {
    match matches {
        Match::Same => {
            ("True", Reason::FingerprintMatches, "the fingerprint in Lightsail is that of the key")
        }
        Match::Different => (
            "False",
            Reason::FingerprintDiffers,
            "the fingerprint in Lightsail is not that of the key",
        ),
        Match::Unknown => (
            "Unknown",
            Reason::FingerprintUnknown,
            "Lightsail lists no fingerprint in a known form",
        ),
    }
}

/// What stays of an intent whose import was refused. Each import has its own intent, so no doubt
/// does. If the name is taken and no read shows by what, the pair before it may be there after all:
/// it would still be the object's. Without a date, the intent says nothing of another pair.
fn refused(observed: &Observed, intent: ImportIntent) -> Option<ImportIntent> {
    let is_taken = observed.done.import == Some(Imported::NameTaken);
    let has_another = observed.pair.as_ref().is_some_and(|read| read.pair.is_some());
    let may_show_former = intent.replaced_arn.is_some() && is_taken && !has_another;
    may_show_former.then_some(ImportIntent { date: None, ..intent })
}

/// What stays of an intent under which nothing was sent, or whose import came to nothing: the next
/// process would not know that, and take a pair that another object has made for this one's. Names
/// are unique: where another pair is shown, the one before it is gone.
fn unsent(observed: &Observed, intent: ImportIntent) -> Option<ImportIntent> {
    let shown = observed.pair.as_ref().filter(|read| read.live);
    let shown = shown.and_then(|read| read.pair.as_ref());
    let has_another = shown.is_some_and(|pair| !plan::is_replaced(observed, pair));
    let may_show_former = intent.replaced_arn.is_some() && !has_another;
    may_show_former.then_some(ImportIntent { date: None, ..intent })
}

/// The keys that this object has set, now or before, and that are still there, or will be.
fn managed_tag_keys(
    desired: &Desired,
    own: Option<&KeyPair>,
    status: &LightsailKeyPairStatus,
) -> Vec<String> {
    let Some(pair) = own else { return status.managed_tag_keys.clone() };
    // Of a pair that is kept as it is, none is set.
    let is_kept = plan::is_kept_as_it_is(desired, status.origin);
    let wanted = desired.tags.keys().filter(|_| !is_kept);
    let keys: BTreeSet<&String> = status.managed_tag_keys.iter().chain(wanted).collect();
    let is_to_be_set =
        |key: &String| desired.tags.contains_key(key) && status.managed_tag_keys.contains(key);
    keys.into_iter()
        .filter(|key| pair.tags.contains_key(*key) || is_to_be_set(key))
        .cloned()
        .collect()
}

/// The key that Lightsail has, not the one that the spec has by now: a change that was refused, or
/// that could not be carried out yet, must stay visible as a change. The fingerprint tells; where
/// there is none, the import does, or the first read.
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
    if let DesiredPair::Default { .. } = &desired.pair {
        let found = observed.secret.found().filter(|found| found.is_own);
        let kept = found.and_then(|found| found.key.as_ref()).map(|key| key.public().sha256());
        let downloaded = observed.done.download.as_ref().map(|it| it.key.public().sha256());
        let is_same = own.and_then(|pair| plan::verified(desired, observed, pair));
        let kept = kept.filter(|_| is_same == Some(Match::Same)).or(downloaded);
        // Of another pair, nothing is known by what was recorded of the one before it.
        let is_recorded = own.is_none_or(|pair| {
            before.arn.as_deref() == Some(pair.arn.as_str())
                && pair.is_created_at(before.created_at.as_deref())
        });
        let known = before.public_key_sha256.as_ref().filter(|_| is_recorded);
        return kept.or_else(|| known.cloned());
    }
    let key = own
        .zip(plan::wanted_key(desired, observed))
        .filter(|(pair, _)| plan::verified(desired, observed, pair) == Some(Match::Same));
    // The intent on record has the key that was to replace that of a pair which is shown again.
    let of_intent = own.filter(|pair| !plan::is_replaced(observed, pair));
    let imported = of_intent.and_then(|_| plan::imported_key(&observed.recorded).cloned());
    key.map(|(_, key)| key.sha256()).or(imported).or_else(|| before.public_key_sha256.clone())
}

fn secret_name(
    desired: &Desired,
    observed: &Observed,
    before: &LightsailKeyPairStatus,
) -> Option<String> {
    let (DesiredPair::Default { secret, .. } | DesiredPair::Generated { secret, .. }) =
        &desired.pair
    else {
        return None;
    };
    let found = observed.secret.found();
    let is_kept_there = found.is_some_and(|found| found.is_own && found.key.is_some());
    if is_kept_there { Some(secret.name.clone()) } else { before.secret_name.clone() }
}

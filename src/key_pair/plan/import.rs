//! The import of a public key, and what comes before anything is concluded from the absence of its
//! pair.

use std::time::Duration;

use super::conflict::name_taken;
use super::limit::beyond_limit;
use super::operations::{
    deleted_on_record_until, deletion_of_former, failed_operation, late_operation,
    operation_failed, unfinished_deletion, unsettled_absence,
};
use super::ownership::{all_tags, is_older_than_import, is_replaced, was_deleted};
use super::refusals::{SOON, await_outcome, still_failed, wait_until};
use super::step::Step;
use crate::api::OWNER_TAG;
use crate::engine::next_poll;
use crate::key_pair::message::Message;
use crate::key_pair::record::Recorded;
use crate::key_pair::world::{Desired, Observed, PairRead};
use crate::lightsail::{Imported, KeyPair};
use crate::ssh::PublicKey;

pub(super) fn import(
    desired: &Desired,
    observed: &Observed,
    read: &PairRead,
    key: &PublicKey,
) -> Step {
    if let Some(step) = unfinished_deletion(observed) {
        return step;
    }
    match &observed.done.import {
        Some(Imported::NameTaken) => return name_taken(desired, observed),
        Some(Imported::Accepted(operation)) if operation.failed() => {
            return operation_failed("ImportKeyPair", operation);
        }
        Some(Imported::Accepted(_)) => {
            let pause = pause_of_import(observed).unwrap_or(SOON);
            return await_outcome(observed, &Message::Importing, pause);
        }
        None => {}
    }
    let recorded = &observed.recorded;
    let has_pair = recorded.arn.is_some() || recorded.origin.is_some();
    let unsettled = unsettled_import(observed, read);
    if (has_pair || unsettled.is_some()) && !read.live {
        return Step::ReadPair { live: true };
    }
    if let Some(step) = unsettled.or_else(|| unsettled_absence(observed)) {
        return step;
    }
    let late = recorded.import.as_ref().and_then(|import| {
        late_operation(observed, import, &Message::ImportNotListedYet)
            .or_else(|| failed_operation(observed, "ImportKeyPair"))
    });
    if let Some(step) = late.or_else(|| deletion_of_former(observed)) {
        return step;
    }
    if let Some(step) = beyond_limit(desired, observed) {
        return step;
    }
    if !observed.has_finalizer {
        return Step::AddFinalizer;
    }
    // Each import has its own intent: an older one has another date. A process that slept since
    // would import a pair that was made outside its window.
    let is_just_written = observed.done.intent.is_some_and(|at| {
        observed.now.duration_since(at).unsigned_abs() <= observed.timing.intent_holds
    });
    if !is_just_written || !has_intent(observed, key) {
        return Step::WriteIntent(key.clone());
    }
    Step::Import(key.clone())
}

/// Whether the import of this key is on record.
pub(super) fn has_intent(observed: &Observed, key: &PublicKey) -> bool {
    let intent = observed.recorded.intent.as_ref();
    intent.is_some_and(|intent| intent.public_key_sha256 == key.sha256())
}

/// The key that the pair was imported with.
#[must_use]
pub fn imported_key(recorded: &Recorded) -> Option<&String> {
    let intent = recorded.intent.as_ref().filter(|_| recorded.arn.is_none());
    recorded.public_key_sha256.as_ref().or(intent.map(|intent| &intent.public_key_sha256))
}

/// Whether another operator may be about to send an import under the intent of an object that comes
/// later than the list of all. For the others, time counts from when this process began to act.
#[must_use]
pub fn may_be_sent_elsewhere(recorded: &Recorded, comes_later: bool, acts: bool) -> bool {
    acts && comes_later && is_open(recorded)
}

/// For how long another process may still act on an object that changed; `None` if nobody else
/// does. Another operator, which had the object before, goes on beside this one for `window`.
#[must_use]
pub fn others_act_for(is_known: bool, acts: bool, window: Duration) -> Option<Duration> {
    match (acts, is_known) {
        (true, true) => None,
        (true, false) => Some(window),
        // A process that acts before this one ends when this one begins, and time counts from then.
        (false, _) => Some(Duration::ZERO),
    }
}

/// Whether the pair of an intent is not on record yet.
fn is_open(recorded: &Recorded) -> bool {
    recorded.intent.is_some() && recorded.arn.is_none()
}

/// What comes before anything is concluded from the absence of the pair: as long as an import of
/// the intent on record may still take effect, that proves nothing, and nor does a read that was
/// begun before that time was over. A list is one: it may be as old as an interval.
pub(super) fn unsettled_import(observed: &Observed, read: &PairRead) -> Option<Step> {
    let is_open = is_open(&observed.recorded);
    let until = observed.sent.map(|sent| sent.until).filter(|_| is_open)?;
    if until > observed.now {
        let pause = until.duration_since(observed.now).unsigned_abs().max(SOON);
        return Some(wait_for_import(observed, pause.min(observed.timing.search_interval)));
    }
    let is_early = !read.live || until > read.at;
    is_early.then_some(Step::ReadPair { live: true })
}

fn wait_for_import(observed: &Observed, unanswered: Duration) -> Step {
    match pause_of_import(observed) {
        Some(pause) => await_outcome(observed, &Message::ImportNotListedYet, pause),
        None => still_failed(observed, unanswered)
            .unwrap_or_else(|| Message::ImportNotAnswered.wait_meanwhile(unanswered)),
    }
}

/// When to read again whether the pair of an import is there that Lightsail has accepted.
fn pause_of_import(observed: &Observed) -> Option<Duration> {
    let sent = observed.sent.filter(|sent| sent.accepted)?;
    let left = Duration::try_from(sent.until.duration_since(observed.now)).unwrap_or_default();
    let waited = observed.timing.effect_window.saturating_sub(left);
    Some(next_poll(waited, observed.timing.search_interval))
}

/// A pair is shown that is gone, and the one that was imported in its place may not be visible yet:
/// nothing is concluded from that until it is.
pub(super) fn wait_for_current_read(
    observed: &Observed,
    read: &PairRead,
    pair: &KeyPair,
) -> Option<Step> {
    let deleted = observed.deleted.filter(|_| was_deleted(observed, pair)).map(|it| it.until);
    let deleted = deleted.max(deleted_on_record_until(observed, pair));
    let is_gone =
        deleted.is_some() || is_replaced(observed, pair) || is_older_than_import(observed, pair);
    let unsettled = unsettled_import(observed, read).filter(|_| is_gone);
    let wait = |until| wait_until(observed, until, &Message::DeletionMayFollow);
    let step = unsettled.or_else(|| deleted.map(wait))?;
    Some(if read.live { step } else { Step::ReadPair { live: true } })
}

/// Another pair than the recorded one is shown. Names are unique, so the recorded one is gone, or
/// was made so lately that this is what an earlier read showed.
pub(super) fn wait_for_recorded_pair(
    observed: &Observed,
    read: &PairRead,
    pair: &KeyPair,
) -> Option<Step> {
    observed.recorded.arn.as_ref().filter(|recorded| **recorded != pair.arn)?;
    let step = unsettled_absence(observed)?;
    Some(if read.live { step } else { Step::ReadPair { live: true } })
}

/// Takes off again what was set by the name of the pair that was imported, and stands on another
/// pair: somebody has deleted that one and made this one, at the very moment.
pub(super) fn take_back(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Step> {
    let date = observed.recorded.intent.as_ref().and_then(|intent| intent.date);
    let is_later = date.zip(pair.created()).is_some_and(|(date, made)| made >= date);
    let is_unanswered = is_later && observed.sent.is_some();
    let was_tagged = observed.crowd.is_named || observed.done.tagged_by_name || is_unanswered;
    let is_of_import = was_tagged && !is_replaced(observed, pair);
    let is_set = |(key, value): &(&String, &String)| {
        pair.tags.get(*key).is_some_and(|there| there.as_deref() == Some(value.as_str()))
    };
    let tags = all_tags(desired);
    let keys: Vec<String> = tags.iter().filter(is_set).map(|(key, _)| key.clone()).collect();
    let is_own = keys.iter().any(|key| key == OWNER_TAG);
    (is_of_import && is_own).then(|| Step::RemoveTags { pair: pair.clone(), keys })
}

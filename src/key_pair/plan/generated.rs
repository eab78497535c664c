//! A pair whose private key is made here. The Secret has it before Lightsail has its public half,
//! so that no crash loses it (I3).

use super::conflict::name_conflict;
use super::import::{unsettled_import, wait_for_current_read};
use super::limit::beyond_limit;
use super::operations::unsettled_absence;
use super::ownership::{Whose, is_replaced, whose};
use super::pair::{is_made_here, ownership_lost};
use super::refusals::stalled;
use super::source::time_left;
use super::step::Step;
use super::{absent, kept_key, pair};
use crate::api::Reason;
use crate::api::key_pair::{KeyAlgorithm, Origin, ReplacePolicy};
use crate::engine::{Lookup, State};
use crate::key_pair::message::{Message, SecretProblem};
use crate::key_pair::world::{Desired, Observed};
use crate::lightsail::KeyPair;
use crate::secret::{Found, SecretSpec};

/// The pair should be there, with the key of the Secret.
pub(super) fn present(
    desired: &Desired,
    observed: &Observed,
    algorithm: KeyAlgorithm,
    secret: &SecretSpec,
    replace: ReplacePolicy,
) -> Step {
    let read = match pair::read_in_turn(desired, observed) {
        Ok(read) => read,
        Err(step) => return *step,
    };
    let found = match kept_key::usable(desired, observed, secret, read.pair.as_ref()) {
        Ok(found) => found,
        Err(step) => return *step,
    };
    if let Some((found, key)) = found.and_then(|found| Some((found, found.key.as_ref()?))) {
        let step = pair::present(desired, observed, key.public(), replace);
        // I15: nothing of the Secret changes before the pair is the object's own.
        let is_ready = matches!(&step, Step::Finish(verdict) if verdict.state == State::Ready);
        let dress = kept_key::dress(desired, observed, secret, found).filter(|_| is_ready);
        return dress.unwrap_or(step);
    }
    match &read.pair {
        None if !read.live => Step::ReadPair { live: true },
        // The key of a pair that may only be hidden may come back too.
        None => unsettled_import(observed, read)
            .or_else(|| unsettled_absence(observed))
            .unwrap_or_else(|| make(desired, observed, algorithm, secret, found)),
        Some(pair) => wait_for_current_read(observed, read, pair)
            .or_else(|| lost(desired, observed, pair, secret, replace))
            .unwrap_or_else(|| make(desired, observed, algorithm, secret, found)),
    }
}

/// Makes a key and writes it, unless its import would be refused: of an object that has neither a
/// pair nor an intent, nothing stays then.
fn make(
    desired: &Desired,
    observed: &Observed,
    algorithm: KeyAlgorithm,
    secret: &SecretSpec,
    found: Option<&Found>,
) -> Step {
    let is_one_more = observed.recorded.arn.is_none() && observed.recorded.intent.is_none();
    if let Some(step) = beyond_limit(desired, observed).filter(|_| is_one_more) {
        return step;
    }
    if !observed.has_finalizer {
        return Step::AddFinalizer;
    }
    match &observed.done.generated {
        None => Step::Generate(algorithm),
        Some(key) => kept_key::write(observed, secret, found, key.clone()),
    }
}

/// The pair is there, and its private key is not. `None` if another key may be made.
fn lost(
    desired: &Desired,
    observed: &Observed,
    pair: &KeyPair,
    secret: &SecretSpec,
    replace: ReplacePolicy,
) -> Option<Step> {
    if observed.pair.as_ref().is_none_or(|read| !read.live) {
        return Some(Step::ReadPair { live: true });
    }
    match whose(desired, observed, pair) {
        // With this object's tag, but unknown to its status and without its key: it is its own all
        // the same, as far as saying that its key is lost goes.
        Whose::Own | Whose::Doubtful | Whose::TaggedWithoutRecord(_) => {}
        Whose::TaggedAway => return Some(ownership_lost(desired)),
        Whose::Foreign { .. } => return Some(name_conflict(desired, observed)),
    }
    // A Secret that is missing may come back, for example while a folder is being reapplied.
    let is_replaced =
        replace == ReplacePolicy::Recreate && observed.recorded.origin == Some(Origin::Generated);
    // A process that has just started does not know for how long it was missing before.
    let is_said = observed.stalled_for == Some(Reason::PrivateKeyLost) && !is_replaced;
    let since = observed.key_missing_since.unwrap_or(observed.now);
    let left = time_left(since, observed.timing.missing_key_grace, observed.now);
    if let Some(left) = left.filter(|_| !is_said) {
        return Some(
            Message::Secret { secret: &secret.name, why: SecretProblem::IsMissing }.wait(left),
        );
    }
    if is_replaced {
        return None;
    }
    let (name, secret) = (&desired.name, secret.name.as_str());
    Some(stalled(
        desired,
        &if is_made_here(desired, observed, pair) {
            Message::PrivateKeyLost { name, secret }
        } else {
            Message::PrivateKeyOfAdoptedLost { name, secret }
        },
    ))
}

/// The pair should not be there. The Secret is read only where nothing else tells which pair it
/// is: the intent says nothing of the key of the pair before.
pub(super) fn absent(desired: &Desired, observed: &Observed, secret: &SecretSpec) -> Step {
    let shown = observed.pair.as_ref().and_then(|read| read.pair.as_ref());
    let is_former = shown.is_some_and(|pair| is_replaced(observed, pair));
    let is_of_intent = observed.recorded.intent.is_some() && !is_former;
    let is_known = observed.recorded.arn.is_some() || is_of_intent;
    if !is_known && matches!(observed.secret, Lookup::Unread) {
        return Step::ReadSecret(secret.name.clone());
    }
    let stays = kept_key::stays(desired, observed).filter(|_| !is_known);
    stays.unwrap_or_else(|| absent::absent(desired, observed))
}

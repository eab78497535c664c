//! The Secret that keeps a private key, of a default pair or of a generated one.

use super::deletion_policy::{effective_deletion_policy, is_gone_at_release};
use super::ownership::{Whose, own_pair, whose};
use super::refusals::{SOON, stalled};
use super::step::Step;
use crate::api::key_pair::DeletionPolicy;
use crate::engine::Lookup;
use crate::engine::action::Next;
use crate::key_pair::message::{Message, SecretProblem};
use crate::key_pair::world::{Desired, DesiredPair, Observed, SetAside};
use crate::lightsail::KeyPair;
use crate::secret::{Found, Owner, Rejection, SecretSpec};
use crate::ssh::{Match, PrivateKey};

/// What is asked of a Secret that was found.
struct Candidate<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    spec: &'a SecretSpec,
    found: &'a Found,
    /// What its key is to the listed pair; `None` if one of them is missing.
    matches: Option<Match>,
    /// Whether the key counts as lost without this Secret.
    needs_key: bool,
}

/// What must be so before a Secret is used, in this order. A check lets it pass, or answers with
/// what comes instead.
const CHECKS: [fn(&Candidate<'_>) -> Option<Step>; 7] = [
    // Later, the garbage collector may have taken it. Under foreground deletion it does so before
    // the finalizer is asked.
    it_stays_if_it_should,
    it_is_not_on_its_way_out,
    // Whose key it holds would not be known.
    it_can_be_read,
    it_is_of_the_type,
    it_says_whose_it_is,
    it_is_the_objects_own,
    it_needs_no_write_or_takes_one,
];

/// The Secret as it was found, or the step that reads it, waits for it or refuses it. A Secret that
/// is not this object's is left alone, unless it holds the key of the live pair.
pub(super) fn usable<'a>(
    desired: &Desired,
    observed: &'a Observed,
    spec: &SecretSpec,
    pair: Option<&KeyPair>,
) -> Result<Option<&'a Found>, Box<Step>> {
    let found = match &observed.secret {
        Lookup::Unread => return Err(Box::new(Step::ReadSecret(spec.name.clone()))),
        Lookup::Absent => return Ok(None),
        Lookup::Found(found) => found,
    };
    let matches = pair.and_then(|pair| compare(found, pair));
    let needs_key = needs_key(desired, observed, pair);
    let candidate = Candidate { desired, observed, spec, found, matches, needs_key };
    let refusal = CHECKS.iter().find_map(|check| check(&candidate));
    refusal.map_or(Ok(Some(found)), |step| Err(Box::new(step)))
}

impl Candidate<'_> {
    fn has_this_key(&self) -> bool {
        self.matches == Some(Match::Same)
    }

    fn refuse(&self, why: SecretProblem<'_>) -> Step {
        stalled(self.desired, &Message::Secret { secret: &self.found.name, why })
    }
}

fn it_stays_if_it_should(candidate: &Candidate<'_>) -> Option<Step> {
    stays(candidate.desired, candidate.observed)
}

fn it_is_not_on_its_way_out(candidate: &Candidate<'_>) -> Option<Step> {
    let Candidate { desired, found, .. } = candidate;
    found.is_terminating.then(|| wait_until_gone(desired, &found.name))
}

fn it_can_be_read(candidate: &Candidate<'_>) -> Option<Step> {
    let Candidate { observed, found, .. } = candidate;
    let Some(Rejection::Unreadable(key)) = found.rejects.filter(|_| !found.is_of_another) else {
        return None;
    };
    let needs_key = candidate.needs_key;
    Some(candidate.refuse(if found.was_created || observed.done.wrote_secret {
        SecretProblem::Overwritten { why: key, needs_key }
    } else {
        SecretProblem::Rejected { why: Rejection::Unreadable(key), needs_key }
    }))
}

fn it_is_of_the_type(candidate: &Candidate<'_>) -> Option<Step> {
    let Candidate { spec, found, needs_key, .. } = candidate;
    let is_of_other_type =
        found.is_own && found.key_type.as_ref().is_some_and(|type_| type_ != spec.key_type);
    (is_of_other_type && !candidate.has_this_key())
        .then(|| candidate.refuse(SecretProblem::OfOtherType { needs_key: *needs_key }))
}

fn it_says_whose_it_is(candidate: &Candidate<'_>) -> Option<Step> {
    let Candidate { observed, spec, found, .. } = candidate;
    without_owner(observed, spec, found).filter(|_| !candidate.has_this_key())
}

fn it_is_the_objects_own(candidate: &Candidate<'_>) -> Option<Step> {
    let Candidate { desired, observed, found, needs_key, .. } = candidate;
    if !found.is_of_another && (found.is_own || candidate.has_this_key()) {
        return None;
    }
    // Whoever replaced it on purpose, with another key, has lost its label and annotations.
    let is_recorded = observed.recorded.secret_name.as_ref() == Some(&found.name);
    let is_usable = found.key.is_some() && matches!(desired.pair, DesiredPair::Generated { .. });
    let may_be_meant = !found.is_of_another && (is_recorded || is_usable);
    let ((_, object), ends) = (desired.owner.object(), desired.goal.ends());
    Some(candidate.refuse(if *needs_key || may_be_meant {
        SecretProblem::WithoutOwner { object, needs_key: *needs_key, ends }
    } else {
        SecretProblem::NotOwned { ends }
    }))
}

/// One that holds a key, and not another one, needs no write.
fn it_needs_no_write_or_takes_one(candidate: &Candidate<'_>) -> Option<Step> {
    let Candidate { found, matches, needs_key, .. } = candidate;
    let is_other = *matches == Some(Match::Different);
    let is_enough = found.is_own && found.key.is_some() && !is_other;
    let why = found.rejects.filter(|_| !is_enough)?;
    Some(candidate.refuse(SecretProblem::Rejected { why, needs_key: *needs_key }))
}

/// Whether the key counts as lost if the spec names a Secret without it: there is a pair, or was,
/// and only a Secret has its key. That of a default pair can be downloaded again.
fn needs_key(desired: &Desired, observed: &Observed, pair: Option<&KeyPair>) -> bool {
    let recorded = &observed.recorded;
    let has_pair = pair.is_some() || recorded.arn.is_some() || recorded.intent.is_some();
    has_pair && matches!(desired.pair, DesiredPair::Generated { .. })
}

/// The step that writes once more whose a Secret is that this process created, and that does not
/// say so: a policy removes its labels or annotations. Its key is used when it is kept whose it is.
fn without_owner(observed: &Observed, spec: &SecretSpec, found: &Found) -> Option<Step> {
    let is_created = observed.created_secret.as_ref() == Some(&found.uid);
    let is_lost = is_created && !found.is_own && !found.is_of_another && found.rejects.is_none();
    let key = found.key.clone().filter(|_| is_lost)?;
    let found = Found { was_created: true, ..found.clone() };
    Some(write(observed, spec, Some(&found), key))
}

/// What comes before the status names the Secret that was read, so that this one stays, and the one
/// on record before, if the spec names another since: later, nothing tells of that any more (I3).
pub(super) fn stays(desired: &Desired, observed: &Observed) -> Option<Step> {
    if let Some(step) = observed.secret.found().and_then(|it| disown(desired, observed, it)) {
        return Some(step);
    }
    let secret = desired.pair.secret().filter(|_| is_to_stay(desired, observed))?;
    let former = observed.recorded.secret_name.as_ref().filter(|name| **name != secret.name)?;
    match &observed.former_secret {
        Lookup::Unread => Some(Step::ReadFormerSecret(former.clone())),
        Lookup::Absent => None,
        Lookup::Found(found) => disown(desired, observed, found),
    }
}

/// Whether the Secret stays when the object goes: as the spec says, but that of a generated pair
/// always stays with the pair. Nobody else has its private key (I3).
pub(super) fn is_to_stay(desired: &Desired, observed: &Observed) -> bool {
    let recorded = &observed.recorded;
    // How the object came to a pair that is there after all is not on record.
    let shown = own_pair(desired, observed).map(|(_, origin)| origin);
    let origin = shown.or(recorded.origin);
    let retains = || effective_deletion_policy(desired, origin) == DeletionPolicy::Retain;
    let is_released = desired.goal.ends()
        && (retains() || is_of_another(desired, observed))
        && recorded.may_have_pair()
        && !is_gone_at_release(observed);
    let is_only_copy = is_released && matches!(desired.pair, DesiredPair::Generated { .. });
    desired.pair.secret().is_some_and(|secret| !secret.delete_with_object || is_only_copy)
}

/// Whether a live read shows a pair that is not the object's. It may have the same key.
pub(super) fn is_of_another(desired: &Desired, observed: &Observed) -> bool {
    let pair = observed.pair.as_ref().filter(|read| read.live).and_then(|read| read.pair.as_ref());
    let is_other =
        |pair| matches!(whose(desired, observed, pair), Whose::Foreign { .. } | Whose::TaggedAway);
    pair.is_some_and(is_other)
}

/// The step that takes the owners off a Secret with which Kubernetes would delete it though it is
/// to stay (I3): an earlier object of this name, and this object unless the spec says that the
/// Secret goes with it. While the object stays, only of a Secret that the operator created (I15).
pub(super) fn disown(desired: &Desired, observed: &Observed, found: &Found) -> Option<Step> {
    let (namespace, name) = desired.owner.object();
    let owner = Owner { namespace, name, uid: &desired.uid };
    let goes = (is_to_stay(desired, observed) && found.is_owned_by(owner.uid))
        || found.has_stale_owner(owner);
    let may_change = found.was_created || desired.goal.ends();
    (goes && may_change && !found.is_terminating).then(|| {
        if observed.done.disowned.contains(&found.name) {
            // Somebody puts them back each time.
            return is_changed(&found.name);
        }
        Step::DisownSecret(found.clone())
    })
}

/// What the Secret's key is to the pair; `None` without a key.
pub(super) fn compare(found: &Found, pair: &KeyPair) -> Option<Match> {
    found.key.as_ref().map(|key| key.fingerprints().compare(pair.fingerprint.as_ref()))
}

/// The step that makes a Secret which holds the right key this object's, with the public half of
/// that key, and the labels and the owner that the spec asks for.
pub(super) fn dress(
    desired: &Desired,
    observed: &Observed,
    spec: &SecretSpec,
    found: &Found,
) -> Option<Step> {
    let key = found.key.clone()?;
    let is_dressed = is_dressed(desired, spec, found);
    // One that cannot be written keeps what it has.
    (!is_dressed && found.rejects.is_none()).then(|| write(observed, spec, Some(found), key))
}

/// Whether a Secret has all that is written beside the private key.
pub(super) fn is_dressed(desired: &Desired, spec: &SecretSpec, found: &Found) -> bool {
    found.is_own && found.has_public_half && found.fits(spec, &desired.uid)
}

/// The step that writes a key. If a Secret that was just written needs writing again, somebody
/// changed it: most likely a policy, which would do so each time.
pub(super) fn write(
    observed: &Observed,
    spec: &SecretSpec,
    found: Option<&Found>,
    key: PrivateKey,
) -> Step {
    if observed.done.wrote_secret {
        return is_changed(&spec.name);
    }
    // It never stays beside another private key.
    let keep_public_half = found.is_some_and(|found| found.has_public_half && holds(found, &key));
    Step::WriteSecret { spec: spec.clone(), found: found.cloned(), key, keep_public_half }
}

/// The step that keeps an old private key before a new one is written: it may be the only copy
/// (I3). `None` once it is kept.
pub(super) fn set_aside(desired: &Desired, observed: &Observed, found: &Found) -> Option<Step> {
    let key = found.key.clone()?;
    let name = format!("{}-{}", found.name, key.public().short_id());
    match (observed.done.set_aside, &observed.copy) {
        (SetAside::Copied, _) => None,
        (SetAside::Not, _) => Some(Step::SetAside { name, key }),
        (SetAside::NameTaken, Lookup::Unread) => Some(Step::ReadCopy { name }),
        // One on its way out keeps nothing.
        (SetAside::NameTaken, Lookup::Found(copy)) if copy.is_terminating => {
            Some(wait_until_gone(desired, &name))
        }
        (SetAside::NameTaken, Lookup::Found(copy)) if holds(copy, &key) => None,
        (SetAside::NameTaken, Lookup::Found(_)) => {
            let why = SecretProblem::CopyNotOwned { copy: &name };
            Some(stalled(desired, &Message::Secret { secret: &found.name, why }))
        }
        (SetAside::NameTaken, Lookup::Absent) => {
            let why = SecretProblem::IsReplaced;
            Some(Message::Secret { secret: &name, why }.wait(SOON))
        }
    }
}

fn wait_until_gone(desired: &Desired, secret: &str) -> Step {
    Message::Secret { secret, why: SecretProblem::IsDeleted }.wait_longer(desired.interval)
}

/// Somebody changes the Secret whenever it is written.
fn is_changed(secret: &str) -> Step {
    Message::Secret { secret, why: SecretProblem::IsChanged }.stalled(Next::Backoff)
}

fn holds(copy: &Found, key: &PrivateKey) -> bool {
    copy.key.as_ref().is_some_and(|kept| kept.public() == key.public())
}

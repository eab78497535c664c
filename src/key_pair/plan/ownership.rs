//! Whose a pair is. `docs/decisions/import-intent.md` has the evidence for each case as a table.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::key::{compare, verified};
use super::operations::ONE_SECOND;
use crate::api::key_pair::Origin;
use crate::api::{OWNER_TAG, is_other_spelling};
use crate::digest::Digest;
use crate::engine::uid::Uid;
use crate::ids::{Arn, Owner};
use crate::key_pair::record::{Intent, Replaced};
use crate::key_pair::world::{DeletedPair, Desired, DesiredPair, Goal, Observed};
use crate::lightsail::{Imported, KeyPair};
use crate::ssh::Match;

/// Whose a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// This object's own: its status records it, or the import that made it.
    Own,
    /// Recorded as this object's own, but now it has another owner's tag.
    TaggedAway,
    /// An import of this object may have made it, and nothing tells whether it did.
    Doubtful,
    /// It carries this object's tag, and nothing is on record: the object was restored without its
    /// status, or somebody else set the tag.
    TaggedWithoutRecord(Match),
    /// Not this object's.
    Foreign {
        /// Somebody else has tagged it as theirs.
        tagged: bool,
    },
}

/// The owner tag of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnerTag {
    /// There is none.
    Missing,
    /// This object's.
    Own,
    /// Another owner's.
    Other,
}

/// Whose owner tag the pair has.
pub(super) fn owner_tag(desired: &Desired, pair: &KeyPair) -> OwnerTag {
    if has_other_spelling(pair) {
        return OwnerTag::Other;
    }
    match pair.tags.get(OWNER_TAG) {
        None => OwnerTag::Missing,
        Some(Some(owner)) if owner == desired.owner.as_str() => OwnerTag::Own,
        Some(_) => OwnerTag::Other,
    }
}

/// Whether the pair has an owner tag whose key is written in other letters. IAM does not tell the
/// two apart.
pub(super) fn has_other_spelling(pair: &KeyPair) -> bool {
    pair.tags.keys().any(is_other_spelling)
}

/// The tags of a pair that the object has made.
pub(super) fn all_tags(desired: &Desired) -> BTreeMap<String, String> {
    let mut tags = desired.tags.clone();
    if !matches!(desired.pair, DesiredPair::Default { .. }) {
        tags.insert(OWNER_TAG.to_owned(), desired.owner.to_string());
    }
    tags
}

/// Whose the pair is. Nothing is own by age, finalizer or tag alone (I12).
pub(super) fn whose(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Whose {
    let tag = owner_tag(desired, pair);
    let tagged_by_other = tag == OwnerTag::Other;
    if let Some(recorded) = &observed.recorded.arn {
        return match (recorded == &pair.arn, tagged_by_other) {
            (true, false) => Whose::Own,
            (true, true) => Whose::TaggedAway,
            (false, tagged) => Whose::Foreign { tagged },
        };
    }
    if tagged_by_other {
        return Whose::Foreign { tagged: true };
    }
    if shown_again(desired, observed, pair).is_some() {
        return Whose::Own;
    }
    if let Some(matches) = matches_intent(observed, pair) {
        return match (matches, tag == OwnerTag::Own || was_imported(observed)) {
            (Match::Same, _) | (Match::Unknown, true) => Whose::Own,
            (Match::Unknown, false) => Whose::Doubtful,
            (Match::Different, _) => Whose::Foreign { tagged: false },
        };
    }
    let matches = compare(desired, observed, pair).unwrap_or(Match::Unknown);
    let is_adoption = observed.recorded.origin == Some(Origin::Adopted);
    match (tag == OwnerTag::Own, matches) {
        // The adoption is on record, and the tag was set after that.
        (true, Match::Same | Match::Unknown) if is_adoption => Whose::Own,
        (true, matches) => Whose::TaggedWithoutRecord(matches),
        (false, _) => Whose::Foreign { tagged: false },
    }
}

/// What the pair's fingerprint says about the key of the import on record, if that import can have
/// made the pair: one was sent, and Lightsail created the pair within the window of the intent, by
/// its own clock. An import that was accepted just now needs no clock, but a live read: a list may
/// show what had the name before.
fn matches_intent(observed: &Observed, pair: &KeyPair) -> Option<Match> {
    let intent = observed.recorded.intent.as_ref()?;
    if is_replaced(observed, pair) || was_deleted(observed, pair) {
        return None;
    }
    let may_be_of_it = observed.sent.is_some()
        && (is_in_window(observed, intent, pair)
            || (was_imported(observed) && !is_older_than_import(observed, pair)));
    may_be_of_it.then(|| intent.fingerprints.compare(pair.fingerprint.as_ref()))
}

/// Whether Lightsail created the pair within the window of the intent, by its own clock.
fn is_in_window(observed: &Observed, intent: &Intent, pair: &KeyPair) -> bool {
    let is_within = |(date, made): (Timestamp, Timestamp)| {
        made >= date && made.duration_since(date).unsigned_abs() <= observed.timing.intent_window
    };
    intent.date.zip(pair.created()).is_some_and(is_within)
}

/// Whether the pair was there before the import that was accepted: that found the name free, so a
/// read that shows the pair is an old one. Another process may have deleted it. Lightsail gives
/// both times with the import, so they are those of one clock, wherever that stands (unverified).
pub(super) fn is_older_than_import(observed: &Observed, pair: &KeyPair) -> bool {
    let Some(intent) = &observed.recorded.intent else { return false };
    let is_accepted = observed.sent.is_some_and(|sent| sent.accepted);
    let answered = match &observed.done.import {
        Some(Imported::Accepted(operation)) => operation.created(),
        Some(Imported::NameTaken) | None => None,
    };
    let began = answered.or(observed.recorded.imported_at).filter(|_| is_accepted);
    let is_older = |(made, began): (Timestamp, Timestamp)| began.duration_since(made) > ONE_SECOND;
    pair.created().zip(began).is_some_and(is_older) && !is_in_window(observed, intent, pair)
}

/// Whether it is the pair that was recorded before the intent, and is gone: a read that shows it is
/// an old one, or its deletion did not take effect.
#[must_use]
pub fn is_replaced(observed: &Observed, pair: &KeyPair) -> bool {
    let replaced = observed.recorded.intent.as_ref().and_then(|intent| intent.replaced.as_ref());
    let is_same = |replaced: &Replaced| {
        let before = replaced.created_at.as_deref();
        let has_times = before.is_some() && pair.created_at.is_some();
        replaced.arn == pair.arn && (!has_times || pair.is_created_at(before))
    };
    observed.recorded.arn.is_none() && replaced.is_some_and(is_same)
}

/// How the object came to the pair that was recorded before the intent, if that is there after all:
/// a server did not know it when it was looked for. What is read once no import can take effect any
/// more is no old read.
fn shown_again(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Origin> {
    let read = observed.pair.as_ref().filter(|read| read.live)?;
    let is_current = observed.sent.is_none_or(|sent| sent.until <= read.at);
    let replaced = observed.recorded.intent.as_ref()?.replaced.as_ref()?;
    let is_same = is_current
        && is_replaced(observed, pair)
        && match compare(desired, observed, pair) {
            Some(Match::Same) => true,
            // Its key is not at hand, or was another one.
            None | Some(Match::Different) => is_made_before(desired, replaced, pair),
            Some(Match::Unknown) => false,
        };
    is_same.then(|| replaced.origin.unwrap_or(Origin::Adopted))
}

/// Whether this is a pair that the object made, whatever key it has now: that it is there, and not
/// one that somebody made in its place, is told by the tag, and by the time beside the ARN.
fn is_made_before(desired: &Desired, replaced: &Replaced, pair: &KeyPair) -> bool {
    let is_made_here = matches!(replaced.origin, Some(Origin::Imported | Origin::Generated));
    let has_times = replaced.created_at.is_some() && pair.created_at.is_some();
    is_made_here && has_times && owner_tag(desired, pair) == OwnerTag::Own
}

/// Whether an import was accepted just now, and what was read since is what it made.
fn was_imported(observed: &Observed) -> bool {
    let is_live = observed.pair.as_ref().is_some_and(|read| read.live);
    is_live && observed.sent.is_some_and(|sent| sent.accepted && sent.until > observed.now)
}

/// Whether this process has deleted the pair lately, not for this object: a read that shows it is
/// an old one, or its deletion did not take effect.
pub(super) fn was_deleted(observed: &Observed, pair: &KeyPair) -> bool {
    let recorded = &observed.recorded;
    let is_for_this_object = (observed.done.delete.is_some() && observed.done.intent.is_none())
        || recorded.deletion.is_some()
        || recorded.arn.as_ref() == Some(&pair.arn);
    let deleted = observed.deleted.filter(|deleted| deleted.until > observed.now);
    !is_for_this_object && deleted.is_some_and(|deleted| deleted.pair == DeletedPair::digest(pair))
}

/// Whether the import of the intent on record came to nothing: none can take effect any more, and
/// another pair has the name, or one that another object has on record. That somebody has tagged
/// the pair that it made proves nothing: the tag may go again.
#[must_use]
pub fn came_to_nothing(desired: &Desired, observed: &Observed) -> bool {
    let Some(read) = &observed.pair else { return false };
    let Some(pair) = &read.pair else { return false };
    let is_over_by = |at: Timestamp| observed.sent.is_none_or(|sent| sent.until <= at);
    let is_current = read.live && is_over_by(read.at);
    let arn = Some(Digest::of(&pair.arn));
    let is_of_rival = observed.rivals.iter().any(|rival| rival.arn == arn);
    let may_be_of_it = matches_intent(observed, pair).is_some_and(|it| it != Match::Different);
    let is_foreign =
        !may_be_of_it && matches!(whose(desired, observed, pair), Whose::Foreign { .. });
    observed.recorded.arn.is_none()
        && (is_current && is_foreign || is_of_rival && is_over_by(observed.now))
}

/// How the object came to a pair of its own.
pub(super) fn origin(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Origin {
    let made_here = match desired.pair {
        DesiredPair::Imported { .. } => Origin::Imported,
        DesiredPair::Generated { .. } => Origin::Generated,
        DesiredPair::Default { .. } => return Origin::Default,
    };
    if observed.recorded.arn.is_none() && matches_intent(observed, pair).is_some() {
        return made_here;
    }
    let again = shown_again(desired, observed, pair);
    again.or(observed.recorded.origin).unwrap_or(Origin::Adopted)
}

/// Whether this object comes first of all in the cluster that want this name: the one that records
/// the pair, then the one that the owner tag names, then the older one, then the one with the
/// smaller uid.
pub(super) fn is_first(desired: &Desired, observed: &Observed, pair: Option<&KeyPair>) -> bool {
    let arn: Option<Digest<Arn>> = pair.map(|pair| Digest::of(&pair.arn));
    let tag = pair.and_then(|pair| pair.tags.get(OWNER_TAG)).and_then(Option::as_deref);
    let tag: Option<Digest<Owner>> = tag.map(Digest::of);
    let is_recorded = |recorded: Option<Digest<Arn>>| arn.is_some() && recorded == arn;
    let rank = |is_recorded: bool, owner: Digest<Owner>, created_at, uid: &Uid| {
        (!is_recorded, tag != Some(owner), created_at, uid.clone())
    };
    // A pair that its own import made is as good as recorded, unless somebody else records it.
    let is_rival_recorded = observed.rivals.iter().any(|rival| is_recorded(rival.arn));
    let is_of_intent = observed.recorded.arn.is_none()
        && pair.and_then(|pair| matches_intent(observed, pair)) == Some(Match::Same);
    let recorded = observed.recorded.arn.as_ref().map(Digest::of);
    let is_own = is_recorded(recorded) || is_of_intent && !is_rival_recorded;
    let uid = Uid::from(desired.uid.as_str());
    let own = rank(is_own, Digest::of(&desired.owner), desired.created_at, &uid);
    observed.rivals.iter().all(|rival| {
        let is_recorded = is_recorded(rival.arn);
        own <= rank(is_recorded, rival.owner, rival.created_at, &rival.uid)
    })
}

/// The pair that is this object's, as far as this reconciliation has read, and how the object came
/// to it.
#[must_use]
pub fn own_pair(desired: &Desired, observed: &Observed) -> Option<(KeyPair, Origin)> {
    let pair = observed.pair.as_ref()?.pair.clone()?;
    let is_own = match &desired.pair {
        DesiredPair::Default { .. } => {
            has_come_to(desired, observed, &pair) && is_first(desired, observed, Some(&pair))
        }
        DesiredPair::Imported { .. } | DesiredPair::Generated { .. } => {
            matches!(whose(desired, observed, &pair), Whose::Own | Whose::TaggedAway)
        }
    };
    let origin = origin(desired, observed, &pair);
    is_own.then_some((pair, origin))
}

/// Whether the object has the default pair on record or has its key, or is not to have it. An
/// object that gets no key, because its Secret is another's, does not come before those that have
/// it.
fn has_come_to(desired: &Desired, observed: &Observed, pair: &KeyPair) -> bool {
    let is_recorded = observed.recorded.arn.as_ref() == Some(&pair.arn);
    let has_key = || {
        let found = observed.secret.found().filter(|found| found.is_own);
        found.is_some()
            && verified(desired, observed, pair).is_some_and(|it| it != Match::Different)
    };
    desired.goal != Goal::Present || is_recorded || observed.done.download.is_some() || has_key()
}

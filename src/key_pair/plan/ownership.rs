//! Whose a pair is.

use k8s_openapi::jiff::SignedDuration;

use super::key::wanted_key;
use crate::api::OWNER_TAG;
use crate::api::key_pair::Origin;
use crate::ids::{Arn, Owner};
use crate::key_pair::world::{Desired, DesiredPair, Finalizer, Observed};
use crate::lightsail::{Imported, KeyPair};
use crate::ssh::Match;

/// An imported pair may be older than its object by this much: two clocks are compared, AWS's and
/// the cluster's.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Whose a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// This object's own: its status records it, or this object is the only one that can have
    /// imported it.
    Own,
    /// Recorded as this object's own, but now it has another owner's tag.
    TaggedAway,
    /// Not this object's.
    Foreign {
        /// Somebody else has tagged it as theirs.
        tagged: bool,
    },
}

/// Whose the pair is.
pub(super) fn whose(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Whose {
    let tag = pair.tags.get(OWNER_TAG).map(|value| value.as_deref().unwrap_or_default());
    let tagged_by_other = tag.is_some_and(|tag| tag != desired.owner.as_str());
    if let Some(recorded) = &observed.recorded.arn {
        return match (recorded == &pair.arn, tagged_by_other) {
            (true, false) => Whose::Own,
            (true, true) => Whose::TaggedAway,
            (false, tagged) => Whose::Foreign { tagged },
        };
    }
    let was_imported = matches!(
        &observed.done.import,
        Some(Imported::Accepted(operation)) if !operation.failed()
    );
    let is_own = !tagged_by_other
        && match wanted_key(desired, observed)
            .map(|key| key.fingerprints().compare(pair.fingerprint.as_ref()))
        {
            Some(Match::Same) => {
                was_imported || tag.is_some() || may_be_from_here(desired, observed, pair)
            }
            // Lightsail need not tell a fingerprint. The answer to the import is then all there is,
            // or that it was adopted.
            Some(Match::Unknown) => {
                was_imported || tag.is_some() && observed.recorded.origin == Some(Origin::Adopted)
            }
            // Also right after an import: somebody else was quicker with another key.
            Some(Match::Different) | None => false,
        };
    if is_own { Whose::Own } else { Whose::Foreign { tagged: tagged_by_other } }
}

/// How the object came to a pair of its own. Where the status was lost, a pair that is older than
/// the object counts as adopted: it may have been, and then it must not be deleted or replaced
/// unasked.
pub(super) fn origin(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Origin {
    let made_here = match desired.pair {
        DesiredPair::Imported { .. } => Origin::Imported,
        DesiredPair::Generated { .. } => Origin::Generated,
        DesiredPair::Default { .. } => return Origin::Default,
    };
    let was_imported = matches!(observed.done.import, Some(Imported::Accepted(_)));
    let is_from_here = was_imported || is_as_young(desired, pair);
    observed.recorded.origin.unwrap_or(if is_from_here { made_here } else { Origin::Adopted })
}

/// Whether the pair is not older than the object.
fn is_as_young(desired: &Desired, pair: &KeyPair) -> bool {
    let (Some(pair), Some(object)) = (pair.created(), desired.created_at) else { return false };
    pair >= object.saturating_sub(CLOCK_SKEW).unwrap_or(object)
}

/// Whether the pair can come from an import whose answer or status was lost: the finalizer was
/// there before this reconciliation, and the pair is not older than the object.
fn may_be_from_here(desired: &Desired, observed: &Observed, pair: &KeyPair) -> bool {
    observed.finalizer == Finalizer::Old && is_as_young(desired, pair)
}

/// Whether this object comes first of all in the cluster that want this name: the one that records
/// the pair, then the one that the owner tag names, then the older one, then the one with the
/// smaller uid.
pub(super) fn is_first(desired: &Desired, observed: &Observed, pair: Option<&KeyPair>) -> bool {
    let arn = pair.map(|pair| &pair.arn);
    let tag = pair.and_then(|pair| pair.tags.get(OWNER_TAG)).and_then(Option::as_deref);
    let rank = |recorded: Option<&Arn>, owner: &Owner, created_at, uid: &String| {
        let is_not_recorded = arn.is_none() || recorded != arn;
        let is_not_named = tag != Some(owner.as_str());
        (is_not_recorded, is_not_named, created_at, uid.clone())
    };
    let own =
        rank(observed.recorded.arn.as_ref(), &desired.owner, desired.created_at, &desired.uid);
    observed
        .rivals
        .iter()
        .all(|rival| own <= rank(rival.arn.as_ref(), &rival.owner, rival.created_at, &rival.uid))
}

/// The pair that is this object's, as far as this reconciliation has read, and how the object came
/// to it.
#[must_use]
pub fn own_pair(desired: &Desired, observed: &Observed) -> Option<(KeyPair, Origin)> {
    let pair = observed.pair.as_ref()?.pair.clone()?;
    let is_own = match &desired.pair {
        DesiredPair::Default { .. } => is_first(desired, observed, Some(&pair)),
        DesiredPair::Imported { .. } | DesiredPair::Generated { .. } => {
            matches!(whose(desired, observed, &pair), Whose::Own | Whose::TaggedAway)
        }
    };
    let origin = origin(desired, observed, &pair);
    is_own.then_some((pair, origin))
}

//! The region's default pair, whose private key Lightsail has and a Secret keeps.

use crate::controllers::outcome::Verdict;
use crate::controllers::queue::Next;
use crate::lightsail::{Downloaded, KeyPair};
use crate::secret::Found;
use crate::ssh::Match;

use super::ownership::is_first;
use super::{Desired, Finalizer, Goal, Observed, Reason, SOON, Step, gone, release, yield_to_rival};

/// The pair shall be there, and the Secret shall hold its private key.
pub(super) fn present(desired: &Desired, observed: &Observed, create_if_missing: bool, secret: &str) -> Step {
    let Some(look) = &observed.look else { return Step::Look { live: observed.asked } };
    if !is_first(desired, observed, look.pair.as_ref()) {
        return yield_to_rival(desired, observed);
    }
    let Some(pair) = &look.pair else {
        return if look.live { missing(desired, observed, create_if_missing) } else { Step::Look { live: true } };
    };
    if let Some(step) = keep_key(desired, observed, pair, secret) {
        return step;
    }
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    let message = format!("the Secret {secret} holds the private key of the default key pair of {}", desired.region);
    Step::Finish(Verdict::ready(Reason::Downloaded, message, Next::After(desired.interval)))
}

fn missing(desired: &Desired, observed: &Observed, create_if_missing: bool) -> Step {
    if observed.done.download.is_some() {
        if !observed.done.looked_since_download {
            return Step::Look { live: true };
        }
        let message = "Lightsail is creating the default key pair";
        return Step::Finish(Verdict::wait(Reason::InProgress, message, SOON));
    }
    if !create_if_missing {
        let message = format!(
            "{} has no default key pair; set spec.default.createIfMissing: true to let one be created",
            desired.region
        );
        return Step::Finish(Verdict::stalled(Reason::DefaultKeyPairMissing, message, Next::After(desired.interval)));
    }
    if observed.finalizer == Finalizer::Missing { Step::AddFinalizer } else { Step::Download }
}

/// The pair shall not be there, or the object is being deleted and the pair goes with it. Only the pair with the expected
/// fingerprint, and only when the Secret holds its private key (I2, I3).
pub(super) fn absent(desired: &Desired, observed: &Observed, secret: &str) -> Step {
    let Some(look) = observed.look.as_ref().filter(|look| look.live) else { return Step::Look { live: true } };
    let Some(pair) = &look.pair else { return gone(desired, observed) };
    if !is_first(desired, observed, Some(pair)) {
        return match desired.goal {
            Goal::ObjectDeleted => release(desired, observed, "another object has the default key pair"),
            Goal::Present | Goal::Absent => yield_to_rival(desired, observed),
        };
    }
    if desired.expected_fingerprint.is_none() || desired.expected_fingerprint != pair.fingerprint {
        return mismatch(desired);
    }
    if desired.goal == Goal::ObjectDeleted {
        let Some(namespace_terminating) = observed.namespace_terminating else { return Step::ReadNamespace };
        let Some(found) = &observed.secret else { return Step::ReadSecret(secret.to_owned()) };
        if namespace_terminating || found.as_ref().is_some_and(|found| found.is_terminating) {
            return release(
                desired,
                observed,
                "the default key pair stays in Lightsail: the Secret that keeps its private key is being deleted",
            );
        }
    }
    if let Some(step) = keep_key(desired, observed, pair, secret) {
        return step;
    }
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    Step::Delete { expected_fingerprint: pair.fingerprint.clone() }
}

fn mismatch(desired: &Desired) -> Step {
    let way_out = match desired.goal {
        Goal::ObjectDeleted => ", or set deletionPolicy: Retain to let the object go without it",
        Goal::Present | Goal::Absent => "",
    };
    let message = format!(
        "nothing was deleted: the default key pair of {} does not have the expectedFingerprint; compare it with \
         status.fingerprint, and set it to that if this is the pair that you mean{way_out}",
        desired.region
    );
    Step::Finish(Verdict::stalled(Reason::FingerprintMismatch, message, Next::After(desired.interval)))
}

/// The next step until the Secret holds the private key of the listed pair; `None` when it does.
fn keep_key(desired: &Desired, observed: &Observed, pair: &KeyPair, name: &str) -> Option<Step> {
    let Some(found) = &observed.secret else { return Some(Step::ReadSecret(name.to_owned())) };
    let found = found.as_ref();
    if found.is_some_and(|found| found.is_terminating) {
        let message = format!("the Secret {name} is being deleted; it is written again when it is gone");
        return Some(Step::Finish(Verdict::wait(Reason::InProgress, message, SOON)));
    }
    if let Some(found) = found {
        if let Some(step) = refuse_secret(desired, found, pair) {
            return Some(step);
        }
        if holds_key(observed, found, pair) {
            // A Secret without marks that holds this key is taken over.
            let key = found.key.clone().filter(|_| !found.is_own);
            let take_over = key.map(|key| Step::WriteSecret { name: name.to_owned(), found: Some(found.clone()), key });
            return take_over.or_else(|| refuse_replaced(desired, observed, pair));
        }
    }
    let Some(downloaded) = &observed.done.download else {
        // Between the listing and the download nobody may be able to delete the pair unnoticed (I5).
        return Some(if observed.look.as_ref().is_none_or(|look| !look.live) {
            Step::Look { live: true }
        } else if observed.finalizer == Finalizer::Missing {
            Step::AddFinalizer
        } else {
            Step::Download
        });
    };
    if let Some(step) = write_key(observed, name, found, downloaded) {
        return Some(step);
    }
    refuse_replaced(desired, observed, pair)
}

fn refuse_replaced(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Step> {
    observed.done.download.as_ref().filter(|downloaded| is_replaced(pair, downloaded)).map(|_| {
        let message = "the default key pair was replaced while it was downloaded; both private keys were kept";
        Step::Finish(Verdict::stalled(Reason::DefaultKeyPairReplaced, message, Next::After(desired.interval)))
    })
}

/// A Secret that is not this object's is left alone, and so is one that cannot be written.
fn refuse_secret(desired: &Desired, found: &Found, pair: &KeyPair) -> Option<Step> {
    let is_this_key = compare(found, pair) == Some(Match::Same);
    let next = Next::After(desired.interval);
    if found.is_of_another || (!found.is_own && !is_this_key) {
        let message = format!(
            "the Secret {} is not this object's and was left alone; set another default.secret.name",
            found.name
        );
        return Some(Step::Finish(Verdict::stalled(Reason::SecretNotOwned, message, next)));
    }
    let why = found.rejects.filter(|_| !(found.is_own && is_this_key))?;
    let message =
        format!("the Secret {} cannot be written: {why}; delete it, or set another default.secret.name", found.name);
    Some(Step::Finish(Verdict::stalled(Reason::SecretRejected, message, next)))
}

fn compare(found: &Found, pair: &KeyPair) -> Option<Match> {
    found.key.as_ref().map(|key| key.fingerprints().compare(pair.fingerprint.as_deref()))
}

/// Whether the Secret holds the key of this pair. Where Lightsail gives no fingerprint, it does if the pair is the one that was
/// there when the key was written.
fn holds_key(observed: &Observed, found: &Found, pair: &KeyPair) -> bool {
    let is_the_recorded_pair =
        observed.recorded.arn.as_ref() == Some(&pair.arn) && observed.recorded.created_at == pair.created_at;
    match compare(found, pair) {
        Some(Match::Same) => true,
        Some(Match::Unknown) => is_the_recorded_pair || has_downloaded_key(observed, found),
        Some(Match::Different) | None => false,
    }
}

fn has_downloaded_key(observed: &Observed, found: &Found) -> bool {
    let downloaded = observed.done.download.as_ref().map(|downloaded| downloaded.key.public().sha256());
    downloaded.is_some() && downloaded == found.key.as_ref().map(|key| key.public().sha256())
}

/// Writes the downloaded key, the old one being copied aside first: it may be the only copy (I3).
fn write_key(observed: &Observed, name: &str, found: Option<&Found>, downloaded: &Downloaded) -> Option<Step> {
    if found.is_some_and(|found| has_downloaded_key(observed, found)) {
        return None;
    }
    if let Some((found, key)) = found.and_then(|found| Some((found, found.key.clone()?)))
        && !observed.done.set_aside
    {
        return Some(Step::SetAside { found: found.clone(), key });
    }
    Some(Step::WriteSecret { name: name.to_owned(), found: found.cloned(), key: downloaded.key.clone() })
}

/// Whether what was downloaded is another pair than the one that was listed before.
fn is_replaced(listed: &KeyPair, downloaded: &Downloaded) -> bool {
    let other_key = downloaded.key.fingerprints().compare(listed.fingerprint.as_deref()) == Match::Different;
    let times = (listed.created(), downloaded.created_at.as_ref().and_then(|time| time.parse().ok()));
    let other_time = matches!(times, (Some(listed), Some(downloaded)) if listed != downloaded);
    other_key || other_time
}

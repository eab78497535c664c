//! The region's default pair, whose private key Lightsail has and a Secret keeps.

use crate::api::key_pair::Backup;
use crate::controllers::outcome::Verdict;
use crate::controllers::queue::Next;
use crate::lightsail::{Downloaded, KeyPair};
use crate::secret::{Found, SecretSpec};
use crate::ssh::Match;

use super::ownership::is_first;
use super::pair::keep_tags;
use super::{
    Desired, Finalizer, Goal, Observed, Reason, SOON, Step, gone, kept_key, release, yield_to_rival,
};

/// The pair shall be there, and the Secret shall hold its private key.
pub(super) fn present(
    desired: &Desired,
    observed: &Observed,
    create_if_missing: bool,
    secret: &SecretSpec,
) -> Step {
    let Some(look) = &observed.look else { return Step::Look { live: observed.asked } };
    if !is_first(desired, observed, look.pair.as_ref()) {
        return yield_to_rival(desired, observed);
    }
    let Some(pair) = &look.pair else {
        return if look.live {
            missing(desired, observed, create_if_missing)
        } else {
            Step::Look { live: true }
        };
    };
    if let Some(step) = keep_key(desired, observed, pair, secret) {
        return step;
    }
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    if let Some(step) = keep_tags(desired, observed, pair) {
        return step;
    }
    let message = format!(
        "the Secret {} holds the private key of the default key pair of {}",
        secret.name, desired.region
    );
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
            "{} has no default key pair; set spec.default.createIfMissing: true to let one be \
                created",
            desired.region
        );
        return Step::Finish(Verdict::stalled(
            Reason::DefaultKeyPairMissing,
            message,
            Next::After(desired.interval),
        ));
    }
    if observed.finalizer == Finalizer::Missing { Step::AddFinalizer } else { Step::Download }
}

/// The pair shall not be there, or the object is being deleted and the pair goes with it. Only the
/// pair with the expected fingerprint, and only when the Secret holds its private key (I2, I3).
pub(super) fn absent(
    desired: &Desired,
    observed: &Observed,
    secret: &SecretSpec,
    backup: Backup,
    windows_passwords_saved: bool,
) -> Step {
    let Some(look) = observed.look.as_ref().filter(|look| look.live) else {
        return Step::Look { live: true };
    };
    let Some(pair) = &look.pair else { return gone(desired, observed) };
    if !is_first(desired, observed, Some(pair)) {
        return match desired.goal {
            Goal::ObjectDeleted => {
                release(desired, observed, "another object has the default key pair")
            }
            Goal::Present | Goal::Absent => yield_to_rival(desired, observed),
        };
    }
    if desired.expected_fingerprint.is_none() || desired.expected_fingerprint != pair.fingerprint {
        return mismatch(desired);
    }
    if backup == Backup::Required
        && let Some(step) = back_up(desired, observed, pair, secret)
    {
        return step;
    }
    if !windows_passwords_saved {
        let Some(instances) = &observed.windows_instances else {
            return Step::FindWindowsInstances;
        };
        if let Some(first) = instances.first() {
            return windows(desired, first, instances.len());
        }
    }
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    Step::Delete { expected_fingerprint: pair.fingerprint.clone() }
}

/// The next step until the private key is kept; `None` when it is. A Secret that goes away is no
/// backup.
fn back_up(
    desired: &Desired,
    observed: &Observed,
    pair: &KeyPair,
    secret: &SecretSpec,
) -> Option<Step> {
    let Some(found) = &observed.secret else { return Some(Step::ReadSecret(secret.name.clone())) };
    let is_terminating = found.as_ref().is_some_and(|found| found.is_terminating);
    if desired.goal == Goal::ObjectDeleted {
        let Some(namespace_terminating) = observed.namespace_terminating else {
            return Some(Step::ReadNamespace);
        };
        let goes_with_object = secret.delete_with_object;
        if namespace_terminating || is_terminating || goes_with_object {
            let why =
                if goes_with_object { "is deleted with the object" } else { "is being deleted" };
            let message = format!(
                "the default key pair stays in Lightsail: the Secret that keeps its private key \
                    {why}"
            );
            return Some(release(desired, observed, &message));
        }
    } else if is_terminating {
        let message = format!(
            "nothing was deleted: the Secret {} that keeps the private key is being deleted; let \
                it go, and it is written again",
            secret.name
        );
        return Some(Step::Finish(Verdict::stalled(
            Reason::BackupMissing,
            message,
            Next::After(SOON),
        )));
    }
    keep_key(desired, observed, pair, secret)
}

fn windows(desired: &Desired, first: &str, count: usize) -> Step {
    let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let message = format!(
        "nothing was deleted: the Windows instance {first}{others} uses the default key pair, \
            without which its initial password cannot \
         be decrypted; save the passwords and set spec.default.windowsPasswordsSaved: true"
    );
    Step::Finish(Verdict::stalled(
        Reason::WindowsInstancesUseKey,
        message,
        Next::After(desired.interval),
    ))
}

fn mismatch(desired: &Desired) -> Step {
    let way_out = match desired.goal {
        Goal::ObjectDeleted => ", or set deletionPolicy: Retain to let the object go without it",
        Goal::Present | Goal::Absent => "",
    };
    let message = format!(
        "nothing was deleted: the default key pair of {} does not have the expectedFingerprint; \
            compare it with \
         status.fingerprint, and set it to that if this is the pair that you mean{way_out}",
        desired.region
    );
    Step::Finish(Verdict::stalled(
        Reason::FingerprintMismatch,
        message,
        Next::After(desired.interval),
    ))
}

/// The next step until the Secret holds the private key of the listed pair; `None` when it does.
fn keep_key(
    desired: &Desired,
    observed: &Observed,
    pair: &KeyPair,
    secret: &SecretSpec,
) -> Option<Step> {
    let found = match kept_key::usable(desired, observed, secret, Some(pair)) {
        Ok(found) => found,
        Err(step) => return Some(*step),
    };
    if let Some(found) = found.filter(|found| holds_key(observed, found, pair)) {
        return kept_key::dress(desired, secret, found)
            .or_else(|| refuse_replaced(desired, observed, pair));
    }
    let Some(downloaded) = &observed.done.download else {
        // Between the listing and the download nobody may be able to delete the pair unnoticed
        // (I5).
        return Some(if observed.look.as_ref().is_none_or(|look| !look.live) {
            Step::Look { live: true }
        } else if observed.finalizer == Finalizer::Missing {
            Step::AddFinalizer
        } else {
            Step::Download
        });
    };
    write_key(observed, secret, found, downloaded)
        .or_else(|| refuse_replaced(desired, observed, pair))
}

fn refuse_replaced(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Step> {
    observed.done.download.as_ref().filter(|downloaded| is_replaced(pair, downloaded)).map(|_| {
        let message = "the default key pair was replaced while it was downloaded; both private \
            keys were kept";
        Step::Finish(Verdict::stalled(
            Reason::DefaultKeyPairReplaced,
            message,
            Next::After(desired.interval),
        ))
    })
}

/// Whether the Secret holds the key of this pair. Where Lightsail gives no fingerprint, it does if
/// the pair is the one that was there when the key was written.
fn holds_key(observed: &Observed, found: &Found, pair: &KeyPair) -> bool {
    let is_the_recorded_pair = observed.recorded.arn.as_ref() == Some(&pair.arn)
        && observed.recorded.created_at == pair.created_at;
    match kept_key::compare(found, pair) {
        Some(Match::Same) => true,
        Some(Match::Unknown) => is_the_recorded_pair || has_downloaded_key(observed, found),
        Some(Match::Different) | None => false,
    }
}

fn has_downloaded_key(observed: &Observed, found: &Found) -> bool {
    let downloaded =
        observed.done.download.as_ref().map(|downloaded| downloaded.key.public().sha256());
    downloaded.is_some() && downloaded == found.key.as_ref().map(|key| key.public().sha256())
}

/// Writes the downloaded key, the old one being copied aside first: it may be the only copy (I3).
fn write_key(
    observed: &Observed,
    secret: &SecretSpec,
    found: Option<&Found>,
    downloaded: &Downloaded,
) -> Option<Step> {
    if found.is_some_and(|found| has_downloaded_key(observed, found)) {
        return None;
    }
    if let Some((found, key)) = found.and_then(|found| Some((found, found.key.clone()?)))
        && !observed.done.set_aside
    {
        return Some(Step::SetAside { found: found.clone(), key });
    }
    Some(kept_key::write(secret, found, downloaded.key.clone()))
}

/// Whether what was downloaded is another pair than the one that was listed before.
fn is_replaced(listed: &KeyPair, downloaded: &Downloaded) -> bool {
    let other_key =
        downloaded.key.fingerprints().compare(listed.fingerprint.as_deref()) == Match::Different;
    let times =
        (listed.created(), downloaded.created_at.as_ref().and_then(|time| time.parse().ok()));
    let other_time = matches!(times, (Some(listed), Some(downloaded)) if listed != downloaded);
    other_key || other_time
}

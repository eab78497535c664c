//! The region's default pair, whose private key Lightsail has and a Secret keeps.

use k8s_openapi::jiff::Timestamp;

use super::conflict::yield_to_rival;
use super::ending::{gone, release, secret_stays};
use super::expected::{self, Named};
use super::import::wait_for_current_read;
use super::kept_key;
use super::operations::{deletion_of_former, deletion_under_way, unsettled_absence};
use super::ownership::is_first;
use super::pair::{about_to_go, keep_tags};
use super::refusals::{stalled, wait_until};
use super::step::Step;
use crate::api::Reason;
use crate::api::key_pair::Backup;
use crate::engine::Lookup;
use crate::engine::action::Next;
use crate::key_pair::message::{Message, NotDeleted, Release, SecretProblem};
use crate::key_pair::world::{Desired, Observed, SetAside};
use crate::lightsail::{Downloaded, KeyPair};
use crate::secret::{Found, Rejection, SecretSpec};
use crate::ssh::Match;

/// The pair should be there, and the Secret should hold its private key.
pub(super) fn present(
    desired: &Desired,
    observed: &Observed,
    create_if_missing: bool,
    secret: &SecretSpec,
) -> Step {
    let Some(read) = &observed.pair else { return Step::ReadPair { live: observed.reads_live() } };
    if !is_first(desired, observed, read.pair.as_ref()) {
        return yield_to_rival(desired, observed);
    }
    let Some(pair) = &read.pair else {
        return if read.live {
            missing(desired, observed, create_if_missing)
        } else {
            Step::ReadPair { live: true }
        };
    };
    // I5: the download of a pair that is gone would create another.
    if let Some(step) = wait_for_current_read(observed, read, pair) {
        return step;
    }
    if let Some(step) = about_to_go(desired, observed, pair) {
        return step;
    }
    if let Some(step) = keep_key(desired, observed, pair, secret) {
        return step;
    }
    if !observed.has_finalizer {
        return Step::AddFinalizer;
    }
    if let Some(step) = keep_tags(desired, observed, pair) {
        return step;
    }
    let (secret, region) = (secret.name.as_str(), &desired.region);
    Message::Downloaded { secret, region }.ready(desired.interval)
}

fn missing(desired: &Desired, observed: &Observed, create_if_missing: bool) -> Step {
    if observed.done.download.is_some() {
        if !observed.done.read_since_download {
            return Step::ReadPair { live: true };
        }
        return Message::Creating.wait_longer(desired.interval);
    }
    if let Some(step) = unsettled_absence(observed) {
        return step;
    }
    if !create_if_missing {
        return stalled(desired, &Message::DefaultMissing { region: &desired.region });
    }
    if let Some(step) = unlisted(desired, observed) {
        return step;
    }
    if let Some(step) = deletion_of_former(observed) {
        return step;
    }
    if observed.has_finalizer { Step::Download } else { Step::AddFinalizer }
}

/// Whether lists may not show the pair for a while after a download: it may have created it, unless
/// a list showed it before.
#[must_use]
pub fn may_be_unlisted(observed: &Observed) -> bool {
    observed.pair.as_ref().is_none_or(|read| read.pair.is_none())
}

/// What comes while a list may not show a pair that was downloaded. A download is seldom allowed,
/// so there is no second one before a list shows whose key it is.
fn unlisted(desired: &Desired, observed: &Observed) -> Option<Step> {
    let is_unlisted = observed.unlisted_until.is_some_and(|until| until > observed.now);
    is_unlisted.then(|| Message::Creating.wait_longer(desired.interval))
}

/// What is asked of a deletion of the default pair.
struct Deletion<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    /// The pair, as it was read live.
    pair: &'a KeyPair,
    secret: &'a SecretSpec,
    backup: Backup,
    windows_passwords_saved: bool,
}

/// What must be so before the default pair is deleted, in this order. A check lets the deletion
/// pass, or answers with what comes instead.
const CHECKS: [fn(&Deletion<'_>) -> Option<Step>; 8] = [
    // I1: another object of the cluster may have the pair.
    no_other_object_comes_first,
    // I2: a pair that somebody made anew under the name is not the one that the spec means.
    it_has_the_expected_fingerprint,
    // A read shows it though a deletion found none.
    a_deletion_can_find_it,
    // I5: a download could bring the pair back. What follows costs many calls, and came before.
    its_deletion_is_not_under_way,
    // I3: the Secret may be the only copy of the private key once the pair is gone.
    its_private_key_is_kept,
    // I5: a download that was sent and not answered could bring the pair back, too.
    no_download_may_follow,
    // The initial password of a Windows instance could never be decrypted again.
    no_windows_instance_needs_it,
    // The object must not vanish before what it did is on record.
    the_object_has_its_finalizer,
];

/// The pair should not be there, or the object is being deleted and the pair goes with it.
pub(super) fn absent(
    desired: &Desired,
    observed: &Observed,
    secret: &SecretSpec,
    backup: Backup,
    windows_passwords_saved: bool,
) -> Step {
    let Some(read) = observed.pair.as_ref().filter(|read| read.live) else {
        return Step::ReadPair { live: true };
    };
    let Some(pair) = &read.pair else {
        // The status says where the private key is, also after a crash that followed the deletion.
        let is_unread = matches!(observed.secret, Lookup::Unread);
        return if is_unread && !desired.goal.ends() {
            Step::ReadSecret(secret.name.clone())
        } else {
            let stays = kept_key::stays(desired, observed).filter(|_| !desired.goal.ends());
            let stays = stays.or_else(|| unsettled_absence(observed));
            let stays = stays.or_else(|| unanswered_download(observed));
            let stays = stays.or_else(|| unlisted(desired, observed));
            stays.unwrap_or_else(|| gone(desired, observed))
        };
    };
    let deletion = Deletion { desired, observed, pair, secret, backup, windows_passwords_saved };
    let refusal = CHECKS.iter().find_map(|check| check(&deletion));
    refusal.unwrap_or_else(|| Step::Delete { expected_fingerprint: pair.fingerprint.clone() })
}

fn no_other_object_comes_first(deletion: &Deletion<'_>) -> Option<Step> {
    let Deletion { desired, observed, pair, .. } = deletion;
    (!is_first(desired, observed, Some(pair))).then(|| {
        if desired.goal.ends() {
            release(desired, observed, Release::DefaultIsOfAnother)
        } else {
            yield_to_rival(desired, observed)
        }
    })
}

fn it_has_the_expected_fingerprint(deletion: &Deletion<'_>) -> Option<Step> {
    let Deletion { desired, observed, pair, .. } = deletion;
    match expected::named(desired, observed, pair) {
        Named::Same => None,
        Named::Unread(step) => Some(*step),
        Named::Other(expected) => Some(expected::mismatch(desired, pair, expected)),
        Named::Unset => Some(expected::not_deleted(desired, NotDeleted::NoExpectedFingerprint)),
    }
}

fn a_deletion_can_find_it(deletion: &Deletion<'_>) -> Option<Step> {
    let Deletion { desired, observed, .. } = deletion;
    observed.done.found_none.then(|| Message::NotFoundToDelete.wait_longer(desired.interval))
}

fn its_deletion_is_not_under_way(deletion: &Deletion<'_>) -> Option<Step> {
    deletion_under_way(deletion.observed)
}

/// A Secret that goes away, now or with another object, is no backup.
fn its_private_key_is_kept(deletion: &Deletion<'_>) -> Option<Step> {
    let Deletion { desired, observed, pair, secret, backup, .. } = deletion;
    if *backup == Backup::Skip {
        return None;
    }
    if let Lookup::Unread = observed.secret {
        return Some(Step::ReadSecret(secret.name.clone()));
    }
    let is_terminating = observed.secret.found().is_some_and(|found| found.is_terminating);
    // Its objects are deleted one kind after the other.
    let Some(namespace_terminating) = observed.namespace_terminating else {
        return Some(Step::ReadNamespace);
    };
    if desired.goal.ends() {
        if let Some(step) = secret_stays(desired, observed) {
            return Some(step);
        }
        // The operator never deletes one that it has not created.
        let is_deleted_with_object =
            |found: &Found| found.was_created || found.is_owned_by(&desired.uid);
        let goes_with_object =
            secret.delete_with_object && observed.secret.found().is_none_or(is_deleted_with_object);
        if namespace_terminating || is_terminating || goes_with_object {
            let why = if goes_with_object {
                Release::SecretGoesWithObject
            } else {
                Release::SecretIsDeleted
            };
            return Some(release(desired, observed, why));
        }
    } else if namespace_terminating || is_terminating {
        let secret = secret.name.as_str();
        let why = if namespace_terminating {
            SecretProblem::GoesWithNamespace
        } else {
            SecretProblem::BackupIsDeleted
        };
        let message = Message::Secret { secret, why };
        return Some(message.stalled(Next::BackoffWithin(desired.interval)));
    }
    keep_key(desired, observed, pair, secret).or_else(|| refuse_other_owner(desired, observed))
}

fn refuse_other_owner(desired: &Desired, observed: &Observed) -> Option<Step> {
    let found = observed.secret.found()?;
    let other = found.owners.iter().find(|owner| owner.uid != desired.uid)?;
    let (kind, owner, ends) = (&*other.kind, &*other.name, desired.goal.ends());
    let why = SecretProblem::HasOwner { kind, owner, ends };
    let message = Message::Secret { secret: &found.name, why };
    Some(message.stalled(Next::BackoffWithin(desired.interval)))
}

/// All that comes before it is so by now, but whether Windows instances need the key is asked only
/// after it: if the object shows that they do, it goes on showing that.
fn no_download_may_follow(deletion: &Deletion<'_>) -> Option<Step> {
    let step = unanswered_download(deletion.observed)?;
    let needed = deletion.observed.stalled_for.filter(|it| *it == Reason::WindowsInstancesUseKey);
    Some(match (step, needed) {
        (Step::Finish(verdict), Some(reason)) => Step::Pause { reason, next: verdict.next },
        (step, _) => step,
    })
}

/// What comes while a download may still create the pair again. A process that led before this one
/// may have sent one, for whichever object had the name then, unless this one was acted on since.
fn unanswered_download(observed: &Observed) -> Option<Step> {
    let of_predecessor = Some(observed.predecessors_may_act).filter(|_| !observed.was_acted_on);
    let until = observed.download_may_follow.max(of_predecessor);
    let until = until.filter(|until| *until > observed.now)?;
    Some(wait_until(observed, until, &Message::DownloadMayFollow))
}

fn no_windows_instance_needs_it(deletion: &Deletion<'_>) -> Option<Step> {
    if deletion.windows_passwords_saved {
        return None;
    }
    let Some(instances) = &deletion.observed.windows_instances else {
        return Some(Step::FindWindowsInstances);
    };
    let first = instances.first()?;
    let message = Message::WindowsInstances { first, others: instances.len() - 1 };
    Some(stalled(deletion.desired, &message))
}

fn the_object_has_its_finalizer(deletion: &Deletion<'_>) -> Option<Step> {
    (!deletion.observed.has_finalizer).then_some(Step::AddFinalizer)
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
        return kept_key::dress(desired, observed, secret, found)
            .or_else(|| refuse_replaced(desired, observed, pair, secret));
    }
    let Some(downloaded) = &observed.done.download else {
        if let Some(step) = found.and_then(|found| refuse_known(desired, observed, found, pair)) {
            return Some(step);
        }
        // Between the listing and the download nobody may be able to delete the pair unnoticed
        // (I5).
        return Some(if observed.pair.as_ref().is_none_or(|read| !read.live) {
            Step::ReadPair { live: true }
        } else if !observed.has_finalizer {
            Step::AddFinalizer
        } else {
            Step::Download
        });
    };
    write_key(desired, observed, secret, found, downloaded)
        .or_else(|| refuse_replaced(desired, observed, pair, secret))
}

/// An earlier download has shown that the Secret holds another key, and it cannot be written.
fn refuse_known(
    desired: &Desired,
    observed: &Observed,
    found: &Found,
    pair: &KeyPair,
) -> Option<Step> {
    let why = found.rejects?;
    let is_known = is_recorded(observed, pair) && observed.recorded.public_key_sha256.is_some();
    is_known.then(|| rejected(desired, found, why))
}

fn rejected(desired: &Desired, found: &Found, why: Rejection) -> Step {
    let why = SecretProblem::Rejected { why, needs_key: false };
    stalled(desired, &Message::Secret { secret: &found.name, why })
}

fn refuse_replaced(
    desired: &Desired,
    observed: &Observed,
    pair: &KeyPair,
    secret: &SecretSpec,
) -> Option<Step> {
    observed.done.download.as_ref().filter(|downloaded| is_replaced(pair, downloaded)).map(|_| {
        let has_copy = observed.done.set_aside != SetAside::Not;
        stalled(desired, &Message::DefaultReplaced { secret: &secret.name, has_copy })
    })
}

/// Whether the Secret holds the key of this pair. Where Lightsail gives no fingerprint, it does if
/// the pair is the one that was there when the key was written.
fn holds_key(observed: &Observed, found: &Found, pair: &KeyPair) -> bool {
    let recorded = &observed.recorded;
    let key = found.key.as_ref().map(|key| key.public().sha256());
    let is_the_recorded_pair = is_recorded(observed, pair) && recorded.public_key_sha256 == key;
    match kept_key::compare(found, pair) {
        Some(Match::Same) => true,
        Some(Match::Unknown) => is_the_recorded_pair || has_downloaded_key(observed, found),
        Some(Match::Different) | None => false,
    }
}

fn is_recorded(observed: &Observed, pair: &KeyPair) -> bool {
    let recorded = &observed.recorded;
    recorded.arn.as_ref() == Some(&pair.arn) && pair.is_created_at(recorded.created_at.as_deref())
}

fn has_downloaded_key(observed: &Observed, found: &Found) -> bool {
    let downloaded =
        observed.done.download.as_ref().map(|downloaded| downloaded.key.public().sha256());
    downloaded.is_some() && downloaded == found.key.as_ref().map(|key| key.public().sha256())
}

/// Writes the downloaded key, the old one being copied aside first: it may be the only copy (I3).
fn write_key(
    desired: &Desired,
    observed: &Observed,
    secret: &SecretSpec,
    found: Option<&Found>,
    downloaded: &Downloaded,
) -> Option<Step> {
    if found.is_some_and(|found| has_downloaded_key(observed, found)) {
        return None;
    }
    if let Some((found, why)) = found.and_then(|found| Some((found, found.rejects?))) {
        return Some(rejected(desired, found, why));
    }
    let kept = found.and_then(|found| kept_key::set_aside(desired, observed, found));
    if kept.is_some() {
        return kept;
    }
    Some(kept_key::write(observed, secret, found, downloaded.key.clone()))
}

/// Whether what was downloaded is another pair than the one that was listed before.
fn is_replaced(listed: &KeyPair, downloaded: &Downloaded) -> bool {
    let matches = downloaded.key.fingerprints().compare(listed.fingerprint.as_ref());
    let made = downloaded.created_at.as_ref().and_then(|time| time.parse().ok());
    // One of the two answers may have whole seconds. For a key that is known, they may be rounded
    // up: nothing but the time tells pairs of unknown keys apart.
    let tolerated = u64::from(matches == Match::Same);
    let is_other_time = |(listed, made): (Timestamp, Timestamp)| {
        listed.as_second().abs_diff(made.as_second()) > tolerated
    };
    matches == Match::Different || listed.created().zip(made).is_some_and(is_other_time)
}

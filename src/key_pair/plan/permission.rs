//! Whether the object may use the credentials that it is to use: before any call of AWS, and before
//! anything is said of a step that would come.

use k8s_openapi::jiff::SignedDuration;

use super::deletion_policy::effective_deletion_policy;
use super::ending::end;
use super::refusals::stalled;
use super::step::Step;
use crate::access::Grant;
use crate::access::permission::{Permission, Refused, What, permission, selects_by_labels};
use crate::api::account::{AllowedKeyPairType, DefaultKeyPairAction};
use crate::api::key_pair::{AdoptionPolicy, Backup, DeletionPolicy};
use crate::engine::action::Next;
use crate::engine::message::{Message as Shared, WayOut};
use crate::key_pair::message::{Message, Release};
use crate::key_pair::world::{Desired, DesiredPair, Goal, Observed};

/// What releases an object whose account cannot be called.
pub const RELEASE_WITHOUT_CALL: &str =
    "set deletionPolicy: Retain to release the object without a call to AWS";

/// Nobody can edit an object of a namespace that is being deleted, and the account may be given
/// back in this time.
const LAST_WAIT: SignedDuration = SignedDuration::from_mins(1);

/// The step that comes instead, if the object may not use its credentials, or if that is not known.
pub(super) fn refuse(desired: &Desired, observed: &Observed) -> Option<Step> {
    let (namespace, _) = desired.owner.object();
    let of_namespace = (namespace, observed.namespace_labels.as_ref());
    let asks = asks(desired, observed);
    // A list may not show the pair yet that a download has created.
    let has_acted = desired.has_used_account(&observed.recorded)
        || observed.unlisted_until.is_some_and(|until| until > observed.now);
    match permission(&observed.grant, of_namespace, &desired.region, &asks, has_acted) {
        Permission::Granted => None,
        Permission::LabelsUnread => Some(Step::ReadNamespace),
        Permission::Refused(why) => Some(refused(desired, observed, why)),
    }
}

/// What the object asks of an account.
fn asks<'a>(desired: &'a Desired, observed: &Observed) -> Vec<What<'a>> {
    let (name, takes_over) = (&desired.name, desired.adoption == AdoptionPolicy::TakeOver);
    let pair = |type_| vec![What::KeyPair { type_, name, takes_over }];
    let deletes = match desired.goal {
        Goal::Present => false,
        Goal::Absent => true,
        Goal::ObjectDeleted | Goal::ObjectVanished => {
            effective_deletion_policy(desired, observed.recorded.origin) == DeletionPolicy::Delete
        }
    };
    match &desired.pair {
        DesiredPair::Imported { .. } => pair(AllowedKeyPairType::Imported),
        DesiredPair::Generated { .. } => pair(AllowedKeyPairType::Generated),
        DesiredPair::Default { create_if_missing, backup, .. } => {
            let is_wanted = desired.goal == Goal::Present;
            let needs = [
                (is_wanted || *backup == Backup::Required, DefaultKeyPairAction::Download),
                (is_wanted && *create_if_missing, DefaultKeyPairAction::Create),
                (deletes, DefaultKeyPairAction::Delete),
            ];
            let needed = needs.into_iter().filter(|(is_needed, _)| *is_needed);
            needed.map(|(_, action)| What::DefaultKeyPair(action)).collect()
        }
    }
}

/// What its user can do beside what a message about the account advises. An object that is created
/// again under its name adopts its pair, which keeps its owner tag.
pub(super) fn way_out(desired: &Desired, observed: &Observed) -> WayOut<'static> {
    if desired.goal.ends() {
        return WayOut::Or(RELEASE_WITHOUT_CALL);
    }
    if desired.goal != Goal::Present || !observed.recorded.may_have_pair() {
        return WayOut::None;
    }
    let loses_key = desired.pair.secret().is_some_and(|secret| secret.delete_with_object);
    WayOut::Again(if loses_key {
        "set deletionPolicy: Retain and secret.deleteWithObject: false"
    } else {
        "set deletionPolicy: Retain"
    })
}

/// It makes no call, and an owner tag stays.
fn refused(desired: &Desired, observed: &Observed, why: Refused<'_>) -> Step {
    if !desired.goal.ends() {
        let refusal =
            Message::Account(Shared::NoAccess { why, way_out: way_out(desired, observed) });
        // Who labels a namespace does so soon, and no watch reports it.
        return if selects_by_labels(&observed.grant) {
            refusal.stalled(Next::BackoffWithin(desired.interval))
        } else {
            stalled(desired, &refusal)
        };
    }
    if effective_deletion_policy(desired, observed.recorded.origin) == DeletionPolicy::Retain {
        let why = without_access(observed, Release::NoAccess);
        return end(desired, observed, &Message::Released { why, tag_stays: None });
    }
    let release = release_command(desired.owner.object());
    let stalled = Message::Account(Shared::NoAccess { why, way_out: WayOut::Or(&release) });
    let Some(is_terminating) = observed.namespace_terminating else { return Step::ReadNamespace };
    match desired.deleted_at.filter(|_| is_terminating) {
        // That its namespace is deleted next is something that no watch reports.
        None => stalled.stalled(Next::After(desired.interval.min(LAST_WAIT.unsigned_abs()))),
        Some(deleted_at) => {
            let left = LAST_WAIT - observed.now.duration_since(deleted_at);
            if left.is_positive() {
                return stalled.stalled(Next::After(left.unsigned_abs()));
            }
            let why = without_access(observed, Release::NamespaceIsDeleted);
            end(desired, observed, &Message::Released { why, tag_stays: None })
        }
    }
}

/// Why an object is released that may not use its account: nothing stays of one that has recorded
/// no pair.
fn without_access(observed: &Observed, why: Release) -> Release {
    if observed.recorded.may_have_pair() { why } else { Release::NoAccessNoRecord }
}

/// The command that releases an object without a call.
#[must_use]
pub fn release_command((namespace, name): (&str, &str)) -> String {
    format!(
        "release the object without a call to AWS: kubectl patch lightsailkeypair {name} -n \
         {namespace} --type merge -p '{{\"spec\":{{\"deletionPolicy\":\"Retain\"}}}}'"
    )
}

/// What is reported about an account whose credentials cannot be had.
pub(super) fn account_name(observed: &Observed) -> Option<&str> {
    match &observed.grant {
        Grant::Account(entry) => Some(&entry.name),
        Grant::Operator | Grant::Required | Grant::Missing(_) | Grant::Unreadable(_) => None,
    }
}

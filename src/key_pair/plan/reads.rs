//! Which reads do: when a list that others share is good enough, and when only a live read is.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

use super::confirmation::{has_many_of_own, is_crowd};
use super::operations::{
    deletion_before, deletion_under_way, failed_operation, operation_failed, unanswered_deletion,
};
use super::ownership::is_first;
use super::step::Step;
use crate::api::Reason;
use crate::engine::State;
use crate::key_pair::message::Message;
use crate::key_pair::world::{Desired, DesiredPair, Goal, Observed};
use crate::lightsail::{self, ErrorKind, planned_within};

/// A live read justifies what is sent within ten seconds of it: reading a Secret may come in
/// between, or a download, but not a nap.
const READ_WITHIN: SignedDuration = planned_within(Duration::from_secs(10));

/// How old the shared list may be for an object that changed. Lists of a moment ago serve a crowd
/// of new objects together.
const FRESH: Duration = Duration::from_secs(10);

/// How old the shared list may be for an object that nothing was changed in: it follows its
/// interval.
#[must_use]
pub fn max_age_of_list(interval: Duration) -> Duration {
    interval.saturating_sub(FRESH)
}

/// How old it may be for an object that is reconciled: one that was edited does not wait for its
/// interval. In a crowd of new objects no list is read for each few of them: if a name is not free
/// any more, the import is refused, and the pair is read then.
#[must_use]
pub fn max_age_of_list_for(desired: &Desired, observed: &Observed) -> Duration {
    let recorded = &observed.recorded;
    let is_new = recorded.arn.is_none() && recorded.origin.is_none() && recorded.intent.is_none();
    let is_one_of_many = is_new && desired.goal == Goal::Present && is_crowd(&observed.crowd);
    if observed.edited && !is_one_of_many { FRESH } else { max_age_of_list(desired.interval) }
}

/// Whether the pair is read again after a change of its tags: that found none, for the first time.
/// If a live read shows the pair all the same, the change has failed.
#[must_use]
pub fn needs_another_read(observed: &Observed, change: &lightsail::Result<()>) -> bool {
    let found_none = change.as_ref().is_err_and(|error| error.kind == ErrorKind::NotFound);
    found_none && !observed.done.found_none
}

/// The step, or the read that has to come before it.
pub(super) fn justified(desired: &Desired, observed: &Observed, step: Step) -> Step {
    let is_deletion = matches!(step, Step::Delete { .. });
    let is_destructive = is_deletion || matches!(step, Step::Download);
    // Another owner may have tagged the pair since.
    let is_tagging = matches!(step, Step::Tag { .. } | Step::RemoveTags { .. });
    if (is_destructive || is_tagging) && is_outdated(observed) {
        return read_again(desired, observed);
    }
    if let Some(deletion) = observed.done.delete.as_ref().filter(|_| is_deletion) {
        return if deletion.failed() {
            operation_failed("DeleteKeyPair", deletion)
        } else {
            Message::StillThere { name: &desired.name }.wait_longer(desired.interval)
        };
    }
    if is_deletion && observed.done.found_none {
        return Message::NotFoundToDelete.wait_longer(desired.interval);
    }
    // A download could bring the pair back (I5).
    let is_going = || unanswered_deletion(observed).or_else(|| deletion_under_way(observed));
    if let Some(wait) = is_going().filter(|_| is_destructive) {
        return wait;
    }
    // Of an object that vanished, nothing can say so: its pair is deleted now.
    let is_said = is_deletion && desired.goal != Goal::ObjectVanished;
    if is_said && let Some(failed) = failed_operation(observed, "DeleteKeyPair") {
        return failed;
    }
    let pair = observed.pair.as_ref().and_then(|read| read.pair.as_ref()).filter(|_| is_deletion);
    if let Some(wait) = pair.and_then(|pair| deletion_before(observed, pair)) {
        return wait;
    }
    // A list may be as old as an interval: what it says sticks only if a live read confirms it. Who
    // makes way for an object that has the pair on record does not ask Lightsail: it is called when
    // that one steps aside.
    if makes_way(desired, observed, &step) {
        return step;
    }
    let is_listed = observed.pair.as_ref().is_some_and(|read| !read.live);
    if is_listed && (is_tagging || refuses_for_the_pair(observed, &step)) {
        return Step::ReadPair { live: true };
    }
    without_list(desired, observed, &step).unwrap_or(step)
}

/// Whether the step leaves the pair to another object that comes first, and has one on record.
fn makes_way(desired: &Desired, observed: &Observed, step: &Step) -> bool {
    let Step::Finish(verdict) = step else { return false };
    let yields = matches!(verdict.reason, Reason::NameConflict | Reason::WaitingForOwner);
    let pair = observed.pair.as_ref().and_then(|read| read.pair.as_ref());
    let has_owner = observed.rivals.iter().any(|rival| rival.arn.is_some());
    yields && has_owner && observed.pair.is_some() && !is_first(desired, observed, pair)
}

/// Whether the step is a refusal that rests on what was read of the pair, and not on the spec, its
/// source or the account.
fn refuses_for_the_pair(observed: &Observed, step: &Step) -> bool {
    let Step::Finish(verdict) = step else { return false };
    // It would be one more than the account allows: those of others were counted.
    let has_none = observed.pair.as_ref().is_some_and(|read| read.pair.is_none());
    if has_none && verdict.reason == Reason::AccountNotAllowed {
        return false;
    }
    let rests_on_something_else = matches!(
        verdict.reason,
        Reason::InvalidName
            | Reason::InvalidPublicKey
            | Reason::SourceNotFound
            | Reason::SourceTooLarge
            | Reason::RegionNotAllowed
            | Reason::TooManyRegions
            | Reason::WrongAccount
    );
    verdict.state == State::Stalled && !rests_on_something_else
}

/// What comes instead of a step for which a list would have to be read, or is being read for
/// others. An object that was edited reads its own pair where that is one call and a list is more.
/// One with a place of those for changes gives it up rather than wait for many pages: it comes back
/// as a resync.
fn without_list(desired: &Desired, observed: &Observed, step: &Step) -> Option<Step> {
    let needs_pair = matches!(step, Step::ReadPair { live: false });
    let needs_list = needs_pair || matches!(step, Step::CountKeyPairs);
    if !needs_list || observed.list_at_hand || observed.crowd.is_named {
        return None;
    }
    if needs_pair && may_read_own(desired, observed) {
        let is_few = observed.list_pages > 1 && observed.list_pages >= together(observed);
        if observed.recorded.arn.is_some() || is_few {
            return Some(Step::ReadPair { live: true });
        }
    }
    observed.list_takes_long.then(|| Message::Importing.pause(Duration::ZERO))
}

/// How many pages of a list an object waits for that looks for its own pair.
#[must_use]
pub fn pages_for_pair(desired: &Desired, observed: &Observed) -> usize {
    let most = pages_for_count(observed);
    if may_read_own(desired, observed) { most.min(together(observed)) } else { most }
}

/// How many pages of a list an object waits for that counts the pairs of its namespace.
#[must_use]
pub fn pages_for_count(observed: &Observed) -> usize {
    if observed.is_change { 1 } else { usize::MAX }
}

/// Whether one call shows what the object needs to know of its pair. A new one that is counted
/// needs the list in any case, and one that is suspended is in no hurry.
fn may_read_own(desired: &Desired, observed: &Observed) -> bool {
    let is_new = observed.recorded.arn.is_none();
    let can_wait = is_new && (desired.suspend || desired.limits.max_key_pairs.is_some());
    observed.edited && !can_wait && !matches!(desired.pair, DesiredPair::Default { .. })
}

/// How many objects would each read their own pair where one list serves all of them. Few of a
/// namespace do not wait for the crowd of another.
fn together(observed: &Observed) -> usize {
    if has_many_of_own(&observed.crowd) { observed.crowd.all.size() } else { 1 }
}

/// How often the pair is read again in a reconciliation, because each read takes too long.
const MOST_REPEATED: usize = 2;

/// How to read the pair again. A list of all may take longer than a read holds, however often it is
/// read.
fn read_again(desired: &Desired, observed: &Observed) -> Step {
    let was_live = observed.pair.as_ref().is_some_and(|read| read.live);
    if was_live && observed.done.repeated_reads >= MOST_REPEATED {
        Message::ReadsTakeLong.wait_longer(desired.interval)
    } else if was_live && matches!(desired.pair, DesiredPair::Default { .. }) {
        Step::ReadDefaultPair
    } else {
        Step::ReadPair { live: true }
    }
}

/// Whether the read is so old that the world may have changed since. A process that slept between
/// the read and the step (a machine that was suspended, an old leader) would destroy what it has
/// never seen.
fn is_outdated(observed: &Observed) -> bool {
    observed.pair.as_ref().is_some_and(|read| observed.now.duration_since(read.at) > READ_WITHIN)
}

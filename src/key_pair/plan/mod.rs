//! What to do next for a key pair: a function of the desired state and of what was observed. Every
//! decision about key pairs is here, failures included.
//!
//! No I/O, no clock. [`plan`] is asked again after each step, with what the step has taught, until
//! it answers with a step that ends the reconciliation. It asks for what it needs to read, so that
//! what needs no read (a release, a refusal) makes no call.

mod absent;
mod aftermath;
mod confirmation;
mod conflict;
mod default_pair;
mod deletion_policy;
mod ending;
mod expected;
mod failure;
mod generated;
mod import;
mod kept_key;
mod key;
mod limit;
mod operations;
mod ownership;
mod pair;
mod permission;
mod reads;
mod refusals;
mod source;
mod step;
mod unchanged;
mod without_object;

pub use aftermath::{Aftermath, aftermath};
pub use confirmation::{Confirmation, confirmation};
pub use default_pair::may_be_unlisted;
pub use deletion_policy::effective_deletion_policy;
pub use ending::{
    is_followed_up, is_gone, is_left_behind, leaves_pair, may_be_gone, may_be_same_pair,
};
pub use failure::{
    answer_to_import, deletion_failed, import_failed, may_have_deleted, may_still_take_effect,
    refused_secret_stays,
};
pub use import::{imported_key, may_be_sent_elsewhere, others_act_for};
pub use key::{verified, wanted_key};
pub use limit::{has_its_place, max_age_to_count, stays_in_line};
pub use operations::looked_up;
pub use ownership::{came_to_nothing, is_replaced, own_pair};
pub use pair::is_kept_as_it_is;
pub use permission::{RELEASE_WITHOUT_CALL, release_command};
pub use reads::{
    max_age_of_list, max_age_of_list_for, needs_another_read, pages_for_count, pages_for_pair,
};
pub use source::source;
pub use step::Step;
pub use unchanged::is_unchanged;
pub(super) use unchanged::{is_account_still, is_permitted_still};
pub use without_object::{TaggedObject, is_without_object, tagged_object};

use super::message::{Message, Release};
use super::world::{Desired, DesiredPair, Goal, Observed, PairRead};
use crate::api::key_pair::DeletionPolicy;
use crate::engine::Verdict;
use crate::engine::account_rule::refuse_account;
use crate::engine::action::Next;
use crate::lightsail::Imported;

/// The next step.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Step {
    if let Some(observed) = failure::without_secret(desired, observed) {
        return plan(desired, &observed);
    }
    let without_owner =
        failure::without_owner(desired, observed).map(|observed| plan(desired, &observed));
    // A write of another key would set the owner too, and be refused again.
    if let Some(step) = without_owner.filter(|step| !matches!(step, Step::WriteSecret { .. })) {
        return step;
    }
    let on_record = trusting_the_list(desired, observed);
    let observed = on_record.as_ref().unwrap_or(observed);
    let step = match &observed.failure {
        Some(failure) => failure::after(desired, observed, failure),
        None => reads::justified(desired, observed, decide(desired, observed)),
    };
    let step = if desired.suspend && step.changes() { suspended(desired, observed) } else { step };
    let step = if may_be_out_of_date(observed, &step) { Step::StartOver } else { step };
    if desired.goal == Goal::ObjectVanished { ending::follow_up(desired, step) } else { step }
}

/// Whether the account may no longer allow the step, or the spec no longer want it: it was edited
/// while the reconciliation waited for an answer or its turn. A pair that was imported before that
/// still gets its tags and its record.
fn may_be_out_of_date(observed: &Observed, step: &Step) -> bool {
    // A suspended object takes the owner off too, but only as its present spec says.
    let changes = step.changes() || matches!(step, Step::DisownSecret(_));
    let was_imported = matches!(observed.done.import, Some(Imported::Accepted(_)));
    observed.changed_meanwhile && changes && !was_imported
}

/// A suspended object changes nothing, so what a list shows is enough for it, unless an import of
/// it may still take effect: it costs no call of its own.
fn trusting_the_list(desired: &Desired, observed: &Observed) -> Option<Observed> {
    let is_content = desired.suspend && observed.recorded.intent.is_none();
    let read = observed.pair.as_ref().filter(|read| is_content && !read.live)?;
    let pair = Some(PairRead { live: true, ..read.clone() });
    Some(Observed { pair, ..observed.clone() })
}

/// A suspended object says what would be done. The finalizer comes before everything and says
/// nothing.
fn suspended(desired: &Desired, observed: &Observed) -> Step {
    let with_finalizer = Observed { has_finalizer: true, ..observed.clone() };
    let step = decide(desired, &with_finalizer);
    if !step.changes() {
        return step;
    }
    let planned = step.name();
    let message = Message::Suspended { step: planned }.to_string();
    Step::Finish(Verdict {
        planned: Some(planned),
        ..Verdict::suspended(message, Next::After(desired.interval))
    })
}

fn decide(desired: &Desired, observed: &Observed) -> Step {
    if desired.goal.ends() && !observed.has_finalizer {
        return Step::Leave;
    }
    // Whoever replaced the whole object took it off. Without it, the pair would stay when the
    // object is deleted, whatever that shows until then.
    let recorded = &observed.recorded;
    if !observed.has_finalizer && (recorded.arn.is_some() || recorded.intent.is_some()) {
        return Step::AddFinalizer;
    }
    if let Some(refusal) = permission::refuse(desired, observed) {
        return refusal;
    }
    let policy = effective_deletion_policy(desired, observed.recorded.origin);
    if desired.goal.ends() && policy == DeletionPolicy::Retain {
        let why = if desired.suspend { Release::Suspended } else { Release::Retain };
        return ending::release(desired, observed, why);
    }
    if let Some(why) = observed.predecessor {
        return refusals::wait_for_predecessor(why);
    }
    if let Some(refusal) = refusals::refuse_spec(desired) {
        // Nothing was ever done for an object with such a name.
        return if desired.goal.ends() {
            ending::release(desired, observed, Release::NeverHadPair)
        } else {
            refusal
        };
    }
    let Some(account) = &observed.account else { return Step::Identify };
    let way_out = permission::way_out(desired, observed);
    let (recorded, pinned) = (observed.recorded.account.as_ref(), desired.pinned_account.as_ref());
    if let Some(refusal) =
        refuse_account(account, recorded, pinned, permission::account_name(observed), way_out)
    {
        return Step::Finish(refusal);
    }
    let is_wanted = desired.goal == Goal::Present;
    match &desired.pair {
        DesiredPair::Imported { key, replace } if is_wanted => {
            match source::public_key(desired, observed, key) {
                Ok(key) => pair::present(desired, observed, key, *replace),
                Err(step) => *step,
            }
        }
        DesiredPair::Imported { key, .. } => source::needed(desired, observed, key)
            .unwrap_or_else(|| absent::absent(desired, observed)),
        DesiredPair::Generated { algorithm, secret, replace } if is_wanted => {
            generated::present(desired, observed, *algorithm, secret, *replace)
        }
        DesiredPair::Generated { secret, .. } => generated::absent(desired, observed, secret),
        DesiredPair::Default { create_if_missing, secret, .. } if is_wanted => {
            default_pair::present(desired, observed, *create_if_missing, secret)
        }
        DesiredPair::Default { secret, backup, windows_passwords_saved, .. } => {
            default_pair::absent(desired, observed, secret, *backup, *windows_passwords_saved)
        }
    }
}

#[cfg(test)]
#[rustfmt::skip]
mod tests;

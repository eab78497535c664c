//! Makes the status of a `LightsailAccount` from the result of a reconciliation. Pure.

use std::borrow::Cow;

use super::world::Observed;
use crate::api::conditions::Conditions;
use crate::api::{LightsailAccount, LightsailAccountStatus};
use crate::engine::{Verdict, objects};

/// The status after a reconciliation. What the reconciliation did not read stays as it was.
pub(super) fn status(
    object: &LightsailAccount,
    observed: &Observed,
    verdict: &Verdict,
) -> LightsailAccountStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let conditions = Conditions::new(&before.conditions, generation, observed.now);
    let caller = observed.caller.as_ref().and_then(|caller| caller.as_ref().ok());
    LightsailAccountStatus {
        observed_generation: generation,
        last_handled_reconcile: objects::asked(object).map(Cow::into_owned),
        caller_arn: caller.cloned().or(before.caller_arn.clone()),
        conditions: verdict.conditions(conditions).into_list(),
    }
}

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
    // Another spec may lead to another identity, and it is not known to which.
    let is_of_spec = before.observed_generation == generation || observed.is_deleting;
    let known = before.caller_arn.clone().filter(|_| is_of_spec);
    LightsailAccountStatus {
        observed_generation: generation,
        last_handled_reconcile: objects::asked(object).map(Cow::into_owned),
        caller_arn: caller.cloned().or(known),
        conditions: verdict.conditions(conditions).into_list(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::Reason;
    use crate::engine::action::Next;
    use crate::lightsail::{Error, ErrorKind};

    #[test]
    fn an_identity_is_that_of_the_present_spec_or_unknown() {
        let failed = || Some(Err(Error::of_kind(ErrorKind::BadCredentials)));
        for (name, generation, caller, expected) in [
            ("another one", 1, Some(Ok("ben".to_owned())), Some("ben")),
            ("an outage", 1, failed(), Some("ann")),
            ("nobody asked", 1, None, Some("ann")),
            ("nobody asked yet where the spec leads", 2, None, None),
            ("the spec leads nowhere now", 2, failed(), None),
        ] {
            let object: LightsailAccount = serde_json::from_value(serde_json::json!({
                "metadata": { "name": "production", "generation": generation },
                "spec": { "accountID": "123456789012", "allowedNamespaces": { "from": "All" },
                    "allowed": { "regions": ["eu-west-1"] } },
                "status": { "observedGeneration": 1, "callerARN": "ann" },
            }))
            .unwrap();
            let observed = Observed {
                now: Timestamp::UNIX_EPOCH,
                is_primary: true,
                is_deleting: false,
                has_finalizer: true,
                has_valid_selector: true,
                caller,
                users: None,
                interval: Duration::from_mins(10),
            };
            let verdict = Verdict::stalled(Reason::InvalidCredentials, "no", Next::Backoff);
            let status = status(&object, &observed, &verdict);
            assert_eq!(status.caller_arn.as_deref(), expected, "{name}");
        }
    }
}

//! Which objects use an account. Anybody can set a finalizer and name any account, but only the
//! operator writes the status, which says whose account an object has used.

use crate::api::{FINALIZER, HostKeyReset, LightsailKeyPair};
use crate::engine::objects::has_finalizer;

/// Whether the object may have a key pair in this account.
#[must_use]
pub fn may_have_pair(object: &LightsailKeyPair, account: &str) -> bool {
    let used = object.status.as_ref().and_then(|status| status.account_id.as_deref());
    has_finalizer(object, FINALIZER) && used == Some(account)
}

/// Whether the reset may have been called in this account and has not ended.
#[must_use]
pub fn is_under_way(object: &HostKeyReset, account: &str) -> bool {
    object.status.as_ref().is_some_and(|status| {
        status.attempts > 0 && !status.is_over() && status.account_id.as_deref() == Some(account)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_object_uses_the_account_that_its_status_names_until_it_is_done_there() {
        for (name, finalizers, account, expected) in [
            ("one that has acted", json!([FINALIZER]), json!("1"), true),
            ("in another account", json!([FINALIZER]), json!("2"), false),
            ("in none", json!([FINALIZER]), Value::Null, false),
            ("one that was released", json!(["other"]), json!("1"), false),
        ] {
            let object = json!({
                "metadata": {"name": "a", "finalizers": finalizers},
                "spec": {"type": "Imported", "region": "eu-west-1"},
                "status": {"observedGeneration": 1, "accountID": account},
            });
            let object = serde_json::from_value(object).unwrap();
            assert_eq!(may_have_pair(&object, "1"), expected, "{name}");
        }
        for (name, attempts, account, condition, expected) in [
            ("one that was called", 1, "1", "Ready", true),
            ("in another account", 1, "2", "Ready", false),
            ("one that was not called yet", 0, "1", "Ready", false),
            ("one that is done", 1, "1", "Complete", false),
            ("one that has failed", 1, "1", "Failed", false),
        ] {
            let object = json!({
                "metadata": {"name": "a"},
                "spec": {"region": "eu-west-1", "instanceName": "web-1", "reason": "rebuilt"},
                "status": {
                    "observedGeneration": 1, "accountID": account, "attempts": attempts,
                    "conditions": [{
                        "type": condition, "status": "True", "reason": "Any", "message": "",
                        "lastTransitionTime": "2026-11-25T12:00:00Z",
                    }],
                },
            });
            let object = serde_json::from_value(object).unwrap();
            assert_eq!(is_under_way(&object, "1"), expected, "{name}");
        }
    }
}

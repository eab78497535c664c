//! Accounts for the tests of their users.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Entry, Grant};
use crate::api::LightsailAccountSpec;
use crate::lightsail::{Origin, Route};

/// An account that allows team-a a lot, except for these members of `allowed`.
pub(crate) fn account(allowed: &Value) -> Entry {
    let mut spec = json!({
        "accountID": "123456789012",
        "allowedNamespaces": { "from": "Names", "names": ["team-a"] },
        "allowed": { "regions": ["eu-west-1"], "keyPairNames": ["*"], "adoption": "Full",
            "hostKeyReset": { "instanceTags": {} },
            "defaultKeyPair": { "namespace": "team-a", "actions": ["Download"] } },
    });
    for (key, value) in allowed.as_object().into_iter().flatten() {
        spec["allowed"][key] = value.clone();
    }
    of_spec(&spec)
}

/// An account with this spec.
pub(crate) fn of_spec(spec: &Value) -> Entry {
    let spec: LightsailAccountSpec = serde_json::from_value(spec.clone()).unwrap();
    Entry {
        name: "production".into(),
        uid: "u".to_owned(),
        generation: 1,
        is_deleting: false,
        is_ready: true,
        route: Route {
            id: 1,
            name: "production".into(),
            account: spec.account_id.as_str().into(),
            origin: Origin::Operator,
            roles: Vec::new(),
            tagged_cluster: None,
        },
        spec,
    }
}

/// An object uses it.
pub(crate) fn used(entry: Entry) -> Grant {
    Grant::Account(Arc::new(entry))
}

//! What one object or Secret shows.

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use super::keys::public_half;

/// The public half of the private key in a Secret.
pub(super) fn key_of(secret: &Secret) -> Option<String> {
    let text = secret.data.as_ref()?.get("ssh-privatekey")?;
    public_half(std::str::from_utf8(&text.0).ok()?)
}

/// Whether the object shows what came of its present generation, and of what was asked last.
pub(super) fn is_observed(object: &Value) -> bool {
    let asked = &object["metadata"]["annotations"]["lightsail-operator.dev/reconcile"];
    let handled = &object["status"]["lastHandledReconcile"];
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && (asked.is_null() || asked == handled)
}

/// The reason of the condition Ready; nothing while the object is not observed.
pub(super) fn reason(object: &Value) -> Option<&str> {
    if !is_observed(object) {
        return None;
    }
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|it| it["type"] == "Ready")?["reason"].as_str()
}

/// Whether an object is Ready, Stalled, suspended or over, and observed.
pub(super) fn is_settled(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let is_true =
        |type_: &str| conditions.iter().any(|it| it["type"] == type_ && it["status"] == "True");
    let is_deleting = object["metadata"]["deletionTimestamp"].is_string();
    // It is stalled, or waits for an object that is.
    let waits = matches!(reason(object), Some("Suspended" | "WaitingForOwner"));
    is_observed(object)
        && (is_true("Stalled")
            || waits
            || (!is_deleting && ["Ready", "Complete", "Failed"].into_iter().any(is_true)))
}

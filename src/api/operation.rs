//! Lightsail's `Operation`, as a status shows it.

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An operation of Lightsail, with its other fields as Lightsail reported them
/// (`https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_Operation.html`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The ID of the operation. To look it up, run `aws lightsail get-operation --region
    /// REGION --operation-id ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The type of the operation, for example `DeleteKnownHostKeys`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// The status: `NotStarted`, `Started`, `Failed`, `Completed` or `Succeeded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Whether the status is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_terminal: Option<bool>,
    /// The name of the resource that the operation changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// The type of the resource, for example `Instance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Where the resource is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OperationLocation")]
    pub location: Option<OperationLocation>,
    /// When the operation was created, in RFC 3339, by AWS's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When the status last changed, in RFC 3339, by AWS's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_changed_at: Option<String>,
    /// Details, as Lightsail reports them. A long text is truncated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_details: Option<String>,
    /// The code of the error, if the operation failed. A long one is truncated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The details of the error, if the operation failed. A long text is truncated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
}

/// Where a resource of Lightsail is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationLocation {
    /// The availability zone; `all` for a resource of the whole region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// The region, for example `eu-west-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_name: Option<String>,
}

impl Operation {
    /// When it was created, by AWS's clock, if Lightsail said so.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.created_at.as_ref()?.parse().ok()
    }

    fn has_status(&self, one_of: &[&str]) -> bool {
        let status = self.status.as_deref().unwrap_or_default();
        one_of.iter().any(|one| one.eq_ignore_ascii_case(status))
    }

    /// Whether it ended well: Lightsail says `Succeeded` or `Completed`.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.has_status(&["Succeeded", "Completed"])
    }

    /// Whether it failed: Lightsail says `Failed`. What ended with neither of these words, nobody
    /// knows how.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.has_status(&["Failed"])
    }

    /// Whether it is about a resource of this name. One that names none may be.
    #[must_use]
    pub fn may_be_of(&self, resource: &str) -> bool {
        self.resource_name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(resource))
    }

    /// Whether nothing more will happen to it: by its status, or because Lightsail says so.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.succeeded() || self.failed() || self.is_terminal == Some(true)
    }

    /// Whether Lightsail named an operation whose end is not known.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.id.is_some() && !self.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_an_operation_ended() {
        let yes = Some(true);
        for (status, is_terminal, expected) in [
            (Some("Succeeded"), yes, (true, false, true)),
            (Some("Completed"), None, (true, false, true)),
            (Some("SUCCEEDED"), None, (true, false, true)),
            (Some("Failed"), None, (false, true, true)),
            (Some("FAILED"), yes, (false, true, true)),
            (Some("Canceled"), yes, (false, false, true)),
            (Some("Canceled"), None, (false, false, false)),
            (Some("Started"), None, (false, false, false)),
            (Some("Started"), yes, (false, false, true)),
            (Some(""), yes, (false, false, true)),
            (Some(""), None, (false, false, false)),
            (None, yes, (false, false, true)),
            (None, None, (false, false, false)),
        ] {
            let operation = Operation {
                status: status.map(str::to_owned),
                is_terminal,
                // An error is a detail of a failure, and none by itself.
                error_code: Some("Internal".to_owned()),
                ..Operation::default()
            };
            let found = (operation.succeeded(), operation.failed(), operation.is_over());
            assert_eq!(found, expected, "{status:?} {is_terminal:?}");
        }
    }
}

//! The part of STS that a client of Lightsail needs: who am I, and credentials for a role.
//!
//! Errors are those of the STS API Reference; files that know more of one name their source.

mod ask;
mod assume;
mod desk;
mod packed;
mod permission;
mod pod_identity;
mod web_identity;

use serde_json::{Value, json};

pub(super) use self::assume::assume_role;
pub(super) use self::desk::Desk;
pub use self::pod_identity::Pod;
pub(super) use self::pod_identity::pod_session;
pub(super) use self::web_identity::assume_role_with_web_identity;
use super::error::{ApiError, Result};
use super::input::Input;

/// Whether an operation is for those who have no access key yet.
pub(super) fn needs_no_signature(operation: &str) -> bool {
    operation == "AssumeRoleWithWebIdentity"
}

/// `GetCallerIdentity`, which no policy can deny.
pub(super) fn caller_identity(desk: &mut Desk<'_>, _: &Input) -> Result<Value> {
    let caller = desk.caller.ok_or_else(ApiError::missing_token)?;
    Ok(json!({"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}))
}

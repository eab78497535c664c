//! Which operations there are, and what each of them asks of IAM.

use serde_json::Value;

use super::error::Result;
use super::input::Input;
use super::state::Site;
use super::sts::{self, Desk};
use super::{instances, key_pairs, operation_lookups, regions, tagging};

/// What does an operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Perform {
    Lightsail(fn(&mut Site<'_>, &Input) -> Result<Value>),
    Sts(fn(&mut Desk<'_>, &Input) -> Result<Value>),
}

/// The operation of Lightsail with this name, if the simulator has it.
pub(super) fn lightsail_operation(name: &str) -> Option<Perform> {
    Some(Perform::Lightsail(match name {
        "ImportKeyPair" => key_pairs::import,
        "CreateKeyPair" => key_pairs::create,
        "GetKeyPair" => key_pairs::get,
        "GetKeyPairs" => key_pairs::list,
        "DeleteKeyPair" => key_pairs::delete,
        "DownloadDefaultKeyPair" => key_pairs::download_default,
        "TagResource" => tagging::tag,
        "UntagResource" => tagging::untag,
        "GetInstance" => instances::get,
        "GetInstances" => instances::list,
        "GetInstanceAccessDetails" => instances::access_details,
        "DeleteKnownHostKeys" => instances::delete_known_host_keys,
        "GetRegions" => regions::list,
        "GetOperation" => operation_lookups::get_operation,
        "GetOperations" => operation_lookups::operations,
        "GetOperationsForResource" => operation_lookups::operations_for_resource,
        _ => return None,
    }))
}

/// The operation of STS with this name, if the simulator has it.
pub(super) fn sts_operation(name: &str) -> Option<Perform> {
    Some(Perform::Sts(match name {
        "GetCallerIdentity" => sts::caller_identity,
        "AssumeRole" => sts::assume_role,
        "AssumeRoleWithWebIdentity" => sts::assume_role_with_web_identity,
        _ => return None,
    }))
}

/// The member that names the resource on which IAM checks an operation; `None` if its resource is
/// `*` (Service Authorization Reference, "Actions, resources, and condition keys for Amazon
/// Lightsail").
pub(super) fn resource_member(
    operation: &str,
    reset_is_resource_level: bool,
) -> Option<&'static str> {
    match operation {
        "DeleteKeyPair" => Some("keyPairName"),
        "TagResource" | "UntagResource" => Some("resourceName"),
        "GetInstanceAccessDetails" => Some("instanceName"),
        "DeleteKnownHostKeys" if reset_is_resource_level => Some("instanceName"),
        _ => None,
    }
}

/// Whether an operation may need a new RSA key pair, which takes a while to make.
pub(super) fn needs_key(operation: &str) -> bool {
    matches!(operation, "CreateKeyPair" | "DownloadDefaultKeyPair" | "GetInstanceAccessDetails")
}

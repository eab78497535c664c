//! Variables that only the AWS SDK reads, and what it makes too little of.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Context;

/// Starts the process anew without variables of AWS that are set and empty, if there are any. So a
/// shell or a manifest leaves them out, and the SDK takes some of them for a value, and panics. No
/// process can safely change its own environment while it runs.
///
/// # Errors
/// It cannot be started.
pub fn without_empty_aws_variables() -> anyhow::Result<()> {
    let empty: Vec<OsString> = std::env::vars_os()
        .filter(|(name, value)| is_left_out(name, value))
        .map(|(name, _)| name)
        .collect();
    if empty.is_empty() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let mut anew = Command::new(std::env::current_exe().context("where is this program?")?);
    anew.arg0(arguments.next().unwrap_or_default()).args(arguments);
    for name in &empty {
        anew.env_remove(name);
    }
    let names = empty.join(OsStr::new(", "));
    let names = names.to_string_lossy();
    Err(anew.exec()).with_context(|| format!("{names} must be unset, and not empty"))
}

/// The endpoints of AWS, with the names of their variables.
#[must_use]
pub fn aws_endpoints() -> Vec<(String, String)> {
    let variables = std::env::vars_os()
        .map(|(name, value)| [name, value].map(|text| text.to_string_lossy().into_owned()));
    let is_endpoint = |name: &str| name.starts_with("AWS_ENDPOINT_URL");
    variables.filter(|[name, _]| is_endpoint(name)).map(|[name, value]| (name, value)).collect()
}

fn is_left_out(name: &OsStr, value: &OsStr) -> bool {
    value.is_empty() && name.as_encoded_bytes().starts_with(b"AWS_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_variables_of_aws_are_left_out() {
        for (name, value, expected) in [
            ("AWS_REGION", "", true),
            ("AWS_ENDPOINT_URL_SSO_OIDC", "", true),
            ("AWS_REGION", "eu-west-1", false),
            ("AWS_REGION", " ", false),
            ("LIGHTSAIL_OPERATOR_LOG", "", false),
            ("HTTPS_PROXY", "", false),
        ] {
            assert_eq!(is_left_out(name.as_ref(), value.as_ref()), expected, "{name}={value:?}");
        }
    }
}

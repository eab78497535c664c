//! What the environment says without a flag: proxies, and where AWS credentials come from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

/// The variables. An empty one counts as unset.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The paths that the value lists.
    pub fn paths(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let paths = self.get(name).map(std::env::split_paths).into_iter().flatten();
        paths.filter(|path| !path.as_os_str().is_empty())
    }

    /// The value as text.
    ///
    /// # Errors
    /// It is none. The error names the variable.
    pub fn text(&self, name: &str) -> Result<Option<&str>, String> {
        let unusable = || format!("{name} is not text in UTF-8");
        self.get(name).map(|value| value.to_str().ok_or_else(unusable)).transpose()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Environment").field(&self.0.len()).finish()
    }
}

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
    let mut anew =
        Command::new(std::env::current_exe().context("this program does not find its own file")?);
    anew.arg0(arguments.next().unwrap_or_default()).args(arguments);
    for name in &empty {
        anew.env_remove(name);
    }
    let names = empty.join(OsStr::new(", "));
    let names = names.to_string_lossy();
    Err(anew.exec()).with_context(|| format!("unset {names}: empty values are not allowed"))
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

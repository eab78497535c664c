//! What the environment says without a flag: proxies, and where AWS credentials come from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

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

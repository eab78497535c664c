//! Which sources the environment sets up. A source that is set up but cannot be used is a failure:
//! no other identity takes its place. No text contains a value.

use std::path::{Path, PathBuf};

use http::Uri;

use crate::config::{Config, Environment};

/// What sets up credentials.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Variables that the SDK knows, and paths of its files.
    pub(super) environment: Environment,
    /// The web identity. Parts that are not set are empty.
    pub(super) web_identity: WebIdentity,
}

/// A role that a token in a file opens, as with IRSA.
#[derive(Clone, Debug, Default)]
pub(super) struct WebIdentity {
    /// The file with the token (`AWS_WEB_IDENTITY_TOKEN_FILE`).
    pub(super) token_file: PathBuf,
    /// The role (`AWS_ROLE_ARN`).
    pub(super) role_arn: String,
    /// What CloudTrail calls the session (`AWS_ROLE_SESSION_NAME`).
    pub(super) session_name: String,
}

impl Sources {
    /// The sources of these settings.
    #[must_use]
    pub fn new(config: &Config, environment: Environment) -> Self {
        let web_identity = WebIdentity {
            token_file: config.aws_web_identity_token_file.as_str().into(),
            role_arn: config.aws_role_arn.clone(),
            session_name: config.aws_role_session_name.clone(),
        };
        Self { environment, web_identity }
    }
}

/// The state of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setup<T = ()> {
    /// It is not set up, for this reason.
    Absent(String),
    /// It is the one to use.
    Given(T),
    /// It is set up, but cannot be used.
    Unusable(String),
}

impl<T> From<Result<Self, String>> for Setup<T> {
    fn from(result: Result<Self, String>) -> Self {
        result.unwrap_or_else(Self::Unusable)
    }
}

/// An access key in variables. The SDK treats blank variables as unset.
pub(super) fn keys(environment: &Environment) -> Setup {
    let is_set = |name: &str| {
        let text = environment.text(name)?;
        Ok::<_, String>(text.is_some_and(|text| !text.trim().is_empty()))
    };
    let setup = || {
        let id = is_set("AWS_ACCESS_KEY_ID")?;
        let secret = is_set("AWS_SECRET_ACCESS_KEY")? || is_set("SECRET_ACCESS_KEY")?;
        let token = is_set("AWS_SESSION_TOKEN")?;
        Ok(match (id, secret) {
            (true, true) => Setup::Given(()),
            (true, false) => lone("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"),
            (false, true) => lone("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not"),
            (false, false) if token => {
                lone("AWS_SESSION_TOKEN is set, and AWS_ACCESS_KEY_ID is not")
            }
            (false, false) => Setup::Absent("AWS_ACCESS_KEY_ID is not set".to_owned()),
        })
    };
    setup().into()
}

fn lone(why: &str) -> Setup {
    Setup::Unusable(why.to_owned())
}

/// The token of a role.
pub(super) fn web_identity(web_identity: &WebIdentity) -> Setup {
    let WebIdentity { token_file, role_arn, .. } = web_identity;
    match (token_file.as_os_str().is_empty(), role_arn.is_empty()) {
        (true, true) => Setup::Absent("AWS_WEB_IDENTITY_TOKEN_FILE is not set".to_owned()),
        (false, false) => Setup::Given(()),
        (true, false) => lone("AWS_ROLE_ARN is set, and AWS_WEB_IDENTITY_TOKEN_FILE is not"),
        (false, true) => lone("AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not"),
    }
}

pub(super) const CONTAINER: &str = "the container endpoint (AWS_CONTAINER_…)";

/// The endpoint of a container, with the file whose token opens it: the SDK does not name that.
pub(super) fn container_and_token(environment: &Environment) -> String {
    let file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Path::new);
    let token = file.map(|file| format!(", with the token in {}", file.display()));
    format!("{CONTAINER}{}", token.unwrap_or_default())
}

/// The endpoint of a container.
pub(super) fn container(environment: &Environment) -> Setup {
    const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let setup = || {
        if let Some(path) = environment.text(RELATIVE)? {
            let is_path = path.starts_with('/') && path.parse::<Uri>().is_ok();
            let why = || format!("{RELATIVE} is not a path that begins with /");
            return is_path.then_some(Setup::Given(())).ok_or_else(why);
        }
        let Some(url) = environment.text(FULL)? else {
            return Ok(Setup::Absent("AWS_CONTAINER_CREDENTIALS_… is not set".to_owned()));
        };
        let is_url = url.parse().is_ok_and(|uri: Uri| {
            let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
            is_http && uri.authority().is_some_and(|host| !host.as_str().contains('@'))
        });
        let why = || format!("{FULL} is not an http or https URL without a user");
        is_url.then_some(Setup::Given(())).ok_or_else(why)
    };
    setup().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const N: usize>(
        setup: fn(&Environment) -> Setup,
        variables: [(&str, &str); N],
        expected: &str,
    ) {
        let found = match setup(&variables.into()) {
            Setup::Given(()) => "given".to_owned(),
            Setup::Absent(why) => format!("absent: {why}"),
            Setup::Unusable(why) => format!("unusable: {why}"),
        };
        assert!(found.starts_with(expected) && !found.contains("PW"), "{variables:?}: {found}");
    }

    #[test]
    fn half_an_access_key_is_a_failure() {
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "PW"), ("AWS_SECRET_ACCESS_KEY", "PW"));
        check(keys, [], "absent: AWS_ACCESS_KEY_ID is not set");
        check(keys, [id, secret], "given");
        check(keys, [id, ("SECRET_ACCESS_KEY", "PW")], "given");
        check(keys, [id], "unusable: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not");
        check(keys, [id, ("AWS_SECRET_ACCESS_KEY", "")], "unusable: AWS_ACCESS_KEY_ID is set");
        check(keys, [id, ("AWS_SECRET_ACCESS_KEY", " \n")], "unusable: AWS_ACCESS_KEY_ID is set");
        check(keys, [secret], "unusable: AWS_SECRET_ACCESS_KEY is set");
        check(keys, [("AWS_SESSION_TOKEN", "PW")], "unusable: AWS_SESSION_TOKEN is set");
        check(keys, [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")], "absent");
    }

    #[test]
    fn half_a_web_identity_is_a_failure() {
        for (token_file, role_arn, expected) in [
            ("", "", "Absent"),
            ("/token", "role", "Given"),
            ("/token", "", "Unusable(\"AWS_WEB_IDENTITY_TOKEN_FILE is set"),
            ("", "role", "Unusable(\"AWS_ROLE_ARN is set"),
        ] {
            let own = WebIdentity {
                token_file: token_file.into(),
                role_arn: role_arn.to_owned(),
                ..WebIdentity::default()
            };
            let found = format!("{:?}", web_identity(&own));
            assert!(found.starts_with(expected), "{token_file:?} {role_arn:?}: {found}");
        }
    }

    #[test]
    fn the_endpoint_of_a_container_is_named_with_the_file_that_opens_it() {
        let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "PW");
        let file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/agent/token");
        let with_file = "the container endpoint (AWS_CONTAINER_…), with the token in /agent/token";
        assert_eq!(container_and_token(&[token].into()), CONTAINER);
        assert_eq!(container_and_token(&[file].into()), with_file);
    }

    #[test]
    fn the_endpoint_of_a_container_is_a_url_whose_value_is_not_said() {
        let full = |value| [("AWS_CONTAINER_CREDENTIALS_FULL_URI", value)];
        let relative = |value| [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", value)];
        check(container, [], "absent");
        check(container, full(""), "absent");
        for url in ["http://169.254.170.23/v1/credentials", "https://agent/c?token=PW"] {
            check(container, full(url), "given");
        }
        let unusable = "unusable: AWS_CONTAINER_CREDENTIALS_FULL_URI";
        for url in ["http://ann:PW@10.9.9.9/c", "PW", "PW x", "ftp://PW/c", "http://a/c\n", "//PW"]
        {
            check(container, full(url), unusable);
        }
        check(container, relative("/v2/credentials/id"), "given");
        for path in ["http://evil.example/PW", "@evil.example/PW", ".evil.example/PW", "/PW PW"] {
            check(container, relative(path), "unusable: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        }
    }
}

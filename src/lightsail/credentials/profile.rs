//! What a profile says about credentials, as far as it matters here: whether it has any, and
//! whether a program provides them, which is run here. Everything else is up to the SDK.

use aws_config::profile::{Profile, ProfileSet};

use super::sources::Setup;

/// Where the credentials of a profile come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The SDK finds that out.
    Sdk { token: Option<Token> },
    /// A program. Its credentials assume these roles, one after the other.
    Program { command: String, account_id: Option<String>, roles: Vec<Role> },
}

/// A token in a file, and the role that it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) file: String,
    pub(super) role_arn: String,
}

/// A role that a profile names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
    pub(super) session_name: Option<String>,
}

/// Properties that say where credentials come from.
const OF_CREDENTIALS: &[&str] = &[
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "role_arn",
    "credential_source",
    "credential_process",
    "web_identity_token_file",
    "login_session",
    "sso_session",
    "sso_start_url",
    "sso_region",
    "sso_account_id",
    "sso_role_name",
];

/// What comes before `credential_process` in one profile.
const BEFORE_PROGRAM: &[&str] = &[
    "credential_source",
    "web_identity_token_file",
    "login_session",
    "sso_session",
    "sso_start_url",
    "sso_region",
    "sso_account_id",
    "sso_role_name",
];

/// Where the credentials of the profile come from. A profile that `AWS_PROFILE` names must have
/// some.
pub(super) fn setup(profiles: &ProfileSet, named: Option<&str>, is_bare: bool) -> Setup<Base> {
    let name = named.unwrap_or("default");
    let what = if named.is_some() { Setup::Unusable } else { Setup::Absent };
    let Some(mut at) = profiles.get_profile(name) else {
        let hint = if is_bare && name != "default" {
            format!("; in AWS_CONFIG_FILE its section is [profile {name}]")
        } else {
            String::new()
        };
        return what(format!("`{name}` was not defined{hint}"));
    };
    if !OF_CREDENTIALS.iter().any(|property| at.get(property).is_some()) {
        return what(format!("`{name}` has no credentials"));
    }
    let (mut seen, mut roles) = (vec![name], Vec::new());
    loop {
        if seen.len() > 1 && has_static_keys(at) {
            return Setup::Given(Base::Sdk { token: None });
        }
        let Some(role) = role(at) else { return Setup::Given(base(at, roles)) };
        roles.push(role);
        let next = match (at.get("source_profile"), at.get("credential_source")) {
            (Some(next), None) if next == at.name() => return Setup::Given(base(at, roles)),
            (Some(next), None) => next,
            // The SDK handles these sources, and refuses profiles with both or neither.
            _ => return Setup::Given(Base::Sdk { token: None }),
        };
        if seen.contains(&next) {
            return Setup::Unusable(format!("source_profile leads from `{next}` to itself"));
        }
        seen.push(next);
        let Some(source) = profiles.get_profile(next) else {
            let own = at.name();
            let why = format!("`{next}` was not defined, the source_profile of `{own}`");
            return Setup::Unusable(why);
        };
        at = source;
    }
}

fn has_static_keys(profile: &Profile) -> bool {
    ["aws_access_key_id", "aws_secret_access_key"].iter().all(|key| profile.get(key).is_some())
}

/// The role that is assumed with the credentials of another source.
fn role(profile: &Profile) -> Option<Role> {
    let arn = profile.get("role_arn").filter(|_| profile.get("web_identity_token_file").is_none());
    let value = |property: &str| profile.get(property).map(str::to_owned);
    Some(Role {
        arn: arn?.to_owned(),
        external_id: value("external_id"),
        session_name: value("role_session_name"),
    })
}

fn base(profile: &Profile, mut roles: Vec<Role>) -> Base {
    let is_overruled = BEFORE_PROGRAM.iter().any(|property| profile.get(property).is_some());
    let Some(command) = profile.get("credential_process").filter(|_| !is_overruled) else {
        return Base::Sdk { token: token(profile) };
    };
    roles.reverse();
    let account_id = profile.get("aws_account_id").map(str::to_owned);
    Base::Program { command: command.to_owned(), account_id, roles }
}

/// The token of a profile, unless another source comes first.
fn token(profile: &Profile) -> Option<Token> {
    let is_overruled = profile.get("credential_source").is_some();
    let file = profile.get("web_identity_token_file").filter(|_| !is_overruled)?;
    Some(Token { file: file.to_owned(), role_arn: profile.get("role_arn")?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::files::files;
    use super::*;

    const KEYS: &str = "aws_access_key_id = a\naws_secret_access_key = b\n";
    const ROLE: &str = "role_arn = r\nsource_profile = ";
    const TOKEN: &str = "web_identity_token_file = x\nrole_arn = t\n";

    async fn found(config: &str, named: Option<&str>) -> String {
        let files = files(config, "", named);
        let is_bare = files.has_bare_section(named.unwrap_or("default"));
        match setup(&files.profiles().await.unwrap(), named, is_bare) {
            Setup::Absent(why) => format!("absent: {why}"),
            Setup::Unusable(why) => format!("unusable: {why}"),
            Setup::Given(Base::Sdk { token: None }) => "sdk".to_owned(),
            Setup::Given(Base::Sdk { token: Some(Token { role_arn, file }) }) => {
                format!("sdk, the token {file} of {role_arn}")
            }
            Setup::Given(Base::Program { command, roles, .. }) => {
                let roles: Vec<_> = roles.into_iter().map(|role| role.arn).collect();
                format!("{command} {roles:?}")
            }
        }
    }

    #[tokio::test]
    async fn a_profile_that_was_named_gives_credentials_or_is_a_failure() {
        let p = Some("p");
        for (config, named, expected) in [
            ("", None, "absent: `default` was not defined".to_owned()),
            ("[default]\nregion = r", None, "absent: `default` has no credentials".to_owned()),
            (&format!("[default]\n{KEYS}"), None, "sdk".to_owned()),
            (&format!("[profile q]\n{KEYS}"), p, "unusable: `p` was not defined".to_owned()),
            (
                &format!("[p]\n{KEYS}"),
                p,
                "unusable: `p` was not defined; in AWS_CONFIG_FILE its section is [profile p]"
                    .to_owned(),
            ),
            ("[profile p]\nregion = r", p, "unusable: `p` has no credentials".to_owned()),
            (
                &format!("[profile p]\n{ROLE}gone"),
                p,
                "unusable: `gone` was not defined, the source_profile of `p`".to_owned(),
            ),
            (
                &format!("[default]\n{ROLE}a\n[profile a]\n{ROLE}gone"),
                None,
                "unusable: `gone` was not defined, the source_profile of `a`".to_owned(),
            ),
            (
                &format!("[profile p]\n{ROLE}a\n[profile a]\n{ROLE}p"),
                p,
                "unusable: source_profile leads from `p` to itself".to_owned(),
            ),
            (&format!("[profile p]\n{KEYS}{ROLE}p"), p, "sdk".to_owned()),
            (&format!("[profile p]\n{ROLE}a\n[profile a]\n{KEYS}{ROLE}p"), p, "sdk".to_owned()),
            // The SDK reports what is wrong with these.
            ("[profile p]\nrole_arn = r", p, "sdk".to_owned()),
            ("[profile p]\nrole_arn = r\ncredential_source = x", p, "sdk".to_owned()),
            ("[profile p]\nsso_session = gone", p, "sdk".to_owned()),
        ] {
            assert_eq!(found(config, named).await, expected, "{config}");
        }
    }

    #[tokio::test]
    async fn the_role_of_a_token_is_known() {
        for (config, expected) in [
            (format!("[default]\n{TOKEN}"), "sdk, the token x of t"),
            (format!("[default]\n{TOKEN}source_profile = a\n"), "sdk, the token x of t"),
            (format!("[default]\n{ROLE}a\n[profile a]\n{TOKEN}"), "sdk, the token x of t"),
            // The SDK sends no token.
            (format!("[default]\n{TOKEN}credential_source = Environment\n"), "sdk"),
            (format!("[default]\n{ROLE}a\n[profile a]\n{KEYS}{TOKEN}"), "sdk"),
            ("[default]\nweb_identity_token_file = x\n".to_owned(), "sdk"),
        ] {
            assert_eq!(found(&config, None).await, expected, "{config}");
        }
    }

    #[tokio::test]
    async fn a_program_is_run_where_the_sdk_would_run_it() {
        let program = "credential_process = login --now\n";
        for (config, expected) in [
            (format!("[default]\n{program}"), "login --now []"),
            (format!("[default]\n{program}{KEYS}"), "login --now []"),
            (format!("[default]\n{ROLE}default\n{program}"), "login --now [\"r\"]"),
            (
                format!(
                    "[default]\nrole_arn = last\nsource_profile = a\n\
                     [profile a]\nrole_arn = first\nsource_profile = b\n[profile b]\n{program}"
                ),
                "login --now [\"first\", \"last\"]",
            ),
            (format!("[default]\n{ROLE}a\n[profile a]\n{program}{KEYS}"), "sdk"),
            (format!("[default]\nlogin_session = x\n{program}"), "sdk"),
            (format!("[default]\nsso_account_id = x\n{program}"), "sdk"),
            (format!("[default]\n{program}{TOKEN}"), "sdk, the token x of t"),
        ] {
            assert_eq!(found(&config, None).await, expected, "{config}");
        }
    }
}

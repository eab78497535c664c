//! Whom a statement of a trust policy names: accounts, roles, sessions and users by their ARNs,
//! services, or everybody.
//!
//! A name has no wildcards: `*` alone is everybody
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>).

/// Who asks for a role.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Caller<'a> {
    /// A user, or the session of a role.
    Identity { account: &'a str, arn: &'a str, role_arn: Option<&'a str> },
    /// A service of AWS, for example `pods.eks.amazonaws.com`.
    Service(&'a str),
}

/// How directly a statement names a caller: the greater, the more directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Named {
    /// As one of its account, whose policies decide who of it may.
    Account,
    /// By its role, or as one of everybody.
    Role,
    /// By its own ARN or name.
    Exactly,
}

/// The `Principal` of a statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Principals {
    aws: Vec<Aws>,
    pub(super) services: Vec<String>,
}

#[derive(Clone, Debug)]
enum Aws {
    Everybody,
    Account(String),
    /// Of a role, a session or a user.
    Arn(String),
}

impl Principals {
    pub(super) fn add_aws(&mut self, text: &str) -> Result<(), String> {
        let aws = if text == "*" {
            Aws::Everybody
        } else if is_account(text) {
            Aws::Account(text.to_owned())
        } else {
            arn(text).ok_or_else(|| format!("the principal {text} is not valid"))?
        };
        self.aws.push(aws);
        Ok(())
    }

    /// How these name a caller, if they do.
    pub(super) fn name(&self, caller: Caller<'_>) -> Option<Named> {
        match caller {
            Caller::Service(name) => {
                self.services.iter().any(|own| own == name).then_some(Named::Exactly)
            }
            Caller::Identity { account, arn, role_arn } => {
                let names = self.aws.iter().filter_map(|principal| match principal {
                    Aws::Everybody => Some(Named::Role),
                    Aws::Account(own) => (own == account).then_some(Named::Account),
                    Aws::Arn(own) if own == arn => Some(Named::Exactly),
                    Aws::Arn(own) => (Some(own.as_str()) == role_arn).then_some(Named::Role),
                });
                names.max()
            }
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|character| character.is_ascii_digit())
}

fn arn(text: &str) -> Option<Aws> {
    let (service, rest) = text.strip_prefix("arn:aws:")?.split_once("::")?;
    let (account, resource) = rest.split_once(':')?;
    if !is_account(account) || text.contains(['*', '?']) {
        return None;
    }
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    match (service, kind) {
        ("iam", "root") if name.is_empty() => Some(Aws::Account(account.to_owned())),
        ("iam", "role") if !name.is_empty() => Some(Aws::Arn(without_path(account, "role", name))),
        ("iam", "user") if !name.is_empty() => Some(Aws::Arn(without_path(account, "user", name))),
        ("sts", "assumed-role") if name.contains('/') => Some(Aws::Arn(text.to_owned())),
        _ => None,
    }
}

/// Here roles and users have no paths.
fn without_path(account: &str, kind: &str, name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    format!("arn:aws:iam::{account}:{kind}/{name}")
}

//! What all ways to a role have in common: the role, the session's name, its duration and its
//! policy, and the credentials in the end.

use std::time::{Duration, SystemTime};

use super::super::error::{ApiError, Result};
use super::super::identity::{Identities, Principal, Session, random_word};
use super::super::input::Input;
use super::super::policy::Policy;
use super::super::role::KnownRole;
use super::super::session_tags::SessionTag;

/// The API Reference: the plain text of session policies can't exceed this.
const LONGEST_POLICY: usize = 2048;

/// A request for a session of a role.
pub(super) struct Ask<'a> {
    pub(super) role_arn: &'a str,
    pub(super) account: &'a str,
    pub(super) role: &'a str,
    pub(super) session: &'a str,
    pub(super) duration: Duration,
    /// The session policy, and its length.
    policy: Option<(Policy, usize)>,
}

impl<'a> Ask<'a> {
    pub(super) fn read(input: &'a Input) -> Result<Self> {
        let role_arn = required(input, "RoleArn")?;
        let (account, role) =
            parts_of(role_arn).ok_or_else(|| invalid(&format!("{role_arn} is invalid")))?;
        let session = required(input, "RoleSessionName")?;
        if !is_session_name(session) {
            return Err(invalid(
                "Member 'roleSessionName' must have 2 to 64 characters of [\\w+=,.@-]",
            ));
        }
        let policy = input.text("Policy")?.map(session_policy).transpose()?;
        Ok(Self { role_arn, account, role, session, duration: duration(input)?, policy })
    }

    /// A request without a session policy, of somebody who writes none in a form.
    pub(super) fn new(role_arn: &'a str, session: &'a str, duration: Duration) -> Option<Self> {
        let (account, role) = parts_of(role_arn)?;
        Some(Self { role_arn, account, role, session, duration, policy: None })
    }

    pub(super) fn find<'i>(&self, identities: &'i Identities) -> Option<&'i KnownRole> {
        identities.accounts.get(self.account)?.roles.get(self.role)
    }

    /// How long the text of the session policy is, if there is one.
    pub(super) fn policy_length(&self) -> Option<usize> {
        self.policy.as_ref().map(|(_, length)| *length)
    }

    /// The credentials, which end when the duration is over; and what their user's id is.
    pub(super) fn session(
        self,
        identities: &mut Identities,
        tags: Vec<SessionTag>,
        now: SystemTime,
    ) -> Given {
        let (account, role, session) = (self.account, self.role, self.session);
        let id = format!("AROA{}:{session}", random_word());
        let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
        let principal = Principal {
            account: account.to_owned(),
            arn: arn.clone(),
            user_id: id.clone(),
            tags,
            role: Some(role.to_owned()),
            session_policy: self.policy.map(|(policy, _)| policy),
        };
        let expires = now + self.duration;
        identities.forget_sessions(now);
        let (credentials, token) = identities.add_session(principal, expires);
        Given { session: Session { credentials, token, expires }, id, arn }
    }
}

/// A session that was given.
pub(super) struct Given {
    pub(super) session: Session,
    /// The user id.
    pub(super) id: String,
    pub(super) arn: String,
}

/// Account and name of a role's ARN.
fn parts_of(role_arn: &str) -> Option<(&str, &str)> {
    let (account, role) = role_arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    // A path before the name is not part of a session's ARN.
    let name = role.rsplit('/').next()?;
    (account.len() == 12 && !name.is_empty()).then_some((account, name))
}

fn is_session_name(name: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
    (2..=64).contains(&name.len()) && name.chars().all(fits)
}

/// The API Reference: 900 seconds to 12 hours, an hour if it is left out.
fn duration(input: &Input) -> Result<Duration> {
    let Some(text) = input.text("DurationSeconds")? else { return Ok(Duration::from_hours(1)) };
    let seconds = text.parse().ok().filter(|seconds| (900..=43_200).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| invalid("Member 'durationSeconds' must be from 900 to 43200"))
}

fn session_policy(document: &str) -> Result<(Policy, usize)> {
    let length = document.chars().count();
    if length > LONGEST_POLICY {
        return Err(invalid(&format!(
            "Member 'policy' must have at most {LONGEST_POLICY} characters"
        )));
    }
    let policy = Policy::parse(document)
        .map_err(|detail| ApiError::sts("MalformedPolicyDocument", 400, detail))?;
    Ok((policy, length))
}

pub(super) fn required<'a>(input: &'a Input, member: &str) -> Result<&'a str> {
    input
        .text(member)?
        .ok_or_else(|| invalid(&format!("The request must contain the parameter {member}.")))
}

pub(super) fn invalid(message: &str) -> ApiError {
    ApiError::sts("ValidationError", 400, message)
}

//! The part of STS that a client of Lightsail needs: who am I, and credentials for a role.
//!
//! Of a web identity token the claims are checked and not the signature, since there is nobody to
//! ask for the issuer's keys. Errors are those of the STS API Reference.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::clock::{epoch_seconds, iso_time};
use super::error::{ApiError, Result};
use super::identity::{Identities, Principal, Role, WebIdentity, random_word};
use super::input::Input;
use super::policy::Policy;

/// Where requests to STS are dealt with.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) identities: &'a mut Identities,
    /// Nobody for operations that need no signature.
    pub(super) caller: Option<&'a Principal>,
    pub(super) now: SystemTime,
}

/// Whether an operation is for those who have no access key yet.
pub(super) fn needs_no_signature(operation: &str) -> bool {
    operation == "AssumeRoleWithWebIdentity"
}

/// `GetCallerIdentity`, which no policy can deny.
pub(super) fn caller_identity(desk: &mut Desk<'_>, _: &Input) -> Result<Value> {
    let caller = desk.caller.ok_or_else(ApiError::missing_token)?;
    Ok(json!({"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}))
}

/// `AssumeRole`.
pub(super) fn assume_role(desk: &mut Desk<'_>, input: &Input) -> Result<Value> {
    let caller = desk.caller.ok_or_else(ApiError::missing_token)?;
    let ask = Ask::read(input)?;
    let tags = session_tags(input)?;
    let refuse = |action: &str| {
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {}",
            caller.arn, ask.role_arn
        );
        ApiError::sts("AccessDenied", 403, message)
    };
    let role = ask.find(desk.identities).ok_or_else(|| refuse("sts:AssumeRole"))?;
    if role.external_id.is_some() && role.external_id.as_deref() != input.text("ExternalId")? {
        return Err(refuse("sts:AssumeRole"));
    }
    if !tags.is_empty() && !role.session_tags {
        return Err(refuse("sts:TagSession"));
    }
    Ok(ask.session(desk, tags))
}

/// `AssumeRoleWithWebIdentity`.
pub(super) fn assume_role_with_web_identity(desk: &mut Desk<'_>, input: &Input) -> Result<Value> {
    let ask = Ask::read(input)?;
    let token = required(input, "WebIdentityToken")?;
    let claims = claims_of(token);
    let claims = claims.ok_or_else(|| {
        ApiError::sts("InvalidIdentityToken", 400, "The ID Token provided is not a JWT")
    })?;
    let denied = || {
        ApiError::sts(
            "AccessDenied",
            403,
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        )
    };
    let role = ask.find(desk.identities).ok_or_else(denied)?;
    let trusted = role.web_identity.as_ref().ok_or_else(denied)?;
    if claims["exp"].as_f64().is_none_or(|expires| expires <= epoch_seconds(desk.now)) {
        return Err(ApiError::sts("ExpiredTokenException", 400, "Token expired"));
    }
    if !are_trusted(&claims, trusted) {
        return Err(denied());
    }
    let mut answer = ask.session(desk, BTreeMap::new());
    answer["SubjectFromWebIdentityToken"] = claims["sub"].clone();
    answer["Provider"] = claims["iss"].clone();
    answer["Audience"] = claims["aud"].as_array().map_or(&claims["aud"], |list| &list[0]).clone();
    Ok(answer)
}

/// The claims in the middle of a JWT.
fn claims_of(token: &str) -> Option<Value> {
    let [_, claims, _] = token.split('.').collect::<Vec<_>>()[..] else { return None };
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&claims).ok().filter(Value::is_object)
}

fn are_trusted(claims: &Value, trusted: &WebIdentity) -> bool {
    let audience = &claims["aud"];
    let is_for = |audience: &Value| audience == trusted.audience.as_str();
    claims["iss"] == trusted.issuer.as_str()
        && claims["sub"] == trusted.subject.as_str()
        && (is_for(audience) || audience.as_array().is_some_and(|list| list.iter().any(is_for)))
}

/// What both ways to a role have in common.
struct Ask<'a> {
    role_arn: &'a str,
    account: &'a str,
    role: &'a str,
    session: &'a str,
    duration: Duration,
    policy: Option<Policy>,
}

impl<'a> Ask<'a> {
    fn read(input: &'a Input) -> Result<Self> {
        let role_arn = required(input, "RoleArn")?;
        let (account, role) =
            parts_of(role_arn).ok_or_else(|| invalid(&format!("{role_arn} is invalid")))?;
        let session = required(input, "RoleSessionName")?;
        if !is_session_name(session) {
            return Err(invalid(
                "Member 'roleSessionName' must have 2 to 64 characters of [\\w+=,.@-]",
            ));
        }
        let policy = input.text("Policy")?.map(Policy::parse).transpose();
        let policy =
            policy.map_err(|detail| ApiError::sts("MalformedPolicyDocument", 400, detail))?;
        Ok(Self { role_arn, account, role, session, duration: duration(input)?, policy })
    }

    fn find(&self, identities: &Identities) -> Option<Role> {
        Some(identities.accounts.get(self.account)?.roles.get(self.role)?.role.clone())
    }

    /// Credentials that end when the duration is over.
    fn session(self, desk: &mut Desk<'_>, tags: BTreeMap<String, String>) -> Value {
        let (account, role, session) = (self.account, self.role, self.session);
        let id = format!("AROA{}:{session}", random_word());
        let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
        let principal = Principal {
            account: account.to_owned(),
            arn: arn.clone(),
            user_id: id.clone(),
            tags,
            role: Some(role.to_owned()),
            session_policy: self.policy,
        };
        let expires = desk.now + self.duration;
        desk.identities.forget_sessions(desk.now);
        let (credentials, token) = desk.identities.add_session(principal, expires);
        json!({
            "Credentials": {
                "AccessKeyId": credentials.access_key_id,
                "SecretAccessKey": credentials.secret_access_key,
                "SessionToken": token,
                "Expiration": iso_time(expires),
            },
            "AssumedRoleUser": {"AssumedRoleId": id, "Arn": arn},
        })
    }
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

/// `Tags.member.1.Key` and so on.
fn session_tags(input: &Input) -> Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for number in 1.. {
        let Some(key) = input.text(&format!("Tags.member.{number}.Key"))? else { break };
        let value = input.text(&format!("Tags.member.{number}.Value"))?.unwrap_or_default();
        tags.insert(key.to_owned(), value.to_owned());
    }
    if tags.len() > 50 {
        Err(invalid("Member 'tags' must have at most 50 entries"))
    } else {
        Ok(tags)
    }
}

fn required<'a>(input: &'a Input, member: &str) -> Result<&'a str> {
    input
        .text(member)?
        .ok_or_else(|| invalid(&format!("The request must contain the parameter {member}.")))
}

fn invalid(message: &str) -> ApiError {
    ApiError::sts("ValidationError", 400, message)
}

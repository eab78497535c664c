//! `AssumeRole`: with an external id, session tags, and chains of roles.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::clock::iso_time;
use super::super::error::{ApiError, Result};
use super::super::input::Input;
use super::super::session_tags::{SessionTag, inherited, requested};
use super::ask::{Ask, invalid};
use super::desk::Desk;
use super::packed::percentage;
use super::permission::Request;

/// The longest session that the session of another role may start: no setting of a role changes
/// it.
const LONGEST_IN_A_CHAIN: Duration = Duration::from_hours(1);

/// `AssumeRole`.
pub(in super::super) fn assume_role(desk: &mut Desk<'_>, input: &Input) -> Result<Value> {
    let caller = desk.caller.ok_or_else(ApiError::missing_token)?;
    let ask = Ask::read(input)?;
    if caller.role_arn().is_some() && ask.duration > LONGEST_IN_A_CHAIN {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining.",
        ));
    }
    let of_request = requested_tags(input)?;
    let of_chain = inherited(&caller.tags, &of_request)?;
    let in_request = of_chain.iter().filter(|_| desk.inherited_tags_in_request);
    let request = Request {
        ask: &ask,
        external_id: external_id(input)?,
        region: desk.region,
        tags: of_request.iter().chain(in_request).collect(),
        tags_session: !(of_request.is_empty() && of_chain.is_empty()),
    };
    // Of a role that does not exist it says the same as of one that trusts somebody else.
    let lacks = ask.find(desk.identities).map_or(Some("sts:AssumeRole"), |known| {
        request.lacks(desk.identities, caller, &known.trust)
    });
    if let Some(action) = lacks {
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {}",
            caller.arn, ask.role_arn
        );
        return Err(ApiError::sts("AccessDenied", 403, message));
    }
    let tags = of_chain.into_iter().chain(of_request).collect();
    answer(desk, ask, tags)
}

/// The API model: 2 to 1,224 characters of `[\w+=,.@:/-]`.
fn external_id(input: &Input) -> Result<Option<&str>> {
    let id = input.text("ExternalId")?;
    let is_part =
        |character: char| character.is_ascii_alphanumeric() || "_+=,.@:/-".contains(character);
    let fits = |id: &str| (2..=1224).contains(&id.len()) && id.chars().all(is_part);
    if id.is_none_or(fits) {
        Ok(id)
    } else {
        Err(invalid("Member 'externalId' must have 2 to 1224 characters of [\\w+=,.@:/-]"))
    }
}

/// The answer with the credentials of a new session.
pub(super) fn answer(desk: &mut Desk<'_>, ask: Ask<'_>, tags: Vec<SessionTag>) -> Result<Value> {
    let size = percentage(&tags, ask.policy_length())?;
    let given = ask.session(desk.identities, tags, desk.now);
    let session = given.session;
    let mut answer = json!({
        "Credentials": {
            "AccessKeyId": session.credentials.access_key_id,
            "SecretAccessKey": session.credentials.secret_access_key,
            "SessionToken": session.token,
            "Expiration": iso_time(session.expires),
        },
        "AssumedRoleUser": {"AssumedRoleId": given.id, "Arn": given.arn},
    });
    if let Some(size) = size {
        answer["PackedPolicySize"] = json!(size);
        answer["SessionTokenUtilization"] = json!(size);
    }
    Ok(answer)
}

/// `Tags.member.1.Key` and so on, and `TransitiveTagKeys.member.1`.
fn requested_tags(input: &Input) -> Result<Vec<SessionTag>> {
    let mut pairs = Vec::new();
    for number in 1.. {
        let member = |name: &str| input.text(&format!("Tags.member.{number}.{name}"));
        match (member("Key")?, member("Value")?) {
            (Some(key), Some(value)) => pairs.push((key.to_owned(), value.to_owned())),
            (None, None) => break,
            (Some(_), None) | (None, Some(_)) => {
                return Err(invalid(&format!("Tag {number} must have a key and a value.")));
            }
        }
    }
    let mut transitive = Vec::new();
    for number in 1.. {
        let Some(key) = input.text(&format!("TransitiveTagKeys.member.{number}"))? else { break };
        transitive.push(key.to_owned());
    }
    requested(pairs, &transitive)
}

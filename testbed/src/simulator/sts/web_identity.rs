//! `AssumeRoleWithWebIdentity`: of the token the claims are checked and not the signature, since
//! there is nobody to ask for the issuer's keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::super::clock::epoch_seconds;
use super::super::error::{ApiError, Result};
use super::super::input::Input;
use super::super::role::WebIdentity;
use super::ask::{Ask, required};
use super::assume::answer;
use super::desk::Desk;

/// `AssumeRoleWithWebIdentity`.
pub(in super::super) fn assume_role_with_web_identity(
    desk: &mut Desk<'_>,
    input: &Input,
) -> Result<Value> {
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
    let role = &ask.find(desk.identities).ok_or_else(denied)?.role;
    let trusted = role.web_identity.as_ref().ok_or_else(denied)?;
    if claims["exp"].as_f64().is_none_or(|expires| expires <= epoch_seconds(desk.now)) {
        return Err(ApiError::sts("ExpiredTokenException", 400, "Token expired"));
    }
    if !are_trusted(&claims, trusted) {
        return Err(denied());
    }
    let mut answer = answer(desk, ask, Vec::new())?;
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

//! Asks the policies of an account or role whether a request may be carried out.
//!
//! What IAM sees of a request is here: its action, its resource with tags, and the condition keys.
//! How policies are evaluated is in [`policy`](super::policy).

use std::sync::Arc;

use super::error::{ApiError, Result};
use super::identity::Principal;
use super::input::Input;
use super::operations::resource_member;
use super::policy::{Policy, Question, Verdict};
use super::state::Site;

/// Refuses what the policies do not allow. The words are those of the IAM User Guide's page on
/// access denied messages.
pub(super) fn authorize(
    site: &Site<'_>,
    principal: &Principal,
    policy: Option<&Arc<Policy>>,
    operation: &str,
    input: &Input,
) -> Result<()> {
    let policies = policy.map(Arc::as_ref).into_iter().chain(&principal.session_policy);
    let mut policies = policies.peekable();
    if policies.peek().is_none() {
        return Ok(());
    }
    let question = question(site, principal, operation, input)?;
    for policy in policies {
        let reason = match policy.verdict(&question) {
            Verdict::Allowed => continue,
            Verdict::NotAllowed => {
                format!("because no identity-based policy allows the {} action", question.action)
            }
            Verdict::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        };
        let (who, action, resource) = (&principal.arn, &question.action, &question.resource);
        let message = format!(
            "User: {who} is not authorized to perform: {action} on resource: {resource} {reason}"
        );
        return Err(ApiError::access_denied(message));
    }
    Ok(())
}

fn question(
    site: &Site<'_>,
    principal: &Principal,
    operation: &str,
    input: &Input,
) -> Result<Question> {
    let mut question = Question::new(format!("lightsail:{operation}"), "*");
    question.add("aws:RequestedRegion", &site.scope.region);
    principal.describe(&mut question);
    // A tag that is not valid is refused later, by the operation.
    for (key, value) in input.tags().ok().flatten().unwrap_or_default() {
        question.add("aws:TagKeys", &key);
        question.add(&format!("aws:RequestTag/{key}"), value.as_deref().unwrap_or_default());
    }
    for key in input.tag_keys().unwrap_or_default() {
        question.add("aws:TagKeys", key);
    }
    let member = resource_member(operation, site.switches.reset_is_resource_level);
    if let Some(name) = member.and_then(|member| input.text(member).ok().flatten()) {
        if let Some(resource) = site.find(name) {
            for (key, value) in resource.tags {
                let key = format!("aws:ResourceTag/{key}");
                question.add(&key, value.as_deref().unwrap_or_default());
            }
            resource.arn.clone_into(&mut question.resource);
        } else if site.switches.not_found_before_denied {
            return Err(ApiError::does_not_exist("Resource", name));
        }
    }
    Ok(question)
}

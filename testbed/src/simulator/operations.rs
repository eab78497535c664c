//! Which operations there are, and what lists have in common.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::input::Input;
use super::state::Site;
use super::{key_pairs, resources};

/// One operation's effect and answer.
pub(super) type Perform = fn(&mut Site<'_>, &Input) -> Result<Value>;

/// The operation of Lightsail with this name, if the simulator has it.
pub(super) fn lightsail_operation(name: &str) -> Option<Perform> {
    Some(match name {
        "ImportKeyPair" => key_pairs::import,
        "CreateKeyPair" => key_pairs::create,
        "GetKeyPair" => key_pairs::get,
        "GetKeyPairs" => key_pairs::list,
        "DeleteKeyPair" => key_pairs::delete,
        "DownloadDefaultKeyPair" => key_pairs::download_default,
        "TagResource" => resources::tag,
        "UntagResource" => resources::untag,
        "GetInstance" => resources::get_instance,
        "DeleteKnownHostKeys" => resources::delete_known_host_keys,
        "GetOperation" => resources::get_operation,
        "GetOperationsForResource" => resources::operations_for_resource,
        _ => return None,
    })
}

/// The operation of STS with this name, if the simulator has it.
pub(super) fn sts_operation(name: &str) -> Option<Perform> {
    (name == "GetCallerIdentity").then_some(caller_identity)
}

/// Who asks. The wire format is not JSON here, so these are just the three values.
#[expect(clippy::unnecessary_wraps, reason = "all operations have this signature")]
fn caller_identity(site: &mut Site<'_>, _: &Input) -> Result<Value> {
    let account = &site.scope.account;
    Ok(json!({
        "Arn": format!("arn:aws:iam::{account}:user/simulated"),
        "UserId": "AIDASIMULATEDUSER",
        "Account": account,
    }))
}

/// One page of a list, with the token of the next one if there is more. `entries` come in the order of their keys. A token
/// stands for the last key of its page, so that what is added or deleted meanwhile neither repeats nor hides other entries.
pub(super) fn page(
    member: &str,
    entries: impl Iterator<Item = (String, Value)>,
    token: Option<&str>,
    page_size: usize,
) -> Result<Value> {
    let after = token.filter(|token| !token.is_empty()).map(key_of).transpose()?;
    let mut rest = entries.skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after)).peekable();
    let page: Vec<_> = rest.by_ref().take(page_size.max(1)).collect();
    let next = page.last().filter(|_| rest.peek().is_some()).map(|(key, _)| token_of(key));
    let values: Vec<Value> = page.into_iter().map(|(_, value)| value).collect();
    let mut answer = json!({member: values});
    if let Some(next) = next {
        answer["nextPageToken"] = json!(next);
    }
    Ok(answer)
}

const TOKEN_PREFIX: &str = "after ";

fn token_of(key: &str) -> String {
    STANDARD.encode(format!("{TOKEN_PREFIX}{key}"))
}

fn key_of(token: &str) -> Result<String> {
    let text = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.and_then(|text| text.strip_prefix(TOKEN_PREFIX).map(str::to_owned));
    key.ok_or_else(|| ApiError::invalid_input("The page token is not valid"))
}

//! Reading and checking the input of an operation.
//!
//! The rules are the API model's and the user guide's; where the service's own messages are wider
//! than the model, they win. How the service words its refusals is mostly unverified.

use serde_json::{Map, Value, json};

use super::error::{ApiError, Result};
use super::switches::Switches;
use super::tags::{Tags, check_tag};

/// The JSON object in the body of a request.
#[derive(Debug, Default)]
pub(super) struct Input(Map<String, Value>);

impl Input {
    /// The fields of a form, which are all texts.
    pub(super) fn parse_form(body: &[u8]) -> Self {
        Self(
            form_urlencoded::parse(body)
                .map(|(name, value)| (name.into_owned(), json!(value)))
                .collect(),
        )
    }

    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        // The parser's own message is left out: it may quote what was sent.
        let input = serde_json::from_slice(body).map(Self);
        input.map_err(|_| ApiError::serialization("The body is not a JSON object"))
    }

    /// A string; `null` is the same as absent.
    pub(super) fn text(&self, member: &str) -> Result<Option<&str>> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(member)),
        }
    }

    pub(super) fn required_text(&self, member: &str) -> Result<&str> {
        self.text(member)?.ok_or_else(|| missing(member))
    }

    /// A required member of the model's shape `ResourceName`.
    pub(super) fn resource_name(&self, member: &str, switches: &Switches) -> Result<&str> {
        let name = self.required_text(member)?;
        if is_resource_name(name, switches) { Ok(name) } else { Err(invalid_name(name)) }
    }

    /// A required member of the model's shape `NonEmptyString`.
    pub(super) fn non_blank(&self, member: &str) -> Result<&str> {
        let text = self.required_text(member)?;
        if text.trim().is_empty() { Err(invalid_member(member)) } else { Ok(text) }
    }

    /// A member of the model's shape `ResourceArn`.
    pub(super) fn arn(&self, member: &str) -> Result<Option<&str>> {
        let arn = self.text(member)?;
        if arn.is_none_or(is_resource_arn) { Ok(arn) } else { Err(invalid_member(member)) }
    }

    /// A member with one of these values.
    pub(super) fn one_of(&self, member: &str, values: &[&str]) -> Result<Option<&str>> {
        let text = self.text(member)?;
        if text.is_none_or(|text| values.contains(&text)) {
            Ok(text)
        } else {
            Err(invalid_member(member))
        }
    }

    pub(super) fn flag(&self, member: &str) -> Result<bool> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(wrong_type(member)),
        }
    }

    fn list(&self, member: &str) -> Result<Option<&[Value]>> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(wrong_type(member)),
        }
    }

    /// The member `tags`, checked. `None` if it is absent.
    pub(super) fn tags(&self) -> Result<Option<Tags>> {
        let list = self.list("tags")?;
        list.map(|list| list.iter().map(tag_of).collect()).transpose()
    }

    pub(super) fn required_tags(&self) -> Result<Tags> {
        self.tags()?.ok_or_else(|| missing("tags"))
    }

    pub(super) fn tag_keys(&self) -> Result<Vec<&str>> {
        let keys = self.list("tagKeys")?.ok_or_else(|| missing("tagKeys"))?;
        keys.iter().map(|key| key.as_str().ok_or_else(|| wrong_type("tagKeys"))).collect()
    }

    /// The resource that the input names, for the request log and for faults.
    pub(super) fn resource(&self) -> Option<&str> {
        let members = ["keyPairName", "instanceName", "resourceName"];
        members.iter().find_map(|member| self.0.get(*member)?.as_str())
    }
}

fn tag_of(tag: &Value) -> Result<(String, Option<String>)> {
    let text = |member| match tag.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong_type("tags")),
    };
    let key = text("key")?.ok_or_else(|| missing("tags.key"))?;
    let value = text("value")?;
    check_tag(&key, value.as_deref())?;
    Ok((key, value))
}

/// The model's pattern is `\w[\w\-]*\w`; the service's own message allows dots too
/// (<https://github.com/hashicorp/terraform-provider-aws/pull/8647>).
fn is_resource_name(name: &str, switches: &Switches) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let is_dot = |character: char| switches.dots_in_names && character == '.';
    let is_inner = |character: char| is_word(character) || character == '-' || is_dot(character);
    let fits = switches.max_name_length == 0 || name.len() <= switches.max_name_length;
    fits && name.len() >= 2
        && name.starts_with(is_word)
        && name.ends_with(is_word)
        && name.chars().all(is_inner)
}

/// The model's pattern is
/// `^arn:(aws[^:]*):([a-zA-Z0-9-]+):([a-z0-9-]+):([0-9]+):([a-zA-Z]+)/([a-zA-Z0-9-]+)$`.
fn is_resource_arn(arn: &str) -> bool {
    let is_all = |text: &str, fits: fn(char) -> bool| !text.is_empty() && text.chars().all(fits);
    let is_id = |text: &str| {
        is_all(text, |character| character.is_ascii_alphanumeric() || character == '-')
    };
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, service, region, account, resource] = parts[..] else { return false };
    let Some((resource_type, id)) = resource.split_once('/') else { return false };
    let is_region = is_all(region, |character| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
    });
    partition.starts_with("aws")
        && is_id(service)
        && is_region
        && is_all(account, |character| character.is_ascii_digit())
        && is_all(resource_type, |character| character.is_ascii_alphabetic())
        && is_id(id)
}

fn invalid_member(member: &str) -> ApiError {
    ApiError::invalid_input(format!("{member} has a value that is not valid"))
}

fn invalid_name(name: &str) -> ApiError {
    ApiError::invalid_input(format!(
        "{name} is not a valid resource name. Resource names must be at least 2 characters long \
            and contain only \
         alphanumerics, -, _, and ."
    ))
}

fn missing(member: &str) -> ApiError {
    ApiError::invalid_input(format!("{member} is required"))
}

fn wrong_type(member: &str) -> ApiError {
    ApiError::serialization(format!("{member} has the wrong type"))
}

#[cfg(test)]
mod tests {
    use super::{Switches, is_resource_arn, is_resource_name};

    #[test]
    fn resource_names() {
        let switches = Switches::default();
        for name in ["ab", "a-b", "a.b", "_0", "LightsailDefaultKeyPair"] {
            assert!(is_resource_name(name, &switches), "{name}");
        }
        for name in ["", "a", "-a", "a-", ".a", "a b", "a/b", "né", "a\n"] {
            assert!(!is_resource_name(name, &switches), "{name}");
        }
        let strict = Switches { dots_in_names: false, max_name_length: 4, ..Switches::default() };
        for (name, fits) in [("ab", true), ("a.b", false), ("abcd", true), ("abcde", false)] {
            assert_eq!(is_resource_name(name, &strict), fits, "{name}");
        }
    }

    #[test]
    fn resource_arns() {
        assert!(is_resource_arn(
            "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/05859e3d-331d-48ba-9034-12345EXAMPLE"
        ));
        for arn in [
            "",
            "web-1",
            "arn:gcp:lightsail:eu-west-1:123456789012:KeyPair/a",
            "arn:aws:lightsail:eu-west-1:123456789012:KeyPair",
            "arn:aws:lightsail:eu-west-1:12345678901x:KeyPair/a",
            "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/a b",
        ] {
            assert!(!is_resource_arn(arn), "{arn}");
        }
    }
}

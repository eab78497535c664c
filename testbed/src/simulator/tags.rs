//! Tags: what the API takes, and how it shows them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::{ApiError, Result};

/// Tags; a key-only tag has no value.
pub(super) type Tags = BTreeMap<String, Option<String>>;

/// A resource has at most this many tags.
const MAX_TAGS: usize = 50;

/// Refuses more tags than a resource may have.
pub(super) fn check_count(tags: &Tags) -> Result<()> {
    if tags.len() > MAX_TAGS {
        return Err(ApiError::invalid_input(format!(
            "A resource can have at most {MAX_TAGS} tags."
        )));
    }
    Ok(())
}

/// Refuses a tag that no resource may have.
pub(super) fn check_tag(key: &str, value: Option<&str>) -> Result<()> {
    let key_length = key.chars().count();
    let value_length = value.map_or(0, |value| value.chars().count());
    if key_length == 0 || key_length > 128 || value_length > 256 {
        return Err(ApiError::invalid_input(
            "A tag key has 1 to 128 characters and a tag value at most 256.",
        ));
    }
    if key.to_lowercase().starts_with("aws:") {
        return Err(ApiError::invalid_input("The prefix aws: of tag keys is reserved."));
    }
    if !key.chars().chain(value.unwrap_or_default().chars()).all(is_tag_character) {
        return Err(ApiError::invalid_input(
            "Tags have letters, digits, spaces and + - = . _ : / @ only.",
        ));
    }
    Ok(())
}

fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric() || " +-=._:/@".contains(character)
}

pub(super) fn to_json(tags: &Tags) -> Value {
    tags.iter().map(tag_json).collect()
}

fn tag_json((key, value): (&String, &Option<String>)) -> Value {
    value.as_ref().map_or_else(|| json!({"key": key}), |value| json!({"key": key, "value": value}))
}

#[cfg(test)]
mod tests {
    use super::check_tag;

    #[test]
    fn tags() {
        let (long_key, long_value) = ("k".repeat(129), "v".repeat(257));
        for (key, value) in [
            ("team", Some("a b")),
            ("example.com/x", None),
            (&long_key[1..], Some(&long_value[1..])),
        ] {
            assert_eq!(check_tag(key, value), Ok(()), "{key}");
        }
        for (key, value) in [("", None), ("aws:x", None), ("a!", None), ("a", Some("b?"))] {
            assert!(check_tag(key, value).is_err(), "{key}");
        }
        assert!(check_tag(&long_key, None).is_err());
        assert!(check_tag("k", Some(&long_value)).is_err());
    }
}

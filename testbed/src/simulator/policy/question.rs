//! What a request asks of a policy, and how texts of policies are read with it.

use std::collections::BTreeMap;

use super::pattern::Pattern;
use super::text::{Part, Text};

/// What a request wants to do, as IAM sees it.
#[derive(Debug, Default)]
pub(in super::super) struct Question {
    /// For example `lightsail:DeleteKeyPair`.
    pub(in super::super) action: String,
    /// An ARN, or `*`.
    pub(in super::super) resource: String,
    /// The condition keys in lower case, with their values.
    context: BTreeMap<String, Vec<String>>,
}

impl Question {
    /// A question without condition keys.
    pub(in super::super) fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: BTreeMap::new() }
    }

    /// Adds a value of a condition key. The names of keys are not case-sensitive, and the key of a
    /// tag in `aws:ResourceTag/KEY` is a part of the name
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html>).
    pub(in super::super) fn add(&mut self, key: &str, value: &str) {
        self.context.entry(key.to_lowercase()).or_default().push(value.to_owned());
    }

    /// The values of a condition key.
    pub(super) fn values(&self, key: &str) -> Option<&[String]> {
        self.context.get(&key.to_lowercase()).map(Vec::as_slice)
    }

    /// A text with its variables replaced. `None` if one has no value: then the text fits nothing,
    /// as in IAM.
    pub(super) fn text(&self, text: &Text) -> Option<String> {
        text.0.iter().try_fold(String::new(), |mut replaced, part| {
            match part {
                Part::Written(text) => replaced.push_str(text),
                Part::Character(character) => replaced.push(*character),
                Part::Variable(key) => replaced.push_str(self.value(key)?),
            }
            Some(replaced)
        })
    }

    /// The same as a pattern.
    pub(super) fn pattern(&self, text: &Text) -> Option<Pattern> {
        text.0.iter().try_fold(Pattern::default(), |pattern, part| {
            Some(match part {
                Part::Written(text) => pattern.written(text),
                Part::Character(character) => pattern.literal(character.encode_utf8(&mut [0; 4])),
                Part::Variable(key) => pattern.literal(self.value(key)?),
            })
        })
    }

    /// The value of a condition key that has one alone.
    fn value(&self, key: &str) -> Option<&str> {
        match self.values(key)? {
            [value] => Some(value),
            _ => None,
        }
    }
}

//! What a request asks of a policy, and how texts of policies are read with it.

use std::collections::BTreeMap;

use super::pattern::Pattern;

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

/// A part of a policy's text.
enum Part<'a> {
    /// As it stands in the policy.
    Written(&'a str),
    /// What a policy variable stands for.
    Value(&'a str),
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

    /// A text of a policy with its `${…}` replaced. `None` if a variable has no value: then the
    /// text fits nothing, as in IAM.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        let parts = self.parts(text)?;
        Some(parts.iter().map(|(Part::Written(text) | Part::Value(text))| *text).collect())
    }

    /// The same as a pattern.
    pub(super) fn pattern(&self, text: &str) -> Option<Pattern> {
        let parts = self.parts(text)?;
        Some(parts.iter().fold(Pattern::default(), |pattern, part| match part {
            Part::Written(text) => pattern.written(text),
            Part::Value(text) => pattern.literal(text),
        }))
    }

    fn parts<'a>(&'a self, text: &'a str) -> Option<Vec<Part<'a>>> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            parts.push(Part::Written(before));
            parts.push(match (name, self.values(name)) {
                ("*" | "?" | "$", _) => Part::Value(name),
                (_, Some([value])) => Part::Value(value),
                (_, _) => return None,
            });
            rest = behind;
        }
        parts.push(Part::Written(rest));
        Some(parts)
    }
}

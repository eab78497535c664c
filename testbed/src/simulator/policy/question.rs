//! What a request asks of a policy, and how texts of policies are compared with it.

use std::collections::BTreeMap;

/// What a request wants to do, as IAM sees it.
#[derive(Debug, Default)]
pub(in super::super) struct Question {
    /// For example `lightsail:DeleteKeyPair`.
    pub(in super::super) action: String,
    /// An ARN, or `*`.
    pub(in super::super) resource: String,
    /// The condition keys, in lower case up to the first `/`. Only `aws:tagkeys` has more than one
    /// value.
    pub(in super::super) context: BTreeMap<String, Vec<String>>,
}

impl Question {
    /// The values of a condition key.
    pub(super) fn values(&self, key: &str) -> Option<&[String]> {
        self.context.get(key).map(Vec::as_slice)
    }

    /// A text of a policy with its `${…}` replaced. A variable without a value fits nothing, as in
    /// IAM.
    pub(super) fn with_variables(&self, text: &str) -> String {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            result.push_str(before);
            match (name, self.values(&key(name))) {
                ("*" | "?" | "$", _) => result.push_str(name),
                (_, Some([value])) => result.push_str(value),
                (_, _) => return "\u{0}".to_owned(),
            }
            rest = behind;
        }
        result + rest
    }
}

/// A condition key as it is compared: case counts only behind the first `/`, where a tag's key is.
pub(super) fn key(name: &str) -> String {
    name.split_once('/').map_or_else(
        || name.to_lowercase(),
        |(prefix, tag)| format!("{}/{tag}", prefix.to_lowercase()),
    )
}

/// Whether a text fits a pattern in which `*` is any text and `?` any character.
pub(super) fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut of) = (0, 0);
    // Where to go on when the last `*` has to take one character more.
    let mut retry = None;
    while of < text.len() {
        if pattern.get(at) == Some(&'*') {
            retry = Some((at, of));
            at += 1;
        } else if pattern.get(at).is_some_and(|wanted| *wanted == '?' || *wanted == text[of]) {
            at += 1;
            of += 1;
        } else if let Some((star, taken)) = retry {
            retry = Some((star, taken + 1));
            at = star + 1;
            of = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

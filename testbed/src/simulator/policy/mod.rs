//! IAM policies and their evaluation: a Deny beats every Allow, and what nothing allows is denied.
//!
//! The language is the part of the IAM User Guide's policy grammar that fits Lightsail: actions and
//! resources with wildcards, the string operators, `Null`, `Bool` and ARN operators, `IfExists`,
//! `ForAllValues`, `ForAnyValue`, and policy variables. What it does not know it refuses when a
//! policy is set, so that no policy is silently weaker or stronger than at AWS.

mod condition;
mod parse;

use std::collections::BTreeMap;

use self::condition::Condition;

/// A policy document.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    allows: bool,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug)]
struct Patterns {
    negated: bool,
    patterns: Vec<String>,
}

/// What a request wants to do, as IAM sees it.
#[derive(Debug, Default)]
pub(super) struct Question {
    /// For example `lightsail:DeleteKeyPair`.
    pub(super) action: String,
    /// An ARN, or `*`.
    pub(super) resource: String,
    /// The condition keys, in lower case up to the first `/`. Only `aws:tagkeys` has more than one
    /// value.
    pub(super) context: BTreeMap<String, Vec<String>>,
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A statement allows it, and none denies it.
    Allowed,
    /// No statement speaks of it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

impl Policy {
    /// The policy in this JSON document, or what is wrong with it.
    pub(super) fn parse(document: &str) -> Result<Self, String> {
        parse::policy(document)
    }

    pub(super) fn verdict(&self, question: &Question) -> Verdict {
        let mut verdict = Verdict::NotAllowed;
        for statement in self.statements.iter().filter(|statement| statement.applies(question)) {
            if !statement.allows {
                return Verdict::Denied;
            }
            verdict = Verdict::Allowed;
        }
        verdict
    }
}

impl Statement {
    fn applies(&self, question: &Question) -> bool {
        // Names of actions are the only part of a policy where case does not count.
        let action = question.action.to_lowercase();
        self.actions.fit(|pattern| is_like(&pattern.to_lowercase(), &action))
            && self
                .resources
                .fit(|pattern| fits_resource(&question.with_variables(pattern), &question.resource))
            && self.conditions.iter().all(|condition| condition.holds(question))
    }
}

impl Patterns {
    fn fit(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| fits(pattern)) != self.negated
    }
}

/// An action without resource-level permissions has the resource `*`: only a pattern of all
/// resources fits it.
fn fits_resource(pattern: &str, resource: &str) -> bool {
    if resource == "*" {
        pattern.chars().all(|character| character == '*')
    } else {
        is_like(pattern, resource)
    }
}

impl Question {
    /// The values of a condition key.
    fn values(&self, key: &str) -> Option<&[String]> {
        self.context.get(key).map(Vec::as_slice)
    }

    /// A text of a policy with its `${…}` replaced. A variable without a value fits nothing, as in
    /// IAM.
    fn with_variables(&self, text: &str) -> String {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            result.push_str(before);
            match (name, self.values(&condition::key(name))) {
                ("*" | "?" | "$", _) => result.push_str(name),
                (_, Some([value])) => result.push_str(value),
                (_, _) => return "\u{0}".to_owned(),
            }
            rest = behind;
        }
        result + rest
    }
}

/// Whether a text fits a pattern in which `*` is any text and `?` any character.
fn is_like(pattern: &str, text: &str) -> bool {
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

#[cfg(test)]
mod tests;

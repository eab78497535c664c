//! Statements of policies, and which requests they speak of.

use super::condition::Condition;
use super::question::{Question, is_like};

/// One statement of a policy.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) allows: bool,
    pub(super) actions: Patterns,
    pub(super) resources: Patterns,
    pub(super) conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    pub(super) negated: bool,
    pub(super) patterns: Vec<String>,
}

impl Statement {
    pub(super) fn applies(&self, question: &Question) -> bool {
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

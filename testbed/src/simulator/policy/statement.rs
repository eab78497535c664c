//! Statements of policies, and which requests they speak of.

use super::condition::Condition;
use super::pattern::Pattern;
use super::question::Question;

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
        // Case does not count in the names of actions.
        let action = question.action.to_lowercase();
        self.actions
            .fit(|pattern| Pattern::default().written(&pattern.to_lowercase()).fits(&action))
            && self.resources.fit(|pattern| fits_resource(question, pattern))
            && self.conditions.iter().all(|condition| condition.holds(question))
    }
}

impl Patterns {
    /// The patterns of whatever speaks of everything.
    pub(super) fn all() -> Self {
        Self { negated: false, patterns: vec!["*".to_owned()] }
    }

    fn fit(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| fits(pattern)) != self.negated
    }
}

/// An action without resource-level permissions has the resource `*`: only a pattern of all
/// resources fits it.
fn fits_resource(question: &Question, pattern: &str) -> bool {
    question.pattern(pattern).is_some_and(|pattern| {
        if question.resource == "*" { pattern.fits_all() } else { pattern.fits(&question.resource) }
    })
}

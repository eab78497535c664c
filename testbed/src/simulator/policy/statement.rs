//! Statements of policies, and which requests they speak of.

use super::condition::Condition;
use super::pattern::Pattern;
use super::question::Question;
use super::text::Text;

/// One statement of a policy.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) allows: bool,
    pub(super) actions: Patterns<String>,
    pub(super) resources: Patterns<Text>,
    pub(super) conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug)]
pub(super) struct Patterns<T> {
    pub(super) negated: bool,
    pub(super) patterns: Vec<T>,
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

impl Patterns<Text> {
    /// The patterns of whatever speaks of everything.
    pub(super) fn all() -> Self {
        Self { negated: false, patterns: vec![Text::written("*")] }
    }
}

impl<T> Patterns<T> {
    fn fit(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.patterns.iter().any(fits) != self.negated
    }
}

/// An action without resource-level permissions has the resource `*`: only a pattern of all
/// resources fits it.
fn fits_resource(question: &Question, pattern: &Text) -> bool {
    question.pattern(pattern).is_some_and(|pattern| {
        if question.resource == "*" { pattern.fits_all() } else { pattern.fits(&question.resource) }
    })
}

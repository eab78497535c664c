//! IAM policies and their evaluation: a Deny beats every Allow, and what nothing allows is denied.
//!
//! The language is the part of the IAM User Guide's policy grammar that fits Lightsail: actions and
//! resources with wildcards, the string operators, `Null`, `Bool` and ARN operators, `IfExists`,
//! `ForAllValues`, `ForAnyValue`, and policy variables without defaults. Trust policies have
//! principals in the place of resources. What it does not know, condition keys included, it refuses
//! when a policy is set, so that no policy is silently weaker or stronger than at AWS.

mod condition;
mod key;
mod parse;
mod pattern;
mod principal;
mod question;
mod statement;
mod text;
mod trust;

pub(super) use self::principal::{Caller, Named};
pub(super) use self::question::Question;
pub(super) use self::trust::{Trust, TrustPolicy};

use self::statement::Statement;

/// A policy document.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    statements: Vec<Statement>,
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
        parse::statements(document).map(|statements| Self { statements })
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

#[cfg(test)]
mod tests;

//! Trust policies of roles: who may assume them, and with which session tags.

use super::parse;
use super::principal::{Caller, Named, Principals};
use super::question::Question;
use super::statement::Statement;

/// The trust policy of a role.
#[derive(Clone, Debug)]
pub(in super::super) struct TrustPolicy {
    statements: Vec<(Principals, Statement)>,
}

/// What a trust policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Trust {
    /// A statement allows it, and none denies it.
    Allowed(Named),
    /// No statement allows it, or one denies it.
    Refused,
}

impl TrustPolicy {
    /// The policy in this JSON document, or what is wrong with it.
    pub(in super::super) fn parse(document: &str) -> Result<Self, String> {
        parse::trust_statements(document).map(|statements| Self { statements })
    }

    pub(in super::super) fn verdict(&self, question: &Question, caller: Caller<'_>) -> Trust {
        let mut allowed = None;
        for (principals, statement) in &self.statements {
            let named = principals.name(caller).filter(|_| statement.applies(question));
            if named.is_some() && !statement.allows {
                return Trust::Refused;
            }
            allowed = allowed.max(named);
        }
        allowed.map_or(Trust::Refused, Trust::Allowed)
    }
}

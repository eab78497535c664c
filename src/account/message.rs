//! The messages of an account's conditions, except AWS errors.

use std::fmt;

use crate::api::Reason;

/// A message; `Display` has the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Message<'a> {
    Identified { caller: &'a str },
    InUse { users: usize },
}

impl Message<'_> {
    /// Its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Identified { .. } => Reason::Identified,
            Self::InUse { .. } => Reason::AccountInUse,
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identified { caller } => {
                // Some sessions have a different name each time.
                let role = caller.rsplit_once('/').map_or(*caller, |(role, _)| role);
                write!(to, "the operator can use the AWS account as {role}")
            }
            Self::InUse { users: 1 } => to.write_str(
                "this LightsailAccount is being deleted, but one object that has used it still \
                 refers to it; the operator removes it once that object is deleted",
            ),
            Self::InUse { users } => write!(
                to,
                "this LightsailAccount is being deleted, but {users} objects that have used it \
                 still refer to it; the operator removes it once they are deleted"
            ),
        }
    }
}

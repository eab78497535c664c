//! The messages of an account's conditions, except AWS errors.

use std::fmt;

use crate::api::Reason;
use crate::lightsail::role;

/// A message; `Display` has the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Message<'a> {
    Identified { caller: &'a str },
    InUse { users: usize, problem: Option<&'a str> },
    InvalidSelector,
}

impl Message<'_> {
    /// Its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Identified { .. } => Reason::Identified,
            Self::InUse { .. } => Reason::AccountInUse,
            Self::InvalidSelector => Reason::UnsupportedObject,
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identified { caller } => {
                // Some sessions have a different name each time.
                write!(to, "the operator can use the AWS account as {}", role(caller))
            }
            Self::InUse { users, problem } => {
                to.write_str("this LightsailAccount is being deleted, but ")?;
                match users {
                    1 => to.write_str(
                        "one object that has used it still refers to it; its deletion finishes \
                         once that object is gone",
                    ),
                    _ => write!(
                        to,
                        "{users} objects that have used it still refer to it; its deletion \
                         finishes once they are gone"
                    ),
                }?;
                to.write_str(
                    ". To keep a key pair in Lightsail, set deletionPolicy: Retain before you \
                     delete its object",
                )?;
                problem.map_or(Ok(()), |problem| {
                    write!(to, ". The operator cannot use the AWS account now: {problem}")
                })
            }
            Self::InvalidSelector => to.write_str(
                "spec.allowedNamespaces.selector selects no namespace, because it is not a valid \
                 label selector; use valid label keys and values; In and NotIn need values, and \
                 Exists and DoesNotExist must have none",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_named_without_the_name_of_a_session_and_a_user_in_full() {
        for (caller, expected) in [
            ("arn:aws:sts::1:assumed-role/fleet/session", "arn:aws:sts::1:assumed-role/fleet"),
            ("arn:aws:iam::1:user/ann", "arn:aws:iam::1:user/ann"),
            ("arn:aws:iam::1:user/team/ann", "arn:aws:iam::1:user/team/ann"),
            ("arn:aws:iam::1:root", "arn:aws:iam::1:root"),
        ] {
            let message = Message::Identified { caller }.to_string();
            assert!(message.ends_with(&format!(" as {expected}")), "{message}");
        }
    }
}

//! What the conditions of all kinds say, beside the errors of Lightsail and of the API server.

use std::fmt;

use crate::api::Reason;
use crate::ids::AccountId;

/// What there is to say; `Display` has the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Message<'a> {
    /// `way_out` is what a person can do besides.
    OfOtherAccount {
        account: &'a AccountId,
        other: &'a AccountId,
        way_out: Option<&'a str>,
    },
    /// As above.
    NotThePinnedAccount {
        account: &'a AccountId,
        pinned: &'a AccountId,
        way_out: Option<&'a str>,
    },
    LastingConflict,
    Unsupported {
        field: &'a str,
    },
    Circling {
        what: &'a str,
    },
}

impl Message<'_> {
    /// The word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::OfOtherAccount { .. } | Self::NotThePinnedAccount { .. } => Reason::WrongAccount,
            Self::LastingConflict => Reason::WriteConflict,
            Self::Unsupported { .. } => Reason::UnsupportedObject,
            Self::Circling { .. } => Reason::ServiceError,
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfOtherAccount { account, other, way_out } => {
                write!(
                    to,
                    "the operator's credentials are for the account {account}, and this object is \
                     in {other}; give the operator credentials for {other}"
                )?;
                or(to, *way_out)
            }
            Self::NotThePinnedAccount { account, pinned, way_out } => {
                write!(
                    to,
                    "the operator's credentials are for the account {account}, and \
                     --aws-account-id is {pinned}; give the operator credentials for {pinned}, or \
                     correct the flag"
                )?;
                or(to, *way_out)
            }
            Self::LastingConflict => to.write_str(
                "something changes the object, or its Secret, whenever the operator writes it; to \
                 find out what, run kubectl get KIND NAME -o yaml --show-managed-fields",
            ),
            Self::Unsupported { field } => write!(
                to,
                "this version of the operator cannot read the field {field}; upgrade the operator, \
                 or correct the field"
            ),
            Self::Circling { what } => {
                write!(to, "the {what} keeps changing while it is reconciled; it is retried")
            }
        }
    }
}

fn or(to: &mut fmt::Formatter<'_>, way_out: Option<&str>) -> fmt::Result {
    match way_out {
        Some(way_out) => write!(to, ", or {way_out}"),
        None => Ok(()),
    }
}

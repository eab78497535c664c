//! The messages of conditions that all kinds share, except errors of Lightsail and of the API
//! server.

use std::fmt;

use crate::access::permission::Refused;
use crate::api::Reason;
use crate::ids::AccountId;

/// What else a person can do, beside what a message advises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOut<'a> {
    /// Nothing.
    None,
    /// That.
    Or(&'a str),
    /// First that; then delete the object and create it again. It has a key pair, and no second
    /// object can have the same one meanwhile.
    Again(&'a str),
    /// Only to ask: the call of the object may have been made, so another object must not be
    /// created for it.
    OnlyAsk {
        /// Whether it is known that it was, and only its end is not.
        accepted: bool,
    },
}

/// A message; `Display` has the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Message<'a> {
    /// `name` is the `LightsailAccount` that the object uses, if it uses one.
    OfOtherAccount {
        account: &'a AccountId,
        other: &'a AccountId,
        name: Option<&'a str>,
        way_out: WayOut<'a>,
    },
    /// As above.
    NotThePinnedAccount {
        account: &'a AccountId,
        pinned: &'a AccountId,
        way_out: WayOut<'a>,
    },
    NoAccess {
        why: Refused<'a>,
        way_out: WayOut<'a>,
    },
    /// AWS's message may name other teams' roles, so it is only in the account's conditions and in
    /// the log. `is_tagged`: each namespace has a session of its own, of which only the log tells.
    AccountFails {
        name: &'a str,
        code: &'a str,
        is_tagged: bool,
        way_out: WayOut<'a>,
    },
    /// As above. The action of the IAM policy that is missing, if it is known.
    RefusedByAws {
        name: &'a str,
        action: Option<&'a str>,
        code: &'a str,
    },
    LastingConflict,
    /// What the API server says.
    RefusedByKubernetes {
        why: &'a str,
    },
    /// What came instead of an answer.
    KubernetesFails {
        why: &'a str,
    },
    Unsupported {
        field: &'a str,
    },
    TooManySteps,
}

/// A policy or a webhook may say any number of characters.
const MOST_OF_A_REFUSAL: usize = 300;

impl Message<'_> {
    /// Its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::OfOtherAccount { .. } | Self::NotThePinnedAccount { .. } => Reason::WrongAccount,
            Self::NoAccess { why, .. } => match why {
                Refused::Required { .. } => Reason::AccountRequired,
                Refused::NotFound(_) => Reason::AccountNotFound,
                Refused::NotAllowed(..) => Reason::AccountNotAllowed,
                Refused::Terminating(_) => Reason::AccountNotReady,
            },
            Self::AccountFails { .. } => Reason::AccountNotReady,
            Self::RefusedByAws { .. } => Reason::AccessDenied,
            Self::LastingConflict => Reason::WriteConflict,
            Self::RefusedByKubernetes { .. } | Self::KubernetesFails { .. } => {
                Reason::KubernetesError
            }
            Self::Unsupported { .. } => Reason::UnsupportedObject,
            Self::TooManySteps => Reason::ServiceError,
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfOtherAccount { account, other, name: Some(name), way_out } => {
                write!(
                    to,
                    "the LightsailAccount {name} is for the AWS account {account}, but this object \
                     belongs to {other}"
                )?;
                way_out.after(to, || {
                    format!(
                        "{} with an accountRef that names a LightsailAccount for {other}",
                        way_out.create()
                    )
                })
            }
            Self::OfOtherAccount { account, other, name: None, way_out } => {
                write!(
                    to,
                    "the operator's credentials are for the account {account}, but this object \
                     belongs to {other}; give the operator credentials for {other}"
                )?;
                way_out.or(to)
            }
            Self::NotThePinnedAccount { account, pinned, way_out } => {
                write!(
                    to,
                    "the operator's credentials are for the account {account}, but \
                     --aws-account-id is {pinned}; give the operator credentials for {pinned}, or \
                     correct the flag (in the chart, aws.accountID)"
                )?;
                way_out.or(to)
            }
            Self::NoAccess { why, way_out } => {
                write!(to, "{}", Cause(*why))?;
                way_out.after(to, || advice(*why, *way_out))
            }
            Self::AccountFails { name, code, is_tagged, way_out } => {
                let log =
                    if *is_tagged { ", and the operator's log for this namespace" } else { "" };
                write!(
                    to,
                    "the operator cannot use the LightsailAccount {name} at the moment ({code}); \
                     ask whoever manages the accounts to check its conditions{log}"
                )?;
                way_out.or(to)
            }
            Self::RefusedByAws { name, action, code } => write!(
                to,
                "AWS does not allow {} with the credentials of the LightsailAccount {name} \
                 ({code}); ask whoever manages the accounts to look up AWS's response in the \
                 operator's log",
                action.map_or("this".to_owned(), |action| format!("lightsail:{action}"))
            ),
            Self::LastingConflict => to.write_str(
                "something keeps changing the object, its Secret or its LightsailAccount, so \
                 the operator cannot write its changes; to find out what, run kubectl get KIND \
                 NAME -o yaml --show-managed-fields",
            ),
            Self::RefusedByKubernetes { why } => write!(
                to,
                "the Kubernetes API server refuses a request from the operator: {}; the operator \
                 will retry, but somebody may have to change a policy, a webhook or a permission",
                why.chars().take(MOST_OF_A_REFUSAL).collect::<String>()
            ),
            Self::KubernetesFails { why } => write!(
                to,
                "a request from the operator to the Kubernetes API server failed: {}; \
                 the operator will retry, but if this persists, check the API server, its webhooks \
                 and the network in between",
                why.chars().take(MOST_OF_A_REFUSAL).collect::<String>()
            ),
            Self::Unsupported { field } => write!(
                to,
                "this version of the operator cannot read the field {field}; upgrade the operator, \
                 or correct the field"
            ),
            Self::TooManySteps => to.write_str(
                "the reconciliation was stopped, because it took too many steps; the operator \
                 will retry",
            ),
        }
    }
}

/// Why an object may not use its credentials.
struct Cause<'a>(Refused<'a>);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Refused::Required { .. } => {
                to.write_str("every object in this namespace must refer to a LightsailAccount")
            }
            Refused::NotFound(name) => write!(
                to,
                "the LightsailAccount {name} does not exist, or does not allow this namespace"
            ),
            Refused::NotAllowed(name, refusal) => {
                write!(to, "the LightsailAccount {name} does not allow this: {refusal}")
            }
            Refused::Terminating(name) => write!(
                to,
                "the LightsailAccount {name} is being deleted and accepts no new objects"
            ),
        }
    }
}

/// What its user can do then.
fn advice(why: Refused<'_>, way_out: WayOut<'_>) -> String {
    const ASK: &str = "ask whoever manages the accounts";
    match why {
        Refused::Required { is_reset } => {
            let change = if is_reset {
                "create a new HostKeyReset with the spec.accountRef.name of one"
            } else {
                "set spec.accountRef.name to one"
            };
            format!(
                "{change} that allows this namespace, or ask whoever runs the operator to exempt \
                 the namespace (--unscoped-namespace; accounts.unscopedNamespaces in the chart)"
            )
        }
        Refused::NotFound(_) => {
            let create = way_out.create();
            if let WayOut::Again(_) = way_out {
                format!(
                    "{ASK}, or, to use another LightsailAccount for the same AWS account, {create} \
                     with another accountRef.name"
                )
            } else {
                format!("{create} with another accountRef.name, or {ASK}")
            }
        }
        Refused::NotAllowed(..) => {
            format!("correct the spec (for an immutable field, create a new object), or {ASK}")
        }
        Refused::Terminating(_) => "create a new object with another accountRef.name".to_owned(),
    }
}

impl WayOut<'_> {
    /// Follows a cause. `usual` is what is advised, unless another object must not be created.
    fn after(self, to: &mut fmt::Formatter<'_>, usual: impl Fn() -> String) -> fmt::Result {
        if let Self::OnlyAsk { accepted } = self {
            let unknown = if accepted {
                "how the operation ended"
            } else {
                "whether Lightsail accepted the call"
            };
            return write!(
                to,
                ", so the operator cannot find out {unknown}; ask whoever manages the accounts \
                 before you create another HostKeyReset"
            );
        }
        write!(to, "; {}", usual())?;
        self.or(to)
    }

    /// Follows an advice that holds in any case.
    fn or(self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(way_out) => write!(to, ", or {way_out}"),
            Self::None | Self::Again(_) | Self::OnlyAsk { .. } => Ok(()),
        }
    }

    /// How another account comes to be used.
    fn create(self) -> String {
        match self {
            Self::Again(first) => format!("{first}, delete this object, and create it again"),
            Self::None | Self::Or(_) | Self::OnlyAsk { .. } => "create a new object".to_owned(),
        }
    }
}

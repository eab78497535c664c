//! What a session is for: which account it must open, and where its failures are told.

use std::sync::Arc;

use super::account::Sending;
use super::error::Error;
use super::session::{Identity, LogLine, Noted};
use super::types::Result;
use crate::ids::AccountId;
use crate::readiness::Readiness;

/// What `/readyz` names.
const OWN: &str = "the AWS credentials";

/// What a session is for.
#[derive(Clone, Debug, Default)]
pub(super) struct Purpose {
    /// The `LightsailAccount`; `None` for the operator's own credentials.
    pub(super) account: Option<Arc<str>>,
    /// The only namespace that the session is for.
    pub(super) namespace: Option<Arc<str>>,
    /// The account that the credentials must belong to.
    pub(super) expected: Option<AccountId>,
}

impl Purpose {
    /// Refuses credentials of any account but the expected one.
    pub(super) fn as_expected(&self, identity: Identity) -> Result<Identity> {
        match &self.expected {
            Some(expected) if *expected != identity.account => {
                Err(Error::of_other_account(&identity.account, expected))
            }
            Some(_) | None => Ok(identity),
        }
    }

    /// Reports it in the log and, of the operator's own, in `/readyz` and in the metric. The
    /// session is locked meanwhile, so all describe the last lookup.
    pub(super) fn tell(&self, noted: Noted, sending: &Sending, readiness: &Readiness) {
        // Anybody may reach the probes, and tenants are not to learn which accounts there are: of
        // these, the conditions and the log tell.
        if self.account.is_none() {
            sending.metrics.set_credentials_failing(noted.is_failing);
            for (region, why) in noted.troubles {
                let extent = sending.regions.extent(&region);
                readiness.trouble(extent, OWN.to_owned(), why);
            }
        }
        self.say(noted.news);
    }

    /// Logs what is new.
    pub(super) fn say(&self, news: Option<LogLine>) {
        let of = self.account.as_deref();
        let namespace = self.namespace.as_deref();
        match news {
            None => {}
            Some(LogLine::InForce(Identity { account, caller_arn })) => tracing::info!(
                of,
                namespace,
                account = account.as_str(),
                caller = caller_arn,
                "AWS credentials are in use"
            ),
            Some(LogLine::BackAgain) => {
                tracing::info!(of, namespace, "the operator can get AWS credentials again");
            }
            Some(LogLine::NotRenewed(Error { code, message, .. })) => tracing::warn!(
                of,
                namespace,
                code,
                error = message,
                "the operator cannot renew the AWS credentials, and uses them until they expire"
            ),
            Some(LogLine::Refused(Error { code, message, .. })) => tracing::warn!(
                of,
                namespace,
                code,
                error = message,
                "AWS refuses the credentials, and the operator has no others"
            ),
            Some(LogLine::NotHad(Error { code, message, .. })) => {
                tracing::warn!(
                    of,
                    namespace,
                    code,
                    error = message,
                    "the operator cannot get AWS credentials"
                );
            }
        }
    }
}

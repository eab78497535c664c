//! What is in the way of asking Lightsail.

use std::time::Duration;

use super::step::{ReadStep, Step};
use crate::access::Grant;
use crate::access::permission::{Permission, What, permission};
use crate::engine::Verdict;
use crate::engine::account_rule::{refuse_account, verdict_of};
use crate::engine::action::Next;
use crate::engine::message::{Message, WayOut};
use crate::host_key_reset::world::{Desired, Observed};
use crate::ids::AccountId;
use crate::lightsail;

/// How soon to read again what no watch reports: the labels of a namespace.
const READ_AGAIN: Duration = Duration::from_mins(1);

/// What is in the way of asking Lightsail about this reset.
pub(super) enum Hindrance {
    /// Something that must be read first.
    Unread(Step),
    /// Something to be published, and waited for.
    Refused(Verdict),
}

/// Whether the reset may not use its credentials, the last read failed, or the account is not known
/// to be the right one. Another account knows nothing of this reset: its operations would look lost
/// there.
pub(super) fn hindrance(desired: &Desired, observed: &Observed) -> Option<Hindrance> {
    let of_namespace = (desired.namespace.as_str(), observed.namespace_labels.as_ref());
    let (asks, has_acted) = ([What::HostKeyReset], observed.status.attempts > 0);
    match permission(&observed.grant, of_namespace, &desired.region, &asks, has_acted) {
        Permission::Granted => {}
        Permission::LabelsUnread => return Some(Hindrance::Unread(Step::ReadNamespace)),
        Permission::Refused(why) => {
            return Some(refused(&Message::NoAccess { why, way_out: way_out(observed) }));
        }
    }
    if let Some(error) = &observed.failure {
        return Some(Hindrance::Refused(failed(observed, error)));
    }
    let Some(account) = &observed.account else {
        return Some(Hindrance::Unread(Step::Read(ReadStep::Identify)));
    };
    let recorded = observed.status.account_id.as_deref().map(AccountId::from);
    let (recorded, pinned) = (recorded.as_ref(), desired.pinned_account.as_ref());
    let name = match &observed.grant {
        Grant::Account(entry) => Some(&*entry.name),
        Grant::Operator | Grant::Required | Grant::Missing(_) | Grant::Unreadable(_) => None,
    };
    refuse_account(account, recorded, pinned, name, way_out(observed)).map(Hindrance::Refused)
}

/// Once the call may have been made, another object would make it again.
fn way_out(observed: &Observed) -> WayOut<'static> {
    let may_be_called = observed.status.attempts > 0 && !observed.intent_written;
    let accepted = !observed.status.operations.is_empty();
    if may_be_called { WayOut::OnlyAsk { accepted } } else { WayOut::None }
}

pub(super) fn refused(message: &Message<'_>) -> Hindrance {
    let next = Next::After(READ_AGAIN);
    Hindrance::Refused(Verdict::stalled(message.reason(), message.to_string(), next))
}

/// What an error means.
pub(super) fn failed(observed: &Observed, error: &lightsail::Error) -> Verdict {
    verdict_of(error, &observed.grant, observed.account.is_some(), way_out(observed))
}

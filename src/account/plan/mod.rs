//! What to do next for an account, as a function of what was read. No I/O, no clock.

mod step;
mod users;

use std::time::Duration;

pub use self::step::Step;
pub use self::users::{is_under_way, may_have_pair};
use super::message::Message;
use super::world::Observed;
use crate::api::Reason;
use crate::engine::action::Next;
use crate::engine::{Outcome, Verdict};
use crate::lightsail::Error;

/// How soon to count again how many objects still use an account that is being deleted.
const COUNT_AGAIN: Duration = Duration::from_secs(10);

/// The next step.
#[must_use]
pub fn plan(observed: &Observed) -> Step {
    if !observed.is_primary {
        return Step::Leave(Outcome::Unchanged);
    }
    if observed.is_deleting {
        if !observed.has_finalizer {
            return Step::Leave(Outcome::Gone);
        }
        return match (observed.users, &observed.caller) {
            (None, _) => Step::CountUsers,
            (Some(0), _) => Step::RemoveFinalizer,
            // Its objects need the account until they are gone.
            (Some(_), None) => Step::Identify,
            (Some(users), Some(caller)) => {
                let problem = caller.as_ref().err().map(|error| failed(error).message);
                let message = Message::InUse { users, problem: problem.as_deref() };
                let (reason, message) = (message.reason(), message.to_string());
                Step::Finish(Verdict::wait(reason, message, COUNT_AGAIN))
            }
        };
    }
    match &observed.caller {
        // First, since objects may use the account before it can be identified.
        _ if !observed.has_finalizer => Step::AddFinalizer,
        _ if !observed.has_valid_selector => {
            let message = Message::InvalidSelector;
            let (reason, message) = (message.reason(), message.to_string());
            Step::Finish(Verdict::stalled(reason, message, Next::Change))
        }
        None => Step::Identify,
        Some(Err(error)) => Step::Finish(failed(error)),
        Some(Ok(caller)) => {
            let message = Message::Identified { caller };
            let next = Next::After(observed.interval);
            Step::Finish(Verdict::ready(message.reason(), message.to_string(), next))
        }
    }
}

/// AWS's own words are for the people who manage accounts.
fn failed(error: &Error) -> Verdict {
    let verdict = Verdict::from(error);
    if error.is_of_other_account() {
        return Verdict { reason: Reason::WrongAccount, ..verdict };
    }
    verdict
}

#[cfg(test)]
#[rustfmt::skip]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::lightsail::ErrorKind;

    fn observed() -> Observed {
        Observed {
            now: Timestamp::UNIX_EPOCH,
            is_primary: true,
            is_deleting: false,
            has_finalizer: true,
            has_valid_selector: true,
            caller: None,
            users: None,
            interval: Duration::from_mins(10),
        }
    }

    fn denied() -> Error {
        let (code, message) = ("AccessDenied".to_owned(), "not authorized".to_owned());
        Error { code, message, ..Error::of_kind(ErrorKind::Denied) }
    }

    fn shown(step: &Step) -> String {
        match step {
            Step::Finish(verdict) => format!("{:?} {}", verdict.state, verdict.reason),
            Step::Identify
            | Step::CountUsers
            | Step::AddFinalizer
            | Step::RemoveFinalizer
            | Step::Leave(_) => format!("{step:?}"),
        }
    }

    #[test]
    fn an_account_is_ready_when_its_credentials_are_and_goes_when_nobody_uses_it() {
        type Change = fn(&mut Observed);
        let rows: &[(&str, Change, &str)] = &[
            ("a new one", |o| o.has_finalizer = false, "AddFinalizer"),
            ("it has the finalizer", |_| {}, "Identify"),
            ("its selector is wrong", |o| o.has_valid_selector = false,
             "Stalled UnsupportedObject"),
            ("a new one whose selector is wrong",
             |o| { o.has_finalizer = false; o.has_valid_selector = false; }, "AddFinalizer"),
            ("deleted, its selector is wrong",
             |o| { o.is_deleting = true; o.has_valid_selector = false; }, "CountUsers"),
            ("identified", |o| o.caller = Some(Ok("arn".to_owned())), "Ready Identified"),
            ("refused", |o| o.caller = Some(Err(denied())), "Stalled AccessDenied"),
            ("an outage", |o| o.caller = Some(Err(Error::timeout())), "Reconciling ServiceError"),
            ("of another operator", |o| o.is_primary = false, "Leave(Unchanged)"),
            ("deleted, never seen before",
             |o| { o.is_deleting = true; o.has_finalizer = false; }, "Leave(Gone)"),
            ("deleted, of another operator",
             |o| { o.is_primary = false; o.is_deleting = true; }, "Leave(Unchanged)"),
            ("deleted", |o| o.is_deleting = true, "CountUsers"),
            ("deleted, in use", |o| { o.is_deleting = true; o.users = Some(2); }, "Identify"),
            ("deleted, in use, identified", |o| {
                (o.is_deleting, o.users) = (true, Some(2));
                o.caller = Some(Ok("arn".to_owned()));
            }, "Reconciling AccountInUse"),
            ("deleted, unused", |o| { o.is_deleting = true; o.users = Some(0); },
             "RemoveFinalizer"),
        ];
        for (name, change, expected) in rows {
            let mut observed = observed();
            change(&mut observed);
            assert_eq!(shown(&plan(&observed)), *expected, "{name}");
        }
    }

    #[test]
    fn an_account_that_is_being_deleted_says_that_its_credentials_fail() {
        for (caller, expected) in [(Ok("arn".to_owned()), false), (Err(denied()), true)] {
            let caller = Some(caller);
            let observed = Observed { is_deleting: true, users: Some(1), caller, ..observed() };
            let Step::Finish(verdict) = plan(&observed) else { panic!("it waits") };
            assert_eq!(verdict.reason, Reason::AccountInUse);
            let says = verdict.message.contains("not authorized");
            assert_eq!(says, expected, "{}", verdict.message);
        }
    }
}

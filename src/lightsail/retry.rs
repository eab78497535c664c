//! Whether a call is sent again immediately. The SDK's own retries are off: they would bypass the
//! limiter, and it would be unknown how often a call was sent.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

use super::error::{Error, ErrorKind};
use crate::fair_line::Rank;

/// How often a call that changes nothing is sent when there is no answer, or one without meaning.
const READ_ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// How long a destructive call waits to be sent: the read before it must still be fresh.
const CHANGE_AFTER_READ_WAITS: Duration = Duration::from_secs(5);

/// How late after a read, or an answer, such a call may be planned, so that it is still sent within
/// `holds` of it: it may wait to be sent.
#[must_use]
pub const fn planned_within(holds: Duration) -> SignedDuration {
    let left = holds.as_secs() - CHANGE_AFTER_READ_WAITS.as_secs();
    SignedDuration::from_secs(left.cast_signed())
}

/// The kind of a call, for this question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// It changes nothing.
    Read,
    /// The same, after a read that must still be fresh when this one is answered.
    ReadAfterRead,
    /// A write, which may wait to be sent.
    Change,
    /// A write that depends on a recent read (I7): it may wait only for a moment.
    ChangeAfterRead,
    /// It is sent once, whatever the answer.
    Once,
}

impl Policy {
    /// Whether it changes nothing.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadAfterRead)
    }

    /// Where in the line the call waits. A call that may wait only for a moment goes first, and so
    /// does one that follows a read. Otherwise the reads of others would use up a low rate for
    /// nothing: the call that each prepares gives up, and its reads are repeated.
    pub(super) fn rank(self) -> Rank {
        match self {
            Self::Read | Self::Change => Rank::InTurn,
            Self::ReadAfterRead | Self::ChangeAfterRead | Self::Once => Rank::First,
        }
    }

    /// How long a call may wait to be sent, and be repeated after throttling.
    pub(super) fn patience(self, call_timeout: Duration) -> Duration {
        match self {
            Self::Read | Self::ReadAfterRead | Self::Change => call_timeout * 3,
            Self::ChangeAfterRead | Self::Once => (call_timeout / 2).min(CHANGE_AFTER_READ_WAITS),
        }
    }

    /// Whether a call may be sent this long after it was asked for, by a clock that goes on while
    /// the process is suspended. What depends on a recent read is not, however it came that it
    /// waited for longer than it would have.
    pub(super) fn may_be_sent_after(self, waited: Duration, call_timeout: Duration) -> bool {
        match self {
            Self::Read | Self::ReadAfterRead | Self::Change => true,
            Self::ChangeAfterRead | Self::Once => waited <= self.patience(call_timeout),
        }
    }
}

/// The pause before a call with this result is sent again, if it is. `waited` is the time since its
/// first attempt was due, and `sent` the number of attempts.
pub(super) fn pause(
    policy: Policy,
    error: &Error,
    waited: Duration,
    sent: u32,
    call_timeout: Duration,
) -> Option<Duration> {
    let again = match policy {
        Policy::Once => None,
        // That proves that it was not carried out. The limiter knows when the next one may be sent.
        _ if error.kind == ErrorKind::Throttled => Some(Duration::ZERO),
        // This proves it too, and by now the SDK has the service's clock.
        _ if error.is_of_clock() && sent == 1 => Some(Duration::ZERO),
        _ if policy.is_read() && error.kind == ErrorKind::Transient && sent < READ_ATTEMPTS => {
            Some(PAUSE * sent)
        }
        Policy::Read | Policy::ReadAfterRead | Policy::Change | Policy::ChangeAfterRead => None,
    };
    again.filter(|_| waited < policy.patience(call_timeout))
}

#[cfg(test)]
#[rustfmt::skip]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_carried_out_or_changes_nothing_is_sent_again() {
        let (second, timeout) = (Duration::from_secs(1), Duration::from_secs(20));
        for (name, policy, kind, waited, sent, expected) in [
            ("a read without an answer", Policy::Read, ErrorKind::Transient, second, 1, true),
            ("but not forever", Policy::Read, ErrorKind::Transient, second, 3, false),
            ("one that follows a read", Policy::ReadAfterRead, ErrorKind::Transient, second, 1,
             true),
            ("a change without an answer", Policy::Change, ErrorKind::Transient, second, 1, false),
            ("a read that is throttled", Policy::Read, ErrorKind::Throttled, second * 59, 50, true),
            ("but not forever", Policy::Read, ErrorKind::Throttled, second * 60, 51, false),
            (
                "a change that is throttled",
                Policy::Change,
                ErrorKind::Throttled,
                second * 59,
                50,
                true,
            ),
            (
                "one that follows a read, for a moment",
                Policy::ChangeAfterRead,
                ErrorKind::Throttled,
                second * 4,
                2,
                true,
            ),
            ("but not longer", Policy::ChangeAfterRead, ErrorKind::Throttled, second * 5, 2, false),
            (
                "I6: a reset is never sent again here",
                Policy::Once,
                ErrorKind::Throttled,
                Duration::ZERO,
                1,
                false,
            ),
            ("what is denied", Policy::Read, ErrorKind::Denied, second, 1, false),
        ] {
            let error = Error::new(kind, "", "");
            assert_eq!(pause(policy, &error, waited, sent, timeout).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn what_follows_a_read_does_not_wait_for_the_reads_of_others() {
        for (policy, expected) in [
            (Policy::Read, Rank::InTurn),
            (Policy::Change, Rank::InTurn),
            (Policy::ReadAfterRead, Rank::First),
            (Policy::ChangeAfterRead, Rank::First),
            (Policy::Once, Rank::First),
        ] {
            assert_eq!(policy.rank(), expected, "{policy:?}");
        }
    }

    #[test]
    fn i7_a_process_that_slept_before_a_call_does_not_make_it() {
        let (second, timeout) = (Duration::from_secs(1), Duration::from_secs(20));
        for (policy, waited, expected) in [
            (Policy::ChangeAfterRead, second * 5, true),
            (Policy::ChangeAfterRead, second * 6, false),
            (Policy::Once, second * 6, false),
            (Policy::Change, second * 600, true),
            (Policy::Read, second * 600, true),
        ] {
            let may_be_sent = policy.may_be_sent_after(waited, timeout);
            assert_eq!(may_be_sent, expected, "{policy:?} {waited:?}");
        }
    }

    #[test]
    fn what_was_signed_by_a_clock_that_is_wrong_is_sent_once_more() {
        let expired = "Signature expired: … is now earlier than …";
        let early = "Signature not yet current: … is still later than …";
        for (name, policy, code, message, sent, expected) in [
            ("late", Policy::Read, "InvalidSignatureException", expired, 1, true),
            ("early", Policy::Change, "InvalidSignatureException", early, 1, true),
            ("by its code", Policy::Read, "RequestTimeTooSkewed", "", 1, true),
            ("a change after a read", Policy::ChangeAfterRead, "RequestExpired", "", 1, true),
            ("and again", Policy::Read, "InvalidSignatureException", expired, 2, false),
            ("I6: a reset", Policy::Once, "InvalidSignatureException", expired, 1, false),
            ("a wrong key", Policy::Read, "InvalidSignatureException", "It does not match", 1,
             false),
            ("a session that is over", Policy::Read, "ExpiredTokenException", "", 1, false),
        ] {
            let error = Error::new(ErrorKind::BadCredentials, code, message);
            let (second, timeout) = (Duration::from_secs(1), Duration::from_secs(20));
            assert_eq!(pause(policy, &error, second, sent, timeout).is_some(), expected, "{name}");
        }
    }
}

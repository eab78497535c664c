//! Whether a call is sent again at once. The SDK's own retries are off: they would pass by the
//! limiter, and nobody would know how often a call was sent.

use std::time::Duration;

use super::{Class, Error};

/// How often a call that changes nothing is sent when no answer comes, or one that says nothing.
const READ_ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// What a call is, for this question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It changes nothing.
    Read,
    /// It changes something, and may wait for that.
    Change,
    /// It changes something that was looked at a moment ago (I7): it may wait for a moment.
    ChangeAfterLook,
    /// It is sent once, whatever is answered.
    Once,
}

impl Kind {
    /// How long a call may wait to be sent, and be sent again when there were too many requests.
    pub(super) fn patience(self, call_timeout: Duration) -> Duration {
        match self {
            Self::Read | Self::Change => call_timeout * 3,
            Self::ChangeAfterLook | Self::Once => (call_timeout / 2).min(Duration::from_secs(5)),
        }
    }
}

/// The pause after which a call is sent again that ended so, if it is. `waited` is the time since
/// it was to be sent first, and `sent` how often it was.
pub(super) fn pause(
    kind: Kind,
    error: &Error,
    waited: Duration,
    sent: u32,
    call_timeout: Duration,
) -> Option<Duration> {
    let again = match kind {
        Kind::Once => None,
        // That proves that it was not carried out; the limiter knows when the next one may go.
        _ if error.class == Class::Throttled => Some(Duration::ZERO),
        Kind::Read if error.class == Class::Transient && sent < READ_ATTEMPTS => Some(PAUSE * sent),
        Kind::Read | Kind::Change | Kind::ChangeAfterLook => None,
    };
    again.filter(|_| waited < kind.patience(call_timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_carried_out_or_changes_nothing_is_sent_again() {
        let (second, timeout) = (Duration::from_secs(1), Duration::from_secs(20));
        for (name, kind, class, waited, sent, expected) in [
            ("a read without an answer", Kind::Read, Class::Transient, second, 1, true),
            ("but not for ever", Kind::Read, Class::Transient, second, 3, false),
            ("a change without an answer", Kind::Change, Class::Transient, second, 1, false),
            ("a read that is throttled", Kind::Read, Class::Throttled, second * 59, 50, true),
            ("but not for ever", Kind::Read, Class::Throttled, second * 60, 51, false),
            ("a change that is throttled", Kind::Change, Class::Throttled, second * 59, 50, true),
            (
                "one that follows a look, for a moment",
                Kind::ChangeAfterLook,
                Class::Throttled,
                second * 4,
                2,
                true,
            ),
            ("but not longer", Kind::ChangeAfterLook, Class::Throttled, second * 5, 2, false),
            (
                "I6: a reset is never sent again here",
                Kind::Once,
                Class::Throttled,
                Duration::ZERO,
                1,
                false,
            ),
            ("what is denied", Kind::Read, Class::Denied, second, 1, false),
        ] {
            let error = Error { class, code: String::new(), message: String::new() };
            assert_eq!(pause(kind, &error, waited, sent, timeout).is_some(), expected, "{name}");
        }
    }
}

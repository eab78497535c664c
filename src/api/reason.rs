//! Why an object is as it is: one CamelCase word, the same in conditions, Events and metrics.

use std::fmt;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

/// Makes the enum, and the list of all its words.
macro_rules! reasons {
    ($($reason:ident,)*) => {
        /// The words. What each one asks of a person is in `docs/troubleshooting.md` and in the
        /// message beside it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
        #[expect(missing_docs, reason = "the words are chosen to say it")]
        pub enum Reason {
            $($reason,)*
        }

        impl Reason {
            const ALL: &[Self] = &[$(Self::$reason),*];
        }
    };
}

reasons! {
    // Ready
    Imported,
    Generated,
    Adopted,
    Downloaded,
    Absent,
    OperationSucceeded,
    AlreadyExecuted,
    Identified,
    // Reconciling
    Suspended,
    InProgress,
    WaitingForTurn,
    SourceNotFound,
    WaitingForOwner,
    Throttled,
    ServiceError,
    KubernetesError,
    AccountSetupInProgress,
    RegionSetupInProgress,
    AccountInUse,
    // Stalled
    InvalidPublicKey,
    InvalidName,
    NameConflict,
    OwnershipLost,
    PublicKeyChanged,
    FingerprintMismatch,
    BackupMissing,
    WindowsInstancesUseKey,
    PrivateKeyLost,
    PrivateKeyMismatch,
    DefaultKeyPairMissing,
    DefaultKeyPairReplaced,
    SecretNotOwned,
    SecretRejected,
    WrongAccount,
    InvalidCredentials,
    AccessDenied,
    OperationFailed,
    RegionNotAllowed,
    TooManyRegions,
    SourceTooLarge,
    WriteConflict,
    AccountRequired,
    AccountNotFound,
    AccountNotReady,
    AccountNotAllowed,
    UnsupportedObject,
    // A reset that ended without success
    Expired,
    DeadlineExceeded,
    PreconditionFailed,
    OutcomeUnknown,
    InstanceNotFound,
    // In the condition Suspended
    Resumed,
    // In the condition FingerprintVerified
    FingerprintMatches,
    FingerprintDiffers,
    FingerprintUnknown,
    // In an Event only
    Deleted,
    Released,
    MarkIgnored,
    TTLIgnored,
}

impl Reason {
    /// The words that the condition Ready can have.
    pub fn of_ready() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().take_while(|reason| *reason != Self::Resumed)
    }

    /// The reason that a condition names. `None` if this version does not know the word: another
    /// version, or another program, wrote the condition.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::deserialize(IntoDeserializer::<Error>::into_deserializer(word)).ok()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn a_reason_is_read_as_it_is_written() {
        for reason in [Reason::Imported, Reason::TTLIgnored, Reason::FingerprintUnknown] {
            assert_eq!(Reason::parse(&reason.to_string()), Some(reason));
        }
        assert_eq!(Reason::parse("OfAnotherVersion"), None);
    }
}

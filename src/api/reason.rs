//! Why an object is as it is: one CamelCase word, the same in conditions, Events and metrics.

use std::fmt;

/// The words. What each one asks of a person is in `docs/troubleshooting.md` and in the message
/// beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words are chosen to say it")]
pub enum Reason {
    // Ready
    Imported,
    Generated,
    Adopted,
    Downloaded,
    Absent,
    OperationSucceeded,
    AlreadyExecuted,
    // Under way, or tried again
    Suspended,
    InProgress,
    WaitingForTurn,
    SourceNotFound,
    WaitingForOwner,
    Throttled,
    ServiceError,
    AccountSetupInProgress,
    RegionSetupInProgress,
    // A person must act
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
    // A reset that ended without success
    Expired,
    DeadlineExceeded,
    PreconditionFailed,
    OutcomeUnknown,
    InstanceNotFound,
    // In the condition Suspended
    Resumed,
    // Said in an Event only
    Deleted,
    Released,
    MarkIgnored,
    TTLIgnored,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

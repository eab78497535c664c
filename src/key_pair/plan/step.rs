//! What a plan answers with: one next effect.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::Reason;
use crate::api::key_pair::KeyAlgorithm;
use crate::engine::Verdict;
use crate::engine::action::Next;
use crate::ids::{AccountId, Arn, Fingerprint};
use crate::key_pair::message::Message;
use crate::key_pair::world::SourceRef;
use crate::lightsail::KeyPair;
use crate::secret::{Found, SecretSpec};
use crate::ssh::{PrivateKey, PublicKey};

/// One next effect.
#[derive(Clone, Debug)]
pub enum Step {
    /// Find out which account the credentials belong to.
    Identify,
    /// Read the pair in Lightsail: live, or from the shared list.
    ReadPair {
        /// Not from the shared list.
        live: bool,
    },
    /// Read the list only until the default pair is in it, for what must follow immediately.
    ReadDefaultPair,
    /// Read the public key.
    ReadSource(SourceRef),
    /// Read the Secret of this name.
    ReadSecret(String),
    /// Read the Secret on record, which the spec does not name any more.
    ReadFormerSecret(String),
    /// Find the Windows instances that use the default pair.
    FindWindowsInstances,
    /// Read whether the namespace is being deleted, and its labels.
    ReadNamespace,
    /// Count the key pairs that the namespace has, or is about to have.
    CountKeyPairs,
    /// Add the finalizer.
    AddFinalizer,
    /// Write into the status that this key is about to be imported (I12). A recorded pair, which is
    /// gone, is forgotten by the same write.
    WriteIntent(PublicKey),
    /// Write into the status that a pair that was there is to be adopted. Before it is tagged: with
    /// the tag alone it would pass as imported after a crash, and would be deleted with the object.
    RecordAdoption,
    /// Write into the status that tags with these keys are about to be set: if what follows is not
    /// answered, or the spec is edited meanwhile, they are still known to be this object's.
    RecordTagKeys,
    /// Make a private key.
    Generate(KeyAlgorithm),
    /// Import the public key.
    Import(PublicKey),
    /// Set tags on the pair that was imported just now, by its name.
    TagByName {
        /// All of them.
        tags: BTreeMap<String, String>,
    },
    /// Set tags.
    Tag {
        /// The pair.
        pair: KeyPair,
        /// Those that are missing or other.
        tags: BTreeMap<String, String>,
    },
    /// Take tags off.
    RemoveTags {
        /// The pair.
        pair: KeyPair,
        /// Their keys.
        keys: Vec<String>,
    },
    /// Download the default pair.
    Download,
    /// Copy the Secret's key to another Secret.
    SetAside {
        /// The name of the copy.
        name: String,
        /// The key.
        key: PrivateKey,
    },
    /// Read the Secret that has the name of the copy.
    ReadCopy {
        /// The name of the copy.
        name: String,
    },
    /// Look up the operation on record that should be over by now, once.
    ReadOperation {
        /// Its id.
        id: String,
        /// Whether it may still be under way. Otherwise the lookup may fail.
        is_waited_for: bool,
    },
    /// Write the key into the Secret: into the one that was found, or into a new one.
    WriteSecret {
        /// The Secret as the spec wants it.
        spec: SecretSpec,
        /// The Secret as it was found.
        found: Option<Found>,
        /// The key.
        key: PrivateKey,
        /// Whether what stands beside the private key stays.
        keep_public_half: bool,
    },
    /// Remove the object, and earlier ones of its name, from the owners of a Secret that must
    /// outlive them.
    DisownSecret(Found),
    /// Delete the pair.
    Delete {
        /// Sent along.
        expected_fingerprint: Option<Fingerprint>,
    },
    /// Read the recorded pair before it is released, once; it may fail.
    ReadForRelease {
        /// The account of the pair: nothing is called with the credentials of another one.
        account: AccountId,
    },
    /// Take the owner tag off, once; it may fail.
    ReleaseTag {
        /// The account of the pair.
        account: AccountId,
        /// The pair.
        arn: Arn,
    },
    /// Release the object: Kubernetes may remove it.
    RemoveFinalizer {
        /// `Deleted` or `Released`.
        reason: Reason,
        /// For the Event.
        message: String,
        /// Its pair stays in Lightsail, and nobody said that it should.
        abandons: bool,
    },
    /// Nothing is left to do for an object that vanished.
    EndFollowUp {
        /// `Deleted` or `Released`.
        reason: Reason,
        /// For the Event.
        message: String,
    },
    /// The reconciliation is over, and this is to be published.
    Finish(Verdict),
    /// The reconciliation is over, and the object keeps what it shows.
    Pause {
        /// Why, for the count.
        reason: Reason,
        /// When to reconcile again.
        next: Next,
    },
    /// What the reconciliation has read is no longer so: begin a new one.
    StartOver,
    /// The reconciliation is over and there is nothing to publish: the object is on its way out.
    Leave,
}

impl Step {
    /// Whether it changes anything, in Lightsail or in the cluster, that a suspended object leaves
    /// alone: it is released all the same.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Identify
            | Self::ReadPair { .. }
            | Self::ReadDefaultPair
            | Self::ReadSource(_)
            | Self::ReadSecret(_)
            | Self::ReadCopy { .. }
            | Self::ReadFormerSecret(_)
            | Self::ReadOperation { .. }
            | Self::FindWindowsInstances
            | Self::ReadNamespace
            | Self::CountKeyPairs
            | Self::ReadForRelease { .. }
            | Self::ReleaseTag { .. }
            | Self::DisownSecret(_)
            | Self::RemoveFinalizer { .. }
            | Self::EndFollowUp { .. }
            | Self::Finish(_)
            | Self::Pause { .. }
            | Self::StartOver
            | Self::Leave => false,
            Self::AddFinalizer
            | Self::WriteIntent(_)
            | Self::RecordAdoption
            | Self::RecordTagKeys
            | Self::Generate(_)
            | Self::Import(_)
            | Self::TagByName { .. }
            | Self::Tag { .. }
            | Self::RemoveTags { .. }
            | Self::Download
            | Self::SetAside { .. }
            | Self::WriteSecret { .. }
            | Self::Delete { .. } => true,
        }
    }

    /// Whether it depends on who else wants the pair, and not only on what is read right before it.
    #[must_use]
    pub fn needs_rivals(&self) -> bool {
        matches!(
            self,
            Self::RecordAdoption
                | Self::Import(_)
                | Self::TagByName { .. }
                | Self::Tag { .. }
                | Self::RemoveTags { .. }
                | Self::Download
                | Self::Delete { .. }
        )
    }

    /// Its name, as `status.plannedStep` shows it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Identify => "Identify",
            Self::ReadPair { .. } | Self::ReadDefaultPair => "ReadPair",
            Self::ReadSource(_) => "ReadSource",
            Self::ReadSecret(_) | Self::ReadFormerSecret(_) => "ReadSecret",
            Self::ReadCopy { .. } => "ReadCopy",
            Self::ReadOperation { .. } => "ReadOperation",
            Self::FindWindowsInstances => "FindWindowsInstances",
            Self::ReadNamespace => "ReadNamespace",
            Self::CountKeyPairs => "CountKeyPairs",
            Self::AddFinalizer => "AddFinalizer",
            // Only a note in the status: what follows is the import.
            Self::WriteIntent(_) | Self::Import(_) => "Import",
            Self::RecordAdoption => "Adopt",
            Self::Generate(_) => "Generate",
            Self::RecordTagKeys | Self::TagByName { .. } | Self::Tag { .. } => "Tag",
            Self::RemoveTags { .. } => "RemoveTags",
            Self::Download => "Download",
            Self::SetAside { .. } | Self::WriteSecret { .. } | Self::DisownSecret(_) => {
                "WriteSecret"
            }
            Self::Delete { .. } => "Delete",
            Self::ReadForRelease { .. } => "ReadForRelease",
            Self::ReleaseTag { .. } => "ReleaseTag",
            Self::RemoveFinalizer { .. } => "RemoveFinalizer",
            Self::EndFollowUp { .. } => "EndFollowUp",
            Self::Finish(_) | Self::Pause { .. } | Self::StartOver | Self::Leave => "None",
        }
    }
}

impl Message<'_> {
    /// All is as the spec says.
    pub(in crate::key_pair) fn ready(&self, next: Duration) -> Step {
        Step::Finish(Verdict::ready(self.reason(), self.to_string(), Next::After(next)))
    }

    /// To be reconciled again after a while; the object keeps what it shows.
    pub(super) fn pause(&self, pause: Duration) -> Step {
        Step::Pause { reason: self.reason(), next: Next::After(pause) }
    }

    /// To be reconciled again after a while.
    pub(super) fn wait(&self, pause: Duration) -> Step {
        Step::Finish(Verdict::wait(self.reason(), self.to_string(), pause))
    }

    /// As [`Self::wait`], while what failed before is repeated, such as writes to Kubernetes.
    pub(super) fn wait_meanwhile(&self, pause: Duration) -> Step {
        let verdict = Verdict::wait(self.reason(), self.to_string(), pause);
        Step::Finish(Verdict { next: Next::Meanwhile(pause), ..verdict })
    }

    /// As [`Self::wait`], with a pause that grows, but not over that time: others decide how long
    /// it takes, and each reconciliation reads Lightsail.
    pub(super) fn wait_longer(&self, longest: Duration) -> Step {
        let verdict = Verdict::wait(self.reason(), self.to_string(), longest);
        Step::Finish(Verdict { next: Next::BackoffWithin(longest), ..verdict })
    }

    /// A person must act. What may change without this object is read again.
    pub(super) fn stalled(&self, next: Next) -> Step {
        Step::Finish(Verdict::stalled(self.reason(), self.to_string(), next))
    }
}

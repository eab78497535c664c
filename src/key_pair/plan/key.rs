//! The key that the pair should have, as far as it is known here.

use crate::key_pair::world::{Desired, DesiredPair, ImportedKey, Observed, PublicKeySource};
use crate::lightsail::KeyPair;
use crate::secret::Found;
use crate::ssh::{Fingerprints, Match, PrivateKey, PublicKey};

/// The public half of the key that the pair should have, as far as it is known.
#[must_use]
pub fn wanted_key<'a>(desired: &'a Desired, observed: &'a Observed) -> Option<&'a PublicKey> {
    match &desired.pair {
        DesiredPair::Imported { key: ImportedKey::Inline(key), .. } => key.as_ref().ok(),
        DesiredPair::Imported { key: ImportedKey::From(_), .. } => {
            match observed.source.as_ref()? {
                PublicKeySource::Found(key) => key.as_ref().ok(),
                PublicKeySource::Missing { .. } | PublicKeySource::TooLarge { .. } => None,
            }
        }
        DesiredPair::Generated { .. } => own_secret(observed)?.key.as_ref().map(PrivateKey::public),
        DesiredPair::Imported { key: ImportedKey::Absent, .. } | DesiredPair::Default { .. } => {
            None
        }
    }
}

/// What the fingerprint in Lightsail says about the key that the pair should have; `None` if no key
/// is known here. Whoever has the private key knows one more form of it.
pub(super) fn compare(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Match> {
    match &desired.pair {
        // Its key follows the pair, and not the other way round.
        DesiredPair::Default { .. } => None,
        DesiredPair::Imported { .. } | DesiredPair::Generated { .. } => {
            verified(desired, observed, pair)
        }
    }
}

/// All forms of the fingerprint of the key that is held here: the spec's, or the Secret's.
pub(super) fn held_fingerprints(desired: &Desired, observed: &Observed) -> Option<Fingerprints> {
    match &desired.pair {
        DesiredPair::Imported { .. } => Some(wanted_key(desired, observed)?.fingerprints()),
        DesiredPair::Generated { .. } => {
            let found = observed.secret.found().filter(|found| !found.is_of_another);
            Some(found?.key.as_ref()?.fingerprints())
        }
        DesiredPair::Default { .. } => Some(observed.secret.found()?.key.as_ref()?.fingerprints()),
    }
}

/// The Secret, if it is this object's.
fn own_secret(observed: &Observed) -> Option<&Found> {
    observed.secret.found().filter(|found| found.is_own)
}

/// Whether the fingerprint in Lightsail is that of the key that is known here; `None` if there is
/// nothing to compare.
#[must_use]
pub fn verified(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Match> {
    let held = held_fingerprints(desired, observed)?;
    Some(held.compare(pair.fingerprint.as_ref()))
}

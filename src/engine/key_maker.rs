//! Makes private keys. An RSA key keeps a core busy for a second or more. So RSA keys are made on a
//! separate thread, one at a time, and namespaces take turns: however many keys one namespace
//! needs, they delay another namespace by one key at most. An Ed25519 key takes microseconds and
//! never waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::api::key_pair::KeyAlgorithm;
use crate::clock::Moment;
use crate::fair_line::{FairLine, Rank};
use crate::ssh::{self, GenerationFailed, PrivateKey};

/// Makes private keys, RSA keys one at a time.
#[derive(Debug, Default)]
pub struct KeyMaker {
    line: FairLine,
    spare_keys: SpareKeys,
}

/// By namespace, an RSA key that was made, and that no Secret holds.
#[derive(Debug, Default)]
struct SpareKeys(Mutex<HashMap<Arc<str>, SpareKey>>);

#[derive(Debug)]
struct SpareKey {
    key: PrivateKey,
    since: Moment,
}

/// This many private keys are kept that no Secret holds.
const MOST_SPARE_KEYS: usize = 64;
/// One that nobody has needed for this long is dropped when a key is made or given back: whoever
/// was refused a Secret tries again much sooner.
const SPARE_FOR: Duration = Duration::from_hours(1);

impl SpareKeys {
    fn take(&self, namespace: &str, now: Moment) -> Option<PrivateKey> {
        let mut keys = self.0.lock();
        keys.retain(|_, spare| now.since(spare.since) < SPARE_FOR);
        keys.remove(namespace).map(|spare| spare.key)
    }

    fn put(&self, namespace: &Arc<str>, key: PrivateKey, now: Moment) {
        let mut keys = self.0.lock();
        keys.retain(|_, spare| now.since(spare.since) < SPARE_FOR);
        if keys.len() < MOST_SPARE_KEYS || keys.contains_key(namespace) {
            keys.insert(Arc::clone(namespace), SpareKey { key, since: now });
        }
    }
}

impl KeyMaker {
    /// Makes a new key for an object of this namespace, or takes the one that was given back there.
    ///
    /// # Errors
    /// As [`ssh::generate`].
    pub async fn make(
        &self,
        namespace: &Arc<str>,
        algorithm: KeyAlgorithm,
    ) -> Result<PrivateKey, GenerationFailed> {
        match algorithm {
            KeyAlgorithm::Ed25519 => ssh::generate(algorithm),
            KeyAlgorithm::RSA4096 => {
                if let Some(key) = self.spare_keys.take(namespace, Moment::now()) {
                    return Ok(key);
                }
                let permit = self.line.turn(namespace, Rank::InTurn).await;
                let made = tokio::task::spawn_blocking(move || {
                    // The caller may give up meanwhile. The next key still waits until this one is
                    // made.
                    let _permit = permit;
                    ssh::generate(algorithm)
                });
                made.await.unwrap_or(Err(GenerationFailed))
            }
        }
    }

    /// Takes back a key that no Secret holds. One that took long to make is used for the next
    /// object of the namespace that needs one, which may be the same: a quota or a policy refuses
    /// Secrets for as long as it lasts. Only the API server has seen the key, and what it asks
    /// before it writes a Secret. It stays in memory (I4): one for each namespace, not of too many,
    /// and not for long.
    pub fn give_back(&self, namespace: &Arc<str>, algorithm: KeyAlgorithm, key: PrivateKey) {
        if algorithm == KeyAlgorithm::RSA4096 {
            self.spare_keys.put(namespace, key, Moment::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ed25519_key_does_not_wait_for_an_rsa_key() {
        let maker = KeyMaker::default();
        let namespace: Arc<str> = Arc::from("n");
        let permit = maker.line.turn(&namespace, Rank::InTurn).await;
        let mut rsa = Box::pin(maker.make(&namespace, KeyAlgorithm::RSA4096));
        let waits = tokio::select! {
            biased;
            _ = &mut rsa => false,
            () = std::future::ready(()) => true,
        };
        assert!(waits, "one RSA key at a time");
        maker.make(&namespace, KeyAlgorithm::Ed25519).await.unwrap();
        drop(permit);
        rsa.await.unwrap();
    }

    #[tokio::test]
    async fn an_rsa_key_that_was_given_back_is_used_once_in_its_namespace() {
        let maker = KeyMaker::default();
        let has_spare = |namespace: &str| maker.spare_keys.0.lock().contains_key(namespace);
        let give_back = |namespace: &str, algorithm| {
            // The text of the key does not matter, and an RSA key takes long to make.
            let key = ssh::generate(KeyAlgorithm::Ed25519).unwrap();
            maker.give_back(&Arc::from(namespace), algorithm, key.clone());
            key.public().sha256()
        };
        give_back("team-a", KeyAlgorithm::Ed25519);
        assert!(!has_spare("team-a"), "it takes no time to make another one");
        give_back("team-a", KeyAlgorithm::RSA4096);
        let last = give_back("team-a", KeyAlgorithm::RSA4096);
        give_back("team-b", KeyAlgorithm::RSA4096);
        // The line does not matter to it.
        let _permit = maker.line.turn(&Arc::from("other"), Rank::InTurn).await;
        let key = maker.make(&Arc::from("team-a"), KeyAlgorithm::RSA4096).await.unwrap();
        assert_eq!(key.public().sha256(), last);
        assert!(!has_spare("team-a") && has_spare("team-b"));
    }

    #[test]
    fn spare_keys_are_few_and_kept_for_an_hour() {
        let (spare, start) = (SpareKeys::default(), Moment::now());
        let (half, key) = (start + SPARE_FOR / 2, ssh::generate(KeyAlgorithm::Ed25519).unwrap());
        let name = |number: usize| Arc::from(format!("team-{number}"));
        let count = || spare.0.lock().len();
        for number in 0..2 * MOST_SPARE_KEYS {
            spare.put(&name(number), key.clone(), start);
        }
        assert_eq!(count(), MOST_SPARE_KEYS);
        let other = ssh::generate(KeyAlgorithm::Ed25519).unwrap();
        let last = other.public().sha256();
        spare.put(&name(0), other, half);
        assert_eq!(count(), MOST_SPARE_KEYS);
        let later = start + SPARE_FOR;
        assert!(spare.take("team-1", later).is_none(), "nobody has needed it");
        assert_eq!(count(), 1, "nor the others of then");
        let taken = spare.take("team-0", later).unwrap();
        assert_eq!(taken.public().sha256(), last, "its own may be replaced");
        spare.put(&name(1), key.clone(), later);
        spare.put(&name(2), key, later + SPARE_FOR);
        assert_eq!(count(), 1, "one that is given back makes room, too");
    }
}

//! Makes private keys. An RSA key keeps a core busy for a second or more. So RSA keys are made on a
//! separate thread, one at a time, and namespaces take turns: however many keys one namespace
//! needs, they delay another namespace by one key at most. An Ed25519 key takes microseconds and
//! never waits.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::api::key_pair::KeyAlgorithm;
use crate::fair_line::{FairLine, Rank};
use crate::ssh::{self, GenerationFailed, PrivateKey};

/// Makes private keys, RSA keys one at a time.
#[derive(Debug, Default)]
pub struct KeyMaker {
    line: FairLine,
    /// By namespace, an RSA key that was made, and that no Secret holds.
    spare_keys: Mutex<HashMap<Arc<str>, PrivateKey>>,
}

/// This many private keys are kept that no Secret holds.
const MOST_SPARE_KEYS: usize = 64;

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
                let spare = self.spare_keys.lock().remove(namespace);
                if let Some(key) = spare {
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
    /// Secrets for as long as it lasts. Nobody has seen the key, and it stays in memory (I4): one
    /// for each namespace, and not of too many.
    pub fn give_back(&self, namespace: &Arc<str>, algorithm: KeyAlgorithm, key: PrivateKey) {
        let mut keys = self.spare_keys.lock();
        if algorithm == KeyAlgorithm::RSA4096 && keys.len() < MOST_SPARE_KEYS {
            keys.insert(Arc::clone(namespace), key);
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
        let spare = |namespace: &str| maker.spare_keys.lock().get(namespace).cloned();
        let give_back = |namespace: &str, algorithm| {
            // The text of the key does not matter, and an RSA key takes long to make.
            let key = ssh::generate(KeyAlgorithm::Ed25519).unwrap();
            maker.give_back(&Arc::from(namespace), algorithm, key.clone());
            key.public().sha256()
        };
        give_back("team-a", KeyAlgorithm::Ed25519);
        assert!(spare("team-a").is_none(), "it takes no time to make another one");
        give_back("team-a", KeyAlgorithm::RSA4096);
        let last = give_back("team-a", KeyAlgorithm::RSA4096);
        give_back("team-b", KeyAlgorithm::RSA4096);
        // The line does not matter to it.
        let _permit = maker.line.turn(&Arc::from("other"), Rank::InTurn).await;
        let key = maker.make(&Arc::from("team-a"), KeyAlgorithm::RSA4096).await.unwrap();
        assert_eq!(key.public().sha256(), last);
        assert!(spare("team-a").is_none() && spare("team-b").is_some());
        for number in 0..2 * MOST_SPARE_KEYS {
            give_back(&format!("team-{number}"), KeyAlgorithm::RSA4096);
        }
        assert_eq!(maker.spare_keys.lock().len(), MOST_SPARE_KEYS);
    }
}

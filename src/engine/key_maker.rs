//! Makes private keys. An RSA key keeps a core busy for a second or more. So RSA keys are made on a
//! separate thread, one at a time, and namespaces take turns: however many keys one namespace
//! needs, they delay another namespace by one key at most. An Ed25519 key takes microseconds and
//! never waits.

use std::sync::Arc;

use crate::api::key_pair::KeyAlgorithm;
use crate::fair_line::{FairLine, Rank};
use crate::ssh::{self, GenerationFailed, PrivateKey};

/// Makes private keys, RSA keys one at a time.
#[derive(Debug, Default)]
pub struct KeyMaker {
    line: FairLine,
}

impl KeyMaker {
    /// Makes a new key for an object of this namespace.
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
}

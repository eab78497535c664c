//! The host keys of an instance, and what Lightsail's browser client has on record of them.
//!
//! An instance keeps its keys for life; the record of them is what `DeleteKnownHostKeys` takes
//! away. The private halves are thrown away immediately, since nothing here speaks SSH.

use std::time::SystemTime;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::clock::epoch_seconds;

/// A public host key, as `HostKeyAttributes` of the API shows it.
#[derive(Clone, Debug)]
pub(super) struct HostKey {
    algorithm: &'static str,
    blob: Vec<u8>,
}

impl HostKey {
    /// The keys of a new Linux instance. `rsa` is an OpenSSH line.
    pub(super) fn of_linux(rsa: &str) -> Vec<Self> {
        let rsa =
            rsa.split(' ').nth(1).and_then(|blob| STANDARD.decode(blob).ok()).unwrap_or_default();
        vec![Self { algorithm: "ssh-rsa", blob: rsa }, ecdsa(), ed25519()]
    }

    /// `public_key` is the base64 alone.
    pub(super) fn to_json(&self, witnessed_at: SystemTime) -> Value {
        json!({
            "algorithm": self.algorithm,
            "publicKey": STANDARD.encode(&self.blob),
            "witnessedAt": epoch_seconds(witnessed_at),
            "fingerprintSHA1": format!("SHA1:{}", STANDARD_NO_PAD.encode(Sha1::digest(&self.blob))),
            "fingerprintSHA256": format!("SHA256:{}",
                STANDARD_NO_PAD.encode(Sha256::digest(&self.blob))),
        })
    }
}

fn ecdsa() -> HostKey {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
        .expect("AWS-LC generates keys of P-256");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref())
        .expect("AWS-LC reads what it has written");
    let algorithm = "ecdsa-sha2-nistp256";
    let blob =
        [string(algorithm.as_bytes()), string(b"nistp256"), string(pair.public_key().as_ref())]
            .concat();
    HostKey { algorithm, blob }
}

fn ed25519() -> HostKey {
    let pair = Ed25519KeyPair::generate().expect("AWS-LC generates Ed25519 keys");
    let algorithm = "ssh-ed25519";
    HostKey {
        algorithm,
        blob: [string(algorithm.as_bytes()), string(pair.public_key().as_ref())].concat(),
    }
}

/// A `string` of RFC 4251: its length and its bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("keys are short");
    [&length.to_be_bytes(), bytes].concat()
}

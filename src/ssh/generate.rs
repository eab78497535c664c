//! New keys, made with aws-lc.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, Pkcs8V1Der};
use aws_lc_rs::signature::KeyPair;
use der::Decode;
use der::pem::LineEnding;
use zeroize::Zeroizing;

use super::private_key::PrivateKey;
use crate::api::key_pair::KeyAlgorithm;

/// A key could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a private key could not be generated")]
pub struct GenerationFailed;

/// Makes a new key, in the form that `ssh -i` takes: OpenSSH's own for Ed25519, PKCS#1 in PEM for
/// RSA. An RSA key takes a second or so.
///
/// # Errors
/// The random source fails, which it does not once the process runs.
pub fn generate(algorithm: KeyAlgorithm) -> Result<PrivateKey, GenerationFailed> {
    let pem = match algorithm {
        KeyAlgorithm::Ed25519 => generate_ed25519(),
        KeyAlgorithm::RSA4096 => generate_rsa(),
    };
    pem.and_then(|pem| PrivateKey::parse(&pem).ok()).ok_or(GenerationFailed)
}

fn generate_ed25519() -> Option<Zeroizing<String>> {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().ok()?;
    let seed: Curve25519SeedBin<'_> = pair.seed().ok()?.as_be_bytes().ok()?;
    let public: [u8; 32] = pair.public_key().as_ref().try_into().ok()?;
    let private = Zeroizing::new(<[u8; 32]>::try_from(seed.as_ref()).ok()?);
    let keypair = ssh_key::private::Ed25519Keypair {
        public: ssh_key::public::Ed25519PublicKey(public),
        private: ssh_key::private::Ed25519PrivateKey::from_bytes(&private),
    };
    ssh_key::PrivateKey::from(keypair).to_openssh(LineEnding::LF).ok()
}

fn generate_rsa() -> Option<Zeroizing<String>> {
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa4096).ok()?;
    let document: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let key = pkcs8::PrivateKeyInfo::from_der(document.as_ref()).ok()?;
    der::pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, key.private_key)
        .ok()
        .map(Zeroizing::new)
}

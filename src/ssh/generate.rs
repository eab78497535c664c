//! New keys, made with aws-lc.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use der::Decode;
use der::pem::LineEnding;
use zeroize::Zeroizing;

use super::private_key::{PrivateKey, openssh_of};
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
    openssh_of(&aws_lc_rs::signature::Ed25519KeyPair::generate().ok()?)
}

fn generate_rsa() -> Option<Zeroizing<String>> {
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa4096).ok()?;
    let document: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let key = pkcs8::PrivateKeyInfo::from_der(document.as_ref()).ok()?;
    der::pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, key.private_key)
        .ok()
        .map(Zeroizing::new)
}

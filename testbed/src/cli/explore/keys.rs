//! Keys, and how they are told apart without being shown.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use pkcs1::der::pem::PemLabel;
use pkcs1::der::{Decode, SecretDocument};
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{Mpint, PublicKey};

/// A private key and the line of its public half.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) private: String,
    pub(super) public: String,
}

impl Key {
    /// Made by `ssh-keygen`.
    pub(super) fn generate(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", "", "-C", name, "-t", "ed25519", "-f"]).arg(&path);
        ensure!(command.status().context("start ssh-keygen")?.success(), "ssh-keygen failed");
        let read = |path: &Path| std::fs::read_to_string(path).context("read a key");
        let (private, public) = (read(&path)?, read(&path.with_extension("pub"))?);
        Ok(Self { private, public: public.trim().to_owned() })
    }
}

/// A public key without its comment, to be compared.
pub(super) fn bare(line: &str) -> Option<String> {
    let key = PublicKey::from_openssh(line.trim()).ok()?;
    PublicKey::from(key.key_data().clone()).to_openssh().ok()
}

/// The public half of a private key in OpenSSH's form or in PKCS#1, without a comment.
pub(super) fn public_half(private: &str) -> Option<String> {
    if let Ok(key) = ssh_key::PrivateKey::from_openssh(private) {
        return PublicKey::from(key.public_key().key_data().clone()).to_openssh().ok();
    }
    let (label, document) = SecretDocument::from_pem(private.trim()).ok()?;
    if label != pkcs1::RsaPrivateKey::PEM_LABEL {
        return None;
    }
    let key = pkcs1::RsaPrivateKey::from_der(document.as_bytes()).ok()?;
    let number = |bytes: &[u8]| Mpint::from_positive_bytes(bytes).ok();
    let (e, n) = (number(key.public_exponent.as_bytes())?, number(key.modulus.as_bytes())?);
    PublicKey::from(KeyData::Rsa(RsaPublicKey { e, n })).to_openssh().ok()
}

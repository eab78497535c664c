//! Public keys: what a user gives, checked and in OpenSSH's form.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use der::Encode;
use der::asn1::{AnyRef, BitStringRef, UintRef};
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use ssh_key::public::KeyData;

use super::fingerprint::Fingerprints;
use super::forms::{self, CURVES, EC, ED25519, Found, RSA_ENCRYPTION, wire};
use super::invalid::InvalidPublicKey;

/// A public key in OpenSSH's form.
#[derive(Clone)]
pub struct PublicKey {
    line: String,
    blob: Vec<u8>,
    /// DER `SubjectPublicKeyInfo`.
    spki: Vec<u8>,
}

impl PublicKey {
    /// Reads a public key in any form in which people have them: the line of a `.pub` file, RFC
    /// 4716, PEM, or base64 of these.
    ///
    /// Of an ECDSA key it is only checked that it is whole: Lightsail may refuse it.
    ///
    /// # Errors
    /// Whatever is not one such key, without repeating it.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicKey> {
        Self::of(forms::read(text)?)
    }

    fn of(Found { blob, comment }: Found) -> Result<Self, InvalidPublicKey> {
        let algorithm = forms::type_of(&blob).ok_or(InvalidPublicKey::Data)?;
        let data = STANDARD.encode(&blob);
        let spki = check(algorithm, &data, &blob).ok_or(InvalidPublicKey::Data)?;
        let line = format!("{algorithm} {data} {comment}").trim_end().to_owned();
        Ok(Self { line, blob, spki })
    }

    /// As [`Self::parse`], of a file: UTF-8, UTF-16 as PowerShell writes it, or DER.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_file(bytes: &[u8]) -> Result<Self, InvalidPublicKey> {
        Self::of(forms::read_file(bytes)?)
    }

    /// With its comment in one line, unless no public key may have that.
    pub(super) fn of_openssh(key: &ssh_key::PublicKey) -> Option<Self> {
        let line = ssh_key::PublicKey::from(key.key_data().clone()).to_openssh().ok()?;
        let comment: Vec<&str> = key.comment().split_whitespace().collect();
        let commented = Self::parse(&format!("{line} {}", comment.join(" ")));
        commented.or_else(|_| Self::parse(&line)).ok()
    }

    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let number = ssh_key::Mpint::from_positive_bytes;
        let key = ssh_key::public::RsaPublicKey { e: number(e).ok()?, n: number(n).ok()? };
        let line = ssh_key::PublicKey::from(KeyData::Rsa(key)).to_openssh().ok()?;
        Self::parse(&line).ok()
    }

    pub(super) fn ed25519(key: [u8; 32]) -> Option<Self> {
        let key = KeyData::Ed25519(ssh_key::public::Ed25519PublicKey(key));
        Self::parse(&ssh_key::PublicKey::from(key).to_openssh().ok()?).ok()
    }

    /// The key as one OpenSSH line, `type base64 comment`.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The SHA-256 fingerprint as `ssh-keygen -l` prints it: `SHA256:` and base64 without padding.
    #[must_use]
    pub fn sha256(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }

    /// The first 8 hex digits of the SHA-256 fingerprint: a short name for the key.
    #[must_use]
    pub fn short_id(&self) -> String {
        hex::encode(&Sha256::digest(&self.blob)[..4])
    }

    /// Every form in which Lightsail may print the fingerprint of this key once it is imported.
    #[must_use]
    pub fn fingerprints(&self) -> Fingerprints {
        Fingerprints::new(self.sha256(), &self.spki, &self.blob)
    }
}

/// A comment is no part of a key.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.sha256())
    }
}

/// Checks the data of a key. Its `SubjectPublicKeyInfo`.
fn check(algorithm: &str, data: &str, blob: &[u8]) -> Option<Vec<u8>> {
    if let Some(curve) = algorithm.strip_prefix("ecdsa-sha2-") {
        return ecdsa_spki(algorithm, curve, blob);
    }
    let key = ssh_key::PublicKey::from_openssh(&format!("{algorithm} {data}")).ok()?;
    let key = key.key_data();
    match key.rsa() {
        Some(rsa) => rsa_spki(rsa.n.as_positive_bytes()?, rsa.e.as_positive_bytes()?),
        None => ed25519_spki(&key.ed25519()?.0),
    }
}

/// As RFC 5480 section 2 writes it. A key has its type, the name of its curve, and a point (RFC
/// 5656 section 3.1).
fn ecdsa_spki(algorithm: &str, curve: &str, blob: &[u8]) -> Option<Vec<u8>> {
    let (_, oid) = CURVES.iter().find(|(name, _)| *name == curve)?;
    let (algorithm, curve) = (algorithm.as_bytes(), curve.as_bytes());
    let point = blob.get(wire(&[algorithm, curve, &[]]).len()..)?;
    if blob != wire(&[algorithm, curve, point]) {
        return None;
    }
    spki(AlgorithmIdentifierRef { oid: EC, parameters: Some(AnyRef::from(oid)) }, point)
}

fn rsa_spki(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    let key = pkcs1::RsaPublicKey {
        modulus: UintRef::new(n).ok()?,
        public_exponent: UintRef::new(e).ok()?,
    };
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    spki(algorithm, &key.to_der().ok()?)
}

/// As RFC 8410 section 4 writes it.
fn ed25519_spki(key: &[u8]) -> Option<Vec<u8>> {
    spki(AlgorithmIdentifierRef { oid: ED25519, parameters: None }, key)
}

fn spki(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Option<Vec<u8>> {
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().ok()
}

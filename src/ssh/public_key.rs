//! Public keys: what a user gives, checked and in OpenSSH's form.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use der::Encode;
use der::asn1::{AnyRef, BitStringRef, UintRef};
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};
use ssh_key::public::KeyData;

use super::fingerprint::Fingerprints;

/// More than the longest RSA key that OpenSSH takes, with a long comment.
const MAX_LINE: usize = 16_384;
/// rsaEncryption, RFC 8017 appendix A.1.
pub(super) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A public key in OpenSSH's form.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    line: String,
    blob: Vec<u8>,
    /// DER `SubjectPublicKeyInfo`; RSA only.
    spki: Option<Vec<u8>>,
}

/// Why a text is no public key that can be imported. Says what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicKey {
    /// A private key was given.
    #[error(
        "it is a private key; give the line of the .pub file instead, and replace that key pair: \
         what was pasted may have been recorded"
    )]
    Private,
    /// Empty.
    #[error("it is empty; give the line of a .pub file")]
    Empty,
    /// More than one line.
    #[error("it has more than one line; give one line as in a .pub file")]
    Lines,
    /// Too long.
    #[error("it is longer than {MAX_LINE} characters; give one line as in a .pub file")]
    TooLong,
    /// A certificate.
    #[error("it is a certificate; give the plain public key instead")]
    Certificate,
    /// A kind of key that Lightsail is known to refuse, or that lives on a token.
    #[error(
        "keys of this type cannot be used with Lightsail; make one with ssh-keygen -t ed25519 or \
         ssh-keygen -t rsa -b 4096"
    )]
    Unsupported,
    /// Something else stands in front of the key.
    #[error("it does not start with a key type; remove options in front of ssh-ed25519 or ssh-rsa")]
    NoType,
    /// Not the data of such a key.
    #[error(
        "its data is not that of a public key of the type that it names; ssh-keygen -y -f KEYFILE \
         prints the right line"
    )]
    Data,
}

impl PublicKey {
    /// Parses one line as in a `.pub` file. White space around it does not matter.
    ///
    /// RSA and Ed25519 keys are checked; ECDSA keys are left to Lightsail, which may refuse them.
    ///
    /// # Errors
    /// Whatever is not one such line, without repeating it.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicKey> {
        let line = text.trim();
        if line.contains("PRIVATE KEY") {
            return Err(InvalidPublicKey::Private);
        }
        if line.is_empty() {
            return Err(InvalidPublicKey::Empty);
        }
        if line.len() > MAX_LINE {
            return Err(InvalidPublicKey::TooLong);
        }
        if line.contains(['\n', '\r']) {
            return Err(InvalidPublicKey::Lines);
        }
        let mut words = line.split_ascii_whitespace();
        let algorithm = words.next().unwrap_or_default();
        match algorithm {
            "ssh-rsa"
            | "ssh-ed25519"
            | "ecdsa-sha2-nistp256"
            | "ecdsa-sha2-nistp384"
            | "ecdsa-sha2-nistp521" => {}
            _ if algorithm.contains("-cert-v0") => return Err(InvalidPublicKey::Certificate),
            _ if algorithm == "ssh-dss" || algorithm.starts_with("sk-") => {
                return Err(InvalidPublicKey::Unsupported);
            }
            _ => return Err(InvalidPublicKey::NoType),
        }
        let data = words.next().unwrap_or_default();
        let blob = STANDARD.decode(data).map_err(|_| InvalidPublicKey::Data)?;
        let spki = check(algorithm, data, &blob).ok_or(InvalidPublicKey::Data)?;
        let spki = (!spki.is_empty()).then_some(spki);
        let comment: Vec<&str> = words.collect();
        let line = [&[algorithm, data], comment.as_slice()].concat().join(" ");
        Ok(Self { line, blob, spki })
    }

    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let number = ssh_key::Mpint::from_positive_bytes;
        let key = ssh_key::public::RsaPublicKey { e: number(e).ok()?, n: number(n).ok()? };
        let line = ssh_key::PublicKey::from(KeyData::Rsa(key)).to_openssh().ok()?;
        Self::parse(&line).ok()
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
        Fingerprints::new(self.sha256(), self.spki.as_deref(), &self.blob)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.sha256())
    }
}

/// Checks the data of a key. Its `SubjectPublicKeyInfo`, empty where there is none that Lightsail
/// would hash.
fn check(algorithm: &str, data: &str, blob: &[u8]) -> Option<Vec<u8>> {
    if algorithm == "ssh-rsa" || algorithm == "ssh-ed25519" {
        let key = ssh_key::PublicKey::from_openssh(&format!("{algorithm} {data}")).ok()?;
        let key = key.key_data();
        return match key.rsa() {
            Some(rsa) => rsa_spki(rsa.n.as_positive_bytes()?, rsa.e.as_positive_bytes()?),
            None => key.ed25519().map(|_| Vec::new()),
        };
    }
    // The blob starts with its own type as a string with a 4-byte length, RFC 4253 section 6.6.
    let named = blob.get(4..4 + algorithm.len())?;
    let is_its_type = blob[..4] == u32::try_from(algorithm.len()).ok()?.to_be_bytes()
        && named == algorithm.as_bytes();
    is_its_type.then(Vec::new)
}

fn rsa_spki(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    let key = pkcs1::RsaPublicKey {
        modulus: UintRef::new(n).ok()?,
        public_exponent: UintRef::new(e).ok()?,
    };
    let key = key.to_der().ok()?;
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(&key).ok()? }
        .to_der()
        .ok()
}

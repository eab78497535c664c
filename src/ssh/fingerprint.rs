//! Fingerprints, in every form in which Lightsail may print them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use md5::{Digest, Md5};

use crate::ids::Fingerprint;

/// The fingerprints of one key, in all forms:
///
/// - `SHA256:…` without padding, of the SSH wire form: imported Ed25519 keys.
/// - MD5 of the DER `SubjectPublicKeyInfo`: imported RSA keys and the default pair. By analogy with
///   EC2's `KeyPairInfo`, and unverified for Lightsail.
/// - MD5 of the SSH wire form, tolerated.
/// - SHA-1 of the DER PKCS#8 private key: RSA pairs that Lightsail created. Only where the private
///   key is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints(Vec<String>);

/// What a fingerprint in Lightsail says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It is this key.
    Same,
    /// It is another key.
    Different,
    /// There is no fingerprint, or none of a known shape.
    Unknown,
}

impl Fingerprints {
    /// Of the public key in SSH's wire form; `spki` is its DER `SubjectPublicKeyInfo`, for RSA.
    pub(super) fn new(sha256: String, spki: Option<&[u8]>, wire: &[u8]) -> Self {
        let md5 = |bytes: &[u8]| colon_hex(&Md5::digest(bytes));
        Self([Some(sha256), spki.map(md5), Some(md5(wire))].into_iter().flatten().collect())
    }

    /// With the form that only whoever has the private key can compute.
    pub(super) fn with_sha1_pkcs8(mut self, sha1_pkcs8: Option<String>) -> Self {
        self.0.extend(sha1_pkcs8);
        self
    }

    /// Of forms that were written down before.
    #[must_use]
    pub fn from_forms(forms: Vec<String>) -> Self {
        Self(forms)
    }

    /// All forms, to be written down.
    #[must_use]
    pub fn forms(&self) -> &[String] {
        &self.0
    }

    /// Compares with what Lightsail prints. Hexadecimal digits in any case, base64 exactly.
    #[must_use]
    pub fn compare(&self, listed: Option<&Fingerprint>) -> Match {
        let Some(listed) = listed.map(|listed| listed.as_str().trim()) else {
            return Match::Unknown;
        };
        let is_same = if is_colon_hex(listed, 16) || is_colon_hex(listed, 20) {
            self.0.iter().any(|form| form.eq_ignore_ascii_case(listed))
        } else {
            let hash = listed.trim_start_matches("SHA256:").trim_end_matches('=');
            if STANDARD_NO_PAD.decode(hash).is_ok_and(|bytes| bytes.len() == 32) {
                self.0.iter().any(|form| form.strip_prefix("SHA256:") == Some(hash))
            } else {
                return Match::Unknown;
            }
        };
        if is_same { Match::Same } else { Match::Different }
    }
}

fn is_colon_hex(text: &str, pairs: usize) -> bool {
    text.len() == pairs * 3 - 1
        && text
            .split(':')
            .all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// As in `1f:5f:96`.
pub(super) fn colon_hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

//! Fingerprints, in every form in which Lightsail may print them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use md5::{Digest, Md5};
use sha1::Sha1;

use crate::ids::Fingerprint;

/// The fingerprints of one key, in all forms:
///
/// - `SHA256:…` without padding, of the SSH wire form: imported Ed25519 keys.
/// - MD5 of the DER `SubjectPublicKeyInfo`: imported RSA keys and the default pair. By analogy with
///   EC2's `KeyPairInfo`, and unverified for Lightsail.
/// - MD5 and SHA-1 of the SSH wire form; MD5 of the DER `SubjectPublicKeyInfo` of an Ed25519 or
///   ECDSA key; SHA-1 of that of any key. Tolerated: no source says that Lightsail prints them.
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
    /// Of the public key in SSH's wire form; `spki` is its DER `SubjectPublicKeyInfo`.
    pub(super) fn new(sha256: String, spki: &[u8], wire: &[u8]) -> Self {
        let md5 = |bytes: &[u8]| colon_hex(&Md5::digest(bytes));
        let sha1 = |bytes: &[u8]| colon_hex(&Sha1::digest(bytes));
        Self(vec![sha256, md5(spki), md5(wire), sha1(spki), sha1(wire)])
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
        if !is_fingerprint(listed) {
            return Match::Unknown;
        }
        let hash = listed.trim_start_matches("SHA256:").trim_end_matches('=');
        let is_same = |form: &String| {
            form.eq_ignore_ascii_case(listed) && is_hex(listed)
                || form.strip_prefix("SHA256:") == Some(hash)
        };
        if self.0.iter().any(is_same) { Match::Same } else { Match::Different }
    }

    /// Whether a fingerprint that somebody wrote down is one of this key: in any of the forms, and
    /// as `ssh-keygen` prints them, in upper or lower case, with colons or without.
    #[must_use]
    pub fn include(&self, written: &str) -> bool {
        let written = digest(written);
        written.is_some() && self.0.iter().any(|form| digest(form) == written)
    }
}

/// Whether this is a fingerprint in a form that can be compared.
pub(crate) fn is_fingerprint(listed: &str) -> bool {
    let listed = listed.trim();
    is_hex(listed) || sha256(listed.trim_start_matches("SHA256:")).is_some()
}

/// Whether somebody wrote down this fingerprint, in which hexadecimal digits have any case.
#[must_use]
pub fn is_written(listed: &str, written: &str) -> bool {
    listed == written || (is_hex(written) && listed.eq_ignore_ascii_case(written))
}

/// A form in which Lightsail prints fingerprints. Two of the same form can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 16 pairs of hexadecimal digits, with colons.
    Md5,
    /// 20 pairs.
    Sha1,
    /// `SHA256:` and base64.
    Sha256,
    /// Base64 with its padding.
    Base64,
    /// None of these.
    Other,
}

impl Form {
    /// The form of a fingerprint.
    #[must_use]
    pub fn of(written: &str) -> Self {
        let is_padded = |base64: &str| base64.len() == 44 && sha256(base64).is_some();
        if is_colon_hex(written, 16) {
            Self::Md5
        } else if is_colon_hex(written, 20) {
            Self::Sha1
        } else if written.strip_prefix("SHA256:").and_then(sha256).is_some() {
            Self::Sha256
        } else if is_padded(written) {
            Self::Base64
        } else {
            Self::Other
        }
    }
}

/// The bytes that a fingerprint stands for. Its length tells which digest it is.
fn digest(written: &str) -> Option<Vec<u8>> {
    let written = written.trim();
    let (name, rest) = written.split_once(':').unwrap_or_default();
    if name.eq_ignore_ascii_case("SHA256") {
        return sha256(rest);
    }
    let is_named = name.eq_ignore_ascii_case("MD5") || name.eq_ignore_ascii_case("SHA1");
    let digits: String =
        if is_named { rest } else { written }.chars().filter(|char| *char != ':').collect();
    let is_of_length = matches!(digits.len(), 32 | 40);
    hex::decode(digits).ok().filter(|_| is_of_length).or_else(|| sha256(written))
}

fn sha256(base64: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD_NO_PAD.decode(base64.trim_end_matches('=')).ok()?;
    (bytes.len() == 32).then_some(bytes)
}

fn is_hex(text: &str) -> bool {
    is_colon_hex(text, 16) || is_colon_hex(text, 20)
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

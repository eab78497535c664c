//! Fingerprints, in every form in which Lightsail may print them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use md5::{Digest, Md5};

use crate::ids::Fingerprint;

/// The fingerprints of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints {
    /// `SHA256:…` without padding; names the key.
    pub sha256: String,
    /// MD5 of the DER `SubjectPublicKeyInfo`: imported RSA keys and the default pair. By analogy
    /// with EC2's `KeyPairInfo`, and unverified for Lightsail.
    md5_spki: Option<String>,
    /// MD5 of the SSH wire form, tolerated.
    md5_wire: String,
    /// SHA-1 of the DER PKCS#8 private key: RSA pairs that Lightsail created. Only where the
    /// private key is known.
    sha1_pkcs8: Option<String>,
}

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
        Self { sha256, md5_spki: spki.map(md5), md5_wire: md5(wire), sha1_pkcs8: None }
    }

    /// With the form that only whoever has the private key can compute.
    pub(super) fn with_sha1_pkcs8(self, sha1_pkcs8: Option<String>) -> Self {
        Self { sha1_pkcs8, ..self }
    }

    /// Compares with what Lightsail prints. Hexadecimal digits in any case, base64 exactly.
    #[must_use]
    pub fn compare(&self, listed: Option<&Fingerprint>) -> Match {
        let Some(listed) = listed.map(|listed| listed.as_str().trim()) else {
            return Match::Unknown;
        };
        let same = if is_colon_hex(listed, 16) {
            listed.eq_ignore_ascii_case(&self.md5_wire) || is(self.md5_spki.as_ref(), listed)
        } else if is_colon_hex(listed, 20) {
            is(self.sha1_pkcs8.as_ref(), listed)
        } else {
            let hash = listed.trim_start_matches("SHA256:").trim_end_matches('=');
            if STANDARD_NO_PAD.decode(hash).is_ok_and(|bytes| bytes.len() == 32) {
                self.sha256.strip_prefix("SHA256:") == Some(hash)
            } else {
                return Match::Unknown;
            }
        };
        if same { Match::Same } else { Match::Different }
    }
}

fn is(form: Option<&String>, listed: &str) -> bool {
    form.is_some_and(|form| form.eq_ignore_ascii_case(listed))
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

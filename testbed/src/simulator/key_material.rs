//! Public keys as Lightsail takes them, key pairs as it makes them, and the fingerprints that it
//! shows for both.
//!
//! The forms of fingerprints are those that the EC2 API Reference gives for `KeyPairInfo`; that
//! Lightsail uses the same ones is known from its users only. Private keys are never shown by
//! `Debug`.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use der::pem::LineEnding;
use md5::{Digest, Md5};
use pkcs8::PrivateKeyInfo;
use sha1::Sha1;
use sha2::Sha256;
use ssh_key::PublicKey;
use ssh_key::public::{KeyData, RsaPublicKey};

use super::error::{ApiError, Result};
use super::imported::Imported;
use super::rsa_key;
use super::switches::{Ed25519Fingerprint, RsaFingerprint, Switches};

/// The sizes of RSA keys that can be imported, in bits. Unverified.
const RSA_BITS: std::ops::RangeInclusive<usize> = 1024..=4096;

/// Those that the EC2 User Guide names.
const EC2_RSA_BITS: [usize; 3] = [1024, 2048, 4096];

/// A private key in PEM, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PrivateKey(pub(super) String);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey(…)")
    }
}

/// A new RSA key pair of 2048 bits.
#[derive(Debug)]
pub(super) struct NewKeyPair {
    /// PKCS#1 in PEM, without a newline at its end, as in the AWS CLI's example of `CreateKeyPair`.
    pub(super) private_key: PrivateKey,
    /// `ssh-rsa AAAA…`, without a comment.
    pub(super) public_key: String,
    md5_of_spki: String,
    md5_of_blob: String,
    sha1_of_private_key: String,
}

impl NewKeyPair {
    pub(super) fn fingerprint(&self, form: RsaFingerprint) -> &str {
        match form {
            RsaFingerprint::Md5OfSpki => &self.md5_of_spki,
            RsaFingerprint::Md5OfBlob => &self.md5_of_blob,
            RsaFingerprint::Sha1OfPrivateKey => &self.sha1_of_private_key,
        }
    }
}

/// The fingerprint that an imported public key gets, or a refusal.
///
/// The key is the raw OpenSSH line, although its member is called `publicKeyBase64`: the base64 of
/// the line is refused (<https://github.com/aws/aws-cli/issues/6020>). RSA and Ed25519 are taken;
/// what else, is unverified and up to the switches.
pub(super) fn imported_fingerprint(text: &str, switches: &Switches) -> Result<String> {
    let fingerprint = match Imported::read(text, switches) {
        Some(Imported::Rsa(key)) => rsa_fingerprint(&key, switches),
        Some(Imported::Other(blob)) => {
            Some(sha256_fingerprint(&blob, switches.ed25519_fingerprint))
        }
        None => None,
    };
    fingerprint.ok_or_else(ApiError::invalid_key)
}

fn rsa_fingerprint(key: &RsaPublicKey, switches: &Switches) -> Option<String> {
    let modulus = key.n.as_positive_bytes()?;
    let bits = modulus.len() * 8;
    let is_fine = if switches.ec2_rsa_sizes_only {
        EC2_RSA_BITS.contains(&bits)
    } else {
        RSA_BITS.contains(&bits)
    };
    if !is_fine {
        return None;
    }
    match switches.imported_rsa_fingerprint {
        RsaFingerprint::Md5OfBlob => Some(md5_of_blob(key)),
        RsaFingerprint::Md5OfSpki | RsaFingerprint::Sha1OfPrivateKey => {
            Some(colon_hex(&Md5::digest(rsa_key::spki_der(key)?)))
        }
    }
}

fn md5_of_blob(key: &RsaPublicKey) -> String {
    let blob = PublicKey::from(KeyData::Rsa(key.clone())).to_bytes().unwrap_or_default();
    colon_hex(&Md5::digest(blob))
}

fn sha256_fingerprint(blob: &[u8], form: Ed25519Fingerprint) -> String {
    let digest = Sha256::digest(blob);
    match form {
        Ed25519Fingerprint::Padded => STANDARD.encode(digest),
        Ed25519Fingerprint::Unpadded => STANDARD_NO_PAD.encode(digest),
        Ed25519Fingerprint::Prefixed => format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)),
    }
}

/// Makes a key pair as `CreateKeyPair` and `DownloadDefaultKeyPair` do.
pub(super) fn generate() -> NewKeyPair {
    let pair =
        RsaKeyPair::generate(KeySize::Rsa2048).expect("AWS-LC generates RSA keys of 2048 bits");
    let private: Pkcs8V1Der<'_> = pair.as_der().expect("a generated key has a PKCS#8 form");
    let public: PublicKeyX509Der<'_> =
        pair.public_key().as_der().expect("a generated key has an SPKI form");
    let key = ssh_form(&pair);
    NewKeyPair {
        private_key: PrivateKey(pkcs1_pem(private.as_ref())),
        md5_of_spki: colon_hex(&Md5::digest(public.as_ref())),
        md5_of_blob: md5_of_blob(&key),
        sha1_of_private_key: colon_hex(&Sha1::digest(private.as_ref())),
        public_key: PublicKey::from(KeyData::Rsa(key))
            .to_openssh()
            .expect("an RSA key has an OpenSSH form"),
    }
}

fn pkcs1_pem(pkcs8_der: &[u8]) -> String {
    let key = PrivateKeyInfo::try_from(pkcs8_der).expect("AWS-LC writes valid PKCS#8");
    let pem = der::pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, key.private_key);
    pem.expect("a key of 2048 bits fits into a string").trim_end().to_owned()
}

fn ssh_form(pair: &RsaKeyPair) -> RsaPublicKey {
    let public = pkcs1::RsaPublicKey::try_from(pair.public_key().as_ref());
    rsa_key::of_pkcs1(public.expect("AWS-LC writes valid PKCS#1"))
        .expect("the numbers of an RSA key are positive")
}

fn colon_hex(digest: &[u8]) -> String {
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

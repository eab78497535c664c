//! Public keys as Lightsail takes them, key pairs as it makes them, and the fingerprints that it shows for both.
//!
//! The forms of fingerprints are those that the EC2 API Reference gives for `KeyPairInfo`; that Lightsail uses the same ones is
//! known from its users only. Private keys are never shown by `Debug`.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::Encode;
use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::pem::LineEnding;
use md5::{Digest, Md5};
use pkcs8::PrivateKeyInfo;
use sha1::Sha1;
use sha2::Sha256;
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{Mpint, PublicKey};

use super::error::{ApiError, Result};

/// The sizes of RSA keys that can be imported, in bits. EC2 documents 1024, 2048 and 4096; for Lightsail it is unverified.
const RSA_BITS: std::ops::RangeInclusive<usize> = 1024..=4096;

/// RFC 8017, appendix A.1.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

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
    /// MD5 of the public key: what the default pair shows.
    pub(super) md5_fingerprint: String,
    /// SHA-1 of the private key: what a created pair shows.
    pub(super) sha1_fingerprint: String,
}

/// The fingerprint that an imported public key gets, or a refusal.
///
/// The key is the raw OpenSSH line, although its member is called `publicKeyBase64`: the base64 of the line is refused
/// (<https://github.com/aws/aws-cli/issues/6020>). RSA and Ed25519 are taken. That a line break at the end is refused too is
/// unverified.
pub(super) fn imported_fingerprint(line: &str) -> Result<String> {
    if line.contains(['\n', '\r']) {
        return Err(ApiError::invalid_key());
    }
    let key = PublicKey::from_openssh(line).map_err(|_| ApiError::invalid_key())?;
    let fingerprint = if let KeyData::Rsa(rsa) = key.key_data() {
        rsa_fingerprint(rsa)
    } else if key.key_data().is_ed25519() {
        key.to_bytes().ok().map(|blob| STANDARD.encode(Sha256::digest(blob)))
    } else {
        None
    };
    fingerprint.ok_or_else(ApiError::invalid_key)
}

/// MD5 over the DER `SubjectPublicKeyInfo`, if the size is one that can be imported.
fn rsa_fingerprint(key: &RsaPublicKey) -> Option<String> {
    let modulus = key.n.as_positive_bytes()?;
    if !RSA_BITS.contains(&(modulus.len() * 8)) {
        return None;
    }
    let public_key = pkcs1::RsaPublicKey {
        modulus: UintRef::new(modulus).ok()?,
        public_exponent: UintRef::new(key.e.as_positive_bytes()?).ok()?,
    };
    let public_key = public_key.to_der().ok()?;
    let spki = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) },
        subject_public_key: BitStringRef::from_bytes(&public_key).ok()?,
    };
    Some(colon_hex(&Md5::digest(spki.to_der().ok()?)))
}

/// Makes a key pair as `CreateKeyPair` and `DownloadDefaultKeyPair` do.
pub(super) fn generate() -> NewKeyPair {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("AWS-LC generates RSA keys of 2048 bits");
    let private: Pkcs8V1Der<'_> = pair.as_der().expect("a generated key has a PKCS#8 form");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a generated key has an SPKI form");
    NewKeyPair {
        private_key: PrivateKey(pkcs1_pem(private.as_ref())),
        public_key: openssh_line(&pair),
        md5_fingerprint: colon_hex(&Md5::digest(public.as_ref())),
        sha1_fingerprint: colon_hex(&Sha1::digest(private.as_ref())),
    }
}

fn pkcs1_pem(pkcs8_der: &[u8]) -> String {
    let key = PrivateKeyInfo::try_from(pkcs8_der).expect("AWS-LC writes valid PKCS#8");
    let pem = der::pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, key.private_key);
    pem.expect("a key of 2048 bits fits into a string").trim_end().to_owned()
}

fn openssh_line(pair: &RsaKeyPair) -> String {
    let number = |number: UintRef<'_>| {
        Mpint::from_positive_bytes(number.as_bytes()).expect("the numbers of an RSA key are positive")
    };
    let public = pkcs1::RsaPublicKey::try_from(pair.public_key().as_ref());
    let public = public.expect("AWS-LC writes valid PKCS#1");
    let key = RsaPublicKey { e: number(public.public_exponent), n: number(public.modulus) };
    PublicKey::from(KeyData::Rsa(key)).to_openssh().expect("an RSA key has an OpenSSH form")
}

fn colon_hex(digest: &[u8]) -> String {
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

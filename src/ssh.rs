//! SSH keys: the public key that a user gives, the private key that Lightsail hands out, and their
//! fingerprints in every form that Lightsail prints.
//!
//! Pure. Nothing here logs, and no error repeats its input: that may be a private key that was
//! pasted by mistake.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, Pkcs8V1Der};
use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::pem::LineEnding;
use der::{Decode, Encode, SecretDocument};
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::Sha256;
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};
use ssh_key::public::KeyData;
use zeroize::Zeroizing;

use crate::api::key_pair::KeyAlgorithm;

/// More than the longest RSA key that OpenSSH takes, with a long comment.
const MAX_LINE: usize = 16_384;
/// rsaEncryption, RFC 8017 appendix A.1.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

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

    fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
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
        hex(&Sha256::digest(&self.blob)[..4])
    }

    /// Every form in which Lightsail may print the fingerprint of this key once it is imported.
    #[must_use]
    pub fn fingerprints(&self) -> Fingerprints {
        Fingerprints {
            sha256: self.sha256(),
            md5_spki: self.spki.as_ref().map(|spki| colon_hex(&Md5::digest(spki))),
            md5_wire: colon_hex(&Md5::digest(&self.blob)),
            sha1_pkcs8: None,
        }
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

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    colon_hex(bytes).replace(':', "")
}

fn colon_hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

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
    /// Compares with what Lightsail prints. Hexadecimal digits in any case, base64 exactly.
    #[must_use]
    pub fn compare(&self, listed: Option<&str>) -> Match {
        let Some(listed) = listed.map(str::trim).filter(|listed| !listed.is_empty()) else {
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

/// A private key as text, with its public half. `Debug` shows the public half only, and the text is
/// wiped from memory when the last copy goes.
#[derive(Clone)]
pub struct PrivateKey {
    pem: SecretString,
    public: PublicKey,
    sha1_pkcs8: Option<String>,
}

/// A text is no private key that can be read here. What is wrong is not told in detail, so that
/// nothing of it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an unencrypted RSA private key in PEM, or an OpenSSH private key")]
pub struct InvalidPrivateKey;

impl PrivateKey {
    /// Reads the member `privateKeyBase64` of `DownloadDefaultKeyPair`, which holds PEM despite its
    /// name; base64 of PEM is taken as well
    /// (<https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_DownloadDefaultKeyPair.html>;
    /// that it is raw text is what clients in public use rely on). The result ends with exactly one
    /// newline, with LF between lines: OpenSSH refuses some keys without one.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, InvalidPrivateKey> {
        let decoded;
        let text = if text.contains("-----BEGIN") {
            text
        } else {
            let joined: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
            let bytes =
                Zeroizing::new(STANDARD.decode(joined.as_bytes()).map_err(|_| InvalidPrivateKey)?);
            decoded = Zeroizing::new(
                std::str::from_utf8(&bytes).map_err(|_| InvalidPrivateKey)?.to_owned(),
            );
            decoded.as_str()
        };
        let pem = Zeroizing::new(format!("{}\n", text.trim().replace("\r\n", "\n")));
        let (public, sha1_pkcs8) = halves(&pem).ok_or(InvalidPrivateKey)?;
        Ok(Self { pem: SecretString::from(pem.as_str()), public, sha1_pkcs8 })
    }

    /// Makes a new key, in the form that `ssh -i` takes: OpenSSH's own for Ed25519, PKCS#1 in PEM
    /// for RSA. An RSA key takes a second or so.
    ///
    /// # Errors
    /// The random source fails, which it does not once the process runs.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, GenerationFailed> {
        let pem = match algorithm {
            KeyAlgorithm::Ed25519 => generate_ed25519(),
            KeyAlgorithm::RSA4096 => generate_rsa(),
        };
        pem.and_then(|pem| Self::parse(&pem).ok()).ok_or(GenerationFailed)
    }

    /// The text. It goes into a Secret and nowhere else.
    #[must_use]
    pub fn expose_pem(&self) -> &str {
        self.pem.expose_secret()
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Every form in which Lightsail may print the fingerprint of this key.
    #[must_use]
    pub fn fingerprints(&self) -> Fingerprints {
        Fingerprints { sha1_pkcs8: self.sha1_pkcs8.clone(), ..self.public.fingerprints() }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey(of {:?})", self.public)
    }
}

/// A key could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a private key could not be generated")]
pub struct GenerationFailed;

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

/// The public half, and the SHA-1 of the PKCS#8 form for RSA.
fn halves(pem: &str) -> Option<(PublicKey, Option<String>)> {
    if pem.contains("BEGIN OPENSSH PRIVATE KEY") {
        // One with a passphrase tells its public half, but it opens nothing.
        let key = ssh_key::PrivateKey::from_openssh(pem).ok().filter(|key| !key.is_encrypted())?;
        return Some((PublicKey::parse(&key.public_key().to_openssh().ok()?).ok()?, None));
    }
    let (label, document) = SecretDocument::from_pem(pem).ok()?;
    let pkcs1 = match label {
        "RSA PRIVATE KEY" => document.as_bytes(),
        "PRIVATE KEY" => {
            let info = pkcs8::PrivateKeyInfo::from_der(document.as_bytes()).ok()?;
            (info.algorithm.oid == RSA_ENCRYPTION).then_some(info.private_key)?
        }
        _ => return None,
    };
    let key = pkcs1::RsaPrivateKey::from_der(pkcs1).ok()?;
    let public = PublicKey::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())?;
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    let info = Zeroizing::new(pkcs8::PrivateKeyInfo::new(algorithm, pkcs1).to_der().ok()?);
    Some((public, Some(colon_hex(&Sha1::digest(&*info)))))
}

#[cfg(test)]
pub(crate) mod tests;

//! Private keys: text that goes into a Secret and nowhere else.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::AnyRef;
use der::{Decode, Encode, SecretDocument};
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier};
use zeroize::Zeroizing;

use super::fingerprint::{Fingerprints, colon_hex};
use super::forms::{self, ED25519, RSA_ENCRYPTION};
use super::invalid::{InvalidPrivateKey, InvalidPublicKey};
use super::public_key::PublicKey;

/// id-ecPublicKey, RFC 5480.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A private key as text, with its public half. `Debug` shows the public half only, and the text is
/// wiped from memory when the last copy goes.
#[derive(Clone)]
pub struct PrivateKey {
    pem: SecretString,
    public: PublicKey,
    sha1_pkcs8: Option<String>,
}

impl PrivateKey {
    /// Reads a private key without a passphrase: OpenSSH's form, PKCS#1, or PKCS#8 of an RSA or
    /// Ed25519 key in PEM; or base64 of one. The result ends with exactly one newline, with LF
    /// between lines: OpenSSH refuses some keys without one.
    ///
    /// So the member `privateKeyBase64` of `DownloadDefaultKeyPair` is read too, which holds PEM
    /// despite its name
    /// (<https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_DownloadDefaultKeyPair.html>;
    /// that it is raw text is what clients in public use rely on).
    ///
    /// # Errors
    /// What it is instead, without repeating it.
    pub fn parse(text: &str) -> Result<Self, InvalidPrivateKey> {
        let text = text.trim_start_matches('\u{feff}').trim();
        let decoded = decode(text);
        let text = decoded.as_ref().map_or(text, |decoded| decoded.trim());
        let pem = Zeroizing::new(format!("{}\n", text.replace("\r\n", "\n")));
        let (public, sha1_pkcs8) = halves(&pem).ok_or_else(|| what_it_is(&pem))?;
        Ok(Self { pem: SecretString::from(pem.as_str()), public, sha1_pkcs8 })
    }

    /// As [`Self::parse`], of a file: UTF-8, or UTF-16 as PowerShell writes it.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_file(bytes: &[u8]) -> Result<Self, InvalidPrivateKey> {
        let text = forms::decode(bytes).map(Zeroizing::new).ok_or(InvalidPrivateKey::Unknown)?;
        Self::parse(&text)
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
        self.public.fingerprints().with_sha1_pkcs8(self.sha1_pkcs8.clone())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey(of {:?})", self.public)
    }
}

/// The text that this is base64 of, if it is.
fn decode(text: &str) -> Option<Zeroizing<String>> {
    if text.contains("-----BEGIN") {
        return None;
    }
    let joined: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
    let bytes = Zeroizing::new(STANDARD.decode(joined.as_bytes()).ok()?);
    str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
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
            if info.algorithm.oid == ED25519 {
                return Some((ed25519(document.as_bytes())?, None));
            }
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

/// The public half of an Ed25519 key in PKCS#8, RFC 8410.
fn ed25519(pkcs8: &[u8]) -> Option<PublicKey> {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok()?;
    let public = <[u8; 32]>::try_from(pair.public_key().as_ref()).ok()?;
    PublicKey::ed25519(public)
}

/// What a text is that is no private key which can be used here.
fn what_it_is(text: &str) -> InvalidPrivateKey {
    let has = |part: &str| text.contains(part);
    if has("PuTTY-User-Key-File") {
        return InvalidPrivateKey::PuTTY;
    }
    if has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
        return InvalidPrivateKey::Passphrase;
    }
    if has("BEGIN OPENSSH PRIVATE KEY") {
        return what_openssh_has(text);
    }
    if has("BEGIN DSA PRIVATE KEY") {
        return InvalidPrivateKey::Unsupported;
    }
    if has("BEGIN EC PRIVATE KEY") || has("BEGIN EC PARAMETERS") {
        return InvalidPrivateKey::Ecdsa;
    }
    if has("PRIVATE KEY-----") {
        let document = SecretDocument::from_pem(text).map(|(_, document)| document);
        let algorithm = document.ok().and_then(|document| {
            let info = pkcs8::PrivateKeyInfo::from_der(document.as_bytes()).ok()?;
            Some(info.algorithm.oid)
        });
        return match algorithm {
            Some(EC) => InvalidPrivateKey::Ecdsa,
            Some(other) if other != RSA_ENCRYPTION && other != ED25519 => {
                InvalidPrivateKey::Unsupported
            }
            _ => InvalidPrivateKey::Damaged,
        };
    }
    match PublicKey::parse(text) {
        Ok(_)
        | Err(
            InvalidPublicKey::Certificate
            | InvalidPublicKey::X509
            | InvalidPublicKey::SecurityKey
            | InvalidPublicKey::Unsupported
            | InvalidPublicKey::Options,
        ) => InvalidPrivateKey::Public,
        Err(InvalidPublicKey::Private | InvalidPublicKey::PuTTY) => InvalidPrivateKey::Damaged,
        Err(
            InvalidPublicKey::Empty
            | InvalidPublicKey::Lines
            | InvalidPublicKey::TooLong
            | InvalidPublicKey::Pgp
            | InvalidPublicKey::Fingerprint
            | InvalidPublicKey::Url
            | InvalidPublicKey::FileName
            | InvalidPublicKey::NoType
            | InvalidPublicKey::Data,
        ) => InvalidPrivateKey::Unknown,
    }
}

/// What a file in OpenSSH's form has that is not taken: the name of the cipher comes first
/// (<https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key>), and the type of the
/// key is never encrypted.
fn what_openssh_has(text: &str) -> InvalidPrivateKey {
    let body = text.lines().map(str::trim).filter(|line| !line.starts_with('-'));
    let body = Zeroizing::new(body.collect::<String>());
    let bytes = Zeroizing::new(STANDARD.decode(body.as_bytes()).unwrap_or_default());
    let Some(cipher) = bytes.strip_prefix(b"openssh-key-v1\0") else {
        return InvalidPrivateKey::Damaged;
    };
    let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    if !cipher.starts_with(b"\0\0\0\x04none") {
        InvalidPrivateKey::Passphrase
    } else if has(b"sk-ssh-") || has(b"sk-ecdsa-") {
        InvalidPrivateKey::SecurityKey
    } else if has(b"ecdsa-sha2-") {
        InvalidPrivateKey::Ecdsa
    } else if has(b"ssh-dss") {
        InvalidPrivateKey::Unsupported
    } else {
        InvalidPrivateKey::Damaged
    }
}

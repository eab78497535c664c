//! Private keys: text that goes into a Secret and nowhere else.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::AnyRef;
use der::pem::LineEnding;
use der::{Decode, Encode, SecretDocument};
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use spki::AlgorithmIdentifierRef;
use ssh_key::private::KeypairData;
use zeroize::Zeroizing;

use super::fingerprint::{Fingerprints, colon_hex};
use super::forms::{self, EC, ED25519, RSA_ENCRYPTION};
use super::invalid::{InvalidPrivateKey, InvalidPublicKey, MAX_PRIVATE};
use super::pem::Block;
use super::public_key::PublicKey;
use super::rsa_key::{pkcs1_of, refused_size, rsa_of};

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
    /// Ed25519 key in PEM, with lines of any length; or base64 of one. Its halves are checked to
    /// belong together. The result is as `ssh-keygen` writes it: OpenSSH's form for Ed25519, and
    /// exactly one newline at the end.
    ///
    /// So the member `privateKeyBase64` of `DownloadDefaultKeyPair` is read too, which holds PEM
    /// despite its name
    /// (<https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_DownloadDefaultKeyPair.html>;
    /// that it is raw text is what clients in public use rely on).
    ///
    /// # Errors
    /// What it is instead, without repeating it.
    pub fn parse(text: &str) -> Result<Self, InvalidPrivateKey> {
        let (key, is_alone) = Self::find(text)?;
        if is_alone { Ok(key) } else { Err(InvalidPrivateKey::NotAlone) }
    }

    /// The one private key in a text, and whether there is nothing else.
    fn find(text: &str) -> Result<(Self, bool), InvalidPrivateKey> {
        let decoded = decoded(text);
        let text = decoded.as_ref().map_or(text, |decoded| decoded.as_str());
        let Some(block) = Block::find(text) else { return Err(what_it_is(text)) };
        if block.others > 0 {
            return Err(InvalidPrivateKey::Several);
        }
        let pem = block.pem();
        let halves = halves(&pem).ok_or_else(|| what_it_is(&pem))?;
        let pem = halves.openssh.unwrap_or(pem);
        let (public, sha1_pkcs8) = (halves.public, halves.sha1_pkcs8);
        let key = Self { pem: SecretString::from(pem.as_str()), public, sha1_pkcs8 };
        Ok((key, block.is_alone))
    }

    /// As [`Self::parse`], of a file: UTF-8, or UTF-16 as PowerShell writes it.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_file(bytes: &[u8]) -> Result<Self, InvalidPrivateKey> {
        if bytes.len() > MAX_PRIVATE {
            return Err(InvalidPrivateKey::TooLong);
        }
        refuse_der(bytes)?;
        Self::parse(&forms::decode(bytes))
    }

    /// As [`Self::parse_file`], whatever stands before and behind the key, such as comments or a
    /// certificate: for whoever does not keep the file.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn find_in_file(bytes: &[u8]) -> Result<Self, InvalidPrivateKey> {
        refuse_der(bytes)?;
        Self::find(&forms::decode(bytes)).map(|(key, _)| key)
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

fn refuse_der(bytes: &[u8]) -> Result<(), InvalidPrivateKey> {
    if forms::is_pkcs12(bytes) {
        Err(InvalidPrivateKey::Pkcs12)
    } else if forms::is_private_der(bytes) {
        Err(InvalidPrivateKey::Der)
    } else {
        Ok(())
    }
}

/// The text that this is base64 of, if it is: once, or twice, as `kubectl get -o yaml` shows what
/// was encoded before.
fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut found: Option<Zeroizing<String>> = None;
    for _ in 0..2 {
        let text = found.as_ref().map_or(text, |found| found.as_str());
        if text.contains("-----BEGIN") {
            break;
        }
        let joined = forms::joined(text);
        let Ok(bytes) = STANDARD.decode(joined.as_bytes()).map(Zeroizing::new) else { break };
        if bytes.is_empty() || forms::is_private_der(&bytes) {
            break;
        }
        found = Some(forms::decode(&bytes));
    }
    found
}

/// What a private key has beside itself.
struct Halves {
    public: PublicKey,
    /// The SHA-1 of the PKCS#8 form for RSA.
    sha1_pkcs8: Option<String>,
    /// The key in OpenSSH's form, where that is the one to keep: `ssh` before OpenSSH 9.6 reads no
    /// other one of an Ed25519 key.
    openssh: Option<Zeroizing<String>>,
}

/// What belongs to a private key, if its halves belong together.
fn halves(pem: &str) -> Option<Halves> {
    if pem.contains("BEGIN OPENSSH PRIVATE KEY") {
        let key = ssh_key::PrivateKey::from_openssh(pem).ok()?;
        let sha1_pkcs8 = match key.key_data() {
            KeypairData::Ed25519(pair) => {
                let private = pair.private.as_ref();
                Ed25519KeyPair::from_seed_and_public_key(private, pair.public.as_ref()).ok()?;
                None
            }
            KeypairData::Rsa(pair) => {
                let pkcs1 = pkcs1_of(pair)?;
                rsa_of(&pkcs1)?;
                Some(sha1_of(&pkcs1)?)
            }
            KeypairData::Dsa(_)
            | KeypairData::Encrypted(_)
            | KeypairData::SkEd25519(_)
            | KeypairData::Other(_)
            | _ => return None,
        };
        let public = PublicKey::of_openssh(key.public_key())?;
        return Some(Halves { public, sha1_pkcs8, openssh: None });
    }
    let (label, document) = SecretDocument::from_pem(pem).ok()?;
    let pkcs1 = match label {
        "RSA PRIVATE KEY" => document.as_bytes(),
        "PRIVATE KEY" => {
            let info = pkcs8::PrivateKeyInfo::from_der(document.as_bytes()).ok()?;
            if info.algorithm.oid == ED25519 {
                return ed25519(document.as_bytes());
            }
            (info.algorithm.oid == RSA_ENCRYPTION).then_some(info.private_key)?
        }
        _ => return None,
    };
    Some(Halves { public: rsa_of(pkcs1)?, sha1_pkcs8: Some(sha1_of(pkcs1)?), openssh: None })
}

/// The SHA-1 of the PKCS#8 form of an RSA key.
fn sha1_of(pkcs1: &[u8]) -> Option<String> {
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    let info = Zeroizing::new(pkcs8::PrivateKeyInfo::new(algorithm, pkcs1).to_der().ok()?);
    Some(colon_hex(&Sha1::digest(&*info)))
}

/// An Ed25519 key in PKCS#8, RFC 8410.
fn ed25519(pkcs8: &[u8]) -> Option<Halves> {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok()?;
    let openssh = openssh_of(&pair)?;
    let public = <[u8; 32]>::try_from(pair.public_key().as_ref()).ok()?;
    Some(Halves { public: PublicKey::ed25519(public)?, sha1_pkcs8: None, openssh: Some(openssh) })
}

/// An Ed25519 key in OpenSSH's form.
pub(super) fn openssh_of(pair: &Ed25519KeyPair) -> Option<Zeroizing<String>> {
    let seed: Curve25519SeedBin<'_> = pair.seed().ok()?.as_be_bytes().ok()?;
    let public: [u8; 32] = pair.public_key().as_ref().try_into().ok()?;
    let private = Zeroizing::new(<[u8; 32]>::try_from(seed.as_ref()).ok()?);
    let keypair = ssh_key::private::Ed25519Keypair {
        public: ssh_key::public::Ed25519PublicKey(public),
        private: ssh_key::private::Ed25519PrivateKey::from_bytes(&private),
    };
    ssh_key::PrivateKey::from(keypair).to_openssh(LineEnding::LF).ok()
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
    if let Some(why) = refused_size_of(text) {
        return why;
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
    if forms::is_private(text) {
        return InvalidPrivateKey::OtherForm;
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
        Err(InvalidPublicKey::Private | InvalidPublicKey::PrivateDer | InvalidPublicKey::PuTTY) => {
            InvalidPrivateKey::OtherForm
        }
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

/// Whether a text is an RSA key that is whole, and too short or too long to be checked.
fn refused_size_of(pem: &str) -> Option<InvalidPrivateKey> {
    if let Ok(key) = ssh_key::PrivateKey::from_openssh(pem) {
        return refused_size(key.public_key().key_data().rsa()?.n.as_positive_bytes()?);
    }
    let (_, document) = SecretDocument::from_pem(pem).ok()?;
    let inner = pkcs8::PrivateKeyInfo::from_der(document.as_bytes()).map(|info| info.private_key);
    let key = pkcs1::RsaPrivateKey::from_der(inner.unwrap_or(document.as_bytes())).ok()?;
    refused_size(key.modulus.as_bytes())
}

/// What a file in OpenSSH's form has that is not taken: the name of the cipher comes first
/// (<https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key>), and the type of the
/// key is never encrypted.
fn what_openssh_has(text: &str) -> InvalidPrivateKey {
    let body = text.lines().map(str::trim).filter(|line| !line.starts_with('-'));
    let body = Zeroizing::new(body.collect::<Vec<_>>().concat());
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

//! Private keys: text that goes into a Secret and nowhere else.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::AnyRef;
use der::{Decode, Encode, SecretDocument};
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::fingerprint::{Fingerprints, colon_hex};
use super::forms::RSA_ENCRYPTION;
use super::public_key::PublicKey;

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

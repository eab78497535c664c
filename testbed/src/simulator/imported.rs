//! Reads what `ImportKeyPair` is sent as a public key.
//!
//! By default that is one OpenSSH line with an RSA or Ed25519 key, which is what Lightsail's users
//! are known to send (<https://github.com/aws/aws-cli/issues/6020>). Everything else is unverified,
//! and taken only if a switch says so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ssh_key::PublicKey;
use ssh_key::public::{KeyData, RsaPublicKey};

use super::rsa_key;
use super::switches::Switches;

/// A public key, as far as its fingerprint needs it.
#[derive(Debug)]
pub(super) enum Imported {
    Rsa(RsaPublicKey),
    /// The blob of a key of another type.
    Other(Vec<u8>),
}

/// The types behind [`Switches::other_key_types`].
const OTHER_TYPES: [&str; 6] = [
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-dss",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

impl Imported {
    /// None if it is no key that is taken.
    pub(super) fn read(text: &str, switches: &Switches) -> Option<Self> {
        if switches.other_key_formats
            && let Some(key) = Self::from_rfc4716(text, switches).or_else(|| Self::from_pem(text))
        {
            return Some(key);
        }
        let line =
            if switches.trailing_newline { text.strip_suffix('\n').unwrap_or(text) } else { text };
        if line.contains(['\n', '\r']) {
            return None;
        }
        if switches.blob_alone && !line.contains(' ') {
            return Self::from_blob(&STANDARD.decode(line).ok()?, switches);
        }
        if let Ok(key) = PublicKey::from_openssh(line) {
            return Self::from_blob(&key.to_bytes().ok()?, switches);
        }
        let mut words = line.split(' ');
        let (key_type, blob) = (words.next()?, STANDARD.decode(words.next()?).ok()?);
        (type_of(&blob)? == key_type).then(|| Self::from_blob(&blob, switches)).flatten()
    }

    fn from_blob(blob: &[u8], switches: &Switches) -> Option<Self> {
        let key_type = type_of(blob)?;
        let is_other =
            OTHER_TYPES.contains(&key_type) || key_type.ends_with("-cert-v01@openssh.com");
        if switches.other_key_types && is_other {
            return Some(Self::Other(blob.to_vec()));
        }
        let key = PublicKey::from_bytes(blob).ok()?;
        if let KeyData::Rsa(rsa) = key.key_data() {
            return Some(Self::Rsa(rsa.clone()));
        }
        key.key_data().is_ed25519().then(|| Self::Other(blob.to_vec()))
    }

    /// RFC 4716: base64 between two lines of dashes, below headers that have a colon.
    fn from_rfc4716(text: &str, switches: &Switches) -> Option<Self> {
        let inner = text.trim().strip_prefix("---- BEGIN SSH2 PUBLIC KEY ----")?;
        let inner = inner.strip_suffix("---- END SSH2 PUBLIC KEY ----")?;
        let lines: Vec<&str> =
            inner.lines().filter(|line| !line.contains(':')).map(str::trim).collect();
        Self::from_blob(&STANDARD.decode(lines.concat()).ok()?, switches)
    }

    /// `BEGIN PUBLIC KEY` of an RSA key.
    fn from_pem(text: &str) -> Option<Self> {
        let (label, der) = der::pem::decode_vec(text.as_bytes()).ok()?;
        let spki = spki::SubjectPublicKeyInfoRef::try_from(der.as_slice())
            .ok()
            .filter(|_| label == "PUBLIC KEY")?;
        let key = pkcs1::RsaPublicKey::try_from(spki.subject_public_key.as_bytes()?).ok()?;
        rsa_key::of_pkcs1(key).map(Self::Rsa)
    }
}

/// The type that a blob begins with.
fn type_of(blob: &[u8]) -> Option<&str> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

//! The forms in which people have public keys: the line of a `.pub` file, RFC 4716, PEM, base64 of
//! these, with what editors and shells do to files. What is meant is taken; of anything else it is
//! said what it is.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use der::{Decode, Document};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::invalid::{InvalidPublicKey, MAX_TEXT};

/// rsaEncryption, RFC 8017 appendix A.1.
pub(super) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-Ed25519, RFC 8410.
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Base64 as people copy it: with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key in SSH's wire form (RFC 4253 section 6.6), and its comment.
pub(super) struct Found {
    pub(super) blob: Vec<u8>,
    pub(super) comment: String,
}

type Result<T> = std::result::Result<T, InvalidPublicKey>;

/// Reads a file as text: UTF-8, or UTF-16 as PowerShell writes it. `None` for anything else.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let units = |from: fn([u8; 2]) -> u16| {
        bytes[2..].chunks_exact(2).map(|pair| from([pair[0], pair[1]])).collect::<Vec<_>>()
    };
    match bytes {
        [0xff, 0xfe, ..] => String::from_utf16(&units(u16::from_le_bytes)).ok(),
        [0xfe, 0xff, ..] => String::from_utf16(&units(u16::from_be_bytes)).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// Finds the one public key that a text has.
pub(super) fn read(text: &str) -> Result<Found> {
    if text.len() > MAX_TEXT * 4 {
        return Err(InvalidPublicKey::TooLong);
    }
    read_clean(clean(text).trim(), true)
}

/// The text without what is not seen: a byte order mark, control characters, and the spaces of web
/// pages and word processors.
fn clean(text: &str) -> String {
    let is_odd = |char: char| {
        matches!(char, '\u{feff}' | '\u{200b}'..='\u{200f}')
            || ((char.is_whitespace() || char.is_control()) && !char.is_ascii_whitespace())
    };
    text.chars().map(|char| if is_odd(char) { ' ' } else { char }).collect()
}

/// `may_be_encoded`: base64 is taken off once.
fn read_clean(text: &str, may_be_encoded: bool) -> Result<Found> {
    if let Some(private) = private_key(text) {
        return Err(private);
    }
    if text.is_empty() {
        return Err(InvalidPublicKey::Empty);
    }
    if text.len() > MAX_TEXT {
        return Err(InvalidPublicKey::TooLong);
    }
    if text.starts_with("---- BEGIN SSH2 PUBLIC KEY ----") {
        return rfc4716(text);
    }
    if let Some(label) =
        text.strip_prefix("-----BEGIN ").and_then(|rest| rest.split("-----").next())
    {
        return pem(text, label);
    }
    let is_blank = |line: &&str| line.is_empty() || line.starts_with('#');
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !is_blank(line)).collect();
    match lines[..] {
        [] => Err(InvalidPublicKey::Empty),
        [line] => one_line(line, may_be_encoded),
        // Base64 that is broken into lines, as many programs print it.
        _ if may_be_encoded && lines.iter().all(|line| is_base64(line)) => {
            let unknown = InvalidPublicKey::NoType;
            let found = encoded(&lines.concat());
            found.map_err(|why| if why == unknown { InvalidPublicKey::Lines } else { why })
        }
        _ => Err(InvalidPublicKey::Lines),
    }
}

/// What a text is that has a private key in it.
fn private_key(text: &str) -> Option<InvalidPublicKey> {
    if text.contains("PuTTY-User-Key-File") || text.contains("Private-Lines:") {
        return Some(InvalidPublicKey::PuTTY);
    }
    // OpenSSH's magic `openssh-key-v1`, in base64 without its frame.
    let is_private = text.contains("PRIVATE KEY") || text.contains("b3BlbnNzaC1rZXktdj");
    is_private.then_some(InvalidPublicKey::Private)
}

fn is_base64(text: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    text.len() >= 16 && text.bytes().all(is_of_it)
}

/// The line of a `.pub` file.
fn one_line(line: &str, may_be_encoded: bool) -> Result<Found> {
    let mut words = line.split_ascii_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    if is_type(first) {
        refuse_type(first)?;
        let blob = BASE64.decode(second.unwrap_or_default());
        let blob = blob.map_err(|_| InvalidPublicKey::Data)?;
        if type_of(&blob) != Some(first) {
            return Err(InvalidPublicKey::Data);
        }
        return Ok(Found { blob, comment: words.collect::<Vec<_>>().join(" ") });
    }
    if second.is_none() && may_be_encoded && is_base64(first) {
        return encoded(first);
    }
    Err(what_it_is(line))
}

/// Base64 of a key's data, or of a whole file.
fn encoded(text: &str) -> Result<Found> {
    let bytes = BASE64.decode(text).map_err(|_| InvalidPublicKey::NoType)?;
    if let Some(type_) = type_of(&bytes) {
        refuse_type(type_)?;
        return Ok(Found { blob: bytes, comment: String::new() });
    }
    if let Ok(found) = spki(&bytes) {
        return Ok(found);
    }
    let is_private = pkcs8::PrivateKeyInfo::from_der(&bytes).is_ok()
        || pkcs1::RsaPrivateKey::from_der(&bytes).is_ok();
    if is_private {
        return Err(InvalidPublicKey::Private);
    }
    let text = decode(&bytes).ok_or(InvalidPublicKey::NoType)?;
    read_clean(clean(&text).trim(), false)
}

/// The type that the data of a key names first.
pub(super) fn type_of(blob: &[u8]) -> Option<&str> {
    let length = usize::try_from(u32::from_be_bytes(*blob.first_chunk()?)).ok()?;
    let name = str::from_utf8(blob.get(4..)?.get(..length)?).ok()?;
    is_type(name).then_some(name)
}

fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-@._".contains(&byte))
}

fn refuse_type(type_: &str) -> Result<()> {
    match type_ {
        "ssh-rsa"
        | "ssh-ed25519"
        | "ecdsa-sha2-nistp256"
        | "ecdsa-sha2-nistp384"
        | "ecdsa-sha2-nistp521" => Ok(()),
        _ if type_.contains("-cert-v0") => Err(InvalidPublicKey::Certificate),
        _ if type_.starts_with("sk-") => Err(InvalidPublicKey::SecurityKey),
        _ => Err(InvalidPublicKey::Unsupported),
    }
}

/// What a line is that is no key.
fn what_it_is(line: &str) -> InvalidPublicKey {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if line.starts_with("SHA256:") || line.starts_with("MD5:") {
        InvalidPublicKey::Fingerprint
    } else if line.starts_with("https://") || line.starts_with("http://") {
        InvalidPublicKey::Url
    } else if words.iter().skip(1).any(|word| is_type(word)) {
        InvalidPublicKey::Options
    } else if words.len() == 1 && (line.contains(".pub") || line.starts_with(['/', '~', '.'])) {
        InvalidPublicKey::FileName
    } else {
        InvalidPublicKey::NoType
    }
}

/// RFC 4716: headers, whose lines go on after a backslash, and base64.
fn rfc4716(text: &str) -> Result<Found> {
    let mut data = String::new();
    let mut comment = String::new();
    let mut lines = text.lines().map(str::trim).skip(1);
    let mut is_complete = false;
    while let Some(line) = lines.next() {
        if line.starts_with("---- END SSH2 PUBLIC KEY ----") {
            is_complete = true;
            break;
        }
        let Some((name, value)) = line.split_once(':') else {
            data.push_str(line);
            continue;
        };
        let mut value = value.trim().to_owned();
        while let Some(begun) = value.strip_suffix('\\') {
            value = begun.to_owned() + lines.next().unwrap_or_default();
        }
        if name.eq_ignore_ascii_case("comment") {
            comment =
                value.trim_matches('"').split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        }
    }
    if lines.any(|line| !line.is_empty()) {
        return Err(InvalidPublicKey::Lines);
    }
    let blob = BASE64.decode(data).ok().filter(|_| is_complete).ok_or(InvalidPublicKey::Data)?;
    refuse_type(type_of(&blob).ok_or(InvalidPublicKey::Data)?)?;
    Ok(Found { blob, comment })
}

/// `PUBLIC KEY` (RFC 7468) and `RSA PUBLIC KEY` (PKCS#1).
fn pem(text: &str, label: &str) -> Result<Found> {
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "CERTIFICATE REQUEST" => {
            return Err(InvalidPublicKey::X509);
        }
        _ if label.starts_with("PGP ") => return Err(InvalidPublicKey::Pgp),
        _ => return Err(InvalidPublicKey::NoType),
    }
    if text.matches("-----BEGIN ").count() > 1 {
        return Err(InvalidPublicKey::Lines);
    }
    // Whatever indents the lines, or breaks them in other places.
    let body: String = text.lines().map(str::trim).filter(|line| !line.starts_with('-')).collect();
    let is_complete = text.trim_end().ends_with("-----") && text.contains("-----END ");
    let der = BASE64.decode(body).ok().filter(|_| is_complete).ok_or(InvalidPublicKey::Data)?;
    if label == "RSA PUBLIC KEY" { rsa(&der) } else { spki(&der) }
}

fn rsa(der: &[u8]) -> Result<Found> {
    let key = pkcs1::RsaPublicKey::from_der(der).map_err(|_| InvalidPublicKey::Data)?;
    let number = |bytes: &[u8]| {
        let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        [if is_negative { &[0][..] } else { &[] }, bytes].concat()
    };
    let (n, e) = (number(key.modulus.as_bytes()), number(key.public_exponent.as_bytes()));
    Ok(Found { blob: wire(&[b"ssh-rsa", &e, &n]), comment: String::new() })
}

fn spki(der: &[u8]) -> Result<Found> {
    let wrong = |_| InvalidPublicKey::Data;
    // Complete, and nothing behind it.
    let document = Document::from_der(der).map_err(wrong)?;
    let key = SubjectPublicKeyInfoRef::from_der(document.as_bytes()).map_err(wrong)?;
    let bits = key.subject_public_key.as_bytes().ok_or(InvalidPublicKey::Data)?;
    if key.algorithm.oid == RSA_ENCRYPTION {
        rsa(bits)
    } else if key.algorithm.oid == ED25519 && bits.len() == 32 {
        Ok(Found { blob: wire(&[b"ssh-ed25519", bits]), comment: String::new() })
    } else {
        Err(InvalidPublicKey::Unsupported)
    }
}

/// Strings with their lengths, RFC 4251 section 5.
fn wire(parts: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    for part in parts {
        blob.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        blob.extend_from_slice(part);
    }
    blob
}

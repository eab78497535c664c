//! The forms in which people have public keys: the line of a `.pub` file, RFC 4716, PEM, base64 of
//! these, with what editors and shells do to files. What is meant is taken; of anything else it is
//! said what it is.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use der::asn1::AnyRef;
use der::{Decode, Document};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::invalid::{InvalidPublicKey, MAX_TEXT};

/// rsaEncryption, RFC 8017 appendix A.1.
pub(super) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-Ed25519, RFC 8410.
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// id-ecPublicKey, RFC 5480.
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// The curves of RFC 5656. SEC 2 and RFC 5480 call them secp256r1, secp384r1 and secp521r1.
pub(super) const CURVES: [(&str, ObjectIdentifier); 3] = [
    ("nistp256", ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7")),
    ("nistp384", ObjectIdentifier::new_unwrap("1.3.132.0.34")),
    ("nistp521", ObjectIdentifier::new_unwrap("1.3.132.0.35")),
];

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

/// Reads a file as text: UTF-8, or UTF-16 as PowerShell writes it, also without its mark. What is
/// no text gets characters that no key has. It may be a private key, so the text never grows: that
/// would leave copies of it in memory.
pub(crate) fn decode(bytes: &[u8]) -> Zeroizing<String> {
    // No byte becomes more than the three of a replacement character.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 3));
    let mut units = |bytes: &[u8], from: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| from([pair[0], pair[1]]));
        let chars = char::decode_utf16(units);
        text.extend(chars.map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)));
    };
    let is_zero = |from: usize| {
        bytes.len() >= 16 && bytes.iter().skip(from).step_by(2).take(8).all(|byte| *byte == 0)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        _ if is_zero(1) => units(bytes, u16::from_le_bytes),
        _ if is_zero(0) => units(bytes, u16::from_be_bytes),
        _ => {
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                if !chunk.invalid().is_empty() {
                    text.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
    }
    text
}

/// Without white space.
pub(super) fn joined(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.split_ascii_whitespace().collect::<Vec<_>>().concat())
}

/// Finds the one public key that a file has.
pub(super) fn read_file(bytes: &[u8]) -> Result<Found> {
    if is_private_der(bytes) {
        return Err(InvalidPublicKey::PrivateDer);
    }
    match spki(bytes) {
        Ok(found) => Ok(found),
        Err(_) => read(&decode(bytes)),
    }
}

/// Finds the one public key that a text has.
pub(super) fn read(text: &str) -> Result<Found> {
    // More characters, whatever they are: none has more than four bytes.
    if text.len() > MAX_TEXT * 4 {
        return Err(InvalidPublicKey::TooLong);
    }
    read_clean(unquoted(&clean(text)), MOST_ENCODINGS)
}

/// Base64 is taken off at most so often.
const MOST_ENCODINGS: u32 = 3;

/// The text without what is not seen: a byte order mark, control characters, and the spaces of web
/// pages and word processors.
fn clean(text: &str) -> Zeroizing<String> {
    let is_odd = |char: char| {
        matches!(char, '\u{feff}' | '\u{fffd}' | '\u{200b}'..='\u{200f}')
            || ((char.is_whitespace() || char.is_control()) && !char.is_ascii_whitespace())
    };
    // Nothing gets longer.
    let mut cleaned = Zeroizing::new(String::with_capacity(text.len()));
    cleaned.extend(text.chars().map(|char| if is_odd(char) { ' ' } else { char }));
    cleaned
}

/// Without the quotes of JSON, shells and word processors, however many.
fn unquoted(text: &str) -> &str {
    const QUOTES: [char; 8] = ['"', '\'', '`', '“', '”', '„', '‘', '’'];
    text.trim_matches(|it: char| it.is_whitespace() || QUOTES.contains(&it))
}

/// `encodings`: base64 is taken off so often.
fn read_clean(text: &str, encodings: u32) -> Result<Found> {
    if text.is_empty() {
        return Err(InvalidPublicKey::Empty);
    }
    let is_blank = |line: &&str| line.is_empty() || line.starts_with('#');
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !is_blank(line)).collect();
    if let [line] = lines[..]
        && line.chars().count() <= MAX_TEXT
        && is_type(line.split_ascii_whitespace().next().unwrap_or_default())
    {
        return one_line(line, encodings);
    }
    let (headers, rest) = headers_of_rfc4716(text);
    if let Some(private) = private_key(rest) {
        return Err(private);
    }
    if text.chars().count() > MAX_TEXT {
        return Err(InvalidPublicKey::TooLong);
    }
    if !headers.is_empty() {
        return rfc4716(headers, rest);
    }
    if let Some((_, block)) = text.split_once("-----BEGIN ") {
        let label = block.split("-----").next().unwrap_or_default();
        return pem(text, label);
    }
    let all = Zeroizing::new(lines.concat());
    match lines[..] {
        [] => Err(InvalidPublicKey::Empty),
        [line] => one_line(line, encodings),
        // Base64 that is broken into lines, as many programs print it.
        _ if encodings > 0 && is_base64(&all) => {
            let unknown = InvalidPublicKey::NoType;
            let found = encoded(&all, encodings);
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
    is_private(text).then_some(InvalidPublicKey::Private)
}

/// What private keys have in their files, in small letters: PEM in any spelling, and the files of
/// AWS, age, `WireGuard`, minisign, signify, DNSSEC, JWK and XML.
const PRIVATE_MARKERS: [&str; 9] = [
    "private key-----",
    "private key ----",
    "private key block-----",
    "private_key",
    "privatekey",
    "secret key",
    "age-secret-key-",
    "\"d\":",
    "<d>",
];

/// Whether a text has a private key in it, of whatever program.
pub(crate) fn is_private(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let mut lower = Zeroizing::new(words.join(" "));
    lower.make_ascii_lowercase();
    if PRIVATE_MARKERS.iter().any(|marker| lower.contains(marker)) {
        return true;
    }
    let joined = Zeroizing::new(words.concat());
    words.iter().any(|word| is_private_data(word)) || is_private_data(&joined)
}

/// Whether a word is the beginning of a private key in base64 or hexadecimal digits: OpenSSH's
/// magic, or DER.
fn is_private_data(word: &str) -> bool {
    const BEGINNING: usize = 64;
    if word.len() < 40 {
        return false;
    }
    let start = &word.as_bytes()[..word.len().min(BEGINNING) / 4 * 4];
    let bytes = hex::decode(start).or_else(|_| BASE64.decode(start)).unwrap_or_default();
    let bytes = Zeroizing::new(bytes);
    bytes.starts_with(b"openssh-key-v1") || is_private_der(&bytes)
}

/// Whether this is the beginning of a private key in DER: PKCS#1, PKCS#8, also encrypted, SEC1, DSA
/// or PKCS#12. Only the first members are read, so one that was cut off is known too.
pub(super) fn is_private_der(bytes: &[u8]) -> bool {
    let Some(content) = in_sequence(bytes) else { return false };
    match content {
        [0x02, 0x01, 0x00 | 0x01, 0x02 | 0x04 | 0x30, ..] => true,
        _ if is_pkcs12(bytes) => true,
        // PBES2 and its like, RFC 8018 and RFC 7292.
        _ => in_sequence(content).is_some_and(|algorithm| {
            matches!(
                algorithm,
                [0x06, _, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05 | 0x0c, ..]
            )
        }),
    }
}

/// Whether this is the beginning of a PKCS#12 file: its version, 3, and what it has (RFC 7292,
/// section 4).
pub(super) fn is_pkcs12(bytes: &[u8]) -> bool {
    in_sequence(bytes).is_some_and(|content| content.starts_with(&[0x02, 0x01, 0x03, 0x30]))
}

/// What is in a DER SEQUENCE, as far as it is there.
fn in_sequence(bytes: &[u8]) -> Option<&[u8]> {
    let [0x30, length, rest @ ..] = bytes else { return None };
    let more = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    rest.get(more..).filter(|_| more <= 4)
}

fn is_base64(text: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    text.len() >= 16 && text.bytes().all(is_of_it)
}

/// The line of a `.pub` file.
fn one_line(line: &str, encodings: u32) -> Result<Found> {
    let mut words = line.split_ascii_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    if is_type(first) {
        let comment: Vec<&str> = words.collect();
        refuse_private(second.as_slice())?;
        refuse_private(&comment)?;
        // The data of every key begin with the length of its type, which is AAAA in base64.
        let is_key = |pair: &[&str]| {
            is_type(pair[0].trim_matches([',', ';'])) && pair[1].starts_with("AAAA")
        };
        if comment.windows(2).any(is_key) {
            return Err(InvalidPublicKey::Lines);
        }
        if second.is_some_and(|second| second.starts_with("SHA256:")) {
            return Err(InvalidPublicKey::Fingerprint);
        }
        refuse_type(first)?;
        let blob = BASE64.decode(second.unwrap_or_default());
        let blob = blob.map_err(|_| InvalidPublicKey::Data)?;
        if type_of(&blob) != Some(first) {
            // Of a whole file.
            return Err(private_key(&decode(&blob)).unwrap_or(InvalidPublicKey::Data));
        }
        return Ok(Found { blob, comment: comment.join(" ") });
    }
    if second.is_none() && encodings > 0 && is_base64(first) {
        return encoded(first, encodings);
    }
    Err(what_it_is(line))
}

/// Base64 of a key's data, or of a whole file.
fn encoded(text: &str, encodings: u32) -> Result<Found> {
    let bytes = BASE64.decode(text).map_err(|_| InvalidPublicKey::NoType)?;
    let bytes = Zeroizing::new(bytes);
    if let Some(type_) = type_of(&bytes) {
        refuse_type(type_)?;
        return Ok(Found { blob: bytes.to_vec(), comment: String::new() });
    }
    if let Ok(found) = spki(&bytes) {
        return Ok(found);
    }
    if let Ok(found) = rsa(&bytes) {
        return Ok(found);
    }
    if is_private_der(&bytes) {
        return Err(InvalidPublicKey::PrivateDer);
    }
    read_clean(unquoted(&clean(&decode(&bytes))), encodings - 1)
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
    let is_digest = |word: &&str| {
        let pairs = || word.split(':').all(|pair| pair.len() == 2 && hex::decode(pair).is_ok());
        word.starts_with("SHA256:") || word.starts_with("MD5:") || (word.len() > 40 && pairs())
    };
    if words.iter().any(is_digest) {
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

/// A comment may have words about private keys, but not the file of one, joined into one line.
fn refuse_private(comment: &[&str]) -> Result<()> {
    let text = Zeroizing::new(comment.join(" "));
    if text.contains("PuTTY-User-Key-File") {
        return Err(InvalidPublicKey::PuTTY);
    }
    let is_private = (text.contains("PRIVATE KEY") && text.contains("BEGIN "))
        || text.contains("AGE-SECRET-KEY-")
        || comment.iter().any(|word| is_private_data(word));
    if is_private { Err(InvalidPublicKey::Private) } else { Ok(()) }
}

/// The first line of RFC 4716 and its headers, whose lines go on after a backslash, and what is
/// below them. Any other text has none.
fn headers_of_rfc4716(text: &str) -> (&str, &str) {
    let mut goes_on = text.starts_with("---- BEGIN SSH2 PUBLIC KEY ----");
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        let is_header = goes_on || (end > 0 && (line.contains(':') || line.trim().is_empty()));
        if !is_header {
            break;
        }
        goes_on = line.trim_end().ends_with('\\');
        end += line.len();
    }
    text.split_at(end)
}

/// RFC 4716: headers, and base64 below them.
fn rfc4716(headers: &str, rest: &str) -> Result<Found> {
    let mut comment = String::new();
    let mut lines = headers.lines().map(str::trim).skip(1);
    while let Some(line) = lines.next() {
        let mut header = line.to_owned();
        while header.ends_with('\\') {
            header.pop();
            header.push_str(lines.next().unwrap_or_default());
        }
        let (name, value) = header.split_once(':').unwrap_or_default();
        let words: Vec<&str> = unquoted(value).split_ascii_whitespace().collect();
        refuse_private(&words)?;
        if name.eq_ignore_ascii_case("comment") {
            comment = words.join(" ");
        }
    }
    let end = rest.split_once("---- END SSH2 PUBLIC KEY ----");
    let (data, behind) = end.ok_or(InvalidPublicKey::Data)?;
    if !behind.trim().is_empty() {
        return Err(InvalidPublicKey::Lines);
    }
    let data: String = data.split_ascii_whitespace().collect();
    let blob = BASE64.decode(data).map_err(|_| InvalidPublicKey::Data)?;
    refuse_type(type_of(&blob).ok_or(InvalidPublicKey::Data)?)?;
    Ok(Found { blob, comment })
}

/// `PUBLIC KEY` (RFC 7468) and `RSA PUBLIC KEY` (PKCS#1).
fn pem(text: &str, label: &str) -> Result<Found> {
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
        "CERTIFICATE"
        | "TRUSTED CERTIFICATE"
        | "CERTIFICATE REQUEST"
        | "NEW CERTIFICATE REQUEST"
        | "PKCS7" => {
            return Err(InvalidPublicKey::X509);
        }
        _ if label.starts_with("PGP ") => return Err(InvalidPublicKey::Pgp),
        _ => return Err(InvalidPublicKey::NoType),
    }
    if text.matches("-----BEGIN ").count() > 1 {
        return Err(InvalidPublicKey::Lines);
    }
    // Whatever indents the lines, breaks them in other places, or has joined them.
    let body = text.split("-----").nth(2).unwrap_or_default();
    let body: String = body.replace("\\n", " ").split_ascii_whitespace().collect();
    let is_complete = text.contains("-----END ");
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
    } else if key.algorithm.oid == EC {
        ecdsa(key.algorithm.parameters, bits)
    } else {
        Err(InvalidPublicKey::Unsupported)
    }
}

/// A point on a named curve. One that is compressed (SEC 1, section 2.3.3) is refused: it would be
/// another key here than the line of its `.pub` file.
fn ecdsa(curve: Option<AnyRef<'_>>, point: &[u8]) -> Result<Found> {
    let oid = curve.and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    let curve = CURVES.iter().find(|(_, curve)| Some(*curve) == oid);
    let (curve, _) =
        curve.filter(|_| point.first() == Some(&0x04)).ok_or(InvalidPublicKey::Unsupported)?;
    let type_ = format!("ecdsa-sha2-{curve}");
    let blob = wire(&[type_.as_bytes(), curve.as_bytes(), point]);
    Ok(Found { blob, comment: String::new() })
}

/// Strings with their lengths, RFC 4251 section 5.
pub(super) fn wire(parts: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    for part in parts {
        blob.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        blob.extend_from_slice(part);
    }
    blob
}

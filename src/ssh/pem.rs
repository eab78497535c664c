//! Private keys in PEM, with what editors and programs do to its lines: the parsers want them of
//! one length.

use std::iter;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::forms::joined;

/// How OpenSSH's form begins if there is no passphrase: its name, no cipher, no KDF and no options
/// of one, and one key
/// (<https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key>).
const OPENSSH: &[u8] = b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01";
/// Without a cipher, the private section has a multiple of this many bytes.
const BLOCK: usize = 8;

/// A block of PEM, whose lines may have any length, or be one.
pub(super) struct Block<'a> {
    label: &'a str,
    /// The lines between its borders, with the headers of old PEM.
    body: &'a str,
    /// How many more private keys there are.
    pub(super) others: usize,
    /// Whether there is nothing else.
    pub(super) is_alone: bool,
}

impl<'a> Block<'a> {
    /// The first private key in a text.
    pub(super) fn find(text: &'a str) -> Option<Self> {
        const BORDER: &str = "PRIVATE KEY-----";
        let text = text.trim_start_matches('\u{feff}');
        // A certificate may come first.
        let private = |(at, begin): (usize, &str)| {
            let (label, rest) = text[at + begin.len()..].split_once("-----")?;
            label.ends_with("PRIVATE KEY").then_some((&text[..at], label, rest))
        };
        let (before, label, rest) = text.match_indices("-----BEGIN ").find_map(private)?;
        let (body, rest) = rest.split_once("-----END ")?;
        let (end, behind) = rest.split_once("-----")?;
        let others = behind.matches(BORDER).count().div_ceil(2);
        let is_alone = before.trim().is_empty() && behind.trim().is_empty();
        (end == label).then_some(Self { label, body, others, is_alone })
    }

    /// With lines as long as the parsers want them: 70 characters in OpenSSH's form, 64 in others;
    /// and with the padding that they want.
    pub(super) fn pem(&self) -> Zeroizing<String> {
        let Self { label, body, .. } = self;
        let width = if label.starts_with("OPENSSH") { 70 } else { 64 };
        let joined = joined(body);
        let joined = tidied(&joined).unwrap_or(joined);
        // As much as it may need, even if no byte is base64: growing would leave copies in memory.
        let most = (body.len() + label.len()) * 3 + 64;
        let mut pem = Zeroizing::new(String::with_capacity(most));
        for part in ["-----BEGIN ", label, "-----\n"] {
            pem.push_str(part);
        }
        if joined.contains(':') {
            // Headers: it is encrypted, and not read any further.
            pem.push_str(body.trim());
            pem.push('\n');
        } else {
            for line in joined.as_bytes().chunks(width) {
                pem.extend(line.iter().copied().map(char::from));
                pem.push('\n');
            }
        }
        for part in ["-----END ", label, "-----\n"] {
            pem.push_str(part);
        }
        pem
    }
}

/// A key in OpenSSH's form, in base64, as `ssh-keygen` writes it and the parser wants it: with a
/// comment of UTF-8, and less than a block of padding. `PuTTY` pads to 16 bytes, and OpenSSH reads
/// any comment, and any padding whose bytes are 1, 2, 3 and so on. `None` if it is no such key.
fn tidied(joined: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(STANDARD.decode(joined).ok()?);
    let (public, rest) = bytes.strip_prefix(OPENSSH)?.split_first_chunk()?;
    let (private, rest) = rest.get(length(*public)?..)?.split_first_chunk()?;
    if length(*private)? != rest.len() {
        return None;
    }
    let (at, comment) = (bytes.len() - rest.len(), comment(rest)?);
    let kept = rest.len() - surplus(rest.get(comment.end..)?);
    let comment = &mut bytes[at..][comment];
    if str::from_utf8(comment).is_err() {
        comment.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
    }
    bytes[at - 4..at].copy_from_slice(&u32::try_from(kept).ok()?.to_be_bytes());
    bytes.truncate(at + kept);
    Some(Zeroizing::new(STANDARD.encode(&*bytes)))
}

/// Where the comment is in a private section: after two numbers, everything in it is a string, and
/// the comment is the last one. Padding is none: as a length, its bytes are too large.
fn comment(section: &[u8]) -> Option<Range<usize>> {
    let string = |at: usize| {
        let start = at + 4;
        let end = start.checked_add(length(*section.get(at..)?.first_chunk()?)?)?;
        (end <= section.len()).then_some(start..end)
    };
    iter::successors(string(8), |found| string(found.end)).last()
}

/// How many bytes of a padding are whole blocks.
fn surplus(padding: &[u8]) -> usize {
    let is_padding = padding.iter().copied().eq((1..=u8::MAX).take(padding.len()));
    if is_padding { padding.len() / BLOCK * BLOCK } else { 0 }
}

fn length(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

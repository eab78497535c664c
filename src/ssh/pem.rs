//! Private keys in PEM, with what editors and programs do to its lines: the parsers want them of
//! one length.

use zeroize::Zeroizing;

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
        let (before, rest) = text.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        if !label.ends_with("PRIVATE KEY") {
            return None;
        }
        let (body, rest) = rest.split_once("-----END ")?;
        let (end, behind) = rest.split_once("-----")?;
        let others = behind.matches(BORDER).count().div_ceil(2);
        let is_alone = before.trim().is_empty() && behind.trim().is_empty();
        (end == label).then_some(Self { label, body, others, is_alone })
    }

    /// With lines as long as the parsers want them: 70 characters in OpenSSH's form, 64 in others.
    pub(super) fn pem(&self) -> Zeroizing<String> {
        let Self { label, body, .. } = self;
        let width = if label.starts_with("OPENSSH") { 70 } else { 64 };
        let joined: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
        let mut pem = Zeroizing::new(format!("-----BEGIN {label}-----\n"));
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

//! Messages of AWS as they go into conditions: without what differs from one request to the next,
//! since a condition that changes at each retry is a write at each retry.

/// At most this many characters of a message are kept.
const MAX_MESSAGE: usize = 400;
/// A longer word is an opaque token, such as an encoded authorization failure.
const MAX_WORD: usize = 128;

/// The text on one line, without ids and times, and cut to a bounded length.
pub(super) fn stable(text: &str) -> String {
    let text: String =
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let words = text.split(' ').filter(|word| !word.is_empty()).map(without_ids);
    words.collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE).collect()
}

fn without_ids(word: &str) -> String {
    if word.len() > MAX_WORD {
        return "…".to_owned();
    }
    let mut kept = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let is_start = !kept.ends_with(|char: char| char.is_ascii_alphanumeric());
        let length = if is_start { id_length(rest) } else { 0 };
        if length > 0 {
            kept.push('…');
            rest = &rest[length..];
        } else {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    kept
}

/// How many bytes of the text's beginning are an id or a time.
fn id_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let fits = |pattern: &str| {
        let is_of = |(byte, wanted): (&u8, u8)| match wanted {
            b'9' => byte.is_ascii_digit(),
            b'f' => byte.is_ascii_hexdigit(),
            wanted => *byte == wanted,
        };
        let ends = bytes.get(pattern.len()).is_none_or(|next| !next.is_ascii_alphanumeric());
        let is_long_enough = bytes.len() >= pattern.len();
        (is_long_enough && ends && bytes.iter().zip(pattern.bytes()).all(is_of))
            .then_some(pattern.len())
    };
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_alone = bytes.get(digits).is_none_or(|next| !next.is_ascii_alphanumeric());
    // Twelve are an account.
    let number = (digits >= 9 && digits != 12 && is_alone).then_some(digits);
    fits("ffffffff-ffff-ffff-ffff-ffffffffffff")
        .or_else(|| fits("99999999T999999Z"))
        .or_else(|| fits("9999-99-99T99:99:99Z"))
        .or_else(|| fits("9999-99-99T99:99:99.999Z"))
        .or(number)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_at_each_retry() {
        for (one, other, expected) in [
            (
                "It failed\n(request 6e1f1b0c-0b1f-4a53-9b13-0c6a7ee0a001) again",
                "It failed\n(request 0a4e7c1d-6f7e-4b8c-8f2a-9d3f10b7c002) again",
                "It failed (request …) again",
            ),
            (
                "Signature expired: 20261126T101112Z is now earlier than 20261126T102012Z \
                 (20261126T102512Z - 5 min.)",
                "Signature expired: 20261126T111112Z is now earlier than 20261126T112012Z \
                 (20261126T112512Z - 5 min.)",
                "Signature expired: … is now earlier than … (… - 5 min.)",
            ),
            (
                "Token expired: current date/time 1732570001 must be before 1732560000",
                "Token expired: current date/time 1732570002 must be before 1732560000",
                "Token expired: current date/time … must be before …",
            ),
            (
                "User: arn:aws:sts::123456789012:assumed-role/a/from-profile-1732570001999",
                "User: arn:aws:sts::123456789012:assumed-role/a/from-profile-1732570002000",
                "User: arn:aws:sts::123456789012:assumed-role/a/from-profile-…",
            ),
            (
                "arn:aws:sts::1:assumed-role/a/eks-prod-6e1f1b0c-0b1f-4a53-9b13-0c6a7ee0a001",
                "arn:aws:sts::1:assumed-role/a/eks-prod-0a4e7c1d-6f7e-4b8c-8f2a-9d3f10b7c002",
                "arn:aws:sts::1:assumed-role/a/eks-prod-…",
            ),
            ("at 2026-11-26T10:11:12Z", "at 2026-11-26T10:11:13.123Z", "at …"),
        ] {
            assert_eq!(stable(one), expected);
            assert_eq!(stable(other), expected);
        }
        for same in [
            "arn:aws:iam::123456789012:role/fleet-2026",
            "10.0.0.1:8443 answered HTTP 503",
            "key pair fleet-0123456789abcdef",
            "una clave señalada",
        ] {
            assert_eq!(stable(same), same);
        }
        assert_eq!(stable(&"x ".repeat(1_000)).chars().count(), MAX_MESSAGE);
        assert_eq!(stable(&"x".repeat(200)), "…");
    }
}

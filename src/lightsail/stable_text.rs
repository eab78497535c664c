//! Messages of AWS for conditions: without anything that differs between requests, because a
//! condition that changes at each retry is a write at each retry.

use crate::key_text::without_keys;

/// At most this many characters of a message are kept.
const MAX_MESSAGE: usize = 400;
/// A longer word is an opaque token, such as an encoded authorization failure.
const MAX_WORD: usize = 128;
/// The rest is a dump of the request, with its signature and perhaps its token.
const DUMPS: &[&str] = &["The Canonical String", "The String-to-Sign", "The canonical string"];
/// Stands for a time until the words of the date beside it are removed too. No text contains it.
const TIME: char = '\u{1}';

/// The text on one line, without ids, times and keys, cut to a maximum length.
pub(super) fn stable(text: &str) -> String {
    let text = without_keys(text);
    let dump = DUMPS.iter().filter_map(|dump| text.find(dump)).min();
    let text = one_line(&text[..dump.unwrap_or(text.len())]);
    let words: Vec<String> = text.split(' ').map(without_ids).collect();
    bounded(&without_dates(&words).join(" "))
}

/// A text of our own on one line, without keys, cut to a maximum length.
pub(super) fn line(text: &str) -> String {
    bounded(&one_line(&without_keys(text)))
}

fn one_line(text: &str) -> String {
    let words = text.split(|char: char| char == ' ' || char.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}

fn without_ids(word: &str) -> String {
    if word.len() > MAX_WORD {
        return "…".to_owned();
    }
    let mut kept = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let before = kept.chars().next_back();
        let masked = if before.is_some_and(|char| char.is_ascii_alphanumeric()) {
            None
        } else {
            time_length(rest, before)
                .map(|length| (TIME, length))
                .or_else(|| id_length(rest, before).map(|length| ('…', length)))
        };
        let (char, length) = masked.unwrap_or((first, first.len_utf8()));
        kept.push(char);
        rest = &rest[length..];
    }
    kept
}

/// How many bytes at the text's beginning match this pattern: `9` is a digit, `f` a hexadecimal
/// digit, `A` a letter.
fn fits(text: &str, pattern: &str) -> Option<usize> {
    let is_of = |(byte, wanted): (u8, u8)| match wanted {
        b'9' => byte.is_ascii_digit(),
        b'f' => byte.is_ascii_hexdigit(),
        b'A' => byte.is_ascii_alphabetic(),
        wanted => byte == wanted,
    };
    let is_long_enough = text.len() >= pattern.len();
    (is_long_enough && text.bytes().zip(pattern.bytes()).all(is_of)).then_some(pattern.len())
}

/// How many bytes at the text's beginning are a time, with a date and zone that follow without a
/// space.
fn time_length(text: &str, before: Option<char>) -> Option<usize> {
    const DATES: &str = "9999-99-99T 9999-99-99t 9999-99-99_ 9999/99/99T 9999/99/99- \
                         99/AAA/9999: 99999999T";
    const TIMES: &str = "99:99:99 99:99 9:99:99 9:99 999999";
    const ZONES: &str = "Z z +99:99 -99:99 +9999 -9999";
    // Of an address of IPv6.
    let is_inside = before.is_some_and(|char| ":.".contains(char));
    let date = DATES.split(' ').find_map(|date| fits(text, date)).unwrap_or(0);
    if date > 0 || !is_inside {
        for pattern in TIMES.split(' ').filter(|time| date > 0 || time.contains(':')) {
            let Some(time) = fits(&text[date..], pattern) else { continue };
            let mut end = date + time;
            end += fraction_length(&text[end..]);
            end += ZONES.split(' ').filter_map(|zone| fits(&text[end..], zone)).max().unwrap_or(0);
            if !text[end..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == ':') {
                return Some(end);
            }
        }
    }
    None
}

/// Of a second: `.123` or `,123`.
fn fraction_length(text: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    match text.strip_prefix(['.', ',']).map(digits) {
        Some(count @ 1..) => count + 1,
        _ => 0,
    }
}

/// How many bytes at the text's beginning are an id, or a number that is an id or counts seconds.
fn id_length(text: &str, before: Option<char>) -> Option<usize> {
    let uuid = fits(text, "ffffffff-ffff-ffff-ffff-ffffffffffff");
    let word: &str =
        &text[..text.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(text.len())];
    let ends =
        |length: usize| !text[length..].starts_with(|next: char| next.is_ascii_alphanumeric());
    if let Some(length) = uuid.filter(|length| ends(*length)) {
        return Some(length);
    }
    // A part of a token that was sent, which some errors repeat.
    if word.starts_with("eyJ") {
        let is_of_token = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
        return Some(text.find(|char| !is_of_token(char)).unwrap_or(text.len()));
    }
    // Parts of names and of ARNs mean something.
    let after = text[word.len()..].chars().next();
    let is_part = |char: Option<char>| char.is_some_and(|char| "-_/.".contains(char));
    let ends_sentence = after == Some('.') && text.len() == word.len() + 1;
    let is_alone = !is_part(before) && (!is_part(after) || ends_sentence);
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
        let fraction = fraction_length(&text[word.len()..]);
        let length = word.len() + fraction;
        let is_one_number = !text[length..].starts_with('.') || text.len() == length + 1;
        // `10.003s`, and not an address or a version.
        if fraction > 3 && before != Some('.') && is_one_number {
            return Some(length);
        }
        // Twelve digits are an account.
        return (word.len() >= 9 && word.len() != 12).then_some(word.len());
    }
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let bytes = word.as_bytes();
    let turns = bytes.windows(2).filter(|pair| is_digit(&pair[0]) != is_digit(&pair[1])).count();
    let is_hash = is_hex && (word.len() >= 32 || word.len() >= 16 && is_alone);
    // No name looks like this: letters and digits that alternate.
    let is_opaque = is_alone && word.len() >= 12 && turns >= 4;
    (is_hash || is_opaque).then_some(word.len())
}

/// Replaces a time, with the words beside it for its day or zone, by one sign.
fn without_dates(words: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        let goes_on = |at: usize| {
            let (before, word) = (&words[at - 1], &words[at]);
            is_of_date(word) && !before.ends_with([')', ']']) && !word.starts_with(['(', '['])
        };
        let further = (index + 1..words.len()).take_while(|at| goes_on(*at)).count();
        let date_words = if is_of_date(word) { further + 1 } else { 0 };
        let date = &words[index..index + date_words];
        if date.iter().any(|word| word.contains(TIME)) {
            let last = date.last().map_or("", String::as_str);
            let is_kept = |char: char| !char.is_ascii_alphanumeric() && !"\u{1}+-".contains(char);
            let (opening, closing) =
                (word.find(|char| !is_kept(char)), last.rfind(|char| !is_kept(char)));
            let (opening, closing) =
                (&word[..opening.unwrap_or(0)], &last[closing.map_or(0, |at| at + 1)..]);
            kept.push(format!("{opening}…{closing}"));
        } else {
            let plain = words[index..index + date_words.max(1)].iter();
            kept.extend(plain.map(|word| word.replace(TIME, "…")));
        }
        index += date_words.max(1);
    }
    kept
}

fn is_date_sign(char: char) -> bool {
    char == TIME || char.is_ascii_alphanumeric() || "+-/.:".contains(char)
}

/// Whether a word is a time, or can be a part of its date.
fn is_of_date(word: &str) -> bool {
    const NAMES: &str = "monday tuesday wednesday thursday friday saturday sunday january february \
                         march april may june july august september october november december";
    const ZONES: &str = "am pm z utc gmt est edt cst cdt mst mdt pst pdt cet cest";
    const DATES: &str = "9 99 1999 2999 9999-99-99 9999/99/99 99/99/9999 99.99.9999 99-AAA-9999 \
                         99/AAA/9999 +9999 -9999 +99:99 -99:99";
    let bare = word.trim_matches(|char| !is_date_sign(char)).trim_end_matches(['.', ':']);
    let lower = bare.to_ascii_lowercase();
    let is_name = |name: &str| name == lower || lower.len() == 3 && name.starts_with(&lower);
    bare.chars().eq([TIME])
        || NAMES.split(' ').any(is_name)
        || ZONES.split(' ').any(|zone| zone == lower)
        || DATES.split(' ').any(|date| fits(bare, date) == Some(bare.len()))
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
        for (text, expected) in [
            ("at Fri, 27 Nov 2026 02:05:15 GMT (us)", "at … (us)"),
            ("expired at 2026-11-27 02:10:01 UTC", "expired at …"),
            (
                "current time Fri Nov 27 02:10:02 UTC 2026, epoch 1795745.557",
                "current time …, epoch …",
            ),
            ("try after 2026-11-27T02:10:01.123456+00:00", "try after …"),
            ("2026/11/27 02:10:01 [error] 7#7: down", "… [error] 7#7: down"),
            ("[27/Nov/2026:02:10:01 +0000] down", "[…] down"),
            ("Friday, November 27, 2026 2:10:01 AM. Again", "…. Again"),
            ("at (02:10)", "at (…)"),
            ("time=02:10:01,5 down", "time=… down"),
            ("epoch 1795745123.557", "epoch …"),
            ("gave up after 10.003s", "gave up after …s"),
            ("id 7f3a9c0d1e2b4a5f failed", "id … failed"),
            ("id 7f3a9c0d1e2b4a5f.", "id …."),
            ("request-7f3a9c0d1e2b4a5f7f3a9c0d1e2b4a5f failed", "request-… failed"),
            (
                "RequestId: 7F3A9C0D1E2B4A5F7f3a9c0d1e2b4a5f7F3A9C0D1E2B4A5F7f3a9c0d1e2b4a5f",
                "RequestId: …",
            ),
            (
                "Value 'eyJ0eXAiOiJKV1QifQ.eyJhIjoiYiJ9' at 'webIdentityToken'",
                "Value '…' at 'webIdentityToken'",
            ),
            ("(request 0QWX7K3VZ8M1N5) again", "(request …) again"),
            (
                "It does not match. The Canonical String should have been 'POST a'",
                "It does not match.",
            ),
        ] {
            assert_eq!(stable(text), expected);
            assert_eq!(stable(expected), expected, "once is enough");
        }
        for same in [
            "arn:aws:iam::123456789012:role/fleet-2026",
            "10.0.0.1:8443 returned HTTP 503",
            "key pair fleet-0123456789abcdef",
            "una clave señalada",
            "[2001:db8::10:20:30]:443 refuses connections",
            "10.0.0.123 and 192.168.100.200",
            "version 1.2.345 of 3, 5 times in 2026",
            "the policy of 2012-10-17",
            "on Mon or in May",
            "LightsailDefaultKeyPair2 of arn:aws:lightsail:eu-west-1:123456789012:KeyPair/a1",
        ] {
            assert_eq!(stable(same), same);
        }
        // Whatever a server quotes of a key, nobody is told.
        let key = "MIIEpAIBAAKCAQEA7vJ/x+Qz2kLw".repeat(3);
        let quoted = format!("cannot send {key}: -----BEGIN RSA PRIVATE KEY-----\nMIIE");
        for told in [stable(&quoted), line(&quoted)] {
            assert_eq!(told, "cannot send …: …");
        }
        assert_eq!(stable(&"x ".repeat(1_000)).chars().count(), MAX_MESSAGE);
        assert_eq!(stable(&"x".repeat(200)), "…");
    }
}

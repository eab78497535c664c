//! What servers say, without what may be a private key (I4).
//!
//! A server, or a webhook, may quote what it answers with or was sent. Whatever is said of that in
//! a log, an Event or a status goes through here first.

/// Stands for what is left out.
const LEFT_OUT: char = '…';

/// A shorter run of characters is never left out, unless it goes on after one that is.
const SHORTEST: usize = 40;

/// No part of a name of IAM is longer:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
const LONGEST_NAME: usize = 64;

/// The text without PEM and what follows it, and without long runs of base64 or hexadecimal digits,
/// also where these are escaped as in JSON or a URL. Names, paths, ARNs and hashes stay.
#[must_use]
pub(crate) fn without_keys(text: &str) -> String {
    let armor = text.match_indices("BEGIN").find_map(|(at, _)| armor(&text[..at]));
    let (mut rest, cut) = (&text[..armor.unwrap_or(text.len())], armor.map(|_| LEFT_OUT));
    let (mut kept, mut goes_on) = (String::with_capacity(text.len()), false);
    while let Some(start) = rest.find(is_of_run) {
        let (between, from) = rest.split_at(start);
        kept.push_str(between);
        let (run, after) = from.split_at(from.find(|char| !is_of_run(char)).unwrap_or(from.len()));
        goes_on = (goes_on && is_blank(between) && may_go_on(run)) || may_be_key(&kept, run);
        if goes_on {
            kept.push(LEFT_OUT);
        } else {
            kept.push_str(run);
        }
        rest = after;
    }
    kept.push_str(rest);
    kept.extend(cut);
    kept
}

/// Whether anything is left out of this text.
#[must_use]
pub(crate) fn has_key(text: &str) -> bool {
    without_keys(text) != text
}

/// Where the dashes begin that stand before the first word of PEM, if these are some.
fn armor(before: &str) -> Option<usize> {
    let dashes = before.strip_suffix(' ').unwrap_or(before);
    let start = dashes.trim_end_matches('-').len();
    (dashes.len() - start >= 4).then_some(start)
}

/// Of base64 in both its alphabets, or of what escapes a character.
fn is_of_run(char: char) -> bool {
    char.is_ascii_alphanumeric() || "+/=-_\\%".contains(char)
}

/// What stands between the lines of a key.
fn is_blank(between: &str) -> bool {
    between.chars().all(|char| char.is_whitespace() || "\"',".contains(char))
}

/// Whether a run after one that was left out may be its next line. Plain words are none.
fn may_go_on(run: &str) -> bool {
    let is_odd = |char: char| char.is_ascii_digit() || "+/=\\".contains(char);
    run.contains(is_odd) || run.get(1..).is_some_and(|rest| rest.contains(is_upper))
}

fn is_upper(char: char) -> bool {
    char.is_ascii_uppercase()
}

fn may_be_key(before: &str, run: &str) -> bool {
    if run.len() < SHORTEST || is_fingerprint(before, run) || is_of_arn(before, run) {
        return false;
    }
    let parts = || run.split(|char: char| !char.is_ascii_alphanumeric());
    // Of names and hashes, nearly all parts have letters of one case.
    let mixed = || parts().filter(|part| part.contains(is_upper) && part.contains(is_lower));
    parts().any(is_long_hex) || (mixed().map(str::len).sum::<usize>() >= 20 && !are_words(mixed()))
}

fn is_lower(char: char) -> bool {
    char.is_ascii_lowercase()
}

/// Whether these are words, each with a capital letter, and with a number at most:
/// `LightsailOperatorV2Role`. Of random letters, half are capital, and digits stand anywhere.
fn are_words<'a>(parts: impl Iterator<Item = &'a str>) -> bool {
    let (mut letters, mut capitals, mut numbers) = (0, 0, 0);
    for part in parts {
        letters += part.bytes().filter(u8::is_ascii_alphabetic).count();
        capitals += part.bytes().filter(u8::is_ascii_uppercase).count();
        let pairs = part.as_bytes().windows(2);
        numbers += pairs.filter(|it| it[0].is_ascii_digit() && !it[1].is_ascii_digit()).count();
    }
    numbers <= 1 && capitals * 5 <= letters * 2
}

/// The SHA-256 of a key, as OpenSSH prints it.
fn is_fingerprint(before: &str, run: &str) -> bool {
    before.ends_with("SHA256:") && run.len() == 43 && !run.contains('=')
}

/// Whether what stands before it makes it the end of an ARN.
fn is_of_arn(before: &str, run: &str) -> bool {
    let is_of_word = |char: char| is_of_run(char) || ":.*".contains(char);
    let word = &before[before.trim_end_matches(is_of_word).len()..];
    let is_name = |part: &str| part.len() <= LONGEST_NAME && !part.contains(['\\', '%']);
    let arn = word.rsplit_once("arn:").map(|(_, arn)| arn);
    arn.is_some_and(|arn| arn.matches(':').count() >= 4) && run.split('/').all(is_name)
}

/// Whether these are hexadecimal digits, and too many for a hash or not as many as one has.
fn is_long_hex(part: &str) -> bool {
    let is_hash = matches!(part.len(), 40 | 56 | 64 | 96 | 128);
    part.len() > SHORTEST && !is_hash && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    /// As random as a key, and the same each time.
    fn bytes(seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        };
        [0x30, 0x82, 0x04, 0xa4].into_iter().chain((0..1_188).map(|_| next())).collect()
    }

    fn lines(base64: &str) -> Vec<&str> {
        base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn no_part_of_a_private_key_stays_however_it_is_quoted() {
        for seed in 1..100 {
            let base64 = STANDARD.encode(bytes(seed));
            let joined = |by: &str| lines(&base64).join(by);
            let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----");
            let pem = format!("{begin}\n{}\n{end}\n", joined("\n"));
            let encoded = STANDARD.encode(&pem);
            for (name, quoted) in [
                ("PEM", pem.clone()),
                ("PEM on one line", pem.replace('\n', " ")),
                ("PEM in JSON", pem.replace('\n', "\\n")),
                ("lines", joined("\n")),
                ("lines on one", joined(" ")),
                ("lines in JSON", joined("\\n")),
                ("lines in an array", joined("\", \"")),
                ("its end alone", base64[base64.len() - 100..].to_owned()),
                ("one word", base64.clone()),
                ("a URL", base64.replace('+', "%2B").replace('/', "%2F")),
                ("slashes that are escaped", base64.replace('/', "\\/")),
                ("the other alphabet", URL_SAFE_NO_PAD.encode(bytes(seed))),
                ("PEM in base64", encoded.clone()),
                ("PEM in base64, in lines", lines(&encoded).join("\n")),
                ("digits", hex::encode(bytes(seed))),
            ] {
                let told = without_keys(&format!("it cannot send \"{quoted}\" now"));
                assert!(told.starts_with("it cannot send \"…"), "{name}, {seed}: {told}");
                let is_left = |word: &str| word.matches(char::is_alphanumeric).count() > 4;
                let rest = told.trim_start_matches("it cannot send ");
                assert!(!rest.split_whitespace().any(is_left), "{name}, {seed}: {told}");
                assert!(has_key(&quoted), "{name}, {seed}");
                assert_eq!(without_keys(&told), told, "once is enough");
            }
        }
    }

    #[test]
    fn what_is_no_key_stays() {
        let hash = "0123456789abcdef".repeat(4);
        for same in [
            "",
            "User: arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_A_0123456789abcdef/Ann",
            "role=arn:aws:iam::123456789012:role/team-a/Stack-LightsailRole5F3E2A1B-9XYZ8ABCDEF1",
            "arn:aws:lightsail:eu-west-1:123456789012:KeyPair/6e1f1b0c-0b1f-4a53-9b13-0c6a7ee0a001",
            "pods \"lightsail-key-pair-operator-7d9c8b6f5d-x2x4z-0123456789\" is forbidden",
            "/home/Ann/.aws/sso/cache/ProductionAdministrators/credentials-of-the-team",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_WEB_IDENTITY_TOKEN_FILE_OF_THE_POD",
            "mystack-LightsailOperatorRole-1A2B3C4D5E6F7 and LightsailDefaultKeyPairV2OfProduction",
            "SHA256:pZmFzt0N5XhVnI2p3Qb8lq5d0bJrXqYwWc1s9aZ7KxE",
            "MD5:3a:6e:9f:00:11:22:33:44:55:66:77:88:99:aa:bb:cc",
            "IdempotentParameterMismatchExceptionOfTheService",
            &format!("image sha256:{hash}"),
            "---- a line, and the BEGIN of another",
        ] {
            assert_eq!(without_keys(same), same);
            assert!(!has_key(same));
        }
        let key = STANDARD.encode([7, 200, 93, 14].repeat(12));
        let text = format!("the token {key} is Invalid, 5 times");
        assert_eq!(without_keys(&text), "the token … is Invalid, 5 times");
    }
}

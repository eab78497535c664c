//! How values that were read are written: they come from whoever may name a key pair, a file or a
//! Secret, and must not become YAML, shell or terminal commands.

use std::collections::BTreeMap;

/// What shows that a private key is in a text: in OpenSSH's form, in PEM, of `PuTTY`, and base64 of
/// these.
const PRIVATE: [&str; 7] = [
    "PRIVATE KEY",
    "PuTTY-User-Key",
    "openssh-key-v1",
    "b3BlbnNzaC1rZXktdj",
    "UFJJVkFURSBLRV",
    "BSSVZBVEUgS0VZ",
    "QUklWQVRFIEtFW",
];

/// Whether a private key seems to be in a text.
pub(super) fn has_private_key(text: &str) -> bool {
    PRIVATE.iter().any(|marker| text.contains(marker))
}

/// A JSON string, which is a scalar of YAML too. Everything but printable ASCII is escaped: YAML
/// takes less for printable than JSON does, and its parsers read no surrogates.
pub(super) fn quoted(text: &str) -> String {
    use std::fmt::Write;
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => {
                let code = u16::try_from(u32::from(char)).unwrap_or(0xfffd);
                let _ = write!(quoted, "\\u{code:04x}");
            }
        }
    }
    quoted + "\""
}

/// The longest word of a comment.
const LONGEST: usize = 128;

/// A value for a comment of YAML: letters, digits and `_.-` only.
pub(super) fn word(text: &str) -> String {
    let is_plain = |char: &char| char.is_ascii_alphanumeric() || "_.-".contains(*char);
    text.chars().take(LONGEST).map(|char| if is_plain(&char) { char } else { '_' }).collect()
}

/// A value for a terminal: without control characters, without those that are not seen, and without
/// those that change the direction of what follows.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|char| if is_odd(char) { '?' } else { char }).collect()
}

/// JSON for a terminal: the same values, with such characters escaped.
pub(super) fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        if is_odd(char) && char != '\n' {
            let units = char.encode_utf16(&mut [0; 2]).to_vec();
            escaped.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(char);
        }
    }
    escaped
}

fn is_odd(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// This many of a list are named.
pub(super) const NAMED: usize = 2;

/// A list for people: the first of it, and how many more there are.
pub(super) fn some_of(all: &[String]) -> String {
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len() {
        0 => "-".to_owned(),
        count if count > NAMED => format!("{named} and {} more", count - NAMED),
        _ => named,
    }
}

/// Reports about several things, grouped by their words: the things, and then the words, in which
/// "it" becomes "each".
pub(super) fn grouped(all: Vec<(String, String)>) -> Vec<(Vec<String>, String)> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (thing, words) in all {
        groups.entry(words).or_default().push(thing);
    }
    let of_several = |words: String| match words.strip_prefix("it ") {
        Some(rest) => format!("each {rest}"),
        None => words,
    };
    let said = |(words, things): (String, Vec<String>)| {
        let words = if things.len() > 1 { of_several(words) } else { words };
        (things, words)
    };
    groups.into_iter().map(said).collect()
}

/// A name of at most this many characters: of a longer one the beginning and the end, by
/// which people know it.
pub(super) fn shortened(name: &str, longest: usize) -> String {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= longest {
        return name.to_owned();
    }
    let end = longest / 2;
    let (start, end) = (&chars[..longest - end - 1], &chars[chars.len() - end..]);
    start.iter().chain(&['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_the_same_text_in_json_and_yaml() {
        for text in [
            "",
            "fleet",
            "a: b",
            "# a",
            "a\nb: {c: &d e}",
            "\"',\\",
            "\0\u{1b}[31m\u{7f}\u{85}\u{2028}\u{feff}é",
            "!!binary",
            "true",
            "- a",
            "---",
            "%TAG",
            "{{ .Values }}",
        ] {
            let quoted = quoted(text);
            assert!(quoted.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{quoted}");
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
            assert_eq!(serde_yaml_ng::from_str::<String>(&quoted).unwrap(), text);
        }
        assert_eq!(quoted("a😀b"), r#""a\ufffdb""#, "no key pair has such a name");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_quoted_is_one_scalar(text: String) {
            let quoted = quoted(&text);
            let expected: String = text
                .chars()
                .map(|char| if u32::from(char) > 0xffff { '\u{fffd}' } else { char })
                .collect();
            proptest::prop_assert_eq!(&serde_json::from_str::<String>(&quoted).unwrap(), &expected);
            let document = format!("a: {quoted}\nb: 1\n");
            let value: serde_yaml_ng::Value = serde_yaml_ng::from_str(&document).unwrap();
            proptest::prop_assert_eq!(value["a"].as_str(), Some(expected.as_str()));
            proptest::prop_assert_eq!(value.as_mapping().unwrap().len(), 2);
        }
    }

    #[test]
    fn words_of_comments_and_tables_are_harmless() {
        assert_eq!(word("fleet-1.a_b"), "fleet-1.a_b");
        assert_eq!(word("a\nkind: x é"), "a_kind__x__");
        assert_eq!(word(&"a".repeat(1_000)).len(), LONGEST);
        assert_eq!(printable("a\u{1b}[2J\rb\u{202e}c é"), "a?[2J?b?c é");
        assert_eq!(printable("a\u{61c}b\u{ad}c\u{e0041}"), "a?b?c?");
    }

    #[test]
    fn json_for_a_terminal_has_the_same_values() {
        let value =
            serde_json::json!({ "a\u{9b}2J": ["\u{7f}", "\u{61c}\u{202e}", "\u{e0041}é\n"] });
        let text = escaped(&format!("{value:#}\n"));
        assert!(text.chars().all(|char| char == '\n' || !is_odd(char)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_is_reported_about_many_things_is_reported_once() {
        let said = |things: &[(&str, &str)]| {
            let all = things.iter().map(|(thing, why)| ((*thing).to_owned(), (*why).to_owned()));
            grouped(all.collect())
        };
        let lines = [("a", "it is y"), ("b", "it is x"), ("c", "it is x"), ("d", "it is x")];
        let pair = |things: &[&str], why: &str| {
            (things.iter().map(|thing| (*thing).to_owned()).collect::<Vec<_>>(), why.to_owned())
        };
        assert_eq!(said(&lines), [pair(&["b", "c", "d"], "each is x"), pair(&["a"], "it is y")]);
        assert_eq!(said(&lines[..2]), [pair(&["b"], "it is x"), pair(&["a"], "it is y")]);
        assert_eq!(said(&[]), []);
    }

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        let fits = "é".repeat(30);
        assert_eq!(shortened(&fits, 30), fits);
        let short = shortened(&format!("fleet-{}-eu-west-1", "x".repeat(255)), 30);
        assert_eq!(short.chars().count(), 30);
        assert!(short.starts_with("fleet-xx") && short.ends_with("x-eu-west-1"), "{short}");
    }

    #[test]
    fn a_private_key_is_seen_in_any_form() {
        use base64::Engine;
        use base64::prelude::BASE64_STANDARD;
        let key = crate::ssh::generate(crate::api::key_pair::KeyAlgorithm::Ed25519).unwrap();
        let pem = key.expose_pem();
        assert!(has_private_key(pem));
        for indent in 0..3 {
            let shifted = format!("{}{pem}", "x".repeat(indent));
            assert!(has_private_key(&BASE64_STANDARD.encode(shifted)), "{indent}");
        }
        let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        assert!(has_private_key(&body));
        assert!(has_private_key("PuTTY-User-Key-File-3: ssh-ed25519"));
        assert!(!has_private_key(key.public().line()));
    }
}

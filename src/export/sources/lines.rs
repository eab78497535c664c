//! Files with a key on each line: `authorized_keys`, or several `.pub` files in one. Of a line only
//! the key is taken. Pure.

use crate::ssh::{InvalidPublicKey, PublicKey};

/// What the lines have, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) keys: Vec<(usize, PublicKey)>,
    pub(super) unreadable: Vec<(usize, InvalidPublicKey)>,
    /// How many lines have nothing that begins as a key does.
    pub(super) others: usize,
}

/// Reads the lines.
pub(super) fn find(text: &str) -> Found {
    let mut found = Found::default();
    // A byte order mark is no part of the first line.
    let text = text.trim_start_matches('\u{feff}');
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = key_of(line);
        match PublicKey::parse(key) {
            Ok(key) => found.keys.push((index + 1, key)),
            Err(why) if is_type(key) => found.unreadable.push((index + 1, why)),
            Err(_) => found.others += 1,
        }
    }
    found
}

/// The line without options: they end at the first blank outside of quotes (sshd(8), on the format
/// of `authorized_keys`).
fn key_of(line: &str) -> &str {
    if is_type(line) {
        return line;
    }
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, char) in line.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => {
                let rest = line[at..].trim_start();
                return if is_type(rest) { rest } else { line };
            }
            _ => {}
        }
    }
    line
}

fn is_type(text: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDgePlWGvVC6/4o6PS61Sj/Z+AI7opc3ei2WsC/PdvZo";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGYGM/NPcdGggttKSC7j5z5y179RRUwu3mytcqmkhNbA";

    #[test]
    fn options_are_passed_over_as_sshd_reads_them() {
        for (name, line) in [
            ("none", format!("{KEY} ann@example.com")),
            ("a word", format!("restrict {KEY}")),
            ("several", format!("restrict,pty\t {KEY}")),
            ("blanks in quotes", format!("command=\"echo a b\",no-pty {KEY}")),
            ("a key in quotes", format!("command=\"echo {OTHER}\" {KEY} c")),
            ("a quote in quotes", format!(r#"command="a \" {OTHER} \" b" {KEY}"#)),
        ] {
            let found = find(&line);
            let [(1, key)] = &found.keys[..] else { panic!("{name}: {found:?}") };
            assert!(key.line().starts_with(KEY), "{name}");
            assert!(found.unreadable.is_empty(), "{name}");
        }
    }

    #[test]
    fn each_line_stands_alone() {
        let text = format!("# ours\n\n{KEY}\r\nssh-ed25519 AAAA\n  {OTHER} x\nnonsense\n");
        let found = find(&text);
        assert_eq!(found.keys.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(found.unreadable.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4]);
        assert_eq!(found.others, 1);
    }
}

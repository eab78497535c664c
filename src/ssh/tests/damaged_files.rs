//! Files that are nearly right.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::files::{Files, utf16, wrapped};
use super::*;

/// Files whose parsers are tried with what is nearly right.
fn seeds() -> Vec<Vec<u8>> {
    let ed25519 = Files::new(&["-t", "ed25519"]);
    let rsa = Files::new(&["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let mut seeds = vec![utf16(&ed25519.line(), u16::to_le_bytes)];
    for files in [&ed25519, &rsa] {
        let texts = [
            files.line(),
            files.exported("RFC4716"),
            files.spki(),
            wrapped(&files.line()),
            files.key.private(),
            STANDARD.encode(files.key.private()),
            files.putty(&[]),
        ];
        seeds.extend(texts.map(String::into_bytes));
    }
    seeds.push(rsa.exported("PEM").into_bytes());
    seeds
}

/// One change: of a byte, a cut, a repetition, or a piece of another file.
fn mutate(file: &mut Vec<u8>, other: &[u8], (kind, at, length, byte): (u8, u16, u8, u8)) {
    if file.is_empty() {
        return;
    }
    let at = usize::from(at) % file.len();
    let end = (at + usize::from(length)).min(file.len());
    match kind % 5 {
        0 => file[at] = byte,
        1 => drop(file.drain(at..end)),
        2 => {
            let piece = file[at..end].to_vec();
            file.splice(at..at, piece);
        }
        3 => {
            let from = at % other.len().max(1);
            let piece = other[from..].iter().copied().take(usize::from(length));
            file.splice(at..at, piece.collect::<Vec<_>>());
        }
        _ => file.insert(at, b"\n \r\0:-=\xff"[usize::from(byte) % 8]),
    }
}

/// No panic, nothing repeated, and what is taken is taken again as it is written down.
#[test]
fn i4_no_damaged_file_is_repeated_or_stops_the_parsers() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let config = Config { cases: cases.unwrap_or(5_000), ..Config::default() };
    let seeds = seeds();
    let change = (any::<u8>(), any::<u16>(), any::<u8>(), any::<u8>());
    let files = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let strategy = (files, prop::collection::vec(change, 0..12));
    let outcome = TestRunner::new(config).run(&strategy, |((file, other), changes)| {
        let mut bytes = file.get(&seeds).clone();
        let other = other.get(&seeds);
        // Each step on the way is an input too.
        for change in changes {
            mutate(&mut bytes, other, change);
            match PublicKey::parse_file(&bytes) {
                Ok(key) => {
                    let again = PublicKey::parse(key.line()).map(|again| again.line().to_owned());
                    prop_assert_eq!(again.as_deref(), Ok(key.line()));
                }
                Err(why) => {
                    let (why, text) = (why.to_string(), String::from_utf8_lossy(&bytes));
                    let long = |part: &&str| part.len() > 20;
                    let mut parts = text.split_ascii_whitespace().filter(long);
                    prop_assert!(!parts.any(|part| why.contains(part)), "it is not repeated");
                }
            }
            let private = PrivateKey::parse(&String::from_utf8_lossy(&bytes));
            let said = format!("{private:?}");
            prop_assert!(said.len() < 120, "nothing of it is shown: {} bytes", said.len());
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

//! What a file has: a key, lines with keys, or a state or plan of Terraform.

use std::path::Path;

use super::file::{File, NoKey};
use super::{lines, terraform};
use crate::export::keys::{Keys, Location};
use crate::export::report::{Report, count};
use crate::ssh::{self, InvalidPrivateKey, InvalidPublicKey, PrivateKey, PublicKey};

/// How a zip archive begins, and so what `terraform plan -out` writes.
const ARCHIVE: &[u8] = b"PK\x03\x04";

/// Reads the keys that a file has.
pub(super) fn add_file(
    file: &mut File,
    path: &Path,
    keys: &mut Keys,
    report: &Report,
) -> Result<(), NoKey> {
    let name = path.to_string_lossy().into_owned();
    let bytes = file.read()?;
    if bytes.starts_with(ARCHIVE) {
        return Err(NoKey::Unusable(
            "it is an archive; if it is a Terraform plan, pass the output of terraform show -json \
             FILE"
                .to_owned(),
        ));
    }
    let text = ssh::decode(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_ascii().is_empty() {
        return Err(NoKey::None);
    }
    if terraform::is_one(path, text) {
        let location = Location::Terraform { path: name };
        return terraform::add(text, &location, keys, report).map_err(|why| {
            if terraform::is_state_by_name(path) { NoKey::Other(why) } else { NoKey::Unusable(why) }
        });
    }
    let location = |line| Location::File { path: name.clone(), line };
    let why = match PublicKey::parse_file(&bytes) {
        Ok(public) => {
            keys.add_public(&public, location(None));
            return Ok(());
        }
        Err(why) => why,
    };
    let found = lines::find(text);
    let private = why.is_private().then(|| PrivateKey::find_in_file(&bytes));
    let is_comment = |it: &Result<_, _>| {
        matches!(it, Err(InvalidPrivateKey::OtherForm)) && !found.keys.is_empty()
    };
    // Words that private keys have in their files may stand beside public keys.
    if let Some(private) = private.filter(|it| !is_comment(it)) {
        let own = private.as_ref().ok().map(|private| private.public().sha256());
        for (line, public) in &found.keys {
            if own.as_ref() != Some(&public.sha256()) {
                keys.add_public(public, location(Some(*line)));
            }
        }
        return match private {
            Ok(private) => {
                keys.add_private(&private, location(None), None);
                Ok(())
            }
            // Mostly the certificate of a browser.
            Err(why @ InvalidPrivateKey::Pkcs12) => Err(NoKey::Unusable(format!("it {why}"))),
            Err(why) => Err(NoKey::Unreadable(format!("it {why}"))),
        };
    }
    if found.keys.is_empty() {
        let first = found.unreadable.first();
        return Err(first.map_or_else(
            || without_key(why, text),
            |(line, why)| {
                NoKey::Unusable(if *line == 1 {
                    why.to_string()
                } else {
                    format!("line {line}: {why}")
                })
            },
        ));
    }
    for (line, public) in found.keys {
        keys.add_public(&public, location(Some(line)));
    }
    let unreadable = found.unreadable.iter();
    let unreadable = unreadable.map(|(line, why)| (format!("line {line}"), why.to_string()));
    report.errors_of(&format!("{name}: "), unreadable.collect());
    if found.others > 0 {
        report.note(&format!("{name}: {} without keys", count(found.others, "line")));
    }
    Ok(())
}

/// What is reported about a file without a key: what it has, if that is known.
fn without_key(why: InvalidPublicKey, text: &str) -> NoKey {
    let has_border = ["BEGIN SSH2 PUBLIC KEY", "BEGIN PUBLIC KEY", "BEGIN RSA PUBLIC KEY"]
        .iter()
        .any(|border| text.contains(border));
    match why {
        InvalidPublicKey::Certificate
        | InvalidPublicKey::X509
        | InvalidPublicKey::Pgp
        | InvalidPublicKey::SecurityKey
        | InvalidPublicKey::Unsupported
        | InvalidPublicKey::Fingerprint
        | InvalidPublicKey::Url
        | InvalidPublicKey::Data => NoKey::Unusable(why.to_string()),
        InvalidPublicKey::Lines if has_border => NoKey::Unusable(
            "it has a key in PEM or RFC 4716, and something else; put each key into a file of its \
             own"
            .to_owned(),
        ),
        InvalidPublicKey::Private
        | InvalidPublicKey::PrivateDer
        | InvalidPublicKey::PuTTY
        | InvalidPublicKey::Empty
        | InvalidPublicKey::Lines
        | InvalidPublicKey::TooLong
        | InvalidPublicKey::Options
        | InvalidPublicKey::FileName
        | InvalidPublicKey::NoType => NoKey::None,
    }
}

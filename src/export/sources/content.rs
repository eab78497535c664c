//! What a file has: a key, lines with keys, or a state or plan of Terraform.

use std::path::Path;

use zeroize::Zeroizing;

use super::file::{File, NoKey};
use super::{lines, terraform};
use crate::export::keys::{Keys, Place};
use crate::export::report::{Report, count};
use crate::export::text::grouped;
use crate::ssh::{self, InvalidPrivateKey, PrivateKey, PublicKey};

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
            "it is an archive; of a plan of Terraform, give what terraform show -json FILE prints"
                .to_owned(),
        ));
    }
    let text = Zeroizing::new(ssh::decode(&bytes));
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_ascii().is_empty() {
        return Err(NoKey::None);
    }
    if terraform::is_one(path, text) {
        let place = Place::Terraform { path: name };
        return terraform::add(text, &place, keys, report).map_err(|why| {
            if terraform::is_state_by_name(path) { NoKey::Other(why) } else { NoKey::Unusable(why) }
        });
    }
    let place = |line| Place::File { path: name.clone(), line };
    match PublicKey::parse_file(&bytes) {
        Ok(public) => {
            keys.add_public(&public, place(None));
            return Ok(());
        }
        Err(why) if why.is_private() => {
            let private = PrivateKey::find_in_file(&bytes).map_err(|why| {
                let words = format!("it {why}");
                // Mostly the certificate of a browser.
                let is_of_use = why != InvalidPrivateKey::Pkcs12;
                if is_of_use { NoKey::Unreadable(words) } else { NoKey::Unusable(words) }
            })?;
            keys.add_private(&private, place(None), None);
            return Ok(());
        }
        Err(_) => {}
    }
    let found = lines::find(text);
    if found.keys.is_empty() {
        let first = found.unreadable.first();
        return Err(first.map_or(NoKey::None, |(line, why)| {
            NoKey::Unusable(if *line == 1 {
                why.to_string()
            } else {
                format!("line {line}: {why}")
            })
        }));
    }
    for (line, public) in found.keys {
        keys.add_public(&public, place(Some(line)));
    }
    let unreadable = found.unreadable.iter();
    let unreadable = unreadable.map(|(line, why)| (format!("line {line}"), why.to_string()));
    for (lines, why) in grouped(unreadable.collect()) {
        report.error(&format!("{name}: {lines}: {why}"));
    }
    if found.others > 0 {
        report.note(&format!("{name}: {} without keys", count(found.others, "line")));
    }
    Ok(())
}

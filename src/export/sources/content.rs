//! What a file has: a key, lines with keys, or a state or plan of Terraform.

use std::path::Path;

use super::file::File;
use super::{lines, terraform};
use crate::export::keys::{Keys, Place};
use crate::export::report::{Report, count};
use crate::ssh::{PrivateKey, PublicKey};

/// Why no key was read from a file.
pub(super) enum NoKey {
    /// It has none.
    None,
    /// It has a private key that cannot be read.
    Private(String),
    /// What it has is of no use here: other JSON, a certificate. In a folder that may be so.
    Unusable(String),
    /// It cannot be read.
    Other(String),
}

impl NoKey {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::None => "it has no key",
            Self::Private(why) | Self::Unusable(why) | Self::Other(why) => why,
        }
    }
}

/// Reads the keys that a file has.
pub(super) fn add_file(
    file: &mut File,
    path: &Path,
    keys: &mut Keys,
    report: &Report,
) -> Result<(), NoKey> {
    let name = path.to_string_lossy().into_owned();
    if terraform::is_one(path, file) {
        let place = Place::Terraform { path: name };
        return terraform::add(file, &place, keys, report).map_err(|why| {
            if terraform::is_state_by_name(path) { NoKey::Other(why) } else { NoKey::Unusable(why) }
        });
    }
    let bytes = file.read().map_err(NoKey::Other)?;
    let place = |line| Place::File { path: name.clone(), line };
    match PublicKey::parse_file(&bytes) {
        Ok(public) => {
            keys.add_public(&public, place(None));
            return Ok(());
        }
        Err(why) if why.is_private() => {
            let private = PrivateKey::parse_file(&bytes);
            let private = private.map_err(|why| NoKey::Private(format!("it {why}")))?;
            keys.add_private(&private, place(None), None);
            return Ok(());
        }
        Err(_) => {}
    }
    let found = lines::find(&String::from_utf8_lossy(&bytes));
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
    for (line, why) in found.unreadable {
        report.error(&format!("{name}: line {line}: {why}"));
    }
    if found.others > 0 {
        report.note(&format!("{name}: {} without keys", count(found.others, "line")));
    }
    Ok(())
}

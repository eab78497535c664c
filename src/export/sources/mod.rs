//! Where keys come from: one module for each kind of source. They say what they cannot read, by the
//! name and position and never by the content, and go on.

mod content;
mod file;
mod folder;
mod lines;
mod secrets;
mod terraform;

use std::path::Path;

pub(super) use secrets::add_secret;

use self::content::add_file;
use self::file::{Opened, open};
use super::keys::Keys;
use super::report::Report;

/// Reads the keys that a file or folder has.
pub(super) fn add_path(path: &Path, keys: &mut Keys, report: &Report) {
    match open(path) {
        Ok(Opened::Folder) => folder::add(path, keys, report),
        Ok(Opened::File(mut file)) => {
            if let Err(why) = add_file(&mut file, path, keys, report) {
                report.error(&format!("{}: {}", path.display(), why.words()));
            }
        }
        Err(why) => report.error(&format!("{}: {}", path.display(), why.words())),
    }
}

#[cfg(test)]
mod tests;

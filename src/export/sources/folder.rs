//! Folders of keys, such as `~/.ssh`. What has no key in it is passed over; links, and folders
//! whose names begin with a dot, are left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::content::{NoKey, add_file};
use super::file::{Opened, open};
use crate::export::keys::Keys;
use crate::export::report::{Report, count};

/// So many files are read of a folder. More of them are somebody's home directory.
pub(super) const MOST_FILES: usize = 1_000;

/// Reads the keys of a folder and the folders in it.
pub(in crate::export) fn add(folder: &Path, keys: &mut Keys, report: &Report) {
    let mut files = BTreeSet::new();
    if !find_files(folder, &mut files, report) {
        report.error(&format!(
            "{}: it has more than {MOST_FILES} files, and is left out; name the files with keys, \
             or a folder with fewer files",
            folder.display()
        ));
        return;
    }
    let mut without = 0;
    for path in &files {
        match add_one(path, &files, keys, report) {
            Ok(()) => {}
            Err(NoKey::None) => without += 1,
            Err(NoKey::Unusable(why)) => report.note(&format!("{}: {why}", path.display())),
            Err(why) => report.error(&format!("{}: {}", path.display(), why.words())),
        }
    }
    if without > 0 {
        report.note(&format!("{}: {} without keys", folder.display(), count(without, "file")));
    }
}

/// Finds the files; `false` if there are too many.
fn find_files(folder: &Path, files: &mut BTreeSet<PathBuf>, report: &Report) -> bool {
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                report.error(&format!("{}: {error}", folder.display()));
                continue;
            }
        };
        for entry in entries.flatten() {
            seen += 1;
            if seen > MOST_FILES {
                return false;
            }
            let path = entry.path();
            match entry.file_type() {
                Ok(type_) if type_.is_symlink() => {
                    report.note(&format!("{}: it is a link, and left out", path.display()));
                }
                Ok(type_) if type_.is_dir() => {
                    if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                        folders.push(path);
                    }
                }
                // Host keys of others.
                Ok(_) if entry.file_name().as_encoded_bytes().starts_with(b"known_hosts") => {}
                Ok(_) => drop(files.insert(path)),
                Err(error) => report.error(&format!("{}: {error}", path.display())),
            }
        }
    }
    true
}

fn add_one(
    path: &Path,
    files: &BTreeSet<PathBuf>,
    keys: &mut Keys,
    report: &Report,
) -> Result<(), NoKey> {
    let mut file = match open(path) {
        Ok(Opened::File(file)) => file,
        // It has become one.
        Ok(Opened::Folder) => return Err(NoKey::None),
        Err(why) if why.ends_with("left out") => {
            report.note(&format!("{}: {why}", path.display()));
            return Ok(());
        }
        Err(why) => return Err(NoKey::Other(why)),
    };
    match add_file(&mut file, path, keys, report) {
        Err(NoKey::Private(why)) => {
            let mut public = path.as_os_str().to_owned();
            public.push(".pub");
            if files.contains(Path::new(&public)) {
                report.note(&format!("{}: {why}; its .pub file is read", path.display()));
                return Ok(());
            }
            Err(NoKey::Private(why))
        }
        outcome => outcome,
    }
}

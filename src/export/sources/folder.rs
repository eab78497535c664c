//! Folders of keys, such as `~/.ssh`. What has no key in it is passed over; what is no file, and
//! folders whose names begin with a dot, are left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::content::add_file;
use super::file::{NoKey, Opened, open};
use crate::export::keys::Keys;
use crate::export::report::{Report, count};
use crate::export::text::{grouped, some_of};

/// This many files are read of a folder. More of them are somebody's home directory.
pub(super) const MOST_FILES: usize = 1_000;

/// What is reported about a folder: files or folders, and the words.
#[derive(Default)]
struct Said {
    notes: Vec<(String, String)>,
    errors: Vec<(String, String)>,
}

impl Said {
    fn note(&mut self, path: &Path, words: &str) {
        self.notes.push((path.display().to_string(), words.to_string()));
    }

    fn error(&mut self, path: &Path, words: &str) {
        self.errors.push((path.display().to_string(), words.to_string()));
    }
}

/// Reads the keys of a folder and the folders in it.
pub(in crate::export) fn add(folder: &Path, keys: &mut Keys, report: &Report) {
    let (mut files, mut said) = (BTreeSet::new(), Said::default());
    if !find_files(folder, &mut files, &mut said) {
        report.error(&format!(
            "{}: skipped, because it has more than {MOST_FILES} files; name the files with keys, \
             or a folder with fewer files",
            folder.display()
        ));
        return;
    }
    let (mut without, mut with, mut unreadable) = (0, BTreeSet::new(), Vec::new());
    for path in &files {
        match add_one(path, keys, report) {
            Ok(()) => drop(with.insert(path.clone())),
            Err(NoKey::None) => without += 1,
            Err(NoKey::Unusable(why)) => said.note(path, &why),
            Err(NoKey::Unreadable(why)) => unreadable.push((path, why)),
            Err(why) => said.error(path, why.words()),
        }
    }
    // The file beside it may have no key either.
    for (path, why) in unreadable {
        if with.contains(&public(path)) {
            said.note(path, &format!("{why}; its .pub file is read"));
        } else {
            said.error(path, &why);
        }
    }
    for (files, words) in grouped(said.notes) {
        report.note(&format!("{}: {words}", some_of(&files)));
    }
    report.errors_of("", said.errors);
    if without > 0 {
        report.note(&format!("{}: {} without keys", folder.display(), count(without, "file")));
    }
}

/// Finds the files, and what else is no folder; `false` if there are too many.
fn find_files(folder: &Path, files: &mut BTreeSet<PathBuf>, said: &mut Said) -> bool {
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                said.error(&folder, &error.to_string());
                continue;
            }
        };
        for entry in entries {
            let Ok(entry) = entry.inspect_err(|error| said.error(&folder, &error.to_string()))
            else {
                // Some errors come again each time.
                break;
            };
            seen += 1;
            if seen > MOST_FILES {
                return false;
            }
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.as_encoded_bytes();
            match entry.file_type() {
                Ok(type_) if type_.is_dir() && name.starts_with(b".") => {
                    said.note(&path, "skipped (name begins with a dot)");
                }
                Ok(type_) if type_.is_dir() => folders.push(path),
                // Host keys of others.
                Ok(_) if name.starts_with(b"known_hosts") => {}
                Ok(_) => drop(files.insert(path)),
                Err(error) => said.error(&path, &error.to_string()),
            }
        }
    }
    true
}

fn add_one(path: &Path, keys: &mut Keys, report: &Report) -> Result<(), NoKey> {
    match open(path)? {
        Opened::File(mut file) => add_file(&mut file, path, keys, report),
        // It has become one.
        Opened::Folder => Err(NoKey::None),
    }
}

/// The file beside a private key that has its public key.
fn public(path: &Path) -> PathBuf {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    public.into()
}

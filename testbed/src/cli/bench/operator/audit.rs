//! What somebody has asked of the API server, counted from its audit log.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// Reads the audit log of a run, and counts what is new each time. The API server begins another
/// file after 100 MB and renames the old one, so files are known by their inodes.
#[derive(Debug)]
pub(super) struct Audit {
    directory: PathBuf,
    user: String,
    /// How far each file was read.
    offsets: HashMap<u64, u64>,
}

impl Audit {
    pub(super) fn of(directory: &Path, user: &str) -> Self {
        Self { directory: directory.to_owned(), user: user.to_owned(), offsets: HashMap::new() }
    }

    /// What the user has written since the last call. A line may come a moment after its answer.
    pub(super) fn writes(&mut self) -> Result<Writes> {
        let mut writes = Writes::default();
        for entry in std::fs::read_dir(&self.directory).context("list the audit logs")? {
            let entry = entry.context("list the audit logs")?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("audit") && name.ends_with(".log") {
                self.read(&entry.path(), &mut writes).with_context(|| format!("read {name}"))?;
            }
        }
        Ok(writes)
    }

    fn read(&mut self, path: &Path, writes: &mut Writes) -> Result<()> {
        let mut file = File::open(path)?;
        let offset = self.offsets.entry(file.metadata()?.ino()).or_default();
        file.seek(SeekFrom::Start(*offset))?;
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
            *offset += line.len() as u64;
            // Most lines are somebody else's, and not worth parsing.
            if line.contains(&self.user) {
                writes.take_in(&serde_json::from_str(&line).context("a line is JSON")?, &self.user);
            }
            line.clear();
        }
        Ok(())
    }
}

/// Creates, patches, updates and deletions, those that were refused included.
#[derive(Debug, Default)]
pub(super) struct Writes(BTreeMap<String, usize>);

impl Writes {
    fn take_in(&mut self, entry: &Value, user: &str) {
        let verb = entry["verb"].as_str().unwrap_or_default();
        let is_write =
            matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection");
        if is_write && entry["user"]["username"] == user && entry["stage"] == "ResponseComplete" {
            let object = &entry["objectRef"];
            let text = |name: &str| object[name].as_str().unwrap_or_default();
            let (resource, part) = (text("resource"), text("subresource"));
            let of =
                if part.is_empty() { resource.to_owned() } else { format!("{resource}/{part}") };
            *self.0.entry(of).or_default() += 1;
        }
    }

    pub(super) fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Those of a resource, as in `lightsailkeypairs/status`.
    pub(super) fn of(&self, resource: &str) -> usize {
        self.0.get(resource).copied().unwrap_or_default()
    }
}

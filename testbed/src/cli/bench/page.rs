//! A page of `docs/benchmarks`, with the day, the commit and the machine.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;

use super::machine::machine;

/// What a page says.
pub(super) struct Page<'a> {
    pub(super) file: &'a str,
    pub(super) title: &'a str,
    pub(super) text: String,
}

impl Page<'_> {
    /// Writes it into a directory.
    pub(super) fn write(&self, to: &Path, project: &Path) -> Result<()> {
        let git = ["rev-parse", "--short", "HEAD"];
        let git = Command::new("git").arg("-C").arg(project).args(git).output();
        let git = git.context("ask git for the commit")?;
        ensure!(git.status.success(), "git: {}", String::from_utf8_lossy(&git.stderr).trim());
        let (day, commit) = (Timestamp::now().strftime("%Y-%m-%d"), String::from_utf8(git.stdout)?);
        let (title, text, commit) = (self.title, &self.text, commit.trim());
        let page = format!(
            "# {title}\n\nWritten by `make bench`.\n\n{}, {day}, commit {commit}.\n\n{text}\n",
            machine(),
        );
        std::fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
        let file = to.join(self.file);
        std::fs::write(&file, page).with_context(|| format!("write {}", file.display()))
    }
}

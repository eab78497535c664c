//! `testbed search-logs`: searches every log of a run for every private key that was handed out in
//! it.
//!
//! The keys are the files in folders called `issued`, the logs those called `*.log`, below the
//! run's directory. A key is looked for as its PEM lines, as the base64 of those, as base64 without
//! line breaks, and as bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use super::report::Report;

#[derive(Debug, Args)]
pub(super) struct Settings {
    /// The run's directory
    #[arg(long, env = "TESTBED_DIR")]
    directory: PathBuf,
}

pub(super) fn search_logs(settings: &Settings) -> Result<ExitCode> {
    let mut files = Vec::new();
    collect(&settings.directory, &mut files)?;
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let is_key = |path: &PathBuf| path.parent().is_some_and(|folder| folder.ends_with("issued"));
    let keys: Vec<&PathBuf> = files.iter().filter(|path| is_key(path)).collect();
    let logs: Vec<&PathBuf> = files.iter().filter(|path| is_log(path) && !is_key(path)).collect();
    ensure!(
        !keys.is_empty() && !logs.is_empty(),
        "{} logs and {} keys: nothing to search",
        logs.len(),
        keys.len()
    );
    let mut needles = Vec::new();
    for key in &keys {
        let text = fs::read_to_string(key).with_context(|| format!("read {}", key.display()))?;
        let traces = traces(&text);
        ensure!(!traces.is_empty(), "{} holds no private key", key.display());
        needles.extend(traces);
    }
    let needles = AhoCorasick::new(&needles)?;
    let mut bytes = 0;
    let mut found = Vec::new();
    for log in &logs {
        let content = fs::read(log).with_context(|| format!("read {}", log.display()))?;
        bytes += content.len();
        if needles.is_match(&content) {
            found.push(log.display().to_string());
        }
    }
    ensure!(found.is_empty(), "private keys stand in {}", found.join(", "));
    Report::on_stdout().line(&format!(
        "search-logs: no trace of {} private keys in {} logs ({} kB)",
        keys.len(),
        logs.len(),
        bytes / 1000
    ));
    Ok(ExitCode::SUCCESS)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// What a key looks like wherever it stands: pieces that are long enough to be no accident. They
/// are taken at seven tenths of its length, which is within the private numbers in each form of
/// key; its first half holds the public key too, which is no secret.
fn traces(pem: &str) -> Vec<Vec<u8>> {
    const LENGTH: usize = 24;
    let lines: Vec<&str> = pem
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("-----"))
        .collect();
    let joined = lines.concat();
    let Ok(der) = STANDARD.decode(&joined) else { return Vec::new() };
    let piece = |bytes: &[u8]| {
        let from = bytes.len() * 7 / 10;
        bytes[from..bytes.len().min(from + LENGTH)].to_vec()
    };
    let line = lines.get(lines.len() * 7 / 10).and_then(|line| line.get(8..8 + LENGTH));
    let mut traces: Vec<Vec<u8>> = line.iter().map(|line| line.as_bytes().to_vec()).collect();
    traces.push(piece(joined.as_bytes()));
    traces.push(piece(&der));
    // Base64 of the whole, as a Secret holds it, on each of the three alignments.
    for shift in 0..3.min(der.len()) {
        traces.push(piece(STANDARD.encode(&pem.as_bytes()[shift..]).as_bytes()));
        traces.push(piece(STANDARD.encode(&der[shift..]).as_bytes()));
    }
    traces.retain(|trace| trace.len() == LENGTH);
    traces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_each_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        let pem = fs::read_to_string(path).unwrap();
        let traces = traces(&pem);
        let is_found = |content: &[u8]| AhoCorasick::new(&traces).unwrap().is_match(content);
        let joined: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(&joined).unwrap();
        assert!(is_found(pem.as_bytes()) && is_found(pem.replace('\n', "\\n").as_bytes()));
        assert!(is_found(joined.as_bytes()) && is_found(&der));
        for shift in 0..3 {
            let prefix = "x".repeat(shift);
            assert!(is_found(STANDARD.encode(format!("{prefix}{pem}")).as_bytes()), "{shift}");
            assert!(
                is_found(STANDARD.encode([prefix.as_bytes(), &der].concat()).as_bytes()),
                "{shift}"
            );
        }
        assert!(!is_found(b"a log without a key"));
    }
}

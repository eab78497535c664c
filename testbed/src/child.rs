//! A child process with its output in a file, which never outlives its parent.
//!
//! Dropping it kills it and waits for its end. See [`crate::process`] for who may spawn one.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often to look whether a child has ended: short beside all that is waited for, and next to no
/// work.
const POLL: Duration = Duration::from_millis(20);

/// A child process.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    log: PathBuf,
    process: std::process::Child,
}

impl Child {
    /// Starts `command` with both outputs appended to `log`. It has a process group of its own, so
    /// that Ctrl-C in a terminal reaches only the parent, which ends its children in the order that
    /// it likes.
    pub(crate) fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log);
        let output = output.with_context(|| format!("open {}", log.display()))?;
        let errors = output.try_clone().context("duplicate a file handle")?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let process = command
            .spawn()
            .with_context(|| format!("start {name} through setpriv (package util-linux)"))?;
        Ok(Self { name: name.to_owned(), log: log.to_owned(), process })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.try_wait().with_context(|| format!("wait for {}", self.name))
    }

    /// An error with the end of its log, if it has ended.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.has_ended()? {
            bail!(self.with_log(&format!("{} ended early ({status})", self.name)));
        }
        Ok(())
    }

    /// Sends a signal. It is no error if it has ended already.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        // Only after a read: nobody else gets the id before the end of this child was seen.
        if self.has_ended()?.is_none() {
            let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
            let pid = pid.expect("the id of a process is a positive i32");
            kill_process(pid, signal).with_context(|| format!("send a signal to {}", self.name))?;
        }
        Ok(())
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.has_ended()? {
                return Ok(status);
            }
            if started.elapsed() > deadline {
                bail!(self.with_log(&format!("{} still runs after {deadline:?}", self.name)));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills it and waits for its end, which then is a matter of milliseconds.
    pub(crate) fn kill(&mut self) {
        // Both only fail if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// The end of its log.
    pub(crate) fn log_end(&self) -> String {
        const LINES: usize = 15;
        let log = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// A message with the end of the log.
    pub(crate) fn with_log(&self, message: &str) -> anyhow::Error {
        anyhow!("{message}; the end of {}:\n{}", self.log.display(), self.log_end())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

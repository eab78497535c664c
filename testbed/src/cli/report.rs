//! What a person sees: sections, one line a step with its duration, findings, and output that is
//! shown as it is.
//!
//! `run` writes to standard error, so that the command's output stays its own; the others write to
//! standard output. Nobody is there to be told when a terminal is closed, so errors of writing are
//! ignored.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use anyhow::Result;

/// Where a report goes, and whether with colors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    to_stderr: bool,
    colors: bool,
}

impl Report {
    pub(super) fn on_stdout() -> Self {
        Self { to_stderr: false, colors: wants_colors(std::io::stdout().is_terminal()) }
    }

    pub(super) fn on_stderr() -> Self {
        Self { to_stderr: true, colors: wants_colors(std::io::stderr().is_terminal()) }
    }

    fn write(self, text: &str) {
        let write =
            |mut to: Box<dyn Write>| to.write_all(text.as_bytes()).and_then(|()| to.flush());
        // See above.
        let _ = if self.to_stderr {
            write(Box::new(std::io::stderr()))
        } else {
            write(Box::new(std::io::stdout()))
        };
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colors { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A line as it is.
    pub(super) fn line(self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// The heading of what follows.
    pub(super) fn section(self, title: &str) {
        let title = self.paint("1", title);
        self.write(&format!("\n{title}\n"));
    }

    /// Output of a command, indented below the command.
    pub(super) fn shown(self, command: &str, output: &str) {
        self.write(&format!("  {}\n", self.paint("36", &format!("$ {command}"))));
        for line in output.trim_end().lines() {
            self.write(&format!("  {line}\n"));
        }
    }

    /// Does a step and tells it with its duration. The line is there immediately where somebody
    /// watches.
    pub(super) async fn step<T>(
        self,
        name: &str,
        step: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        if self.colors {
            self.write(&format!("  … {name}"));
        }
        let outcome = step.await;
        let mark = if outcome.is_ok() { self.paint("32", "✓") } else { self.paint("31", "✗") };
        let start = if self.colors { "\r\x1b[K" } else { "" };
        let seconds = started.elapsed().as_secs_f64();
        self.write(&format!("{start}  {mark} {name} ({seconds:.1} s)\n"));
        outcome
    }

    /// What a check has found: as it should be, or what differs.
    pub(super) fn finding(self, statement: &str, differs: Option<String>) {
        match differs {
            None => self.write(&format!("  {} {statement}\n", self.paint("32", "✓"))),
            Some(differs) => {
                self.write(&format!(
                    "  {} {statement}\n      but: {differs}\n",
                    self.paint("31", "✗")
                ));
            }
        }
    }
}

/// <https://no-color.org>
fn wants_colors(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Tells an error and its causes.
pub(super) fn error(error: &anyhow::Error) {
    Report::on_stderr().line(&format!("testbed: {error:#}"));
}

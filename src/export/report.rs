//! Progress and errors, on standard error. Whatever was read is made printable.

use std::io::Write;

use parking_lot::Mutex;

use super::text::{NAMED, grouped, printable, some_of};

/// This many of these: `1 key`, `2 keys`.
pub(super) fn count(number: usize, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

/// What is reported while the export runs, and how many errors there were.
pub(super) struct Report(Mutex<Said>);

struct Said {
    to: Box<dyn Write + Send>,
    errors: usize,
}

impl Report {
    /// Nothing was said yet.
    pub(super) fn new(to: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Said { to: Box::new(to), errors: 0 }))
    }

    /// Says how far it is.
    pub(super) fn note(&self, text: &str) {
        // Nobody may be there to read it.
        let _ = writeln!(self.0.lock().to, "{}", printable(text));
    }

    /// Says what could not be done. The rest goes on.
    pub(super) fn error(&self, text: &str) {
        self.0.lock().errors += 1;
        self.note(&format!("error: {text}"));
    }

    /// Says what could not be done with several things: the same words once, and each thing by its
    /// name. `of`: what they belong to.
    pub(super) fn errors_of(&self, of: &str, all: Vec<(String, String)>) {
        for (things, why) in grouped(all) {
            self.error(&format!("{of}{}: {why}", some_of(&things)));
            if let Some(others) = things.get(NAMED..).filter(|others| !others.is_empty()) {
                self.note(&format!("  the others: {}", others.join(", ")));
            }
        }
    }

    /// How many errors there were.
    pub(super) fn errors(&self) -> usize {
        self.0.lock().errors
    }
}

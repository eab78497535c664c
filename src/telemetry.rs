//! The log.
//!
//! It is structured, one line an event, as JSON or text, on standard error. Of what libraries say,
//! only the parts in `OF_LIBRARIES` are let through, whatever the filter asks for: they print
//! bodies, files and settings, and with them private keys and passwords (I4), and repeat themselves
//! at each attempt. Whoever called them says once what came of it.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::LogFormat;
use crate::log_queue::LogQueue;

/// The log of this process, once it was started.
static LOG: OnceLock<LogQueue> = OnceLock::new();

/// A process that ends waits so long until its last lines are written.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Starts the log.
///
/// # Errors
/// The filter cannot be parsed, or a log was started before.
pub fn start_log(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(filter)?;
    let queue = LogQueue::start(std::io::stderr())?;
    let layer = tracing_subscriber::fmt::layer().with_writer(queue.clone());
    let layer = match format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter_fn(may_be_logged)).with_filter(filter))
        .try_init()?;
    let _ = LOG.set(queue);
    Ok(())
}

/// Writes this line after what was logged.
pub fn say_last(line: &str) {
    let line = format!("{line}\n");
    // Where that is not read, the exit code still tells.
    let _ = match LOG.get() {
        Some(mut log) => log.write_all(line.as_bytes()),
        None => std::io::stderr().write_all(line.as_bytes()),
    };
}

/// Writes what was logged, as far as it is read in time. When a process ends, nothing else does.
pub fn end_log() {
    if let Some(log) = LOG.get() {
        log.flush(LAST_LINES);
    }
}

/// What libraries may say, as warnings and errors. These have no values but those that they name,
/// and no content.
const OF_LIBRARIES: &[&str] = &[
    // A switch that is neither true nor false.
    "aws_config::default_provider::use_fips",
    "aws_config::default_provider::use_dual_stack",
    // The CA's file cannot be read again.
    "kube_client::client::tls",
];

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_own = target.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    is_own || (*metadata.level() <= Level::WARN && OF_LIBRARIES.contains(&target))
}

#[cfg(test)]
mod tests {
    use tracing::metadata::LevelFilter;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// Counts what gets through.
    #[derive(Clone, Default)]
    struct Lines(std::sync::Arc<parking_lot::Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn no_filter_lets_a_body_through() {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
        let subscriber = tracing_subscriber::registry()
            .with(layer.with_filter(filter_fn(may_be_logged)).with_filter(LevelFilter::TRACE));
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "aws_runtime::env_config::source", "a file");
            tracing::warn!(target: "aws_config::sso", "a body");
            tracing::warn!(target: "aws_config::default_provider::endpoint_url", "a value");
            tracing::error!(target: "kube_client::client", "a body");
            tracing::error!(target: "kube_client::client::builder", "at each attempt");
            tracing::error!(target: "hyper_util::client", "a body");
            tracing::error!(target: "some_crate_of_tomorrow", "a body");
            tracing::error!(target: "lightsail_operator_other", "a body");
            tracing::info!(target: "aws_config::default_provider::use_fips", "a body");
            tracing::warn!(target: "aws_config::default_provider::use_fips", "no such value");
            tracing::warn!(target: "kube_client::client::tls", "no such file");
            tracing::trace!("own");
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        for line in ["no such value", "no such file", "own"] {
            assert!(text.contains(line), "{text}");
        }
    }
}

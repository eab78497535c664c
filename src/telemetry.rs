//! The log.
//!
//! It is structured, one line an event, as JSON or text, on standard error. What libraries say is
//! cut at INFO whatever the filter asks for: below that the AWS SDK and the HTTP stack print
//! bodies, and with them private keys (I4). Kubernetes' client prints a body that it cannot read as
//! a warning, so its warnings are left out too. Errors are told without such content.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::LogFormat;

/// Starts the log.
///
/// # Errors
/// The filter cannot be parsed, or a log was started before.
pub fn start_log(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(filter)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter_fn(may_be_logged)).with_filter(filter))
        .try_init()?;
    Ok(())
}

/// The part of Kubernetes' client that reads answers. Its warnings have what it could not read, or
/// say that a watch has ended.
const READS_ANSWERS: &str = "kube_client::client";

/// The part of the AWS SDK that gets credentials warns at each attempt, with ids; whoever asked
/// says once what it met. The part beside it, which reads settings, warns once of an unusable one.
fn gives_credentials(target: &str) -> bool {
    let part = target.strip_prefix("aws_config");
    part.is_some_and(|part| !part.starts_with("::default_provider"))
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let most = match metadata.target() {
        target if target.starts_with(env!("CARGO_CRATE_NAME")) => Level::TRACE,
        READS_ANSWERS => Level::ERROR,
        target if gives_credentials(target) => Level::ERROR,
        _ => Level::INFO,
    };
    *metadata.level() <= most
}

/// The reason that Kubernetes' client gives to an answer that is an error, but no Status. The
/// message is then the whole body.
const NO_STATUS: &str = "Failed to parse error data";

/// What went wrong with a request to Kubernetes, without what was sent: that may be anything that a
/// user wrote.
#[must_use]
pub fn without_content(error: &kube::Error) -> String {
    if let kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) = error {
        return "the answer cannot be read".to_owned();
    }
    if let kube::Error::Api(status) = error
        && status.reason == NO_STATUS
    {
        return format!("the answer has the HTTP status {} and no explanation", status.code);
    }
    error.to_string()
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
            tracing::warn!(target: "kube_client::client", "a body");
            tracing::debug!(target: "kube_client::client", "a body");
            tracing::debug!(target: "hyper_util::client", "a body");
            tracing::warn!(target: "aws_config::sso", "a body");
            tracing::error!(target: "kube_client::client::builder", "failed");
            tracing::warn!(target: "kube_client::config", "overridden");
            tracing::warn!(target: "aws_config::default_provider::use_fips", "no such value");
            tracing::trace!("own");
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        assert!(!text.contains("a body"), "{text}");
        for line in ["failed", "overridden", "no such value", "own"] {
            assert!(text.contains(line), "{text}");
        }
    }
}

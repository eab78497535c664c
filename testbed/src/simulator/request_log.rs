//! What was asked of the simulator, in memory and, if wanted, as a file of JSON lines.
//!
//! An entry is recorded when the request's fate is settled: before its answer is written, or when its client went away. It has
//! neither bodies nor keys, only the name of the resource.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::json;

use super::state::epoch_seconds;

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The id that the answer carries in `x-amzn-requestid`.
    pub request_id: String,
    /// When it arrived.
    pub at: SystemTime,
    /// The operation, without its version prefix; empty if the request names none.
    pub operation: String,
    /// The account, or empty if the access key is not known.
    pub account: String,
    /// The region of the credential scope, or empty.
    pub region: String,
    /// The name of the resource in the input, if there is one.
    pub resource: Option<String>,
    /// `ok` (it took effect), the error's sub-code or else its type, `cut` (no effect, connection closed), `abandoned` (no
    /// effect, the client went away) or `body` (no effect, a fault's own body).
    pub outcome: String,
    /// Whether an answer was handed to the connection. `false` with the outcome `ok`: it took effect and nobody was told.
    pub answered: bool,
}

#[derive(Debug, Default)]
struct Entries {
    all: Vec<Request>,
    file: Option<File>,
}

/// All requests so far.
#[derive(Debug)]
pub(super) struct RequestLog(Mutex<Entries>);

impl RequestLog {
    pub(super) fn open(path: Option<&Path>) -> std::io::Result<Self> {
        let file = path.map(|path| File::options().create(true).append(true).open(path)).transpose()?;
        Ok(Self(Mutex::new(Entries { all: Vec::new(), file })))
    }

    pub(super) fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }

    fn add(&self, request: Request) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut entries.file {
            // A full disk must not change what the simulator answers; the log in memory is complete all the same.
            let _ = file.write_all(line_of(&request).as_bytes());
        }
        entries.all.push(request);
    }
}

fn line_of(request: &Request) -> String {
    let line = json!({
        "at": epoch_seconds(request.at),
        "requestId": request.request_id,
        "account": request.account,
        "region": request.region,
        "operation": request.operation,
        "resource": request.resource,
        "outcome": request.outcome,
        "answered": request.answered,
    });
    format!("{line}\n")
}

/// A request under way. It records itself when it is dropped, so that a client that goes away is recorded too.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    log: &'a RequestLog,
    pub(super) request: Request,
}

impl<'a> Entry<'a> {
    pub(super) fn new(log: &'a RequestLog, request_id: &str, operation: &str, resource: Option<&str>) -> Self {
        let request = Request {
            request_id: request_id.to_owned(),
            at: SystemTime::now(),
            operation: operation.to_owned(),
            account: String::new(),
            region: String::new(),
            resource: resource.map(str::to_owned),
            outcome: "abandoned".to_owned(),
            answered: false,
        };
        Self { log, request }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.log.add(self.request.clone());
    }
}

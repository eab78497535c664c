//! What was asked of the simulator, in memory and, if wanted, as a file of JSON lines.
//!
//! An entry is recorded when the request's fate is settled: before its answer is written, or when
//! its client went away. It has neither bodies nor keys, only the name of the resource.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::clock::epoch_seconds;
use super::identity::uuid;

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The id that the answer carries in `x-amzn-requestid`.
    pub request_id: String,
    /// When it arrived.
    pub at: SystemTime,
    /// The operation, without its version prefix; empty if the request names none.
    pub operation: String,
    /// The ARN of who asked, or empty if that is not known.
    pub principal: String,
    /// The account, or empty if the access key is not known.
    pub account: String,
    /// The region of the credential scope, or empty.
    pub region: String,
    /// The name of the resource in the input, if there is one.
    pub resource: Option<String>,
    /// `ok` (it took effect), the error's sub-code or else its type, `cut` (no effect, connection
    /// closed), `abandoned` (no effect, the client went away) or `body` (no effect, a fault's own
    /// body).
    pub outcome: String,
    /// Whether an answer was handed to the connection. `false` with the outcome `ok`: it took
    /// effect and nobody was told.
    pub answered: bool,
}

#[derive(Debug, Default)]
struct Entries {
    kept: VecDeque<Request>,
    /// How many came before those that are kept.
    dropped: usize,
    counts: BTreeMap<(String, String), u64>,
    file: Option<File>,
}

/// All requests so far, or the newest of them.
#[derive(Debug)]
pub(super) struct RequestLog {
    entries: Mutex<Entries>,
    capacity: usize,
}

impl RequestLog {
    /// Without a capacity it keeps all requests.
    pub(super) fn open(path: Option<&Path>, capacity: Option<usize>) -> std::io::Result<Self> {
        let file =
            path.map(|path| File::options().create(true).append(true).open(path)).transpose()?;
        let entries = Mutex::new(Entries { file, ..Entries::default() });
        Ok(Self { entries, capacity: capacity.unwrap_or(usize::MAX) })
    }

    /// Those that are kept, without the first `skip` requests that ever came.
    pub(super) fn after(&self, skip: usize) -> Vec<Request> {
        let entries = self.entries();
        entries.kept.iter().skip(skip.saturating_sub(entries.dropped)).cloned().collect()
    }

    /// How many requests there ever were, by operation and outcome.
    pub(super) fn counts(&self) -> BTreeMap<(String, String), u64> {
        self.entries().counts.clone()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, request: Request) {
        let mut entries = self.entries();
        if let Some(file) = &mut entries.file {
            // A full disk must not change what the simulator answers; the log in memory is complete
            // all the same.
            let _ = file.write_all(line_of(&request).as_bytes());
        }
        let key = (request.operation.clone(), request.outcome.clone());
        *entries.counts.entry(key).or_default() += 1;
        entries.kept.push_back(request);
        if entries.kept.len() > self.capacity {
            entries.kept.pop_front();
            entries.dropped += 1;
        }
    }
}

/// A request as one line of JSON shows it.
pub(super) fn request_json(request: &Request) -> Value {
    json!({
        "at": epoch_seconds(request.at),
        "requestId": request.request_id,
        "principal": request.principal,
        "account": request.account,
        "region": request.region,
        "operation": request.operation,
        "resource": request.resource,
        "outcome": request.outcome,
        "answered": request.answered,
    })
}

fn line_of(request: &Request) -> String {
    format!("{}\n", request_json(request))
}

/// A request under way. It records itself when it is dropped, so that a client that goes away is
/// recorded too.
#[derive(Debug)]
pub(super) struct Entry {
    log: Arc<RequestLog>,
    pub(super) request: Request,
}

impl Entry {
    pub(super) fn new(
        log: &Arc<RequestLog>,
        at: SystemTime,
        operation: &str,
        resource: Option<&str>,
    ) -> Self {
        let request = Request {
            request_id: uuid(),
            at,
            operation: operation.to_owned(),
            principal: String::new(),
            account: String::new(),
            region: String::new(),
            resource: resource.map(str::to_owned),
            outcome: "abandoned".to_owned(),
            answered: false,
        };
        Self { log: Arc::clone(log), request }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.log.add(self.request.clone());
    }
}

//! What the kubelet would see: `/livez` and `/readyz` of each replica, asked again and again, each
//! time over a connection of its own.
//!
//! Each probe has a thread, so that what else this program does delays none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const EVERY: Duration = Duration::from_millis(200);
/// Twice what the chart's probes wait.
const LONGEST: Duration = Duration::from_secs(10);
const PATHS: [&str; 2] = ["/livez", "/readyz"];

/// Where each replica serves; none while it does not run.
pub(super) type Addresses = Arc<Mutex<Vec<Option<SocketAddr>>>>;

/// The addresses, whoever else reads them.
pub(super) fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came of the probes in some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probed {
    /// The longest time until an answer, or until there was none.
    worst: Duration,
    /// Answers other than 200, and none.
    failed: usize,
    asked: usize,
}

impl Probed {
    /// The longest time, and the count of failures in parentheses.
    pub(super) fn text(&self) -> String {
        let worst = format!("{} ms", self.worst.as_millis());
        match (self.asked, self.failed) {
            (0, _) => "failed".to_owned(),
            (_, 0) => worst,
            (_, failed) => format!("{worst} ({failed})"),
        }
    }
}

/// Asks until it is dropped.
pub(super) struct Probes {
    probed: Arc<Mutex<Probed>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Probes {
    pub(super) fn start(addresses: &Addresses) -> Self {
        let (probed, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let replicas = lock(addresses).len();
        let each = (0..replicas).flat_map(|replica| PATHS.map(|path| (replica, path)));
        let threads = each.map(|(replica, path)| {
            let (addresses, probed, over) =
                (Arc::clone(addresses), Arc::clone(&probed), Arc::clone(&over));
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    // Apart from the condition, so that the lock is given back.
                    let address = lock(&addresses)[replica];
                    if let Some(address) = address {
                        note(&probed, started, &probe(address, path));
                    }
                    std::thread::sleep(EVERY.saturating_sub(started.elapsed()));
                }
            })
        });
        let threads = threads.collect();
        Self { probed, over, threads }
    }

    /// What came of them since the last time that this was asked, or since the start.
    pub(super) fn take(&self) -> Probed {
        std::mem::take(&mut lock(&self.probed))
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic was printed already.
            let _ = thread.join();
        }
    }
}

fn note(probed: &Mutex<Probed>, started: Instant, status: &Result<u16>) {
    let mut probed = lock(probed);
    probed.worst = probed.worst.max(started.elapsed());
    probed.failed += usize::from(!matches!(status, Ok(200)));
    probed.asked += 1;
}

fn probe(address: SocketAddr, path: &str) -> Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, LONGEST)?;
    stream.set_read_timeout(Some(LONGEST))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no HTTP")
}

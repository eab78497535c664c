//! Lines of the log on their way to standard error.
//!
//! A thread of its own writes them. If nobody reads standard error, as when a container runtime
//! hangs, a write to it blocks, and no reconciliation or election may wait for that. So a line that
//! finds the queue full is lost.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// This many lines wait at most.
const MOST: usize = 1_024;

enum Entry {
    Line(Vec<u8>),
    /// All that came before it is written.
    Flush(SyncSender<()>),
}

/// The queue. Clones are the same one.
#[derive(Clone)]
pub(crate) struct LogQueue {
    entries: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl LogQueue {
    /// Starts the thread that writes there.
    ///
    /// # Errors
    /// There is no thread.
    pub(crate) fn start(to: impl Write + Send + 'static) -> io::Result<Self> {
        let (entries, waiting) = sync_channel(MOST);
        let lost = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&lost);
        let write = move || write_all(&waiting, to, &counter);
        thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok(Self { entries, lost })
    }

    /// Waits until all lines are written, but not for long.
    pub(crate) fn flush(&self, patience: Duration) {
        let (done, is_done) = sync_channel(1);
        let (begun, mut entry) = (Instant::now(), Entry::Flush(done));
        while let Err(TrySendError::Full(again)) = self.entries.try_send(entry) {
            if begun.elapsed() >= patience {
                return;
            }
            thread::sleep(Duration::from_millis(5));
            entry = again;
        }
        let _ = is_done.recv_timeout(patience.saturating_sub(begun.elapsed()));
    }
}

fn write_all(waiting: &Receiver<Entry>, mut to: impl Write, lost: &AtomicU64) {
    loop {
        let next = waiting.try_recv().or_else(|_| {
            // There is room for it now.
            tell_of_lost_lines(lost);
            waiting.recv()
        });
        match next {
            // There is nowhere to say that it failed.
            Ok(Entry::Line(line)) => drop(to.write_all(&line)),
            Ok(Entry::Flush(done)) => drop(done.send(())),
            Err(_) => return,
        }
    }
}

fn tell_of_lost_lines(lost: &AtomicU64) {
    let lines = lost.swap(0, Ordering::Relaxed);
    if lines > 0 {
        tracing::warn!(lines, "lines of the log were lost because nobody read standard error");
    }
}

/// Takes whole lines.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.entries.try_send(Entry::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn nobody_waits_for_a_reader() {
        let (mut reader, writer) = io::pipe().unwrap();
        let queue = LogQueue::start(writer).unwrap();
        // More than fits into the pipe and the queue.
        let line = [b'x'; 4_096];
        for _ in 0..2 * MOST {
            (&queue).write_all(&line).unwrap();
        }
        queue.flush(Duration::ZERO);
        drop(queue);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read.len() % line.len(), 0, "lines are lost as a whole");
        let kept = read.len() / line.len();
        assert!((MOST..2 * MOST).contains(&kept), "{kept}");
    }

    #[test]
    fn what_came_before_a_flush_is_written() {
        let (mut reader, writer) = io::pipe().unwrap();
        let queue = LogQueue::start(writer).unwrap();
        (&queue).write_all(b"a line\n").unwrap();
        queue.flush(Duration::from_mins(1));
        drop(queue);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a line\n");
    }
}

//! What a measurement was made on, and what a process has taken so far.

use std::time::Duration;

use anyhow::{Context, Result};

/// One line: processor, cores, memory, and how this program was built.
pub(super) fn machine() -> String {
    let model = field("/proc/cpuinfo", "model name").unwrap_or("an unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let gibibytes = kibibytes("/proc/meminfo", "MemTotal").unwrap_or_default() / 1024 / 1024;
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!("{model}, {cores} cores, {gibibytes} GiB of memory; {build} build of the testbed")
}

/// The memory of a process that is resident, in KiB, and the most that ever was.
pub(super) fn memory(process: u32) -> Result<(u64, u64)> {
    let status = format!("/proc/{process}/status");
    let memory = kibibytes(&status, "VmRSS").zip(kibibytes(&status, "VmHWM"));
    memory.with_context(|| format!("read {status}"))
}

/// How long the threads of a process have run that it has now, to the nanosecond: other times are
/// in ticks, which are too long for a process that does next to nothing.
pub(super) fn running_time(process: u32) -> Result<Duration> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).context("list its threads")?;
    let times = threads.flatten().filter_map(|thread| {
        // The first field of sched-stats(rst); a thread that ends meanwhile has none.
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    Ok(times.sum())
}

fn kibibytes(file: &str, name: &str) -> Option<u64> {
    field(file, name)?.split(' ').next()?.parse().ok()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

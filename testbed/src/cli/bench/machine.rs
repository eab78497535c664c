//! What a measurement was made on, and what a process has taken so far.

use std::time::Duration;

use anyhow::{Context, Result};

/// One line: processor, cores, memory, and how this program was built.
pub(super) fn machine() -> String {
    let model =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kibibytes =
        field("/proc/meminfo", "MemTotal").and_then(|text| kibibytes_of(&text)).unwrap_or_default();
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!("{model}, {cores} cores, {} GiB of memory; {build} build", kibibytes / 1024 / 1024)
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Resident, in KiB.
    pub(super) memory: u64,
    /// The most that was ever resident, in KiB.
    pub(super) peak: u64,
    /// User and system together.
    pub(super) cpu: Duration,
}

impl Usage {
    pub(super) fn of(process: u32) -> Result<Self> {
        let status = format!("/proc/{process}/status");
        let kibibytes = |name| {
            field(&status, name).and_then(|text| kibibytes_of(&text)).context("read its memory")
        };
        let (memory, peak) = (kibibytes("VmRSS")?, kibibytes("VmHWM")?);
        let stat =
            std::fs::read_to_string(format!("/proc/{process}/stat")).context("read its times")?;
        // The name before the last parenthesis may have spaces; utime and stime are the 14th and
        // 15th fields (proc(5)).
        let fields: Vec<&str> =
            stat.rsplit_once(')').context("read its times")?.1.split_whitespace().collect();
        let ticks: u64 = fields
            .get(11..13)
            .context("read its times")?
            .iter()
            .filter_map(|it| it.parse::<u64>().ok())
            .sum();
        // A tick is 10 ms on every Linux that this runs on.
        Ok(Self { memory, peak, cpu: Duration::from_millis(ticks * 10) })
    }
}

/// How long the threads of a process have run that it has now, to the nanosecond: `Usage` counts in
/// ticks, which are too long for a process that does next to nothing.
pub(super) fn running_time(process: u32) -> Result<Duration> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).context("list its threads")?;
    let times = threads.flatten().filter_map(|thread| {
        // The first field of sched-stats(rst); a thread that ends meanwhile has none.
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    Ok(times.sum())
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kibibytes_of(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}

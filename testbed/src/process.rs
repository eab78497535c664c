//! Commands that cannot outlive the process that starts them, and what `/proc` tells about others.
//!
//! Linux only. The kernel ends a child when its parent's *thread* is gone, so whoever spawns such a
//! command must do it from a thread that lives as long as the process: the main thread or a test's
//! own, in `block_on`; never `spawn_blocking`, whose threads end when they have been idle for some
//! seconds.

use std::ffi::OsStr;
use std::process::Command;

/// A command that gets SIGKILL when this process ends, in whatever way.
///
/// `setpriv` (util-linux) asks the kernel for it. Between the fork and that moment this process may
/// have gone already, so the shell then looks whether its parent is still the right one. It then
/// becomes `program`, with the same process id.
#[must_use]
pub fn bound_to_this_process(program: impl AsRef<OsStr>) -> Command {
    let parent = std::process::id().to_string();
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "sh", "-c", r#"test "$PPID" = "$0" && exec "$@""#, &parent])
        .arg(program);
    command
}

/// When a process was started, in clock ticks since boot; `None` if there is none with this id, or
/// only its remains.
///
/// Id and start together name a process: ids are used again.
#[must_use]
pub fn started_at(pid: u32) -> Option<u64> {
    const AFTER_NAME_STATE: usize = 0;
    const AFTER_NAME_START: usize = 19;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything, parentheses too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let is_dead = matches!(fields.get(AFTER_NAME_STATE), Some(&("Z" | "X")) | None);
    if is_dead { None } else { fields.get(AFTER_NAME_START)?.parse().ok() }
}

/// The processes whose arguments hold `text`, with their arguments.
#[must_use]
pub fn with_argument(text: &str) -> Vec<(u32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let commands = pids.filter_map(|pid| {
        // A process that ends meanwhile is none of those looked for.
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&arguments).replace('\0', " ")))
    });
    commands.filter(|(_, arguments)| arguments.contains(text)).collect()
}

//! `testbed run` leaves nothing behind, however it ends, and two of them do not disturb each other.
//!
//! Each test starts control planes of its own. The command below one writes down where its
//! directory is, and what it finds.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testbed::process;

const DEADLINE: Duration = Duration::from_mins(2);

/// A `testbed run` whose command is a shell script.
struct Run {
    process: Child,
    notes: TempDir,
}

impl Run {
    /// In the script, `$NOTES` is a directory. It goes on once that holds `go`.
    fn start(script: &str) -> Self {
        let notes = tempfile::tempdir().expect("a directory");
        let script = format!(
            "echo $TESTBED_DIR > $NOTES/directory; echo $$ > $NOTES/pid
             kubectl config view -o jsonpath='{{.clusters[0].cluster.server}}' > $NOTES/server.new
             mv $NOTES/server.new $NOTES/server
             until test -e $NOTES/go; do sleep 0.05; done
             {script}"
        );
        let log = fs::File::create(notes.path().join("log")).expect("a file");
        let process = Command::new(env!("CARGO_BIN_EXE_testbed"))
            .args(["run", "--tools", &tools().to_string_lossy(), "--", "sh", "-c", &script])
            .env("NOTES", notes.path())
            .env("TMPDIR", notes.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("testbed starts");
        Self { process, notes }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.notes.path().join("log")).unwrap_or_default()
    }

    /// Waits until the command runs; returns the directory of the run.
    fn wait_for_command(&mut self) -> PathBuf {
        let server = self.notes.path().join("server");
        wait_for("the command to run", || {
            let ended = self.process.try_wait().expect("the process is ours");
            assert!(ended.is_none(), "testbed ended early:\n{}", self.log());
            server.exists()
        });
        self.note("directory").into()
    }

    fn note(&self, name: &str) -> String {
        fs::read_to_string(self.notes.path().join(name))
            .expect("the command wrote it")
            .trim()
            .to_owned()
    }

    fn go(&self) {
        fs::write(self.notes.path().join("go"), "").expect("the directory is ours");
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("an id is positive");
        kill_process(pid, signal).expect("it still runs");
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for("testbed to end", || {
            status = self.process.try_wait().expect("the process is ours");
            status.is_some()
        });
        status.expect("it has ended")
    }

    fn port_is_open(&self) -> bool {
        let server = self.note("server");
        TcpStream::connect(server.strip_prefix("https://").expect("a URL with TLS")).is_ok()
    }

    /// No process that was told of this directory, and no port. After SIGKILL the kernel takes some
    /// milliseconds, and the arguments go before the ports.
    fn assert_nothing_left(&self, directory: &Path) {
        let directory = directory.to_string_lossy();
        wait_for("all processes to end", || process::with_argument(&directory).is_empty());
        wait_for("the API server's port to be closed", || !self.port_is_open());
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tools() -> PathBuf {
    let tools = std::env::var_os("TESTBED_TOOLS").map(PathBuf::from);
    tools.unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(".tools").join("bin")
    })
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_runs_side_by_side_have_their_own_and_a_failing_one_passes_its_exit_code_on() {
    let mut first = Run::start(
        "kubectl create namespace first && kubectl get namespaces --output name > $NOTES/seen; \
            exit 7",
    );
    let mut second = Run::start("kubectl get namespaces --output name > $NOTES/seen");
    let first_directory = first.wait_for_command();
    let second_directory = second.wait_for_command();
    assert_eq!(
        process::with_argument(&format!("{}/", first_directory.display())).len(),
        3,
        "{}",
        first.log()
    );

    first.go();
    assert_eq!(first.wait().code(), Some(7), "{}", first.log());
    first.assert_nothing_left(&first_directory);
    assert!(first.note("seen").contains("namespace/first"));
    assert!(
        first.log().contains(&format!("the logs are in {}", first_directory.display())),
        "{}",
        first.log()
    );
    assert!(first_directory.join("kube-apiserver.log").is_file());

    second.go();
    assert_eq!(second.wait().code(), Some(0), "{}", second.log());
    second.assert_nothing_left(&second_directory);
    assert!(second.note("seen").contains("namespace/default"));
    assert!(!second.note("seen").contains("namespace/first"));
    assert!(!second_directory.exists(), "a directory is left after success");
}

#[test]
fn sigkill_leaves_nothing() {
    let mut run = Run::start("");
    let directory = run.wait_for_command();
    let command = run.note("pid").parse().expect("the shell's id");
    assert!(run.port_is_open());
    assert!(process::started_at(command).is_some());
    run.signal(Signal::KILL);
    run.wait();
    run.assert_nothing_left(&directory);
    wait_for("the command to end", || process::started_at(command).is_none());
}

#[test]
fn sigterm_is_passed_on_and_leaves_nothing() {
    let mut run = Run::start(
        "trap 'echo asked > $NOTES/asked; exit 5' TERM; touch $NOTES/trapped; sleep 1000 & wait",
    );
    let directory = run.wait_for_command();
    run.go();
    let trapped = run.notes.path().join("trapped");
    wait_for("the command to listen", || trapped.exists());
    run.signal(Signal::TERM);
    assert_eq!(run.wait().code(), Some(5), "{}", run.log());
    assert_eq!(run.note("asked"), "asked");
    run.assert_nothing_left(&directory);
}

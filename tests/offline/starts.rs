//! How the operator starts, or refuses to, with what the environment says about AWS. No API server
//! is there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A kubeconfig of a cluster that does not answer.
const KUBECONFIG: &str = r#"{
    "apiVersion": "v1", "kind": "Config", "current-context": "a",
    "contexts": [{ "name": "a", "context": { "cluster": "c", "user": "u" } }],
    "clusters": [{ "name": "c", "cluster": { "server": "https://127.0.0.1:1" } }],
    "users": [{ "name": "u", "user": { "token": "x" } }]
}"#;

fn operator(folder: &Path, environment: &[(&str, &str)]) -> Command {
    let kubeconfig = folder.join("kubeconfig");
    std::fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightsail-operator"));
    command.env_clear().env("HOME", folder).env("KUBECONFIG", kubeconfig);
    command.envs(environment.iter().copied());
    command.env("LIGHTSAIL_OPERATOR_LEADER_ELECTION", "false");
    command.args(["--bind-address", "127.0.0.1:0"]);
    command
}

#[test]
fn an_endpoint_of_a_profile_that_cannot_be_used_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let profile = |lines: &str| {
        let file = folder.path().join("config");
        std::fs::write(&file, format!("[default]\n{lines}\n")).unwrap();
    };
    let file = folder.path().join("config");
    let config = [("AWS_CONFIG_FILE", file.to_str().unwrap())];
    for (name, lines, expected) in [
        ("profile", "endpoint_url = https://h/?secret", "endpoint_url of the profile"),
        ("empty", "endpoint_url =", "for Lightsail, is empty"),
        (
            "service",
            "services = s\n[services s]\nsts =\n  endpoint_url = secret",
            "for STS, does not begin with https://",
        ),
    ] {
        profile(lines);
        let Output { status, stderr, stdout } = operator(folder.path(), &config).output().unwrap();
        let said = [stderr, stdout].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert_eq!(status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(expected) && !said.contains("secret"), "{name}: {said}");
    }
}

#[test]
fn a_file_of_cas_that_cannot_be_used_is_named_without_a_backtrace() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (file, expected) in [
        (folder.path().join("nope.pem"), "nope.pem cannot be read: "),
        (empty, "empty.pem has no certificates"),
    ] {
        let environment = [("AWS_CA_BUNDLE", file.to_str().unwrap()), ("RUST_BACKTRACE", "1")];
        let Output { status, stderr, .. } = operator(folder.path(), &environment).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(expected) && !said.contains("backtrace"), "{said}");
    }
}

/// It waits for the API server, so AWS is configured.
#[test]
fn what_is_left_empty_or_is_for_other_sdks_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, "[default]\nretry_mode = legacy\nmax_attempts = ten\nregion =\n")
        .unwrap();
    let config = config.to_str().unwrap();
    for environment in [
        vec![("AWS_ENDPOINT_URL", ""), ("AWS_ENDPOINT_URL_STS", ""), ("AWS_REGION", "")],
        vec![("AWS_RETRY_MODE", "legacy"), ("AWS_MAX_ATTEMPTS", "0")],
        vec![("AWS_CONFIG_FILE", config)],
    ] {
        let (mut child, log) = start(operator(folder.path(), &environment), folder.path());
        let says = "requests to the Kubernetes API server are failing";
        let outcome = wait_until(&mut child, || read(&log).contains(says));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(outcome, "{environment:?}: {}", read(&log));
    }
}

/// Starts the operator, whose log goes to a file.
fn start(mut operator: Command, folder: &Path) -> (Child, PathBuf) {
    let log = folder.join("log");
    let file = std::fs::File::create(&log).unwrap();
    let child = operator.stdout(Stdio::null()).stderr(file).spawn().unwrap();
    (child, log)
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap()
}

/// Whether that comes to be before the process ends, within a minute.
fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !is_so() {
        if child.try_wait().unwrap().is_some() || start.elapsed() > Duration::from_mins(1) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// What the operator answers at the address that its log names.
fn get(log: &Path, path: &str) -> String {
    let said = read(log);
    let address = said.split("\"address\":\"").nth(1).unwrap().split('"').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Starts the operator with a credential plugin, a script in the folder, in which it may count its
/// calls. It runs until the folder goes or the file `hold` does.
fn start_with_plugin(folder: &Path, script: &str, arguments: &[&str]) -> (Child, PathBuf) {
    const USER: &str = r#""user": { "token": "x" }"#;
    let hold = "hold() { while test -e hold; do sleep 0.1; done; }";
    let user = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
        "args": ["-c", format!("cd '{}'; {hold}; {script}", folder.display())],
        "interactiveMode": "Never",
    });
    let mut operator = operator(folder, &[("PATH", "/usr/bin:/bin")]);
    assert!(KUBECONFIG.contains(USER));
    let kubeconfig = KUBECONFIG.replace(USER, &format!(r#""user": {{ "exec": {user} }}"#));
    std::fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
    operator.args(["--log-format", "json"]).args(arguments);
    start(operator, folder)
}

fn print_token(expires: &str) -> String {
    format!(
        r#"echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",
        "status":{{"token":"x","expirationTimestamp":"{expires}"}}}}'"#
    )
}

/// Nobody ends it: it may ask a person.
#[test]
fn a_credential_plugin_that_hangs_is_named() {
    let waits = "waiting for: the kubeconfig's credential plugin";
    // The client library runs it three times for a client. The election has a client of its own.
    let second = format!(
        "echo >> calls; if test $(wc -l < calls) -gt 3; then hold; fi; {}",
        print_token("2999-01-01T00:00:00Z")
    );
    for (name, script, arguments) in [
        ("at the start", "hold", &[][..]),
        ("when the election begins", &second, &["--leader-election", "--cluster-id=a"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("hold"), "").unwrap();
        let (mut child, log) = start_with_plugin(folder.path(), script, arguments);
        let says = "waiting for the kubeconfig's credential plugin";
        let is_said = wait_until(&mut child, || read(&log).contains(says));
        let answers = is_said.then(|| ["/readyz", "/livez"].map(|path| get(&log, path)));
        child.kill().unwrap();
        child.wait().unwrap();
        let Some([readyz, livez]) = answers else { panic!("{name}: {}", read(&log)) };
        assert!(readyz.starts_with("HTTP/1.1 503") && readyz.contains(waits), "{readyz}");
        assert!(livez.starts_with("HTTP/1.1 200"), "{livez}");
    }
}

/// Its token has expired, so each request asks it for another one.
#[test]
fn a_credential_plugin_that_hangs_later_is_named_too() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("hold; {}", print_token("2026-11-24T12:00:00Z"));
    let (mut child, log) = start_with_plugin(folder.path(), &script, &[]);
    let fails = "requests to the Kubernetes API server are failing";
    let has_begun = wait_until(&mut child, || read(&log).contains(fails));
    std::fs::write(folder.path().join("hold"), "").unwrap();
    let says = "127.0.0.1:1: no response in time from it, or from the kubeconfig's credential \
                plugin";
    let is_said = has_begun && wait_until(&mut child, || get(&log, "/readyz").contains(says));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_said, "{}", read(&log));
}

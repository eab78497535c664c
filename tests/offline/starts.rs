//! How the operator starts, or refuses to, with what the environment says about AWS. No API server
//! is there.

use std::path::Path;
use std::process::{Command, Output, Stdio};
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
    command.args(["--leader-election=false", "--bind-address", "127.0.0.1:0"]);
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
        let log = folder.path().join("log");
        let file = || std::fs::File::create(&log).unwrap();
        let mut child = operator(folder.path(), &environment)
            .stdout(Stdio::null())
            .stderr(file())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let ended = loop {
            let said = std::fs::read_to_string(&log).unwrap();
            let ended = child.try_wait().unwrap();
            if ended.is_some() || said.contains("requests to the Kubernetes API server are failing")
            {
                break ended;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "{environment:?}: {said}");
            std::thread::sleep(Duration::from_millis(20));
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(ended, None, "{environment:?}");
    }
}

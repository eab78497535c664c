//! `testbed simulator` as a person starts it, and what its admin API never says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A simulator as a process. It is killed when it is dropped.
struct Alone {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    lines: Vec<(String, String)>,
}

impl Alone {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let lines = std::iter::repeat_with(|| {
            let mut line = String::new();
            output.read_line(&mut line).expect("text");
            let assignment = line.trim_end().strip_prefix("export ").expect("only lines to paste");
            let (name, value) = assignment.split_once('=').expect("a name and a value");
            (name.to_owned(), value.to_owned())
        });
        let lines = lines.take(5).collect();
        Self { child, output, lines }
    }

    fn value(&self, name: &str) -> &str {
        let line = self.lines.iter().find(|(own, _)| own == name);
        line.map(|(_, value)| value.as_str()).expect("the variable is printed")
    }

    /// One request to the admin API.
    fn admin(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let host = self.value("AWS_ENDPOINT_URL").strip_prefix("http://").expect("plain HTTP");
        let mut stream = TcpStream::connect(host).expect("it listens");
        let length = body.len();
        write!(
            stream,
            "{method} /_simulator{path} HTTP/1.1\r\nhost: {host}\r\nconnection: \
                close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).expect("JSON"))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.arg("simulator").args(arguments);
    command
}

#[test]
fn it_prints_lines_to_paste_and_nothing_else_until_it_is_told_to_end() {
    let mut alone = Alone::start(&[
        "--instance",
        "web-1",
        "--windows-instance",
        "win-1",
        "--switch",
        "pageSize=7",
    ]);
    let names: Vec<&str> = alone.lines.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ];
    assert_eq!(names, wanted);
    let (status, state) = alone.admin("GET", "/state", "");
    assert_eq!((status, &state["switches"]["pageSize"]), (200, &json!(7)));
    let instances = state["regions"][0]["instances"].as_array().expect("a list");
    let instances: Vec<_> = instances.iter().map(|it| (&it["name"], &it["blueprintId"])).collect();
    let (linux, windows) = (json!("debian_12"), json!("windows_server_2022"));
    assert_eq!(instances, [(&json!("web-1"), &linux), (&json!("win-1"), &windows)]);

    let process =
        rustix::process::Pid::from_raw(i32::try_from(alone.child.id()).expect("a small number"));
    rustix::process::kill_process(process.expect("not zero"), rustix::process::Signal::TERM)
        .expect("it runs");
    let mut rest = String::new();
    alone.output.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "");
    assert!(alone.child.wait().expect("it ends").success());
}

/// As in a cluster: at an address that others reach, with an access key that they know.
#[test]
fn it_takes_an_address_and_an_access_key_that_others_know() {
    let alone = Alone::start(&[
        "--address",
        "127.0.0.2",
        "--access-key-id",
        "known",
        "--secret-access-key",
        "well-known",
        "--default-key-pair",
    ]);
    let (_, state) = alone.admin("GET", "/state", "");
    assert!(state["regions"][0].to_string().contains("LightsailDefaultKeyPair"), "{state}");
    assert!(alone.value("AWS_ENDPOINT_URL").starts_with("http://127.0.0.2:"));
    assert_eq!(alone.value("AWS_ACCESS_KEY_ID"), "known");
    assert_eq!(alone.value("AWS_SECRET_ACCESS_KEY"), "well-known");
    assert_eq!(alone.admin("GET", "/counts", "").0, 200);
}

#[test]
fn what_it_does_not_understand_it_says_and_ends() {
    for (arguments, said) in [
        (["--switch", "pagesize=7"], "unknown field `pagesize`"),
        (["--switch", "pageSize"], "is not NAME=VALUE"),
        (["--policy", "/nonexistent"], "read /nonexistent"),
        (["--access-key-id", "known"], "--secret-access-key"),
        (["--address", "localhost"], "--address"),
    ] {
        let output = command(&arguments).output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn private_keys_and_secrets_are_in_no_dump() {
    let alone = Alone::start(&[]);
    let place = "/regions/123456789012/eu-west-1";
    let (status, pair) = alone.admin("POST", &format!("{place}/default-key-pair"), "");
    assert_eq!((status, &pair["name"]), (200, &json!("LightsailDefaultKeyPair")));
    let (_, state) = alone.admin("GET", "/state", "");
    let shown = &state["regions"][0]["keyPairs"][0];
    assert_eq!(shown["fingerprint"], pair["fingerprint"]);
    assert!(shown["publicKey"].as_str().expect("a line").starts_with("ssh-rsa "), "{shown}");
    let dump = state.to_string();
    assert!(
        !dump.contains("PRIVATE") && !dump.contains(alone.value("AWS_SECRET_ACCESS_KEY")),
        "{dump}"
    );
    // The clock moves what is dumped.
    let (_, clock) = alone.admin("PUT", "/clock", r#"{"offsetMillis": -5000}"#);
    assert_eq!(clock["offsetMillis"], json!(-5000));
    let (status, refusal) = alone.admin("PATCH", "/switches", r#"{"latency": -1}"#);
    assert_eq!(status, 400, "{refusal}");
    assert_eq!(alone.admin("DELETE", &format!("{place}/key-pairs/nobody"), "").0, 404);
}

#[test]
fn the_benchmark_measures_and_says_on_what() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_testbed"));
    let output = bench
        .args(["bench", "simulator", "--key-pairs", "50", "--requests", "100"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for part in
        [" cores, ", "ImportKeyPair ", "GetKeyPairs, a page of 20 ", "memory of the simulator: "]
    {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

//! The simulator as clients understand it that nobody here wrote: boto3 and the AWS SDK for
//! JavaScript.
//!
//! What they check, and how they hold answers against AWS's own model of the API, is in
//! `python/conformance` and `javascript`. They set the scenes over the admin API, which is checked
//! with that.

use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::simulator::{Options, Simulator};

/// Runs a program of the testbed's against a simulator of its own. The environment has nothing
/// else.
async fn run_against_a_simulator(program: &Path, script: &str) {
    let simulator = Simulator::start(Options::default()).await.expect("a free port");
    let credentials = simulator.add_account("123456789012");
    simulator.region("123456789012", "eu-west-1").add_instance("web-1");
    let output = Command::new(program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .env_clear()
        // What ssh-keygen and openssl are found by.
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", simulator.url())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_DEFAULT_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", credentials.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
        .output()
        .expect("the program starts; `make setup` installs what is missing");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // A program that checked nothing would end well too.
    let summary = said
        .lines()
        .find(|line| line.contains("checks held"))
        .expect("the last line says how many checks held");
    eprintln!("{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_and_the_simulator_understand_each_other() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    let python = std::env::var_os("TESTBED_PYTHON").map_or_else(beside, PathBuf::from);
    assert!(
        python.is_file(),
        "there is no {}; `make test` makes it, as does `make .venv`",
        python.display()
    );
    run_against_a_simulator(&python, "python/conformance").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_javascript_and_the_simulator_understand_each_other() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("javascript/node_modules/@aws-sdk/client-lightsail");
    assert!(
        modules.is_dir(),
        "there is no {}; `make test` makes it, as does `make javascript`",
        modules.display()
    );
    run_against_a_simulator(Path::new("node"), "javascript/conformance.js").await;
}

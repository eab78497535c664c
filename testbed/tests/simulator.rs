//! The simulator as boto3 understands it: a client that nobody here wrote, with AWS's own model of the API.

use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::simulator::{Options, Simulator};

#[tokio::test(flavor = "multi_thread")]
async fn boto3_and_the_simulator_understand_each_other() {
    let simulator = Simulator::start(Options::default()).await.expect("a free port");
    let credentials = simulator.add_account("123456789012");
    simulator.region("123456789012", "eu-west-1").add_instance("web-1");

    let python = python();
    assert!(python.is_file(), "there is no {}; `make test` makes it, as does `make .venv`", python.display());
    let output = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join("smoke.py"))
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", simulator.url())
        .env("AWS_DEFAULT_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", credentials.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn python() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(".venv").join("bin").join("python");
    std::env::var_os("TESTBED_PYTHON").map_or_else(beside, PathBuf::from)
}
